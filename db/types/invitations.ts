import type { TenantId } from "#core";
import type { Membership, Role, User } from "./accounts.ts";
import type { Page, Paged } from "./paging.ts";

export interface Invitation {
  id: string;
  email: string;
  role: Role;
  invitedBy: string;
  createdAt: Date;
  expiresAt: Date;
  acceptedAt: Date | null;
  acceptedBy: string | null;
  revokedAt: Date | null;
  /** Raised by every change. */
  revision: number;
}

export interface Invitations {
  /** Revokes an open one of the same address. @throws PerdureError `resource.conflict` where they are a member already. */
  create(tenant: TenantId, invitation: Pick<Invitation, "id" | "email" | "role" | "invitedBy" | "expiresAt"> & { tokenHash: string }): Promise<Invitation>;
  /** The newest first. */
  list(tenant: TenantId, page: Page): Promise<Paged<Invitation>>;
  get(tenant: TenantId, id: string): Promise<Invitation | undefined>;
  /** Another token in place of the one before, good until another moment. @throws PerdureError `precondition.failed`; `resource.conflict` where it was accepted or revoked. */
  renew(tenant: TenantId, id: string, token: { tokenHash: string; expiresAt: Date }, expectedRevision?: number): Promise<Invitation | undefined>;
  /** @throws PerdureError `precondition.failed`; `resource.conflict` where it was accepted. */
  revoke(tenant: TenantId, id: string, expectedRevision?: number): Promise<boolean>;
  /** One that can be accepted. Has no tenant yet: runs under `perdure_system`, as `accept` does. */
  find(tokenHash: string): Promise<Pick<Invitation, "id" | "email" | "role"> | undefined>;
  /**
   * Makes the user a member, exactly once; and first the user, where `passwordHash` is given. Who is a member already keeps their role.
   * @throws PerdureError `resource.not_found` where it cannot be accepted (any more), `resource.conflict` where the account exists by now.
   */
  accept(tokenHash: string, acceptance: { user: Omit<User, "emailVerifiedAt">; passwordHash?: string }): Promise<Membership>;
}
