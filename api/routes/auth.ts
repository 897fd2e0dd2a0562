import { PerdureError } from "#core";
import { clientAddress, userAgent } from "../context.ts";
import type { AccountLimits } from "../limits/route-limits.ts";
import type { Handlers } from "../mount.ts";
import { codecCookie } from "../middleware/codec-access.ts";
import { notFound } from "../problem.ts";
import { accountJson, createSessions } from "../security/sessions.ts";
import { hashToken, newRefreshToken } from "../security/tokens.ts";
import type { Services } from "../services.ts";

export function authHandlers(services: Services, limits: AccountLimits): Handlers<"register" | "login" | "refresh" | "logout" | "me"> {
  const { passwords, settings } = services;
  const { accounts } = services.db;
  const { signIn, accessToken, refreshExpiry } = createSessions(services);

  /** So that Temporal's Web UI, in the same browser, may ask for what it shows. */
  const forCodec = ({ access_token, expires_in }: { access_token: string; expires_in: number }) => ({
    "set-cookie": codecCookie(access_token, expires_in, settings.PUBLIC_URL?.startsWith("https:") ?? false),
  });

  return {
    async register({ body, c }) {
      if (settings.REGISTRATION === "closed") throw new PerdureError("auth.forbidden", "Registration is closed on this server.");
      const name = body.name ?? body.full_name ?? body.username ?? body.email.slice(0, body.email.indexOf("@"));
      const passwordHash = await passwords.hash(body.password);
      const { user, membership } = await accounts.register({ email: body.email, passwordHash, name, organizationName: body.organization ?? name });
      c.set("auditActor", { tenantId: membership.tenantId, userId: user.id, role: membership.role });
      await accounts.recordLogin({
        email: user.email,
        userId: user.id,
        succeeded: true,
        ip: clientAddress(c),
        userAgent: userAgent(c),
      });
      return { status: 201, body: { ...accountJson(user, membership), ...(await signIn(user.id, membership)) } };
    },

    async login({ body, c }) {
      const accountHash = hashToken(body.email);
      await limits.take(accountHash);
      const user = await accounts.findByEmail(body.email);
      const succeeded = await passwords.verify(body.password, user?.passwordHash);
      await accounts.recordLogin({
        email: body.email,
        ...(user && { userId: user.id }),
        succeeded,
        ip: clientAddress(c),
        userAgent: userAgent(c),
      });
      if (succeeded) await limits.giveBack(accountHash);
      if (user && !succeeded) c.set("refusedAccount", user.id);
      if (!succeeded || !user) throw new PerdureError("auth.invalid", "The e-mail address or the password is wrong.");
      const memberships = await accounts.memberships(user.id);
      const wanted = body.organization_id;
      const membership = wanted == null ? memberships[0] : memberships.find(({ tenantId }) => tenantId === wanted);
      if (!membership && wanted != null) throw notFound("organization");
      if (!membership) throw new PerdureError("auth.forbidden", "This account belongs to no organization.");
      const signedIn = await signIn(user.id, membership);
      return { status: 200, body: signedIn, headers: forCodec(signedIn) };
    },

    async refresh({ body, query }) {
      const presented = body.refresh_token ?? query.refresh_token;
      if (presented === undefined) {
        throw new PerdureError("validation.failed", "The request is not valid.", {
          findings: [{ code: "validation.required", message: "is required", path: "refresh_token" }],
        });
      }
      const next = newRefreshToken();
      const rotation = await accounts.rotateRefreshToken({
        tokenHash: hashToken(presented),
        newTokenHash: hashToken(next),
        expiresAt: refreshExpiry(),
        ...(body.organization_id != null && { switchTo: body.organization_id }),
      });
      if (rotation.outcome === "not_a_member") throw notFound("organization");
      if (rotation.outcome !== "rotated") {
        throw new PerdureError("auth.invalid", rotation.outcome === "expired" ? "The refresh token has expired." : "The refresh token is not valid.");
      }
      const membership = (await accounts.memberships(rotation.userId)).find((each) => each.tenantId === rotation.tenantId);
      if (!membership) {
        await accounts.revokeRefreshFamily(hashToken(next));
        throw new PerdureError("auth.invalid", "The refresh token is not valid.");
      }
      const issued = await accessToken(rotation.userId, membership);
      return { status: 200, body: { ...issued, refresh_token: next }, headers: forCodec(issued) };
    },

    async logout({ body }) {
      await accounts.revokeRefreshFamily(hashToken(body.refresh_token));
      return { status: 204, body: undefined };
    },

    async me({ principal }) {
      const [user, memberships] = await Promise.all([accounts.find(principal.userId), accounts.memberships(principal.userId)]);
      const membership = memberships.find((each) => each.tenantId === principal.tenantId);
      if (!user || !membership) throw new PerdureError("auth.invalid", "The account of this token is gone.");
      return { status: 200, body: accountJson(user, membership) };
    },
  };
}
