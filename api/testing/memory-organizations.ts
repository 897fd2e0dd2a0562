import type { ApiKeys } from "#db";
import { type MemoryState, pageOf } from "./memory-database.ts";

export function memoryApiKeys(state: MemoryState): ApiKeys {
  const isLive = (key: MemoryState["apiKeys"][number]) => key.revokedAt === null && (key.expiresAt === null || key.expiresAt > new Date());
  const visible = (tenant: string, createdBy?: string) =>
    state.apiKeys.filter((key) => key.tenantId === tenant && (createdBy === undefined || key.createdBy === createdBy));
  return {
    async create(tenantId, key) {
      const stored = { ...key, tenantId, createdAt: new Date(), lastUsedAt: null, revokedAt: null };
      state.apiKeys.push(stored);
      return stored;
    },
    countLive: async (tenant) => visible(tenant).filter(isLive).length,
    list: async (tenant, { createdBy }, page) => pageOf(visible(tenant, createdBy).toReversed(), page),
    get: async (tenant, id, { createdBy }) => visible(tenant, createdBy).find((key) => key.id === id),
    async revoke(tenant, id, { createdBy }) {
      const found = visible(tenant, createdBy).find((key) => key.id === id);
      if (found) found.revokedAt ??= new Date();
      return found;
    },
    async use(keyHash) {
      const found = state.apiKeys.find((key) => key.keyHash === keyHash && isLive(key));
      if (found) found.lastUsedAt = new Date();
      return found;
    },
  };
}
