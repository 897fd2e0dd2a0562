import { and, desc, eq, getTableColumns, gt, gte, inArray, isNull, lt, sql } from "drizzle-orm";
import { PerdureError, type RunStatus, type TenantId } from "#core";
import type { NodeRow, Run, StoredEvent, WaitingFor } from "../../runs/types.ts";
import type { Sessions, Statements } from "../connection/sessions.ts";
import { toJsonText } from "../connection/values.ts";
import { nodeExecutions, runEvents, runs } from "../schema/index.ts";
import type { RunRows } from "../types.ts";
import { behind, countOf, positionOf, toPage, TOTAL_COUNTED_TO } from "./paging.ts";

/** Of a run that nothing happens to, the time between two looks of a sweeper grows with its silence up to this. */
const LONGEST_BETWEEN_LOOKS_SECONDS = 3600;
/** … and is this part of the silence. */
const LOOK_AFTER_PART_OF_SILENCE = 0.1;

const {
  variables: _variables, entries: _entries, graph: _graph, acknowledgedAt: _acknowledgedAt, lastSeq: _lastSeq, lastEventAt: _lastEventAt, checkedAt: _checkedAt,
  ...shown
} = getTableColumns(runs);

/** What an open run waits for, oldest first. */
const waitingFor = sql<string | null>`(
  select jsonb_agg(jsonb_strip_nulls(jsonb_build_object('kind', n.wait ->> 'kind', 'node_id', n.node_id, 'iteration', n.iteration, 'approval_id', a.id, 'expires_at', n.wait ->> 'expires_at')) order by n.first_seq)
  from node_executions n left join approvals a on a.run_id = n.run_id and a.node_id = n.node_id and a.iteration = n.iteration and a.status = 'pending'
  where runs.completed_at is null and n.run_id = runs.id and n.status = 'waiting')`;
const runColumns = { ...shown, waitingFor };

type RunRecord = Omit<Run, "waitingFor"> & { waitingFor: string | null };

function toRun({ waitingFor: waits, ...row }: RunRecord): Run {
  return { ...row, waitingFor: waits === null ? [] : (JSON.parse(waits) as WaitingFor[]) };
}

const one = (tenant: TenantId, id: string) => and(eq(runs.tenantId, tenant), eq(runs.id, id));
const runQuery = (db: Statements, tenant: TenantId, id: string) => db.select(runColumns).from(runs).where(one(tenant, id));

export function createRunRows(sessions: Sessions): RunRows {
  const close = async (tenant: TenantId, id: string, end: Parameters<RunRows["close"]>[2], counts: object | null) => {
    const ending = { status: end.status, outputs: end.outputs ?? null, error: end.error ?? null, at: end.at };
    const [[result], [row]] = await sessions.onceAll(tenant, (db) => [
      db.execute<{ outcome: string; counts: string | null }>(
        sql`select outcome, counts from close_run(${tenant}::uuid, ${id}::uuid, ${toJsonText(ending)}::jsonb, ${counts && toJsonText(counts)}::jsonb)`,
      ),
      runQuery(db, tenant, id),
    ]);
    if (!result || !row) throw new PerdureError("resource.not_found", "There is no such run.");
    return { closed: result.outcome !== "differs", run: toRun(row) };
  };

  return {
    async insert(tenant, id, request) {
      const { idempotency } = request;
      const row = {
        id, tenant_id: tenant, workflow_id: request.workflowId, workflow_name: request.workflowName, version: request.version, trigger: request.trigger, inputs: request.inputs,
        variables: request.variables, entries: request.entries, graph: request.graph, parent_id: request.parentId, forked_from: request.forkedFrom, created_by: request.createdBy,
      };
      const stored = idempotency ? sql`(select k.run_id from idempotency_keys k where k.tenant_id = ${tenant} and k.key = ${idempotency.key})` : sql`${id}::uuid`;
      const [[result], [found]] = await sessions.onceAll(tenant, (db) => [
        db.execute<{ created: boolean; request_hash: string | null }>(
          sql`select created, request_hash from start_run(${toJsonText(row)}::jsonb, ${new Date()}::timestamptz, ${idempotency?.key ?? null}, ${idempotency?.requestHash ?? null})`,
        ),
        db.select(runColumns).from(runs).where(and(eq(runs.tenantId, tenant), eq(runs.id, stored))),
      ]);
      if (result && idempotency && result.request_hash !== idempotency.requestHash) {
        throw new PerdureError("idempotency.mismatch", "This Idempotency-Key was used before with another request.");
      }
      if (!result || !found) throw new PerdureError("internal", "The run was not stored.");
      return { run: toRun(found), created: result.created };
    },

    async get(tenant, id) {
      const [found] = await sessions.once(tenant, (db) => runQuery(db, tenant, id));
      return found && toRun(found);
    },

    async list(tenant, { workflowId, status, from, to }, page) {
      const wanted = and(
        eq(runs.tenantId, tenant),
        workflowId === undefined ? undefined : eq(runs.workflowId, workflowId),
        status && status.length > 0 ? inArray(runs.status, status) : undefined,
        from && gte(runs.createdAt, from),
        to && lt(runs.createdAt, to),
      );
      const [rows, [counted]] = await sessions.onceAll(tenant, (db) => [
        db
          .select({ run: runColumns, position: positionOf(runs.createdAt) })
          .from(runs)
          .where(and(wanted, behind(page.cursor, runs.createdAt, runs.id)))
          .orderBy(desc(runs.createdAt), desc(runs.id))
          .limit(page.limit + 1)
          .offset(page.offset ?? 0),
        countOf(db, db.select({ one: sql`1`.as("one") }).from(runs).where(wanted).limit(TOTAL_COUNTED_TO).as("counted")),
      ]);
      return toPage(rows, page, counted?.total ?? 0, ({ run, position }) => ({ createdAt: position, id: run.id }), ({ run }) => toRun(run));
    },

    async nodes(tenant, id) {
      const rows = await sessions.once(tenant, (db) =>
        db.select().from(nodeExecutions).where(and(eq(nodeExecutions.tenantId, tenant), eq(nodeExecutions.runId, id))).orderBy(nodeExecutions.firstSeq, nodeExecutions.nodeId, nodeExecutions.iteration),
      );
      return rows.map(
        (row): NodeRow => ({
          node_id: row.nodeId, iteration: row.iteration, type: row.type, name: row.name, status: row.status, attempt: row.attempt, route: row.route, input: row.input,
          output: row.output, error: row.error, started_at: row.startedAt?.toISOString() ?? null, completed_at: row.completedAt?.toISOString() ?? null, duration_ms: row.durationMs,
        }),
      );
    },

    async events(tenant, id, after, limit) {
      const rows = await sessions.once(tenant, (db) =>
        db.select().from(runEvents).where(and(eq(runEvents.tenantId, tenant), eq(runEvents.runId, id), gt(runEvents.seq, after))).orderBy(runEvents.seq).limit(limit),
      );
      return rows.map(
        (row): StoredEvent => ({
          seq: row.seq, run_id: row.runId, key: row.key, kind: row.kind, at: row.at.toISOString(),
          ...(row.nodeId !== null && { node_id: row.nodeId }),
          ...(row.iteration !== null && { iteration: row.iteration }),
          ...(row.attempt !== null && { attempt: row.attempt }),
          ...(row.data !== null && { data: row.data }),
        }),
      );
    },

    async markStarted(tenant, id) {
      await sessions.once(tenant, (db) => db.update(runs).set({ acknowledgedAt: sql`coalesce(${runs.acknowledgedAt}, now())` }).where(one(tenant, id)));
    },

    async standing(tenant, id) {
      const [found] = await sessions.once(tenant, (db) =>
        db
          .select({ run: runColumns, acknowledgedAt: runs.acknowledgedAt, silentMs: sql<number>`(extract(epoch from now() - ${runs.lastEventAt}) * 1000)::float8` })
          .from(runs)
          .where(one(tenant, id)),
      );
      return found && { run: toRun(found.run), started: found.acknowledgedAt !== null || found.run.status !== "queued", silentMs: found.silentMs };
    },

    close: async (tenant, id, end) => (await close(tenant, id, end, null)).run,
    closeIfComplete: (tenant, id, end, counts) => close(tenant, id, end, counts),

    async repair(tenant, id, nodes) {
      const text = toJsonText(nodes);
      await sessions.once(tenant, (db) => db.execute(sql`select repair_run(${tenant}::uuid, ${id}::uuid, ${text}::jsonb)`));
    },

    async stillOpen(ids) {
      const rows = await sessions.once("system", (db) => db.select({ id: runs.id }).from(runs).where(and(inArray(runs.id, [...ids]), isNull(runs.completedAt))));
      return rows.map(({ id }) => id);
    },

    async silent(olderThanMs, limit) {
      const silence = sql`extract(epoch from now() - r.last_event_at)`;
      const rows = await sessions.once("system", (db) =>
        db.execute<{ id: string; tenant_id: TenantId; status: RunStatus; started: boolean; created_at: string }>(sql`
          update runs set checked_at = now() where id in (
            select r.id from runs r
            where r.completed_at is null and greatest(r.last_event_at, r.checked_at) < now() - make_interval(secs =>
              case when r.checked_at is null or r.checked_at < r.last_event_at then ${olderThanMs / 1000}
                else greatest(${olderThanMs / 1000}, least(${silence} * ${LOOK_AFTER_PART_OF_SILENCE}, ${LONGEST_BETWEEN_LOOKS_SECONDS})) end::double precision)
            order by coalesce(r.checked_at, r.last_event_at) limit ${limit} for no key update skip locked)
          returning id, tenant_id, status, (acknowledged_at is not null or status <> 'queued') as started, created_at`),
      );
      return rows.map((row) => ({ tenantId: row.tenant_id, id: row.id, status: row.status, started: row.started, createdAt: new Date(row.created_at) }));
    },
  };
}

