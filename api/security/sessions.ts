import { type JsonObject, PerdureError, type TenantId, uuidv7 } from "#core";
import type { Membership, SignInMethod, SignInUser, User } from "#db";
import { type ApiContext, clientAddress, userAgent } from "../context.ts";
import { notFound } from "../problem.ts";
import type { Services } from "../services.ts";
import { hashToken, newOpaqueToken } from "./tokens.ts";

const DAY_MS = 86_400_000;
const MINUTE_MS = 60_000;

export interface IssuedTokens {
  access_token: string;
  refresh_token: string;
  token_type: "bearer";
  expires_in: number;
}

/** Who has shown that they are this user, when their `securityEpoch` was this. */
export type Proven = Pick<SignInUser, "id" | "email" | "securityEpoch">;

export interface Sessions {
  refreshExpiry(): Date;
  accessToken(holder: { userId: string; sessionId: string }, membership: Membership): Promise<Omit<IssuedTokens, "refresh_token">>;
  /** A session for one organization, after the last step of a sign-in; notes the login. @throws PerdureError `auth.invalid` where the password or the second factor was changed meanwhile. */
  open(user: Proven, membership: Membership, method: SignInMethod, c: ApiContext): Promise<IssuedTokens>;
  /** After the first step: a session, or what the second step needs, where the account has a second factor. */
  proceed(
    user: Proven,
    membership: Membership,
    method: SignInMethod,
    c: ApiContext,
  ): Promise<{ tokens: IssuedTokens } | { secondFactor: { second_factor_token: string; methods: string[]; expires_in: number } }>;
  /** The organization that is asked for, or the first. @throws PerdureError `resource.not_found`, `auth.forbidden`. */
  choose(userId: string, wanted: string | null | undefined): Promise<Membership>;
  noteLogin(user: { id?: string; email: string }, method: SignInMethod, succeeded: boolean, c: ApiContext): Promise<void>;
}

/** What stands in a token between the two steps. */
export interface PendingSignIn extends JsonObject {
  tenant_id: string;
  security_epoch: number;
}

export function createSessions({
  db: { accounts, userSessions, accountTokens, secondFactors },
  tokens,
  settings,
}: Pick<Services, "db" | "tokens" | "settings">): Sessions {
  const refreshExpiry = (): Date => new Date(Date.now() + settings.JWT_REFRESH_TOKEN_EXPIRE_DAYS * DAY_MS);

  const sessions: Sessions = {
    refreshExpiry,

    async accessToken({ userId, sessionId }, { tenantId, role }) {
      return { access_token: await tokens.issue({ userId, tenantId, role, sessionId }), token_type: "bearer", expires_in: tokens.expiresIn };
    },

    async open(user, membership, method, c) {
      const refresh_token = newOpaqueToken();
      const session = { id: uuidv7(), userId: user.id, tenantId: membership.tenantId, method, ip: clientAddress(c), userAgent: userAgent(c) };
      const opened = await userSessions.open({
        ...session,
        securityEpoch: user.securityEpoch,
        tokenHash: hashToken(refresh_token),
        expiresAt: refreshExpiry(),
      });
      if (!opened) throw new PerdureError("auth.invalid", "The account was changed meanwhile. Sign in again.");
      await sessions.noteLogin(user, method, true, c);
      return { ...(await sessions.accessToken({ userId: user.id, sessionId: session.id }, membership)), refresh_token };
    },

    async proceed(user, membership, method, c) {
      const factor = await secondFactors.find(user.id);
      if (!factor?.confirmedAt) return { tokens: await sessions.open(user, membership, method, c) };
      const token = newOpaqueToken();
      const data: PendingSignIn = { tenant_id: membership.tenantId, security_epoch: user.securityEpoch };
      const lifetimeMs = settings.SECOND_FACTOR_EXPIRE_MINUTES * MINUTE_MS;
      await accountTokens.create({
        purpose: "second_factor",
        userId: user.id,
        tokenHash: hashToken(token),
        data,
        expiresAt: new Date(Date.now() + lifetimeMs),
        keepOthers: true,
      });
      await sessions.noteLogin(user, method, true, c);
      return { secondFactor: { second_factor_token: token, methods: ["totp", "recovery_code"], expires_in: Math.round(lifetimeMs / 1_000) } };
    },

    async choose(userId, wanted) {
      const memberships = await accounts.memberships(userId);
      const membership = wanted == null ? memberships[0] : memberships.find(({ tenantId }) => tenantId === (wanted as TenantId));
      if (membership) return membership;
      if (wanted != null) throw notFound("organization");
      throw new PerdureError("auth.forbidden", "This account belongs to no organization.");
    },

    noteLogin: ({ id, email }, method, succeeded, c) =>
      accounts.recordLogin({ email, ...(id !== undefined && { userId: id }), method, succeeded, ip: clientAddress(c), userAgent: userAgent(c) }),
  };
  return sessions;
}

export function accountJson(user: User, membership: Membership) {
  return {
    id: user.id,
    email: user.email,
    email_verified: user.emailVerifiedAt !== null,
    name: user.name,
    role: membership.role,
    organization: membershipJson(membership),
    created_at: user.createdAt.toISOString(),
  };
}

export function membershipJson({ tenantId, organizationName, role }: Membership) {
  return { id: tenantId, name: organizationName, role };
}
