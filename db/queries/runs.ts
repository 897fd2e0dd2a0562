import { and, desc, eq, getTableColumns, gt, gte, inArray, isNull, lt, lte, or, sql, type SQL } from "drizzle-orm";
import { type FailureValue, type Json, type JsonObject, type NodeStatus, PerdureError, type RunStatus, type TenantId } from "#core";
import type { NodeRow, Run, RunSlot, StoredEvent, WaitingFor } from "../../runs/types.ts";
import { prepared, type Sessions, type Statements } from "../connection/sessions.ts";
import { toJsonText } from "../connection/values.ts";
import { commands, nodeExecutions, runEvents, runs } from "../schema/index.ts";
import { NOBODY, type RunObserver, tellClosed, tellSettled } from "../observer.ts";
import type { RunFilter, RunRows } from "../types/index.ts";
import { groupOf, queueFull } from "./admission-terms.ts";
import { receiveWebhook, replayed } from "./webhook-runs.ts";
import { behind, bytesOf, countUpTo, decodeKey, encodeKey, fitting, isSequence, positionOf, toPage } from "./paging.ts";

/** Of a run that nothing happens to, the time between two looks of a sweeper grows with its silence up to this. */
const LONGEST_BETWEEN_LOOKS_SECONDS = 3600;
/** … and is this part of the silence. */
const LOOK_AFTER_PART_OF_SILENCE = 0.1;

const {
  variables: _variables,
  entries: _entries,
  graph: _graph,
  acknowledgedAt: _acknowledgedAt,
  lastSeq: _lastSeq,
  lastEventAt: _lastEventAt,
  checkedAt: _checkedAt,
  ...shown
} = getTableColumns(runs);

/** What an open run waits for, oldest first. */
const waitingFor = sql<string | null>`(
  select jsonb_agg(jsonb_strip_nulls(jsonb_build_object('kind', n.wait ->> 'kind', 'node_id', n.node_id, 'iteration', n.iteration, 'approval_id', a.id, 'expires_at', n.wait ->> 'expires_at')) order by n.first_seq)
  from node_executions n left join approvals a on a.run_id = n.run_id and a.node_id = n.node_id and a.iteration = n.iteration and a.status = 'pending'
  where runs.completed_at is null and n.run_id = runs.id and n.status = 'waiting')`;
/** The place in the queue is counted no further than this. */
const POSITION_COUNTED_TO = 1_000;
/** Of a run that a limit concerns: whether it has its slot, and how many are before it. What has been stored without what starts it is in no queue. */
const slot = sql<string | null>`(
  select jsonb_build_object('state', case when s.admitted_at is null then 'queued' when s.request is null then 'started' else 'admitted' end, 'paused', s.is_paused, 'position',
    case when s.admitted_at is null then (select count(*) from (
      select from run_slots o where o.tenant_id = s.tenant_id and o.group_key = s.group_key and o.admitted_at is null and (o.priority, o.place) <= (s.priority, s.place)
      limit ${POSITION_COUNTED_TO}) ahead) end)
  from run_slots s where s.run_id = runs.id and (s.admitted_at is not null or s.request is not null))`;
const runColumns = { ...shown, waitingFor, slot };

type RunRecord = Omit<Run, "waitingFor" | "slot"> & { waitingFor: string | null; slot: string | null };

function toRun({ waitingFor: waits, slot: place, ...row }: RunRecord): Run {
  return {
    ...row,
    waitingFor: waits === null ? [] : (JSON.parse(waits) as WaitingFor[]),
    slot: place === null ? null : slotOf(JSON.parse(place) as StoredSlot),
  };
}

type StoredSlot = { state: RunSlot["state"]; paused: boolean; position: number | null };

function slotOf({ state, paused, position }: StoredSlot): RunSlot {
  return state === "queued" ? { state, paused, position: position ?? 1 } : { state };
}

const eventColumns = getTableColumns(runEvents);
type EventRecord = typeof runEvents.$inferSelect;

function toStoredEvent(row: EventRecord): StoredEvent {
  return {
    seq: row.seq,
    run_id: row.runId,
    key: row.key,
    kind: row.kind,
    at: row.at.toISOString(),
    ...(row.nodeId !== null && { node_id: row.nodeId }),
    ...(row.iteration !== null && { iteration: row.iteration }),
    ...(row.attempt !== null && { attempt: row.attempt }),
    ...(row.data !== null && { data: row.data }),
  };
}

function toNodeRow(row: typeof nodeExecutions.$inferSelect): NodeRow {
  return {
    node_id: row.nodeId,
    iteration: row.iteration,
    type: row.type,
    name: row.name,
    status: row.status,
    attempt: row.attempt,
    route: row.route,
    input: row.input,
    output: row.output,
    error: row.error,
    started_at: row.startedAt?.toISOString() ?? null,
    completed_at: row.completedAt?.toISOString() ?? null,
    duration_ms: row.durationMs,
  };
}

/** Where a row stands in the list of a run's nodes. */
interface NodeKey {
  firstSeq: number;
  nodeId: string;
  iteration: string;
}
const NODE_KEY = { firstSeq: nodeExecutions.firstSeq, nodeId: nodeExecutions.nodeId, iteration: nodeExecutions.iteration };
const NODE_ORDER = [nodeExecutions.firstSeq, nodeExecutions.nodeId, nodeExecutions.iteration] as const;
const nodeKeyColumns = sql`${nodeExecutions.firstSeq}, ${nodeExecutions.nodeId}, ${nodeExecutions.iteration}`;
const nodeKey = ({ firstSeq, nodeId, iteration }: NodeKey) => sql`(${firstSeq}::integer, ${nodeId}::text, ${iteration}::text)`;
const behindNode = (key: NodeKey) => sql`(${nodeKeyColumns}) > ${nodeKey(key)}`;

function readNodeKey([firstSeq, nodeId, iteration]: readonly unknown[]): NodeKey | undefined {
  return isSequence(firstSeq) && typeof nodeId === "string" && typeof iteration === "string" ? { firstSeq, nodeId, iteration } : undefined;
}

export function wantedRuns(tenant: TenantId, { workflowId, status, from, to, forkedFrom, errorCode, ids }: RunFilter): SQL | undefined {
  return and(
    eq(runs.tenantId, tenant),
    workflowId === undefined ? undefined : eq(runs.workflowId, workflowId),
    status && status.length > 0 ? inArray(runs.status, status) : undefined,
    from && gte(runs.createdAt, from),
    to && lt(runs.createdAt, to),
    forkedFrom === undefined ? undefined : eq(runs.forkedFrom, forkedFrom),
    errorCode === undefined ? undefined : sql`${runs.error} ->> 'code' = ${errorCode}`,
    ids && inArray(runs.id, ids),
  );
}

/** The newest of these runs. */
export async function newestRuns(db: Statements, wanted: SQL | undefined, limit: number): Promise<Run[]> {
  const rows = await db.select(runColumns).from(runs).where(wanted).orderBy(desc(runs.createdAt), desc(runs.id)).limit(limit);
  return rows.map(toRun);
}

const one = (tenant: TenantId, id: string) => and(eq(runs.tenantId, tenant), eq(runs.id, id));
const runOf = prepared<{ tenant: TenantId; id: string }, RunRecord[]>((db) =>
  db
    .select(runColumns)
    .from(runs)
    .where(and(eq(runs.tenantId, sql.placeholder("tenant")), eq(runs.id, sql.placeholder("id")))),
);

export function createRunRows(sessions: Sessions, pageMaxBytes: number, observer: RunObserver = NOBODY): RunRows {
  const isSwept = async (tenant: TenantId, id: string): Promise<boolean> => {
    const [found] = await sessions.once(tenant, (db) =>
      db.execute(sql`select 1 as one from runs where tenant_id = ${tenant} and id = ${id} and nodes_swept_at is not null`),
    );
    return found !== undefined;
  };
  const close = async (tenant: TenantId, id: string, end: Parameters<RunRows["close"]>[2], counts: object | null) => {
    const ending = { status: end.status, outputs: end.outputs ?? null, error: end.error ?? null, at: end.at };
    const [[result], [row]] = await sessions.onceAll(tenant, (db) => [
      db.execute<{ outcome: string; settled: string | null }>(
        sql`select outcome, settled from end_run(${tenant}::uuid, ${id}::uuid, ${toJsonText(ending)}::jsonb, ${counts && toJsonText(counts)}::jsonb)`,
      ),
      runOf({ tenant, id }),
    ]);
    if (!result || !row) throw new PerdureError("resource.not_found", "There is no such run.");
    const run = toRun(row);
    tellSettled(observer, result.settled);
    if (result.outcome === "closed") tellClosed(observer, run);
    return { closed: result.outcome !== "differs", run };
  };

  return {
    async insert(tenant, id, request, admission) {
      const { idempotency } = request;
      const row = {
        id,
        tenant_id: tenant,
        workflow_id: request.workflowId,
        workflow_name: request.workflowName,
        version: request.version,
        trigger: request.trigger,
        inputs: request.inputs,
        variables: request.variables,
        entries: request.entries,
        graph: request.graph,
        parent_id: request.parentId,
        forked_from: request.forkedFrom,
        created_by: request.createdBy,
      };
      const stored = idempotency
        ? sql`(select k.run_id from idempotency_keys k where k.tenant_id = ${tenant} and k.key = ${idempotency.key})`
        : sql`${id}::uuid`;
      const given = sql`${toJsonText(row)}::jsonb, ${new Date()}::timestamptz, ${idempotency?.key ?? null}, ${idempotency?.requestHash ?? null}`;
      const { delivery } = request;
      const statement =
        admission && delivery
          ? receiveWebhook(tenant, delivery, given, admission)
          : admission
            ? sql`select created, request_hash, limited from queue_run(${given}, ${toJsonText(groupOf(admission))}::jsonb, ${admission.request ? toJsonText(admission.request) : null}::json)`
            : sql`select created, request_hash, false as limited from start_run(${given})`;
      const [[result], [found]] = await sessions
        .onceAll(tenant, (db) => [
          db.execute<{ created: boolean; request_hash: string | null; limited: boolean }>(statement),
          db
            .select(runColumns)
            .from(runs)
            .where(and(eq(runs.tenantId, tenant), eq(runs.id, stored))),
        ])
        .catch((error: unknown) => {
          throw queueFull(error) ?? replayed(error) ?? error;
        });
      if (result && idempotency && result.request_hash !== idempotency.requestHash) {
        throw new PerdureError("idempotency.mismatch", "This Idempotency-Key was used before with another request.");
      }
      if (!result || !found) throw new PerdureError("internal", "The run was not stored.");
      const { traceparent } = request;
      if (result.created && traceparent !== undefined) await sessions.once(tenant, (db) => db.update(runs).set({ traceparent }).where(one(tenant, id)));
      return { run: toRun(found), created: result.created, limited: result.limited };
    },

    async get(tenant, id) {
      const [found] = await sessions.once(tenant, () => runOf({ tenant, id }));
      return found && toRun(found);
    },

    async list(tenant, filter, page) {
      const wanted = wantedRuns(tenant, filter);
      const [listed, [counted]] = await sessions.onceAll(tenant, (db) => [
        db
          .select({ id: runs.id, createdAt: positionOf(runs.createdAt), bytes: bytesOf(runs.inputs, runs.outputs, runs.error) })
          .from(runs)
          .where(and(wanted, behind(page.cursor, runs.createdAt, runs.id)))
          .orderBy(desc(runs.createdAt), desc(runs.id))
          .limit(page.limit + 1)
          .offset(page.offset ?? 0),
        countUpTo(db, runs, wanted),
      ]);
      return toPage(page, pageMaxBytes, listed, counted?.total ?? 0, async (ids) => {
        const rows = await sessions.once(tenant, (db) =>
          db
            .select(runColumns)
            .from(runs)
            .where(and(eq(runs.tenantId, tenant), inArray(runs.id, ids))),
        );
        return rows.map(toRun);
      });
    },

    async nodes(tenant, id, page) {
      const ofRun = and(eq(nodeExecutions.tenantId, tenant), eq(nodeExecutions.runId, id));
      const after = page.cursor === undefined ? undefined : behindNode(decodeKey(page.cursor, readNodeKey));
      const [listed, [counted]] = await sessions.onceAll(tenant, (db) => [
        db
          .select({ key: NODE_KEY, bytes: bytesOf(nodeExecutions.input, nodeExecutions.output, nodeExecutions.error) })
          .from(nodeExecutions)
          .where(and(ofRun, after))
          .orderBy(...NODE_ORDER)
          .limit(page.limit + 1)
          .offset(page.offset ?? 0),
        countUpTo(db, nodeExecutions, ofRun),
      ]);
      const chosen = fitting(listed, page.limit, pageMaxBytes);
      const [first, last] = [chosen[0], chosen.at(-1)];
      const total = counted?.total ?? 0;
      if (!first || !last) return { rows: [], total, nextCursor: undefined };
      const rows = await sessions.once(tenant, (db) =>
        db
          .select()
          .from(nodeExecutions)
          .where(and(ofRun, sql`(${nodeKeyColumns}) between ${nodeKey(first.key)} and ${nodeKey(last.key)}`))
          .orderBy(...NODE_ORDER)
          .limit(chosen.length),
      );
      const { firstSeq, nodeId, iteration } = last.key;
      return { rows: rows.map(toNodeRow), total, nextCursor: listed.length > chosen.length ? encodeKey([firstSeq, nodeId, iteration]) : undefined };
    },

    async events(tenant, id, after, limit) {
      const rows = await sessions.once(tenant, (db) =>
        db
          .select()
          .from(runEvents)
          .where(and(eq(runEvents.tenantId, tenant), eq(runEvents.runId, id), gt(runEvents.seq, after)))
          .orderBy(runEvents.seq)
          .limit(limit),
      );
      return rows.map(toStoredEvent);
    },

    async eventPage(tenant, id, after, limit, maxBytes = pageMaxBytes) {
      const rows = await sessions.once(tenant, (db) => {
        const listed = db
          .select({ ...eventColumns, bytes: bytesOf(runEvents.data).as("bytes") })
          .from(runEvents)
          .where(and(eq(runEvents.tenantId, tenant), eq(runEvents.runId, id), gt(runEvents.seq, after)))
          .orderBy(runEvents.seq)
          .limit(limit + 1)
          .as("listed");
        const { bytes, ...columns } = listed._.selectedFields;
        const measured = db
          .select({
            ...columns,
            held: sql<number>`sum(${bytes}) over (order by ${listed.seq})`.as("held"),
            place: sql<number>`(row_number() over (order by ${listed.seq}))::integer`.as("place"),
            listed: sql<number>`(count(*) over ())::integer`.as("listed"),
          })
          .from(listed)
          .as("measured");
        return db
          .select()
          .from(measured)
          .where(and(lte(measured.place, limit), or(lte(measured.held, maxBytes), eq(measured.place, 1))))
          .orderBy(measured.seq);
      });
      return { events: rows.map(toStoredEvent), hasMore: (rows[0]?.listed ?? 0) > rows.length };
    },

    async markStarted(tenant, id) {
      await sessions.once(tenant, (db) =>
        db
          .update(runs)
          .set({ acknowledgedAt: sql`coalesce(${runs.acknowledgedAt}, now())` })
          .where(one(tenant, id)),
      );
    },

    async origin(tenant, id) {
      const [[found], changes] = await sessions.onceAll(tenant, (db) => [
        db.select({ run: runColumns, variables: runs.variables, entries: runs.entries, graph: runs.graph }).from(runs).where(one(tenant, id)),
        db
          .select({ command: commands.command })
          .from(commands)
          .where(
            and(eq(commands.tenantId, tenant), eq(commands.runId, id), eq(commands.status, "applied"), sql`${commands.command} ->> 'kind' = 'set_variable'`),
          )
          .orderBy(commands.at, commands.id),
      ]);
      if (!found) return undefined;
      const changed = changes.map(({ command }) => command as { name: string; value: Json });
      const variables: JsonObject = { ...found.variables, ...Object.fromEntries(changed.map(({ name, value }) => [name, value])) };
      return { run: toRun(found.run), variables, entries: found.entries, graph: found.graph };
    },

    async recorded(tenant, id, limit) {
      const rows = await sessions.once(tenant, (db) =>
        db.execute<{
          node_id: string;
          iteration: string;
          type: string;
          status: NodeStatus;
          route: string | null;
          error: string | null;
          output_bytes: number | null;
          by_hand: boolean;
          never_began: boolean;
        }>(sql`
          with recursive line as (
            select id, forked_from from runs where tenant_id = ${tenant} and id = ${id}
            union select r.id, r.forked_from from runs r join line l on r.id = l.forked_from where r.tenant_id = ${tenant}),
          skips as materialized (
            select distinct c.command ->> 'node_id' as node_id, coalesce(c.command ->> 'iteration', '') as iteration from commands c join line l on l.id = c.run_id
            where c.tenant_id = ${tenant} and c.status = 'applied' and c.command ->> 'kind' = 'skip_node')
          select n.node_id, n.iteration, n.type, n.status, n.route, n.error, octet_length(n.output::text) as output_bytes,
            n.status = 'skipped' and s.node_id is not null as by_hand,
            n.status = 'cancelled' and n.started_at is null and n.duration_ms is null as never_began
          from node_executions n left join skips s on s.node_id = n.node_id and s.iteration = n.iteration
          where n.tenant_id = ${tenant} and n.run_id = ${id} order by n.first_seq, n.node_id, n.iteration limit ${limit}`),
      );
      if (rows.length === 0 && (await isSwept(tenant, id))) {
        throw new PerdureError("run.state", "What the nodes of this run came to is not kept any more (retention).");
      }
      return rows.map(({ error, by_hand: byHand, never_began: neverBegan, ...row }) => ({
        ...row,
        error: error === null ? null : (JSON.parse(error) as FailureValue),
        ...(byHand && { by_hand: true as const }),
        ...(neverBegan && { never_began: true as const }),
      }));
    },

    async outputs(tenant, id, nodes) {
      if (nodes.length === 0) return [];
      const keys = toJsonText(nodes.map(({ node_id, iteration }) => ({ node_id, iteration })));
      const rows = await sessions.once(tenant, (db) =>
        db.execute<{ node_id: string; iteration: string; output: string | null }>(sql`
          select n.node_id, n.iteration, n.output from node_executions n
          join jsonb_to_recordset(${keys}::jsonb) as k(node_id text, iteration text) on k.node_id = n.node_id and k.iteration = n.iteration
          where n.tenant_id = ${tenant} and n.run_id = ${id}`),
      );
      return rows.map(({ node_id, iteration, output }) => ({ node_id, iteration, output: output === null ? null : (JSON.parse(output) as Json) }));
    },

    async setVersion(tenant, id, version) {
      await sessions.once(tenant, (db) => db.update(runs).set({ version, graph: null }).where(one(tenant, id)));
    },

    async standing(tenant, id) {
      const [found] = await sessions.once(tenant, (db) =>
        db
          .select({
            run: runColumns,
            acknowledgedAt: runs.acknowledgedAt,
            silentMs: sql<number>`(extract(epoch from now() - ${runs.lastEventAt}) * 1000)::float8`,
          })
          .from(runs)
          .where(one(tenant, id)),
      );
      if (!found) return undefined;
      const run = toRun(found.run);
      return { run, started: found.acknowledgedAt !== null || (run.status !== "queued" && run.slot?.state !== "queued"), silentMs: found.silentMs };
    },

    close: async (tenant, id, end) => (await close(tenant, id, end, null)).run,
    closeIfComplete: (tenant, id, end, counts) => close(tenant, id, end, counts),

    async repair(tenant, id, nodes) {
      const text = toJsonText(nodes);
      const [result] = await sessions.once(tenant, (db) =>
        db.execute<{ settled: string | null }>(sql`select settled from mend_run(${tenant}::uuid, ${id}::uuid, ${text}::jsonb)`),
      );
      tellSettled(observer, result?.settled);
    },

    async openChildren(tenant, id) {
      const rows = await sessions.once(tenant, (db) =>
        db
          .select({ id: runs.id })
          .from(runs)
          .where(and(eq(runs.tenantId, tenant), eq(runs.parentId, id), isNull(runs.completedAt))),
      );
      return rows.map((row) => row.id);
    },

    async stillOpen(ids) {
      const rows = await sessions.once("system", (db) =>
        db
          .select({ id: runs.id })
          .from(runs)
          .where(and(inArray(runs.id, [...ids]), isNull(runs.completedAt))),
      );
      return rows.map(({ id }) => id);
    },

    async silent(olderThanMs, limit) {
      const silence = sql`extract(epoch from now() - r.last_event_at)`;
      const rows = await sessions.once("system", (db) =>
        db.execute<{ id: string; tenant_id: TenantId; status: RunStatus; started: boolean; created_at: string }>(sql`
          update runs set checked_at = now() where id in (
            select r.id from runs r
            where r.completed_at is null and not exists (select from run_slots s where s.run_id = r.id and s.admitted_at is null and s.request is not null) and greatest(r.last_event_at, r.checked_at) < now() - make_interval(secs =>
              case when r.checked_at is null or r.checked_at < r.last_event_at then ${olderThanMs / 1000}
                else greatest(${olderThanMs / 1000}, least(${silence} * ${LOOK_AFTER_PART_OF_SILENCE}, ${LONGEST_BETWEEN_LOOKS_SECONDS})) end::double precision)
            order by coalesce(r.checked_at, r.last_event_at) limit ${limit} for no key update skip locked)
          returning id, tenant_id, status, (acknowledged_at is not null or status <> 'queued') as started, created_at`),
      );
      return rows.map((row) => ({ tenantId: row.tenant_id, id: row.id, status: row.status, started: row.started, createdAt: new Date(row.created_at) }));
    },
  };
}
