import { createHash, hkdfSync, randomBytes } from "node:crypto";
import { isRole } from "#contract";
import { type JsonObject, PerdureError, isUuid, tenantId } from "#core";
import { EncryptJWT, SignJWT, errors, decodeJwt, jwtDecrypt, jwtVerify } from "jose";
import type { Principal } from "./principal.ts";

/** Whom an access token is for: a member, in one of their sessions. */
export type TokenHolder = Pick<Principal, "userId" | "tenantId" | "role"> & { readonly sessionId: string };

export interface Tokens {
  /** Seconds an access token is good for. */
  readonly expiresIn: number;
  issue(holder: TokenHolder): Promise<string>;
  /** @throws PerdureError `auth.invalid`. */
  verify(token: string): Promise<TokenHolder>;
  /** Encrypts what a caller is to keep and not to read or change. `purpose` must be the same to open it. */
  seal(purpose: string, claims: JsonObject, seconds: number): Promise<string>;
  /** Undefined where it was not sealed here for this purpose, or has expired. */
  unseal(purpose: string, sealed: string): Promise<JsonObject | undefined>;
}

const ISSUER = "perdure";
const AUDIENCE = "perdure-api";
/** RFC 9068: keeps tokens of another kind, signed with the same secret, from being taken for access tokens. */
const TYPE = "at+jwt";
/** Seconds two machines' clocks may differ. */
const CLOCK_TOLERANCE = 5;
/** Ours have some 500 characters. What is longer is not looked at. */
const TOKEN_MAX_LENGTH = 4_096;
const KEY_BYTES = 32;
/** A signed token as RFC 7515 writes it: no padding, and no bits in the last character of a 256-bit signature that say nothing. One token has one spelling. */
const COMPACT = /^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]$/;

/**
 * Access tokens: JWT, HS256, with user, tenant, role and session. A secret has at least 32 characters; the first signs, `previousSecrets` are taken as well,
 * so that it can be rotated. Which one a token names (`kid`, `jwk`, `jku`) is not looked at.
 */
export function createTokens({
  secret,
  previousSecrets = [],
  accessMinutes,
}: {
  secret: string;
  previousSecrets?: readonly string[];
  accessMinutes: number;
}): Tokens {
  const secrets = [secret, ...previousSecrets].map((text) => new TextEncoder().encode(text));
  if (secrets.some(({ length }) => length < KEY_BYTES)) throw new PerdureError("configuration.invalid", "JWT_SECRET_KEY must have at least 32 characters.");
  const [key] = secrets as [Uint8Array, ...Uint8Array[]];
  const expiresIn = Math.round(accessMinutes * 60);
  const sealKeys = (purpose: string) => secrets.map((each) => new Uint8Array(hkdfSync("sha256", each, "", `perdure sealed ${purpose}`, KEY_BYTES)));
  return {
    expiresIn,
    issue: ({ userId, tenantId: tenant, role, sessionId }) =>
      new SignJWT({ tenant, role, sid: sessionId })
        .setProtectedHeader({ alg: "HS256", typ: TYPE })
        .setIssuer(ISSUER)
        .setAudience(AUDIENCE)
        .setSubject(userId)
        .setIssuedAt()
        .setExpirationTime(`${expiresIn}s`)
        .setJti(crypto.randomUUID())
        .sign(key),

    async verify(token) {
      const payload = await verified(token, secrets, expiresIn);
      const { sub, tenant, role, sid } = payload;
      if (!isId(sub) || !isId(tenant) || !isId(sid) || typeof role !== "string" || !isRole(role)) throw notValid();
      return { userId: sub, tenantId: tenantId(tenant), role, sessionId: sid };
    },

    seal: (purpose, claims, seconds) =>
      new EncryptJWT(claims)
        .setProtectedHeader({ alg: "dir", enc: "A256GCM" })
        .setExpirationTime(`${Math.round(seconds)}s`)
        .encrypt(sealKeys(purpose)[0] as Uint8Array),

    async unseal(purpose, sealed) {
      if (sealed.length > TOKEN_MAX_LENGTH) return undefined;
      for (const each of sealKeys(purpose)) {
        try {
          const { payload } = await jwtDecrypt(sealed, each, {
            keyManagementAlgorithms: ["dir"],
            contentEncryptionAlgorithms: ["A256GCM"],
            requiredClaims: ["exp"],
          });
          return payload as JsonObject;
        } catch (error) {
          if (!(error instanceof errors.JOSEError)) throw error;
        }
      }
      return undefined;
    },
  };
}

async function verified(token: string, secrets: readonly Uint8Array[], expiresIn: number): Promise<Record<string, unknown>> {
  if (token.length > TOKEN_MAX_LENGTH || !COMPACT.test(token)) throw notValid();
  let wrongKey: unknown;
  for (const secret of secrets) {
    try {
      const { payload } = await jwtVerify(token, secret, {
        algorithms: ["HS256"],
        issuer: ISSUER,
        audience: AUDIENCE,
        typ: TYPE,
        requiredClaims: ["sub", "exp", "iat"],
        // Also refuses one that was issued in the future.
        maxTokenAge: expiresIn,
        clockTolerance: CLOCK_TOLERANCE,
      });
      return payload;
    } catch (error) {
      if (!(error instanceof errors.JWSSignatureVerificationFailed)) {
        throw error instanceof errors.JWTExpired ? new PerdureError("auth.invalid", "The access token has expired.", { cause: error }) : notValid(error);
      }
      wrongKey = error;
    }
  }
  throw notValid(wrongKey);
}

function isId(value: unknown): value is string {
  return typeof value === "string" && isUuid(value);
}

function notValid(cause?: unknown): PerdureError {
  return new PerdureError("auth.invalid", "The access token is not valid.", cause === undefined ? {} : { cause });
}

/** When an access token that was verified ends, in milliseconds since 1970. */
export function endOf(token: string): number {
  return (decodeJwt(token).exp ?? 0) * 1_000;
}

/** An opaque token, 256 random bits; only its hash is stored. */
export function newOpaqueToken(): string {
  return randomBytes(32).toString("base64url");
}

/** SHA-256, hexadecimal. Enough for a random token, which no dictionary can hold. */
export function hashToken(token: string): string {
  return createHash("sha256").update(token).digest("hex");
}
