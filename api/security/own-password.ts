import { PerdureError } from "#core";
import type { SignInUser } from "#db";
import type { AccountLimits } from "../limits/route-limits.ts";
import type { Services } from "../services.ts";
import { hashToken } from "./tokens.ts";

/** Who is signed in shows that they know the password as well: a token that was found is not enough for what decides over the account. */
export function createOwnPassword({ db: { accounts }, passwords }: Pick<Services, "db" | "passwords">, limits: AccountLimits) {
  /**
   * @throws PerdureError `validation.failed` where it is wrong, `resource.conflict` where the account has none, `rate.limited`. Wrong ones count as
   *   those at sign-in do.
   */
  return async function confirm(userId: string, password: string, path: string): Promise<SignInUser & { passwordHash: string }> {
    const user = await accounts.find(userId);
    if (!user) throw new PerdureError("auth.invalid", "The account of this token is gone.");
    const { passwordHash } = user;
    if (passwordHash === null) {
      throw new PerdureError("resource.conflict", "This account has no password: it signs in with a provider. Set one with /auth/password/forgot.");
    }
    const accountHash = hashToken(user.email.toLowerCase());
    await limits.take(accountHash);
    if (!(await passwords.verify(password, passwordHash))) {
      throw new PerdureError("validation.failed", "The password is wrong.", {
        findings: [{ code: "validation.password", message: "is not the password of this account", path }],
      });
    }
    await limits.giveBack(accountHash);
    return { ...user, passwordHash };
  };
}
