import type { TenantId } from "#core";
import type { Role } from "./accounts.ts";
import type { Page, Paged } from "./paging.ts";

export interface Organization {
  id: string;
  name: string;
  createdAt: Date;
  /** Hosts that its nodes may reach; null: all that the operator lets them. */
  outboundHosts: readonly string[] | null;
  /** Raised by every change of its name or hosts. */
  revision: number;
}

/** A user as a member of one organization; `id` is the user's. */
export interface Member {
  id: string;
  email: string;
  name: string;
  role: Role;
  joinedAt: Date;
  /** Raised by every change of the role. */
  revision: number;
}

export interface Organizations {
  get(tenant: TenantId): Promise<Organization | undefined>;
  /** What is left out stays as it is. @throws PerdureError `precondition.failed`. */
  update(tenant: TenantId, change: { name?: string; outboundHosts?: readonly string[] | null }, expectedRevision?: number): Promise<Organization | undefined>;
  /** Who came last first. */
  members(tenant: TenantId, page: Page): Promise<Paged<Member>>;
  member(tenant: TenantId, userId: string): Promise<Member | undefined>;
  /** @throws PerdureError `precondition.failed`; `resource.conflict` where no admin would be left, also when two are changed at once. */
  setRole(tenant: TenantId, userId: string, role: Role, expectedRevision?: number): Promise<Member | undefined>;
  /** Revokes what they signed in with and their API keys as well. @throws as `setRole`. */
  removeMember(tenant: TenantId, userId: string, expectedRevision?: number): Promise<boolean>;
}
