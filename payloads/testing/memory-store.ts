import type { TenantId } from "#core";
import type { PayloadKeyRow, PayloadStore } from "#db";

export interface MemoryStore extends PayloadStore {
  readonly keyRows: Map<TenantId, PayloadKeyRow[]>;
  readonly blobs: Map<string, Buffer>;
  /** Names of the calls made so far. */
  readonly calls: string[];
}

/** Keeps in memory what the payload codec calls of `db/types/`. */
export function createMemoryStore(): MemoryStore {
  const keyRows = new Map<TenantId, PayloadKeyRow[]>();
  const blobs = new Map<string, Buffer>();
  const calls: string[] = [];
  const everyKey = async () => [...keyRows].flatMap(([tenantId, rows]) => rows.map((row) => ({ ...row, tenantId })));
  return {
    keyRows,
    blobs,
    calls,
    async keys(tenant) {
      calls.push("keys");
      return [...(keyRows.get(tenant) ?? [])];
    },
    async addKey(tenant, key) {
      calls.push("addKey");
      const rows = keyRows.get(tenant) ?? [];
      if (rows.some(({ version }) => version === key.version)) return false;
      keyRows.set(tenant, [...rows, key]);
      return true;
    },
    keySamples: everyKey,
    keysWrappedByOthers: async (masterId, after) => (after ? [] : (await everyKey()).filter((row) => row.masterId !== masterId)),
    keyOwners: async ({ after }) => (after ? [] : [...keyRows.keys()]),
    async rewrapKey(tenant, key) {
      keyRows.set(
        tenant,
        (keyRows.get(tenant) ?? []).map((row) => (row.version === key.version ? key : row)),
      );
    },
    async useBlob(tenant, hash) {
      calls.push("useBlob");
      return blobs.has(`${tenant}/${hash}`);
    },
    async putBlob(tenant, hash, bytes) {
      calls.push("putBlob");
      if (!blobs.has(`${tenant}/${hash}`)) blobs.set(`${tenant}/${hash}`, bytes);
    },
    async getBlob(tenant, hash) {
      calls.push("getBlob");
      return blobs.get(`${tenant}/${hash}`);
    },
  };
}
