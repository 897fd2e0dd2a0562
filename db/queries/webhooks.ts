import { and, desc, eq, getTableColumns, gte, isNull, lt, type SQL, sql } from "drizzle-orm";
import { isWebhookId, type JsonObject, PerdureError, stableStringify, type TenantId } from "#core";
import { sqlState, UNIQUE_VIOLATION } from "../connection/errors.ts";
import type { Sessions, Statements } from "../connection/sessions.ts";
import { toJsonText } from "../connection/values.ts";
import { webhookDeliveries, webhooks, workflows, workflowVersions } from "../schema/index.ts";
import type { NewWebhook, Webhooks } from "../types/index.ts";
import { asBytes, asJson, storeDelivery } from "./webhook-runs.ts";
import { behind, bytesOf, countUpTo, positionOf, toPage } from "./paging.ts";

const { nodeConfig: _nodeConfig, removedAt: _removedAt, deletedAt: _deletedAt, ...shown } = getTableColumns(webhooks);
const {
  triggerCount: _triggers,
  errorCount: _errors,
  totalDurationMs: _total,
  lastTriggeredAt: _last,
  createdAt: _created,
  updatedAt: _updated,
  ...checked
} = shown;
const { tenantId: _tenant, keyVersion: _keyVersion, sealed: _sealed, deliveryKey: _deliveryKey, ...shownDelivery } = getTableColumns(webhookDeliveries);
const { tenantId: _workflowTenant, ...workflowColumns } = getTableColumns(workflows);
const { tenantId: _versionTenant, workflowId: _workflowId, credentials: _credentials, ...versionColumns } = getTableColumns(workflowVersions);

/** Of a workflow that is not deleted, of a node that is there. */
const isThere = and(
  isNull(webhooks.deletedAt),
  isNull(webhooks.removedAt),
  sql`exists (select from workflows w where w.tenant_id = ${webhooks.tenantId} and w.id = ${webhooks.workflowId} and w.deleted_at is null)`,
);
const one = (tenant: TenantId, id: string) => and(eq(webhooks.tenantId, tenant), eq(webhooks.id, id), isThere);

export function createWebhooks(sessions: Sessions, pageMaxBytes: number): Webhooks {
  const change = async (tenant: TenantId, id: string, fields: Record<string, unknown>, where?: SQL) => {
    const [changed] = await sessions.once(tenant, (db) =>
      db
        .update(webhooks)
        .set({ ...fields, updatedAt: sql`now()` })
        .where(and(one(tenant, id), where))
        .returning(shown),
    );
    return changed;
  };

  return {
    async called(id) {
      const [found] = await sessions.once("system", (db) =>
        db
          .select(checked)
          .from(webhooks)
          .where(and(eq(webhooks.id, id), isNull(webhooks.deletedAt), isNull(webhooks.removedAt))),
      );
      return found;
    },

    async served(tenant, workflowId) {
      const newest = sql`(select max(v.version) from workflow_versions v where v.tenant_id = ${tenant} and v.workflow_id = ${workflowId} and v.plan is not null)`;
      const [found] = await sessions.once(tenant, (db) =>
        db
          .select({ workflow: workflowColumns, version: versionColumns })
          .from(workflows)
          .innerJoin(
            workflowVersions,
            and(
              eq(workflowVersions.tenantId, workflows.tenantId),
              eq(workflowVersions.workflowId, workflows.id),
              eq(workflowVersions.version, sql`coalesce(${workflows.publishedVersion}, ${newest})`),
            ),
          )
          .where(and(eq(workflows.tenantId, tenant), eq(workflows.id, workflowId), isNull(workflows.deletedAt))),
      );
      return found;
    },

    async list(tenant, { workflowId, isActive }, page) {
      const wanted = and(
        eq(webhooks.tenantId, tenant),
        isThere,
        workflowId === undefined ? undefined : eq(webhooks.workflowId, workflowId),
        isActive === undefined ? undefined : eq(webhooks.isActive, isActive),
      );
      const [listed, [counted]] = await sessions.onceAll(tenant, (db) => [
        db
          .select({ id: webhooks.id, createdAt: positionOf(webhooks.createdAt), bytes: bytesOf(webhooks.config) })
          .from(webhooks)
          .where(and(wanted, behind(page.cursor, webhooks.createdAt, webhooks.id, isWebhookId)))
          .orderBy(desc(webhooks.createdAt), desc(webhooks.id))
          .limit(page.limit + 1)
          .offset(page.offset ?? 0),
        countUpTo(db, webhooks, wanted),
      ]);
      return toPage(page, pageMaxBytes, listed, counted?.total ?? 0, (ids) =>
        sessions.once(tenant, (db) =>
          db
            .select(shown)
            .from(webhooks)
            .where(and(wanted, sql`${webhooks.id} in ${ids}`)),
        ),
      );
    },

    async get(tenant, id) {
      const [found] = await sessions.once(tenant, (db) => db.select(shown).from(webhooks).where(one(tenant, id)));
      return found;
    },

    async create(tenant, workflowId, { config, sealed, ...webhook }, nodeConfig) {
      try {
        const [created] = await sessions.once(tenant, (db) =>
          db
            .insert(webhooks)
            .values({ ...webhook, tenantId: tenant, workflowId, config: asJson(config), nodeConfig: asJson(nodeConfig), sealed: asBytes(sealed) })
            .returning(shown),
        );
        if (!created) throw new PerdureError("internal", "The webhook was not stored.");
        return created;
      } catch (error) {
        if (sqlState(error) === UNIQUE_VIOLATION) throw new PerdureError("resource.conflict", "The node has a webhook already.", { cause: error });
        throw error;
      }
    },

    update: (tenant, id, { config, isActive }) =>
      change(tenant, id, { ...(config && { config: asJson(config) }), ...(isActive !== undefined && { isActive }) }),

    async setSecrets(tenant, id, { before, sealed, ...secrets }) {
      const changed = await change(tenant, id, { ...secrets, sealed: asBytes(sealed) }, sql`${webhooks.sealed} = ${asBytes(before)}`);
      if (changed) return changed;
      const [present] = await sessions.once(tenant, (db) => db.select({ id: webhooks.id }).from(webhooks).where(one(tenant, id)));
      if (present) throw new PerdureError("resource.conflict", "The webhook's secrets were changed meanwhile.");
      return undefined;
    },

    async remove(tenant, id) {
      return (await change(tenant, id, { deletedAt: sql`now()` })) !== undefined;
    },

    async record(tenant, delivery, fedRunId) {
      await sessions.onceAll(tenant, (db) => storeDelivery(db, tenant, delivery, fedRunId === undefined ? undefined : { runId: fedRunId, isRepeat: true }));
    },

    async waiting(tenant, workflowId, event, correlation) {
      const [found] = await sessions.once(tenant, (db) =>
        db.execute<{ id: string }>(sql`
          select r.id from runs r join node_executions n on n.tenant_id = r.tenant_id and n.run_id = r.id
          where r.tenant_id = ${tenant} and r.workflow_id = ${workflowId} and r.completed_at is null and n.status = 'waiting' and n.wait ->> 'kind' = 'event'
            and exists (select from run_events e
              where e.tenant_id = r.tenant_id and e.run_id = r.id and e.kind = 'waiting' and e.node_id = n.node_id and coalesce(e.iteration, '') = n.iteration
                and e.data ->> 'event' = ${event} and (e.data ->> 'correlation' is null or e.data ->> 'correlation' = ${correlation ?? null}))
          order by r.created_at, r.id limit 1`),
      );
      return found?.id;
    },

    async started(tenant, webhookId, { idempotencyKey = null, signatureHash = null }) {
      const [found] = await sessions.once(tenant, (db) =>
        db.execute<{ started: boolean }>(sql`
          select exists (select from idempotency_keys k where k.tenant_id = ${tenant} and k.key = ${idempotencyKey}::text)
            or exists (select from webhook_replays r where r.tenant_id = ${tenant} and r.webhook_id = ${webhookId} and r.signature_hash = ${signatureHash}::text) as started`),
      );
      return found?.started ?? false;
    },

    // Calls that were handed on before migration 0035 have the hash of their name beside the delivery, and nothing beside the command.
    async fed(tenant, webhookId, key) {
      const [found] = await sessions.once(tenant, (db) =>
        db.execute<{ run_id: string }>(sql`
          select c.run_id from commands c where c.tenant_id = ${tenant} and c.exclusive_key = ${key} and c.status <> 'refused'
          union all
          select d.run_id from webhook_deliveries d
            where d.tenant_id = ${tenant} and d.webhook_id = ${webhookId} and d.delivery_key = right(${key}, 64) and d.response_status < 400
          limit 1`),
      );
      return found?.run_id;
    },

    async finish(tenant, deliveryId, { status, body, errorCode, errorMessage, durationMs }) {
      await sessions.once(tenant, (db) =>
        db.execute(
          sql`select finish_webhook_delivery(${tenant}::uuid, ${deliveryId}::uuid, ${status}::integer, ${toJsonText(body)}::jsonb, ${errorCode ?? null}, ${errorMessage ?? null}, ${Math.round(durationMs)}::integer)`,
        ),
      );
    },

    async deliveries(tenant, webhookId, { from, to, isError, kind }, page) {
      const wanted = and(
        eq(webhookDeliveries.tenantId, tenant),
        eq(webhookDeliveries.webhookId, webhookId),
        from && gte(webhookDeliveries.createdAt, from),
        to && lt(webhookDeliveries.createdAt, to),
        kind === undefined ? undefined : eq(webhookDeliveries.kind, kind),
        isError === undefined ? undefined : isError ? gte(webhookDeliveries.responseStatus, 400) : lt(webhookDeliveries.responseStatus, 400),
      );
      const { createdAt, id, query, headers, body, responseBody } = webhookDeliveries;
      const [listed, [counted]] = await sessions.onceAll(tenant, (db) => [
        db
          .select({ id, createdAt: positionOf(createdAt), bytes: bytesOf(query, headers, body, responseBody) })
          .from(webhookDeliveries)
          .where(and(wanted, behind(page.cursor, createdAt, id)))
          .orderBy(desc(createdAt), desc(id))
          .limit(page.limit + 1)
          .offset(page.offset ?? 0),
        countUpTo(db, webhookDeliveries, wanted),
      ]);
      return toPage(page, pageMaxBytes, listed, counted?.total ?? 0, (ids) =>
        sessions.once(tenant, (db) =>
          db
            .select(shownDelivery)
            .from(webhookDeliveries)
            .where(and(wanted, sql`${id} in ${ids}`)),
        ),
      );
    },

    async delivery(tenant, webhookId, id) {
      const [found] = await sessions.once(tenant, (db) =>
        db
          .select({ ...shownDelivery, keyVersion: webhookDeliveries.keyVersion, sealed: webhookDeliveries.sealed })
          .from(webhookDeliveries)
          .where(and(eq(webhookDeliveries.tenantId, tenant), eq(webhookDeliveries.webhookId, webhookId), eq(webhookDeliveries.id, id))),
      );
      if (!found) return undefined;
      const { keyVersion, sealed, ...delivery } = found;
      return { ...delivery, ...(keyVersion !== null && sealed !== null && { keyVersion, sealed }) };
    },
  };
}

/**
 * Brings the webhooks of a workflow in line with the version that is being saved: new nodes get one, nodes that are gone lose theirs (unless the published
 * version has them). Settings follow what calls run: a draft beside the version that they run changes none of that version's webhooks.
 */
export async function syncWebhooks(db: Statements, tenant: TenantId, workflowId: string, saved: number, nodes: readonly NewWebhook[]): Promise<void> {
  const runBeside = await db.execute<{ node: string }>(sql`
    select jsonb_array_elements_text(running.plan -> 'entries' -> 'triggers') as node
    from (select v.version, v.plan from workflow_versions v join workflows w on w.tenant_id = v.tenant_id and w.id = v.workflow_id
      where v.tenant_id = ${tenant} and v.workflow_id = ${workflowId} and v.plan is not null
        and (w.published_version is null or v.version = w.published_version)
      order by v.version desc limit 1) running
    where running.version <> ${saved}`);
  const kept = new Set([...runBeside].map(({ node }) => node));
  const isAny = await putWebhooks(db, tenant, workflowId, nodes, kept);
  if (isAny)
    await markRemoved(db, tenant, workflowId, sql`${webhooks.nodeId} in (select jsonb_array_elements_text(${asJson(nodes.map(({ nodeId }) => nodeId))}))`);
}

/** After another version was published: what its nodes say holds, and nodes that neither it nor the newest one has are gone. */
export async function syncPublished(db: Statements, tenant: TenantId, workflowId: string, nodes: readonly NewWebhook[]): Promise<void> {
  await putWebhooks(db, tenant, workflowId, nodes, new Set());
  await markRemoved(
    db,
    tenant,
    workflowId,
    sql`exists (select from workflow_versions v join workflows w on w.id = v.workflow_id and w.version = v.version
      where v.tenant_id = ${tenant} and v.workflow_id = ${workflowId} and (v.plan is null or v.plan -> 'entries' -> 'triggers' ? ${webhooks.nodeId}))`,
  );
}

/**
 * Gives each node a webhook that never had one. Where it has one, and is none of `kept`, what it says otherwise than before is taken over.
 * @returns whether the workflow had webhooks before.
 */
async function putWebhooks(db: Statements, tenant: TenantId, workflowId: string, nodes: readonly NewWebhook[], kept: ReadonlySet<string>): Promise<boolean> {
  const present = await db
    .select({ id: webhooks.id, nodeId: webhooks.nodeId, config: webhooks.config, nodeConfig: webhooks.nodeConfig, deletedAt: webhooks.deletedAt })
    .from(webhooks)
    .where(and(eq(webhooks.tenantId, tenant), eq(webhooks.workflowId, workflowId)));
  for (const { sealed, config, ...node } of nodes) {
    const own = present.filter(({ nodeId }) => nodeId === node.nodeId);
    const live = own.find(({ deletedAt }) => deletedAt === null);
    if (own.length === 0) {
      await db
        .insert(webhooks)
        .values({ ...node, tenantId: tenant, workflowId, config: asJson(config), nodeConfig: asJson(config), sealed: asBytes(sealed) })
        .onConflictDoNothing();
    } else if (live && !kept.has(node.nodeId) && stableStringify(live.nodeConfig) !== stableStringify(config)) {
      await db
        .update(webhooks)
        .set({ config: asJson(takenOver(live.config, live.nodeConfig, config)), nodeConfig: asJson(config), updatedAt: sql`now()` })
        .where(and(eq(webhooks.tenantId, tenant), eq(webhooks.id, live.id)));
    }
  }
  return present.length > 0;
}

async function markRemoved(db: Statements, tenant: TenantId, workflowId: string, isInNewest: SQL): Promise<void> {
  const isInPublished = sql`exists (select from workflow_versions v join workflows w on w.id = v.workflow_id and w.published_version = v.version
    where v.tenant_id = ${tenant} and v.workflow_id = ${workflowId} and v.plan -> 'entries' -> 'triggers' ? ${webhooks.nodeId})`;
  await db
    .update(webhooks)
    .set({ removedAt: sql`case when ${isInNewest} or ${isInPublished} then null else coalesce(${webhooks.removedAt}, now()) end` })
    .where(and(eq(webhooks.tenantId, tenant), eq(webhooks.workflowId, workflowId)));
}

/** The settings, with what the node says now where that is not what it said before. */
function takenOver(config: JsonObject, before: JsonObject, now: JsonObject): JsonObject {
  const result = { ...config };
  for (const name of new Set([...Object.keys(before), ...Object.keys(now)])) {
    if (stableStringify(before[name]) === stableStringify(now[name])) continue;
    const said = now[name];
    if (said === undefined) delete result[name];
    else result[name] = said;
  }
  return result;
}
