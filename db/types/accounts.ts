import type { TenantId } from "#core";
import type { Identity } from "./identities.ts";
import type { Page, Paged } from "./paging.ts";

export interface User {
  id: string;
  email: string;
  name: string;
  createdAt: Date;
  /** null: nobody has shown yet that the address is theirs. */
  emailVerifiedAt: Date | null;
}

/** What signing in looks at. */
export interface SignInUser extends User {
  /** null: they sign in with an identity provider alone. */
  passwordHash: string | null;
  /** Counts up when the password, the second factor or all sessions change: a sign-in that began before opens no session. */
  securityEpoch: number;
}

export type Role = "admin" | "editor" | "operator" | "viewer";

export interface Membership {
  tenantId: TenantId;
  organizationName: string;
  role: Role;
}

/** Who is a member no more, and what they were. */
export interface RemovedMember {
  tenantId: TenantId;
  userId: string;
  role: Role;
}

export type SignInMethod = "password" | "totp" | "recovery_code" | "oidc" | "invitation" | "registration";

/** One attempt to sign in. */
export interface Login {
  id: number;
  at: Date;
  method: SignInMethod;
  succeeded: boolean;
  ip: string;
  userAgent: string;
}

/** What has no tenant yet: sign-up and sign-in. Runs under the narrow role `perdure_system`. */
export interface Accounts {
  /**
   * Makes the user, an organization of their own and an admin membership. `identity` is theirs at a provider that says the address is verified.
   * @throws PerdureError `resource.conflict` when the e-mail is taken.
   */
  register(account: {
    email: string;
    passwordHash: string | null;
    name: string;
    organizationName: string;
    identity?: Identity;
  }): Promise<{ user: User; membership: Membership }>;
  findByEmail(email: string): Promise<SignInUser | undefined>;
  find(userId: string): Promise<SignInUser | undefined>;
  memberships(userId: string): Promise<Membership[]>;
  /** Undefined where they are no member (any more), or the session, where one is named, is not theirs or has ended. */
  membership(userId: string, tenant: TenantId, sessionId?: string): Promise<Membership | undefined>;
  /** The organization that was made before all others; undefined where there is none. */
  firstOrganization(): Promise<TenantId | undefined>;
  /** Ends all sessions but `except`, every way to sign in that was under way, and the tokens to reset it that were sent before. @returns false where the password is not `from` any more. */
  changePassword(userId: string, change: { from: string | null; to: string; except?: string }): Promise<boolean>;
  /**
   * Uses the token up, sets the password, ends all sessions and all other tokens to reset it, all or nothing: of two at once one succeeds. The address is verified by it. Where it was
   * not before, whoever made the account may have been another: identities, second factor, API keys and open invitations of theirs go as well, and from the
   * organization that was made with the account everybody else, with their keys there. `removed` says who that was.
   */
  resetPassword(tokenHash: string, passwordHash: string): Promise<{ user: User; removed: RemovedMember[] } | undefined>;
  /** Uses the token up. Undefined also where the account has another address by now. */
  verifyEmail(tokenHash: string): Promise<User | undefined>;
  findByIdentity(identity: Pick<Identity, "issuer" | "subject">): Promise<SignInUser | undefined>;
  recordLogin(login: { email: string; userId?: string; method: SignInMethod; succeeded: boolean; ip: string; userAgent: string }): Promise<void>;
  /** The newest first. */
  logins(userId: string, page: Page): Promise<Paged<Login>>;
}
