import type { Json, TenantId } from "#core";

/** Results of nodes that may stand for later ones given the same. */
export interface NodeCache {
  find(tenant: TenantId, key: string): Promise<Json | undefined>;
  store(tenant: TenantId, key: string, result: Json, ttlMs: number): Promise<void>;
  /** Takes away up to `limit` that have expired; returns how many. */
  prune(limit: number): Promise<number>;
}
