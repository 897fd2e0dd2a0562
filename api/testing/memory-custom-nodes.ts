import { PerdureError, stableStringify, type TenantId, uuidv7 } from "#core";
import type { CustomNode, CustomNodes } from "#db";
import { pageOf } from "./memory-database.ts";

interface Stored {
  tenant: TenantId;
  deleted: boolean;
  versions: CustomNode[];
  revision: number;
}

/** Keeps in memory what the api calls of `CustomNodes`. */
export function createMemoryCustomNodes(): CustomNodes {
  const stored: Stored[] = [];
  const any = (tenant: TenantId, name: string) => stored.find((each) => each.tenant === tenant && each.versions[0]?.name === name);
  const find = (tenant: TenantId, name: string) => {
    const found = any(tenant, name);
    return found?.deleted ? undefined : found;
  };
  const newest = (each: Stored | undefined): CustomNode | undefined => {
    const last = each?.versions.at(-1);
    return each && last && { ...last, revision: each.revision };
  };
  const refuseStale = (each: Stored, expected: number | undefined): void => {
    if (expected !== undefined && expected !== each.revision) throw new PerdureError("precondition.failed", "Changed.");
  };
  const live = (tenant: TenantId) =>
    stored
      .filter((each) => each.tenant === tenant && !each.deleted)
      .flatMap((each) => newest(each) ?? [])
      .toSorted((a, b) => (a.name < b.name ? -1 : 1));
  return {
    async register(tenant, node, max) {
      if (find(tenant, node.name)) throw new PerdureError("resource.conflict", "Taken.");
      if (live(tenant).length >= max) throw new PerdureError("validation.failed", "Too many.");
      const present = any(tenant, node.name);
      const now = new Date();
      const row = {
        ...node,
        id: present?.versions[0]?.id ?? uuidv7(),
        version: (present?.versions.length ?? 0) + 1,
        revision: 0,
        createdAt: now,
        updatedAt: now,
      };
      if (present) {
        present.versions.push(row);
        Object.assign(present, { deleted: false, revision: present.revision + 1 });
      } else stored.push({ tenant, deleted: false, versions: [row], revision: 1 });
      return newest(find(tenant, node.name)) ?? row;
    },
    async update(tenant, name, node, expectedRevision) {
      const present = find(tenant, name);
      const last = newest(present);
      if (!present || !last) return undefined;
      refuseStale(present, expectedRevision);
      if (stableStringify(last.definition) === stableStringify(node.definition)) return last;
      present.versions.push({ ...last, ...node, version: last.version + 1, updatedAt: new Date() });
      present.revision++;
      return newest(present);
    },
    get: async (tenant, name) => newest(find(tenant, name)),
    list: async (tenant) => live(tenant),
    named: async (tenant, names) => live(tenant).filter(({ name }) => names.includes(name)),
    versions: async (tenant, name, page) => {
      const present = find(tenant, name);
      return present && pageOf(present.versions.toReversed(), page);
    },
    async remove(tenant, name, expectedRevision) {
      const present = find(tenant, name);
      if (!present) return false;
      refuseStale(present, expectedRevision);
      Object.assign(present, { deleted: true, revision: present.revision + 1 });
      return true;
    },
  };
}
