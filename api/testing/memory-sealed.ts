import type { SealedBytes, SealedKind, SealedRows } from "#db";
import type { TenantId } from "#core";
import type { StoredCredential } from "./memory-credentials.ts";
import type { MemoryState } from "./memory-database.ts";

/** What is sealed in memory, to be sealed anew. */
export function memorySealed(state: MemoryState, credentials: readonly StoredCredential[]): SealedRows {
  const rows = (tenant: TenantId, kind: SealedKind): (Partial<SealedBytes> & { id: string })[] => {
    if (kind === "credential") return credentials.filter((each) => each.tenant === tenant);
    if (kind === "webhook") return state.webhooks.filter((each) => each.tenantId === tenant);
    if (kind === "webhook delivery") return state.deliveries.filter((each) => each.tenant === tenant);
    const factor = state.secondFactors.get(tenant);
    return factor ? [Object.assign(factor, { id: tenant })] : [];
  };
  return {
    async older(tenant, kind, version, after) {
      if (after) return [];
      return rows(tenant, kind).flatMap(({ id, keyVersion, sealed }) => (sealed && keyVersion && keyVersion < version ? [{ id, keyVersion, sealed }] : []));
    },
    async replace(tenant, kind, changes) {
      const due = changes.map(({ id, before, after }) => ({ row: rows(tenant, kind).find((each) => each.id === id && each.sealed?.equals(before)), after }));
      return due.filter(({ row, after }) => row && Object.assign(row, after)).length;
    },
  };
}
