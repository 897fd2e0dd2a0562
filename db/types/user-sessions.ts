import type { TenantId } from "#core";
import type { SignInMethod } from "./accounts.ts";
import type { Page, Paged } from "./paging.ts";

export interface UserSession {
  id: string;
  method: SignInMethod;
  ip: string;
  userAgent: string;
  createdAt: Date;
  lastUsedAt: Date;
  expiresAt: Date;
}

export type SessionEnd = "sign_out" | "sign_out_everywhere" | "ended" | "password" | "reuse" | "membership";

/** Sessions of users and their refresh tokens. They have no tenant: run under `perdure_system`. */
export interface UserSessions {
  /** Forgets the user's sessions that ended by time 30 days ago. @returns false where the user's `securityEpoch` is another one by now: nothing was opened then. */
  open(session: {
    id: string;
    userId: string;
    tenantId: TenantId;
    securityEpoch: number;
    method: SignInMethod;
    ip: string;
    userAgent: string;
    tokenHash: string;
    expiresAt: Date;
  }): Promise<boolean>;
  /**
   * Exchanges a refresh token for another one. The tokens that were made last are good; those before them for `graceMs` more, so that an answer that
   * was lost and calls that race get a pair of the same session. Any other token of the session has been copied: the session ends.
   */
  rotate(rotation: {
    tokenHash: string;
    newTokenHash: string;
    expiresAt: Date;
    graceMs: number;
    ip: string;
    userAgent: string;
    /** The organization that the new token is for, where it is another; the old one stays good where the user is no member of it. */
    switchTo?: string;
  }): Promise<{ outcome: "rotated"; userId: string; tenantId: TenantId; sessionId: string } | { outcome: "reused" | "expired" | "unknown" | "not_a_member" }>;
  /** The session of a refresh token. @returns whose it was, where there was a live one. */
  endByToken(tokenHash: string): Promise<{ userId: string } | undefined>;
  end(userId: string, id: string): Promise<boolean>;
  /** Also every way to sign in that was under way. */
  endAll(userId: string): Promise<void>;
  /** Those that are live, the newest first. */
  list(userId: string, page: Page): Promise<Paged<UserSession>>;
  get(userId: string, id: string): Promise<UserSession | undefined>;
}
