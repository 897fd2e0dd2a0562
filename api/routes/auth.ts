import { PerdureError } from "#core";
import { codecCookie } from "../middleware/codec-access.ts";
import type { AccountLimits } from "../limits/route-limits.ts";
import type { Handlers } from "../mount.ts";
import { clientAddress, userAgent } from "../context.ts";
import { notFound } from "../problem.ts";
import type { AccountMails } from "../security/account-mails.ts";
import type { Members } from "../security/members.ts";
import { accountJson, createSessions } from "../security/sessions.ts";
import { hashToken, newOpaqueToken } from "../security/tokens.ts";
import type { Services } from "../services.ts";

/** What the routes of accounts share beside the services. */
export interface AccountTools {
  readonly limits: AccountLimits;
  readonly members: Members;
  readonly mails: AccountMails;
}

/** So that Temporal's Web UI, in the same browser, may ask for what it shows. */
export function forCodec({ access_token, expires_in }: { access_token: string; expires_in: number }, { PUBLIC_URL }: Pick<Services["settings"], "PUBLIC_URL">) {
  return { "set-cookie": codecCookie(access_token, expires_in, PUBLIC_URL?.startsWith("https:") ?? false) };
}

export function authHandlers(services: Services, { limits, members, mails }: AccountTools): Handlers<"register" | "login" | "refresh" | "logout" | "me"> {
  const { passwords, settings } = services;
  const { accounts, userSessions } = services.db;
  const { open, proceed, choose, noteLogin, accessToken, refreshExpiry } = createSessions(services);

  return {
    async register({ body, c }) {
      if (settings.REGISTRATION === "closed") throw new PerdureError("auth.forbidden", "Registration is closed on this server.");
      const name = body.name ?? body.full_name ?? body.username ?? body.email.slice(0, body.email.indexOf("@"));
      const passwordHash = await passwords.hash(body.password);
      const { user, membership } = await accounts.register({ email: body.email, passwordHash, name, organizationName: body.organization ?? name });
      c.set("auditActor", { tenantId: membership.tenantId, userId: user.id, role: membership.role });
      mails.verifyEmail(user);
      return { status: 201, body: { ...accountJson(user, membership), ...(await open({ ...user, securityEpoch: 0 }, membership, "registration", c)) } };
    },

    async login({ body, c }) {
      const accountHash = hashToken(body.email);
      await limits.take(accountHash);
      const user = await accounts.findByEmail(body.email);
      const isRight = await passwords.verify(body.password, user?.passwordHash ?? undefined);
      if (!isRight || !user) {
        if (user) c.set("refusedAccount", user.id);
        await noteLogin({ email: body.email, ...(user && { id: user.id }) }, "password", false, c);
        throw new PerdureError("auth.invalid", "The e-mail address or the password is wrong.");
      }
      await limits.giveBack(accountHash);
      const step = await proceed(user, await choose(user.id, body.organization_id), "password", c);
      if ("secondFactor" in step) return { status: 202, body: step.secondFactor };
      return { status: 200, body: step.tokens, headers: forCodec(step.tokens, settings) };
    },

    async refresh({ body, query, c }) {
      const presented = body.refresh_token ?? query.refresh_token;
      if (presented === undefined) {
        throw new PerdureError("validation.failed", "The request is not valid.", {
          findings: [{ code: "validation.required", message: "is required", path: "refresh_token" }],
        });
      }
      const next = newOpaqueToken();
      const rotation = await userSessions.rotate({
        tokenHash: hashToken(presented),
        newTokenHash: hashToken(next),
        expiresAt: refreshExpiry(),
        graceMs: settings.JWT_REFRESH_GRACE_MS,
        ip: clientAddress(c),
        userAgent: userAgent(c),
        ...(body.organization_id != null && { switchTo: body.organization_id }),
      });
      if (rotation.outcome === "not_a_member") throw notFound("organization");
      if (rotation.outcome !== "rotated") {
        throw new PerdureError("auth.invalid", rotation.outcome === "expired" ? "The refresh token has expired." : "The refresh token is not valid.");
      }
      const { userId, tenantId, sessionId } = rotation;
      const membership = await accounts.membership(userId, tenantId, sessionId);
      if (!membership) {
        await userSessions.endByToken(hashToken(next));
        throw new PerdureError("auth.invalid", "The refresh token is not valid.");
      }
      const issued = await accessToken({ userId, sessionId }, membership);
      return { status: 200, body: { ...issued, refresh_token: next }, headers: forCodec(issued, settings) };
    },

    async logout({ body }) {
      const ended = await userSessions.endByToken(hashToken(body.refresh_token));
      if (ended) members.forget(ended.userId);
      return { status: 204, body: undefined };
    },

    async me({ principal }) {
      const [user, membership] = await Promise.all([accounts.find(principal.userId), accounts.membership(principal.userId, principal.tenantId)]);
      if (!user || !membership) throw new PerdureError("auth.invalid", "The account of this token is gone.");
      return { status: 200, body: accountJson(user, membership) };
    },
  };
}
