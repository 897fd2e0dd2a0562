import { email as emailSchema } from "#contract/auth.ts";
import { PerdureError, safeParse } from "#core";
import type { SignInUser } from "#db";
import type { ApiContext } from "../context.ts";
import type { Services } from "../services.ts";
import type { KeptClaims } from "./sign-in-codes.ts";

const NAME_MAX_LENGTH = 200;

/**
 * The account of who signed in with a provider: theirs from before, else that of the same address, else a new one. By address only where both sides have
 * verified it: the provider, or anybody could claim the address there; we, or whoever registered a foreign address here would share the account with its owner.
 */
export function createProviderAccounts({ db: { accounts, identities }, settings }: Pick<Services, "db" | "settings">) {
  /** @throws PerdureError `auth.forbidden`, `resource.conflict`. */
  return async function accountOf({ issuer, subject, email: said, name }: KeptClaims, c: ApiContext): Promise<SignInUser> {
    const known = await accounts.findByIdentity({ issuer, subject });
    if (known) return known;
    const email = safeParse(emailSchema, said).data;
    if (email === undefined) throw new PerdureError("auth.forbidden", "The provider does not say that your e-mail address is verified.");
    const identity = { issuer, subject, email };
    const owner = await accounts.findByEmail(email);
    if (owner) {
      if (owner.emailVerifiedAt === null) {
        throw new PerdureError(
          "resource.conflict",
          "There is an account of this address, which was never verified. Set its password with /auth/password/forgot, then sign in with the provider again.",
        );
      }
      await identities.link(owner.id, identity, "address");
      const [membership] = await accounts.memberships(owner.id);
      if (membership) c.set("auditActor", { tenantId: membership.tenantId, userId: owner.id, role: membership.role });
      return owner;
    }
    if (settings.REGISTRATION === "closed") throw new PerdureError("auth.forbidden", "Registration is closed on this server.");
    const shown = name?.trim().slice(0, NAME_MAX_LENGTH) || email.slice(0, email.indexOf("@"));
    const { user, membership } = await accounts.register({ email, passwordHash: null, name: shown, organizationName: shown, identity });
    c.set("auditActor", { tenantId: membership.tenantId, userId: user.id, role: membership.role });
    return { ...user, passwordHash: null, securityEpoch: 0 };
  };
}
