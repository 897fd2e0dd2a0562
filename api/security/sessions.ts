import type { Membership, User } from "#db";
import type { Services } from "../services.ts";
import { hashToken, newRefreshToken } from "./tokens.ts";

const DAY_MS = 86_400_000;

/** What somebody gets who has shown who they are. */
export function createSessions({ db: { accounts }, tokens, settings }: Pick<Services, "db" | "tokens" | "settings">) {
  const refreshExpiry = (): Date => new Date(Date.now() + settings.JWT_REFRESH_TOKEN_EXPIRE_DAYS * DAY_MS);

  async function accessToken(userId: string, { tenantId, role }: Membership) {
    return { access_token: await tokens.issue({ userId, tenantId, role }), token_type: "bearer" as const, expires_in: tokens.expiresIn };
  }

  /** A new family of refresh tokens, for one organization. */
  async function signIn(userId: string, membership: Membership) {
    const refresh_token = newRefreshToken();
    await accounts.createRefreshToken({ userId, tenantId: membership.tenantId, tokenHash: hashToken(refresh_token), expiresAt: refreshExpiry() });
    return { ...(await accessToken(userId, membership)), refresh_token };
  }

  return { refreshExpiry, accessToken, signIn };
}

export function accountJson(user: User, membership: Membership) {
  return {
    id: user.id,
    email: user.email,
    name: user.name,
    role: membership.role,
    organization: membershipJson(membership),
    created_at: user.createdAt.toISOString(),
  };
}

export function membershipJson({ tenantId, organizationName, role }: Membership) {
  return { id: tenantId, name: organizationName, role };
}
