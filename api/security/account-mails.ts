import { setTimeout } from "node:timers/promises";
import type { Invitation, User } from "#db";
import type { Services } from "../services.ts";
import { hashToken, newOpaqueToken } from "./tokens.ts";

const HOUR_MS = 3_600_000;
const MINUTE_MS = 60_000;

type Addressee = Pick<User, "id" | "email">;

/** Mails of accounts. They are sent behind the answer, so that how long it takes tells nothing, but for invitations; a failure is in the log. */
export interface AccountMails {
  verifyEmail(user: Addressee): void;
  /** Where there is such an account. */
  resetPassword(email: string): void;
  /** To the owner, who may know nothing of it. */
  changed(user: Addressee, what: string): void;
  /** @returns whether the mail server has taken it, within `SMTP_TIMEOUT_MS`. */
  invite(invitation: Pick<Invitation, "id" | "email" | "role" | "expiresAt">, about: { token: string; organization: string; by: string }): Promise<boolean>;
}

/** Of what others have written that stands in a mail. */
const QUOTED_MAX_LENGTH = 100;

export function createAccountMails({
  db: { accounts, accountTokens },
  mailer,
  settings,
  logger,
}: Pick<Services, "db" | "mailer" | "settings" | "logger">): AccountMails {
  function behind(what: string, work: () => Promise<void>): void {
    work().catch((error: unknown) => logger.error({ err: error }, `${what} was not sent`));
  }

  /** The token stands behind `#`: browsers send it to no server and in no referrer. */
  function howTo(page: string, path: string, token: string): string {
    const base = settings.WEB_URL;
    const link = base === undefined ? "" : `Open ${base.replace(/\/+$/, "")}/${page}#token=${token}\n\nor `;
    return `${link}${link === "" ? "S" : "s"}end this token to POST ${path}:\n\n${token}\n`;
  }

  /** One line between quotes: what members call themselves is all that they can have us write to strangers. */
  function quoted(text: string): string {
    const line = text.replaceAll(/[\s\p{C}]+/gu, " ").trim();
    return `"${line.length > QUOTED_MAX_LENGTH ? `${line.slice(0, QUOTED_MAX_LENGTH)}…` : line}"`;
  }

  async function newToken(purpose: "verify_email" | "reset_password", user: Addressee, lifetimeMs: number): Promise<string> {
    const token = newOpaqueToken();
    const expiresAt = new Date(Date.now() + lifetimeMs);
    await accountTokens.create({ purpose, userId: user.id, tokenHash: hashToken(token), data: { email: user.email }, expiresAt });
    return token;
  }

  return {
    verifyEmail: (user) =>
      behind("a mail to verify an address", async () => {
        const token = await newToken("verify_email", user, settings.EMAIL_TOKEN_EXPIRE_HOURS * HOUR_MS);
        await mailer.send({
          to: user.email,
          subject: "Verify your address",
          text: `An account was made with this address. If it is yours, verify the address within ${settings.EMAIL_TOKEN_EXPIRE_HOURS} hours. ${howTo("verify-email", "/api/v1/auth/email/verify", token)}\nIf it is not, ignore this mail.\n`,
        });
      }),

    resetPassword: (email) =>
      behind("a mail to set a password", async () => {
        const user = await accounts.findByEmail(email);
        if (!user) return;
        const token = await newToken("reset_password", user, settings.PASSWORD_RESET_EXPIRE_MINUTES * MINUTE_MS);
        await mailer.send({
          to: user.email,
          subject: "Set a new password",
          text: `Somebody asked for a new password of your account. To set one within ${settings.PASSWORD_RESET_EXPIRE_MINUTES} minutes: ${howTo("reset-password", "/api/v1/auth/password/reset", token)}\nIf it was not you, ignore this mail: nothing has changed.\n`,
        });
      }),

    changed: (user, what) =>
      behind("a mail that an account was changed", () =>
        mailer.send({
          to: user.email,
          subject: "Your account was changed",
          text: `${what}\n\nIf it was not you, set a new password with POST /api/v1/auth/password/forgot and look through your sessions and API keys.\n`,
        }),
      ),

    async invite({ id, email, role, expiresAt }, { token, organization, by }) {
      const until = expiresAt.toISOString().slice(0, 16).replace("T", " ");
      const sending = mailer.send({
        to: email,
        subject: "You are invited to an organization",
        text: `${quoted(by)} invites you to be ${role === "admin" || role === "editor" || role === "operator" ? "an" : "a"} ${role} of the organization ${quoted(organization)}. To accept, until ${until} UTC: ${howTo("accept-invitation", "/api/v1/invitations/accept", token)}\nWho has an account and is signed in sends it to POST /api/v1/invitations/join. If you do not know them, ignore this mail.\n`,
      });
      const sent = sending.then(
        () => true,
        (error: unknown) => {
          logger.error({ err: error, invitation_id: id }, "a mail with an invitation was not sent");
          return false;
        },
      );
      const waiting = new AbortController();
      const late = setTimeout(settings.SMTP_TIMEOUT_MS, false, { signal: waiting.signal }).catch(() => false);
      try {
        return await Promise.race([sent, late]);
      } finally {
        waiting.abort();
      }
    },
  };
}
