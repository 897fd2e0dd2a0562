import { and, arrayContains, desc, eq, getTableColumns, ilike, inArray, isNotNull, isNull, lt, or, type Placeholder, sql, type SQL } from "drizzle-orm";
import { type Json, PerdureError, uuidv7, type TenantId } from "#core";
import { planText } from "#graph";
import { prepared, type Sessions, type Statements } from "../connection/sessions.ts";
import { workflows, workflowVersions } from "../schema/index.ts";
import type { NewVersion, Workflow, WorkflowFilter, Workflows, WorkflowVersion } from "../types/index.ts";
import { bytesOf, countUpTo, decodeKey, encodeKey, fitting, isSequence, type Order, orderOf } from "./paging.ts";
import { refuseStale } from "./revisions.ts";
import { putTimers, removeSchedules } from "./schedules.ts";
import { syncPublished, syncWebhooks } from "./webhooks.ts";

const { tenantId: _workflowTenant, ...workflowColumns } = getTableColumns(workflows);
const { tenantId: _versionTenant, workflowId: _workflowId, credentials: _credentials, ...versionColumns } = getTableColumns(workflowVersions);
const { plan: _plan, graph: _graph, ...listedVersionColumns } = versionColumns;

const live = (tenant: TenantId, id: string) => and(eq(workflows.tenantId, tenant), eq(workflows.id, id), isNull(workflows.deletedAt));
const versionOf = (number: SQL | typeof workflows.version) =>
  and(eq(workflowVersions.tenantId, workflows.tenantId), eq(workflowVersions.workflowId, workflows.id), eq(workflowVersions.version, number));

const withVersion = (db: Statements, number: SQL | typeof workflows.version) =>
  db
    .select({ workflow: workflowColumns, version: versionColumns })
    .from(workflows)
    .innerJoin(workflowVersions, versionOf(number))
    .where(and(eq(workflows.tenantId, sql.placeholder("tenant")), eq(workflows.id, sql.placeholder("id")), isNull(workflows.deletedAt)));
type Found = { workflow: Workflow; version: WorkflowVersion };
const newestOf = prepared<{ tenant: TenantId; id: string }, Found[]>((db) => withVersion(db, workflows.version));
const numberedOf = prepared<{ tenant: TenantId; id: string; version: number }, Found[]>((db) => withVersion(db, sql`${sql.placeholder("version")}`));
const runnableOf = prepared<{ tenant: TenantId; id: string; version: number | null }, Found[]>((db) =>
  withVersion(db, sql`coalesce(${sql.placeholder("version")}::integer, ${workflows.publishedVersion}, ${workflows.version})`),
);

const CHANGED = { revision: sql`${workflows.revision} + 1`, updatedAt: sql`now()` };
const ORDERS = { name: workflows.name, created_at: workflows.createdAt, updated_at: workflows.updatedAt };

/** Text that stands for itself in LIKE. */
const literal = (text: string) => `%${text.replace(/[\\%_]/g, "\\$&")}%`;

function meant({ search, tags, isPublic, isPublished, deleted }: WorkflowFilter): SQL | undefined {
  return and(
    deleted ? isNotNull(workflows.deletedAt) : isNull(workflows.deletedAt),
    search ? or(ilike(workflows.name, literal(search)), ilike(workflows.description, literal(search))) : undefined,
    tags && tags.length > 0 ? arrayContains(workflows.tags, tags) : undefined,
    isPublic === undefined ? undefined : eq(workflows.isPublic, isPublic),
    isPublished === undefined ? undefined : isPublished ? isNotNull(workflows.publishedVersion) : isNull(workflows.publishedVersion),
  );
}

type Limits = Record<"listed" | "limit" | "offset" | "maxBytes", number | Placeholder>;

/** One page of the workflows meant, in one statement: those whose graphs fit into one answer, the first in any case. `of`: how many were to be listed. */
function listing(db: Statements, wanted: SQL | undefined, order: Order, isDrawn: boolean, limits: Limits) {
  const listed = db
    .select({
      ...workflowColumns,
      graph: (isDrawn ? sql<Json>`${workflowVersions.graph}` : sql<Json>`null::jsonb`).mapWith(workflowVersions.graph).as("graph"),
      position: order.position.as("position"),
      bytes: (isDrawn ? bytesOf(workflowVersions.graph) : sql<number>`0`).as("bytes"),
    })
    .from(workflows)
    .innerJoin(workflowVersions, versionOf(workflows.version))
    .where(wanted)
    .orderBy(...order.by)
    .limit(limits.listed as number)
    .offset(limits.offset as number)
    .as("listed");
  const inOrder = sql`order by ${listed.position} ${order.direction}, ${listed.id} ${order.direction}`;
  const measured = db
    .select({
      ...listed._.selectedFields,
      held: sql<number>`sum(${listed.bytes}) over (${inOrder})`.as("held"),
      place: sql<number>`(row_number() over (${inOrder}))::integer`.as("place"),
      of: sql<number>`(count(*) over ())::integer`.as("of"),
    })
    .from(listed)
    .as("measured");
  return db
    .select()
    .from(measured)
    .where(and(sql`${measured.place} <= ${limits.limit}`, or(sql`${measured.held} <= ${limits.maxBytes}`, eq(measured.place, 1))))
    .orderBy(measured.place);
}

type Listed = Awaited<ReturnType<typeof listing>>;
type First = { tenant: TenantId; listed: number; limit: number; offset: number; maxBytes: number };
const ofTenant = and(eq(workflows.tenantId, sql.placeholder("tenant")), isNull(workflows.deletedAt));
const allOf = prepared<{ tenant: TenantId }, { total: number }[]>((db) => countUpTo(db, workflows, ofTenant));
/** The first page of all, which is what is asked most, by order. */
const firstPages = new Map<string, (values: First) => PromiseLike<Listed>>();

function firstOf(chosen: NonNullable<WorkflowFilter["order"]>): (values: First) => PromiseLike<Listed> {
  const known = firstPages.get(chosen);
  if (known) return known;
  const limits = {
    listed: sql.placeholder("listed"),
    limit: sql.placeholder("limit"),
    offset: sql.placeholder("offset"),
    maxBytes: sql.placeholder("maxBytes"),
  };
  const built = prepared<First, Listed>((db) => listing(db, ofTenant, orderOf(chosen, ORDERS, workflows.id, undefined), true, limits));
  firstPages.set(chosen, built);
  return built;
}

export function createWorkflows(sessions: Sessions, pageMaxBytes: number): Workflows {
  return {
    async create(tenant, fields, version) {
      const id = uuidv7();
      const { webhooks = [] } = version;
      const inserts = (db: Statements) =>
        [
          db
            .insert(workflows)
            .values({ ...fields, id, tenantId: tenant, version: 1 })
            .returning(workflowColumns),
          newVersion(db, tenant, id, 1, version),
        ] as const;
      // One round trip, where nothing follows.
      const [[workflow], [saved]] =
        webhooks.length === 0
          ? await sessions.onceAll(tenant, inserts)
          : await sessions.transaction(tenant, async (db) => {
              const stored = await Promise.all(inserts(db));
              await syncWebhooks(db, tenant, id, 1, webhooks);
              return stored;
            });
      if (!workflow || !saved) throw new PerdureError("internal", "The workflow was not stored.");
      return { workflow, version: saved };
    },

    async list(tenant, filter, page) {
      const chosen = filter.order ?? "-created_at";
      const isDrawn = !filter.withoutGraph;
      const limits = { listed: page.limit + 1, limit: page.limit, offset: page.offset ?? 0, maxBytes: pageMaxBytes };
      const order = orderOf(chosen, ORDERS, workflows.id, page.cursor);
      const narrowed = meant(filter);
      const [rows, [counted]] = await sessions.onceAll(tenant, (db) => {
        if (page.cursor === undefined && Object.keys(filter).every((name) => name === "order"))
          return [firstOf(chosen)({ tenant, ...limits }), allOf({ tenant })];
        const wanted = and(eq(workflows.tenantId, tenant), narrowed);
        return [listing(db, and(wanted, order.behind), order, isDrawn, limits), countUpTo(db, workflows, wanted)];
      });
      const last = rows.at(-1);
      return {
        rows: rows.map(({ position: _position, bytes: _bytes, held: _held, place: _place, of: _of, ...workflow }) => workflow),
        total: counted?.total ?? 0,
        nextCursor: last && last.of > rows.length ? order.cursorOf(last) : undefined,
      };
    },

    async get(tenant, id) {
      const [found] = await sessions.once(tenant, () => newestOf({ tenant, id }));
      return found;
    },

    update(tenant, id, fields, version, expectedRevision) {
      return sessions.transaction(tenant, async (db) => {
        const [present] = await db.select({ version: workflows.version, revision: workflows.revision }).from(workflows).where(live(tenant, id)).for("update");
        if (!present) return undefined;
        refuseStale(expectedRevision, present.revision, "workflow");
        const [newest] = await db
          .select(versionColumns)
          .from(workflowVersions)
          .where(and(eq(workflowVersions.tenantId, tenant), eq(workflowVersions.workflowId, id), eq(workflowVersions.version, present.version)));
        if (!newest) throw new PerdureError("internal", "The workflow's newest version is missing.");
        const saved = version && !isSame(version, newest) ? await addVersion(db, tenant, id, present.version + 1, version) : newest;
        const [workflow] = await db
          .update(workflows)
          .set({ ...fields, version: saved.version, ...CHANGED })
          .where(live(tenant, id))
          .returning(workflowColumns);
        if (workflow && version?.webhooks) await syncWebhooks(db, tenant, id, saved.version, version.webhooks);
        return workflow && { workflow, version: saved };
      });
    },

    remove(tenant, id, expectedRevision) {
      return sessions.transaction(tenant, async (db) => {
        const [present] = await db.select({ revision: workflows.revision }).from(workflows).where(live(tenant, id)).for("update");
        if (!present) return false;
        refuseStale(expectedRevision, present.revision, "workflow");
        await db
          .update(workflows)
          .set({ deletedAt: sql`now()`, revision: CHANGED.revision })
          .where(live(tenant, id));
        await removeSchedules(db, tenant, id);
        return true;
      });
    },

    async restore(tenant, id) {
      const [, [found]] = await sessions.onceAll(tenant, (db) => [
        db
          .update(workflows)
          .set({ deletedAt: null, ...CHANGED })
          .where(and(eq(workflows.tenantId, tenant), eq(workflows.id, id), isNotNull(workflows.deletedAt))),
        newestOf({ tenant, id }),
      ]);
      return found;
    },

    async versions(tenant, id, page) {
      const before = page.cursor === undefined ? undefined : decodeKey(page.cursor, ([number]) => (isSequence(number) ? number : undefined));
      const [listed, [newest]] = await sessions.onceAll(tenant, (db) => [
        db
          .select({ version: workflowVersions.version, bytes: bytesOf(workflowVersions.problems) })
          .from(workflows)
          .innerJoin(workflowVersions, versionOf(sql`${workflowVersions.version}`))
          .where(and(live(tenant, id), before === undefined ? undefined : lt(workflowVersions.version, before)))
          .orderBy(desc(workflowVersions.version))
          .limit(page.limit + 1)
          .offset(page.offset ?? 0),
        db.select({ version: workflows.version }).from(workflows).where(live(tenant, id)),
      ]);
      if (!newest) return undefined;
      const chosen = fitting(listed, page.limit, pageMaxBytes).map(({ version }) => version);
      const last = chosen.at(-1);
      if (last === undefined) return { rows: [], total: newest.version, nextCursor: undefined };
      const rows = await sessions.once(tenant, (db) =>
        db
          .select(listedVersionColumns)
          .from(workflowVersions)
          .where(and(eq(workflowVersions.tenantId, tenant), eq(workflowVersions.workflowId, id), inArray(workflowVersions.version, chosen)))
          .orderBy(desc(workflowVersions.version)),
      );
      return { rows, total: newest.version, nextCursor: listed.length > chosen.length ? encodeKey([last]) : undefined };
    },

    async version(tenant, id, version) {
      const [found] = await sessions.once(tenant, () => numberedOf({ tenant, id, version }));
      return found?.version;
    },

    publish(tenant, id, version, { expectedRevision, timers = [], webhooks = [], by } = {}) {
      return sessions.transaction(tenant, async (db) => {
        const [present] = await db.select({ revision: workflows.revision }).from(workflows).where(live(tenant, id)).for("update");
        if (present) refuseStale(expectedRevision, present.revision, "workflow");
        const [published] = await db
          .update(workflows)
          .set({ publishedVersion: version, ...CHANGED })
          .where(and(live(tenant, id), sql`${version}::integer between 1 and ${workflows.version}`))
          .returning(workflowColumns);
        if (published) await syncPublished(db, tenant, id, webhooks);
        if (published) await putTimers(db, tenant, id, timers, by ?? null);
        return published;
      });
    },

    async runnable(tenant, id, version) {
      const [found] = await sessions.once(tenant, () => runnableOf({ tenant, id, version: version ?? null }));
      return found;
    },
  } satisfies Workflows;
}

/** Whether saving would change nothing: the same graph, compiled to the same. After an upgrade of node types it may not be. */
function isSame(saved: NewVersion, stored: WorkflowVersion): boolean {
  const compiled = ({ plan, problems }: NewVersion) => planText([plan, problems]);
  return saved.hash === stored.hash && compiled(saved) === compiled(stored);
}

function newVersion(db: Statements, tenant: TenantId, workflowId: string, version: number, { webhooks: _webhooks, ...content }: NewVersion) {
  return db
    .insert(workflowVersions)
    .values({ ...content, tenantId: tenant, workflowId, version })
    .returning(versionColumns);
}

async function addVersion(...args: Parameters<typeof newVersion>): Promise<WorkflowVersion> {
  const [saved] = await newVersion(...args);
  if (!saved) throw new PerdureError("internal", "The version was not stored.");
  return saved;
}
