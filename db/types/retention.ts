import type { RetentionDays, RetentionKind, TenantId } from "#core";

export interface StorageSize {
  kind: string;
  rows: number;
  /** Of values as they are stored, without indexes. */
  bytes: number;
}

/** How long organizations keep what runs leave behind. */
export interface Retention {
  /** What the organization has said itself. */
  get(tenant: TenantId): Promise<Partial<RetentionDays>>;
  set(tenant: TenantId, days: Partial<RetentionDays>): Promise<void>;
  organizations(): Promise<{ tenantId: TenantId; days: Partial<RetentionDays> }[]>;
  /** One batch, of `limit` runs or rows. */
  sweep(tenant: TenantId, kind: RetentionKind, days: number, limit: number): Promise<{ removed: number; more: boolean }>;
  storage(tenant: TenantId): Promise<StorageSize[]>;
}
