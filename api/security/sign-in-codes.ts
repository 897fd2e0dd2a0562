import { createHash } from "node:crypto";
import type { JsonObject } from "#core";
import type { AccountTokens } from "#db";
import type { OidcClaims } from "#integrations/oidc";
import { hashToken, newOpaqueToken } from "./tokens.ts";

/** Between the way back from a provider and what is done with the code, which a page does at once. */
export const CODE_SECONDS = 60;

/** What a provider said of who signed in there, kept behind a code. */
export interface KeptClaims extends JsonObject {
  issuer: string;
  subject: string;
  /** Only where the provider says that it is verified. */
  email: string | null;
  name: string | null;
  challenge: string;
}

/** Codes that the way back from a provider ends in, each good for one use by whoever kept the verifier of `challenge`. */
export interface SignInCodes {
  issue(claims: OidcClaims, challenge: string): Promise<string>;
  /** Uses the code up, whatever the verifier. Undefined where it is not valid, was used, has expired, or is another verifier's. */
  use(code: string, verifier: string): Promise<KeptClaims | undefined>;
}

export function createSignInCodes(tokens: Pick<AccountTokens, "create" | "use">): SignInCodes {
  return {
    async issue({ issuer, subject, email, name }, challenge) {
      const code = newOpaqueToken();
      const data: KeptClaims = { issuer, subject, email: email ?? null, name: name ?? null, challenge };
      const expiresAt = new Date(Date.now() + CODE_SECONDS * 1_000);
      await tokens.create({ purpose: "sign_in", userId: null, tokenHash: hashToken(code), data, expiresAt });
      return code;
    },

    async use(code, verifier) {
      const kept = (await tokens.use("sign_in", hashToken(code)))?.data as KeptClaims | undefined;
      return kept?.challenge === createHash("sha256").update(verifier).digest("base64url") ? kept : undefined;
    },
  };
}
