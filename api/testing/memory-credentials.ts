import { PerdureError, type TenantId } from "#core";
import type { Credential, CredentialRows, SealedBytes } from "#db";

export type StoredCredential = Credential & SealedBytes & { tenant: TenantId };

/** Keeps in memory what the api calls of `CredentialRows`; nothing is ever in use. */
export function createMemoryCredentials(stored: StoredCredential[] = []): CredentialRows {
  const find = (tenant: TenantId, id: string) => stored.find((each) => each.tenant === tenant && each.id === id);
  const shown = ({ tenant: _tenant, sealed: _sealed, keyVersion: _keyVersion, ...credential }: StoredCredential): Credential => credential;
  const refuseName = (tenant: TenantId, name: string | undefined, id: string): void => {
    if (stored.some((each) => each.tenant === tenant && each.name === name && each.id !== id)) throw new PerdureError("resource.conflict", "Taken.");
  };
  const refuseStale = (found: StoredCredential | undefined, expected: number | undefined): void => {
    if (found && expected !== undefined && found.revision !== expected) throw new PerdureError("precondition.failed", "Changed.");
  };
  return {
    async create(tenant, credential, max) {
      refuseName(tenant, credential.name, credential.id);
      if (stored.filter((each) => each.tenant === tenant).length >= max) throw new PerdureError("validation.failed", "Too many.");
      const row = { ...credential, tenant, revision: 1, createdAt: new Date(), updatedAt: new Date(), testedAt: null, testResult: null };
      stored.push(row);
      return shown(row);
    },
    async get(tenant, id) {
      const found = find(tenant, id);
      return found && shown(found);
    },
    async list(tenant, { type, search = "" }, { limit }) {
      const rows = stored
        .filter((each) => each.tenant === tenant && (type === undefined || each.type === type) && each.name.includes(search))
        .map(shown)
        .toReversed();
      return { rows: rows.slice(0, limit), nextCursor: undefined, total: rows.length };
    },
    async update(tenant, id, fields, values, expectedRevision) {
      const found = find(tenant, id);
      if (!found) return undefined;
      refuseStale(found, expectedRevision);
      refuseName(tenant, fields.name, id);
      const { before, ...replaced } = values ?? { before: found.sealed };
      if (!before.equals(found.sealed)) throw new PerdureError("resource.conflict", "Changed.");
      return shown(
        Object.assign(found, fields, replaced, { revision: found.revision + 1, updatedAt: new Date() }, values && { testedAt: null, testResult: null }),
      );
    },
    async remove(tenant, id, { expectedRevision }) {
      const at = stored.findIndex((each) => each.tenant === tenant && each.id === id);
      refuseStale(stored[at], expectedRevision);
      if (at >= 0) stored.splice(at, 1);
      return at >= 0;
    },
    usage: async () => [],
    types: async (tenant, ids) => new Map(ids.flatMap((id) => (find(tenant, id) ? [[id, find(tenant, id)?.type ?? ""] as const] : []))),
    sealed: async (tenant, ids) => ids.flatMap((id) => find(tenant, id) ?? []),
    async noteTest(tenant, id, tested, result) {
      const found = find(tenant, id);
      if (found?.sealed.equals(tested)) Object.assign(found, { testedAt: new Date(), testResult: result });
    },
  };
}
