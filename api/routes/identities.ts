import { PerdureError } from "#core";
import type { LinkedIdentity } from "#db";
import type { Handlers } from "../mount.ts";
import { pageHeadersOf, toPage } from "../paging.ts";
import { notFound } from "../problem.ts";
import { createOwnPassword } from "../security/own-password.ts";
import type { SignInCodes } from "../security/sign-in-codes.ts";
import type { Services } from "../services.ts";
import type { AccountTools } from "./auth.ts";

type IdentityRoute = "listIdentities" | "linkIdentity" | "getIdentity" | "unlinkIdentity";

/** One's own: an identity belongs to a user and to no organization. */
export function identityHandlers(services: Services, { limits, mails }: AccountTools, codes: SignInCodes): Handlers<IdentityRoute> {
  const { accounts, identities } = services.db;
  const confirmPassword = createOwnPassword(services, limits);

  /** By its issuer, which the operator may have given to a provider of another id since. */
  const providerOf = (issuer: string) => services.oidc.providers().find((each) => sameUrl(each.issuer, issuer));

  function identityJson({ id, issuer, email, createdAt, lastUsedAt }: LinkedIdentity) {
    const provider = providerOf(issuer);
    return {
      id,
      issuer,
      provider: provider ? { id: provider.id, name: provider.name } : null,
      email,
      linked_at: createdAt.toISOString(),
      last_used_at: lastUsedAt.toISOString(),
    };
  }

  const shownName = (issuer: string): string => providerOf(issuer)?.name ?? issuer;

  return {
    async listIdentities({ query, principal, c }) {
      const page = await identities.list(principal.userId, toPage(query));
      return { status: 200, body: page.rows.map(identityJson), headers: pageHeadersOf(c, page) };
    },

    async linkIdentity({ body, principal }) {
      // Before the code is used up, so that a slip does not cost it.
      const user = await confirmPassword(principal.userId, body.password, "password");
      const kept = await codes.use(body.code, body.code_verifier);
      // No 401: who calls is known, and signing in again would not help.
      if (!kept) {
        throw new PerdureError("validation.failed", "The request is not valid.", {
          findings: [{ code: "validation.code", message: "is not valid, was used, or has expired", path: "code" }],
        });
      }
      const { issuer, subject, email } = kept;
      const linked = await identities.link(user.id, { issuer, subject, email }, "user");
      mails.changed(user, `It can be signed in to with ${shownName(issuer)} from now on.`);
      return { status: 201, body: identityJson(linked) };
    },

    async getIdentity({ params, principal }) {
      const found = await identities.get(principal.userId, params.id);
      if (!found) throw notFound("identity");
      return { status: 200, body: identityJson(found) };
    },

    async unlinkIdentity({ params, principal }) {
      const unlinked = await identities.unlink(principal.userId, params.id, (issuer) => providerOf(issuer) !== undefined);
      if (!unlinked) throw notFound("identity");
      const user = await accounts.find(principal.userId);
      if (user) mails.changed(user, `It cannot be signed in to with ${shownName(unlinked.issuer)} any more.`);
      return { status: 204, body: undefined };
    },
  };
}

/** Issuers are compared as addresses: `https://id.example.com` and `https://id.example.com/` are one. */
function sameUrl(a: string, b: string): boolean {
  return a === b || (URL.canParse(a) && URL.canParse(b) && new URL(a).href === new URL(b).href);
}
