import type { TenantId } from "#core";

/** A tenant's data key, wrapped. */
export interface PayloadKeyRow {
  /** 1, 2, 3 … of a tenant; the highest seals, all of them open. */
  version: number;
  masterId: string;
  wrapped: Buffer;
}

/** What the payload codec keeps (docs/decisions/012-payload-codec.md). */
export interface PayloadStore {
  /** From the oldest to the newest. */
  keys(tenant: TenantId): Promise<PayloadKeyRow[]>;
  /** False where that version exists already: another process was faster. */
  addKey(tenant: TenantId, key: PayloadKeyRow): Promise<boolean>;
  /** One key of each master key (system role). */
  keySamples(): Promise<(PayloadKeyRow & { tenantId: TenantId })[]>;
  /** Some that another master key than this wraps (system role), in the order of tenants and versions; [] when there are no more. */
  keysWrappedByOthers(masterId: string, after?: { tenantId: TenantId; version: number }): Promise<(PayloadKeyRow & { tenantId: TenantId })[]>;
  /** Some organizations and users that have a key, and none that was made since `olderThan` (system role), in their order; [] when there are no more. */
  keyOwners(filter: { after?: TenantId; olderThan?: Date }): Promise<TenantId[]>;
  rewrapKey(tenant: TenantId, key: PayloadKeyRow): Promise<void>;
  /** Whether the blob is there; notes that it is used. */
  useBlob(tenant: TenantId, hash: string): Promise<boolean>;
  /** Durable when it resolves. The first bytes under a hash stay. */
  putBlob(tenant: TenantId, hash: string, bytes: Buffer): Promise<void>;
  getBlob(tenant: TenantId, hash: string): Promise<Buffer | undefined>;
}
