import { and, asc, desc, eq, getTableColumns, inArray, isNull, lt, sql } from "drizzle-orm";
import { type JsonObject, PerdureError, stableStringify, type TenantId, uuidv7 } from "#core";
import type { Sessions, Statements } from "../connection/sessions.ts";
import { toJsonText } from "../connection/values.ts";
import { customNodes, customNodeVersions } from "../schema/index.ts";
import type { CustomNodes } from "../types/index.ts";
import { bytesOf, decodeKey, encodeKey, fitting, isSequence } from "./paging.ts";
import { refuseStale } from "./revisions.ts";
import { takeTurn } from "./turns.ts";

const { tenantId: _tenant, deletedAt: _deletedAt, ...nodeColumns } = getTableColumns(customNodes);
const columns = { ...nodeColumns, definition: customNodeVersions.definition };
const versionColumns = {
  version: customNodeVersions.version,
  definition: customNodeVersions.definition,
  createdBy: customNodeVersions.createdBy,
  createdAt: customNodeVersions.createdAt,
};

const named = (tenant: TenantId, name: string) => and(eq(customNodes.tenantId, tenant), eq(customNodes.name, name));
const live = (tenant: TenantId) => and(eq(customNodes.tenantId, tenant), isNull(customNodes.deletedAt));
const newest = and(
  eq(customNodeVersions.tenantId, customNodes.tenantId),
  eq(customNodeVersions.customNodeId, customNodes.id),
  eq(customNodeVersions.version, customNodes.version),
);

export function createCustomNodes(sessions: Sessions, pageMaxBytes: number): CustomNodes {
  const withDefinition = (db: Statements) => db.select(columns).from(customNodes).innerJoin(customNodeVersions, newest);

  async function addVersion(db: Statements, tenant: TenantId, id: string, version: number, definition: JsonObject, createdBy: string | null): Promise<void> {
    await db.insert(customNodeVersions).values({ tenantId: tenant, customNodeId: id, version, definition: sql`${toJsonText(definition)}::jsonb`, createdBy });
  }

  async function one(db: Statements, tenant: TenantId, name: string) {
    const [found] = await withDefinition(db).where(and(live(tenant), eq(customNodes.name, name)));
    return found;
  }

  return {
    register(tenant, { name, definition, createdBy }, max) {
      return sessions.transaction(tenant, async (db) => {
        await takeTurn(db, "custom nodes", tenant);
        const [present] = await db
          .select({ id: customNodes.id, version: customNodes.version, deletedAt: customNodes.deletedAt })
          .from(customNodes)
          .where(named(tenant, name));
        if (present && present.deletedAt === null) throw new PerdureError("resource.conflict", `There is a node type "${name}" already.`);
        const [counted] = await db
          .select({ total: sql<number>`count(*)::integer` })
          .from(customNodes)
          .where(live(tenant));
        if ((counted?.total ?? 0) >= max) throw new PerdureError("validation.failed", `An organization may register ${max} node types (CUSTOM_NODES_MAX).`);
        const id = present?.id ?? uuidv7();
        const version = (present?.version ?? 0) + 1;
        if (present) {
          await db
            .update(customNodes)
            .set({ version, deletedAt: null, revision: sql`${customNodes.revision} + 1`, updatedAt: sql`now()` })
            .where(named(tenant, name));
        } else await db.insert(customNodes).values({ id, tenantId: tenant, name, version, createdBy });
        await addVersion(db, tenant, id, version, definition, createdBy);
        const stored = await one(db, tenant, name);
        if (!stored) throw new PerdureError("internal", "The node type was not stored.");
        return stored;
      });
    },

    update(tenant, name, { definition, createdBy }, expectedRevision) {
      return sessions.transaction(tenant, async (db) => {
        await db.select({ id: customNodes.id }).from(customNodes).where(named(tenant, name)).for("update");
        const present = await one(db, tenant, name);
        if (!present) return undefined;
        refuseStale(expectedRevision, present.revision, "node type");
        if (stableStringify(present.definition) === stableStringify(definition)) return present;
        const version = present.version + 1;
        await addVersion(db, tenant, present.id, version, definition, createdBy);
        await db
          .update(customNodes)
          .set({ version, revision: sql`${customNodes.revision} + 1`, updatedAt: sql`now()` })
          .where(named(tenant, name));
        return one(db, tenant, name);
      });
    },

    get: (tenant, name) => sessions.once(tenant, (db) => one(db, tenant, name)),

    list: (tenant) => sessions.once(tenant, (db) => withDefinition(db).where(live(tenant)).orderBy(asc(customNodes.name))),

    async named(tenant, names) {
      if (names.length === 0) return [];
      return sessions.once(tenant, (db) => withDefinition(db).where(and(live(tenant), inArray(customNodes.name, [...names]))));
    },

    async versions(tenant, name, page) {
      const before = page.cursor === undefined ? undefined : decodeKey(page.cursor, ([number]) => (isSequence(number) ? number : undefined));
      const present = await sessions.once(tenant, (db) => one(db, tenant, name));
      if (!present) return undefined;
      const ofNode = and(eq(customNodeVersions.tenantId, tenant), eq(customNodeVersions.customNodeId, present.id));
      const listed = await sessions.once(tenant, (db) =>
        db
          .select({ version: customNodeVersions.version, bytes: bytesOf(customNodeVersions.definition) })
          .from(customNodeVersions)
          .where(and(ofNode, before === undefined ? undefined : lt(customNodeVersions.version, before)))
          .orderBy(desc(customNodeVersions.version))
          .limit(page.limit + 1)
          .offset(page.offset ?? 0),
      );
      const chosen = fitting(listed, page.limit, pageMaxBytes).map(({ version }) => version);
      const last = chosen.at(-1);
      if (last === undefined) return { rows: [], total: present.version, nextCursor: undefined };
      const rows = await sessions.once(tenant, (db) =>
        db
          .select(versionColumns)
          .from(customNodeVersions)
          .where(and(ofNode, inArray(customNodeVersions.version, chosen)))
          .orderBy(desc(customNodeVersions.version)),
      );
      return { rows, total: present.version, nextCursor: listed.length > chosen.length ? encodeKey([last]) : undefined };
    },

    remove(tenant, name, expectedRevision) {
      return sessions.transaction(tenant, async (db) => {
        const [present] = await db
          .select({ revision: customNodes.revision })
          .from(customNodes)
          .where(and(live(tenant), eq(customNodes.name, name)))
          .for("update");
        if (!present) return false;
        refuseStale(expectedRevision, present.revision, "node type");
        await db
          .update(customNodes)
          .set({ deletedAt: sql`now()`, revision: sql`${customNodes.revision} + 1` })
          .where(named(tenant, name));
        return true;
      });
    },
  };
}
