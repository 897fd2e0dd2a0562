import { PerdureError } from "#core";
import { auditResourceOf } from "#contract";
import type { RemovedMember, User } from "#db";
import { type Entry, writeEntry } from "../audit/entry.ts";
import type { ApiContext } from "../context.ts";
import type { Handlers } from "../mount.ts";
import { createOwnPassword } from "../security/own-password.ts";
import { hashToken } from "../security/tokens.ts";
import type { Services } from "../services.ts";
import type { AccountTools } from "./auth.ts";

type PasswordRoute = "changePassword" | "forgotPassword" | "resetPassword" | "verifyEmail" | "sendVerification";

export function passwordHandlers(services: Services, { limits, members, mails }: AccountTools): Handlers<PasswordRoute> {
  const { passwords, logger } = services;
  const { audit: auditRows } = services.db;
  const { accounts, accountTokens } = services.db;
  const confirmPassword = createOwnPassword(services, limits);

  /** Who shows a token of a mail is known by it: the change is written down for their first organization. */
  async function audit(c: ApiContext, user: User): Promise<void> {
    const [membership] = await accounts.memberships(user.id);
    if (membership) c.set("auditActor", { tenantId: membership.tenantId, userId: user.id, role: membership.role });
  }

  /** Nobody asked for it, so no route of its own tells of it. */
  async function auditRemoved(c: ApiContext, user: User, { tenantId, userId: id, role }: RemovedMember): Promise<void> {
    const entry: Entry = {
      actor: { tenantId, userId: user.id, role: "admin" },
      apiKeyId: null,
      action: "removeMember",
      resourceType: auditResourceOf("removeMember"),
      resourceId: id,
      status: 204,
      before: { id, role },
      after: null,
    };
    await writeEntry({ audit: auditRows, logger }, c, entry, "a member was removed and it could not be written to the audit log");
  }

  return {
    async changePassword({ body, principal }) {
      const { userId, sessionId } = principal;
      const user = await confirmPassword(userId, body.current_password, "current_password");
      const to = await passwords.hash(body.new_password);
      const changed = await accounts.changePassword(userId, { from: user.passwordHash, to, ...(sessionId !== undefined && { except: sessionId }) });
      if (!changed) throw new PerdureError("resource.conflict", "The password was changed meanwhile.");
      members.forget(userId);
      mails.changed(user, "The password of your account was changed.");
      return { status: 204, body: undefined };
    },

    async forgotPassword({ body }) {
      // Counted for any address, so that the limit tells of none.
      await limits.mails.take(hashToken(body.email));
      mails.resetPassword(body.email);
      return { status: 202, body: undefined };
    },

    async resetPassword({ body, c }) {
      const tokenHash = hashToken(body.token);
      // Hashing a password costs more than anybody who guesses should be able to ask for.
      const known = await accountTokens.find("reset_password", tokenHash);
      const reset = known && (await accounts.resetPassword(tokenHash, await passwords.hash(body.password)));
      if (!reset) throw new PerdureError("auth.invalid", "The token is not valid, was used, or has expired.");
      const { user, removed } = reset;
      for (const id of [user.id, ...removed.map(({ userId }) => userId)]) members.forget(id);
      await audit(c, user);
      for (const member of removed) await auditRemoved(c, user, member);
      mails.changed(user, `A new password of your account was set, with a token that was sent to this address.${ofRemoved(removed.length)}`);
      return { status: 204, body: undefined };
    },

    async verifyEmail({ body, c }) {
      const user = await accounts.verifyEmail(hashToken(body.token));
      if (!user) throw new PerdureError("auth.invalid", "The token is not valid, was used, or has expired.");
      await audit(c, user);
      return { status: 204, body: undefined };
    },

    async sendVerification({ principal }) {
      const user = await accounts.find(principal.userId);
      if (!user) throw new PerdureError("auth.invalid", "The account of this token is gone.");
      if (user.emailVerifiedAt === null) {
        await limits.mails.take(hashToken(user.email.toLowerCase()));
        mails.verifyEmail(user);
      }
      return { status: 202, body: undefined };
    },
  };
}

/** They had joined before the address was known to be the owner's: whoever had made the account may have let them in. */
function ofRemoved(count: number): string {
  if (count === 0) return "";
  const members = count === 1 ? "1 other member was" : `${count} other members were`;
  return ` Nobody had shown before that the address is theirs, so ${members} removed from the organization that was made with the account, with their API keys: invite again whom you know.`;
}
