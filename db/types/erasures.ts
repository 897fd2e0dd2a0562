import type { TenantId } from "#core";

/** Erasing whole organizations. All but `request` runs under `perdure_system`. */
export interface Erasures {
  /** Harmless to repeat. */
  request(tenant: TenantId, by: string): Promise<void>;
  /** One that nobody has taken for `leaseMs`. `emptiedMs`: since when nothing of it was found; null where something was. */
  take(leaseMs: number): Promise<{ tenantId: TenantId; requestedBy: string; emptiedMs: number | null } | undefined>;
  /** Ends every access, and deletes the keys without which nothing that is sealed can be read. */
  shut(tenant: TenantId): Promise<void>;
  /** Deletes rows of every table with an organization; returns how many there were. */
  eraseRows(tenant: TenantId): Promise<number>;
  /** Puts the job back. */
  emptied(tenant: TenantId, isEmpty: boolean): Promise<void>;
  /** Deletes the organization, users who belonged to no other, and the job. */
  finish(tenant: TenantId): Promise<void>;
}
