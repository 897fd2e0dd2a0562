import type { TenantId } from "#core";
import type { Page, Paged } from "./paging.ts";

export interface ApiKey {
  id: string;
  createdBy: string;
  name: string;
  /** The first characters of the key, to tell it from others. */
  prefix: string;
  /** Permissions it was given; at any time it has those of them that its creator's role has as well. */
  scopes: string[];
  createdAt: Date;
  /** null: never. */
  expiresAt: Date | null;
  lastUsedAt: Date | null;
  revokedAt: Date | null;
  /** Raised by every change; its use is none. */
  revision: number;
}

/** Keys of services. `createdBy` narrows to the keys of one member. */
export interface ApiKeys {
  /** @throws PerdureError `resource.conflict` where `max` keys are neither revoked nor expired. */
  create(
    tenant: TenantId,
    key: Pick<ApiKey, "id" | "createdBy" | "name" | "prefix" | "scopes" | "expiresAt"> & { keyHash: string },
    max: number,
  ): Promise<ApiKey>;
  /** The newest first. */
  list(tenant: TenantId, filter: { createdBy?: string }, page: Page): Promise<Paged<ApiKey>>;
  get(tenant: TenantId, id: string, filter: { createdBy?: string }): Promise<ApiKey | undefined>;
  /** Once and for all; again it changes nothing. @throws PerdureError `precondition.failed`. */
  revoke(tenant: TenantId, id: string, filter: { createdBy?: string }, expectedRevision?: number): Promise<ApiKey | undefined>;
  /** Whose key it is, undefined where it is unknown, revoked or expired; sets `lastUsedAt`. Has no tenant yet: runs under `perdure_system`. */
  use(keyHash: string): Promise<(Pick<ApiKey, "id" | "createdBy" | "scopes" | "expiresAt"> & { tenantId: TenantId }) | undefined>;
}
