import { type SQL, sql } from "drizzle-orm";
import type { RunStatus, TenantId } from "#core";
import type { Sessions } from "../connection/sessions.ts";
import type { Analytics, AnalyticsRange, Latency, NodeStats, RunStats } from "../types/index.ts";

const WORKFLOWS_AT_MOST = 100;
const NODES_AT_MOST = 200;
/** A Monday, so that weeks begin on one. */
const EPOCH = "2001-01-01T00:00:00Z";

type Counted = Omit<RunStats, "latency"> & { latency: string | null };
/** In milliseconds, to a thousandth. */
const toLatency = (text: string | null): Latency | null =>
  text === null ? null : (JSON.parse(text, (_name, value: unknown) => (typeof value === "number" ? Math.round(value * 1_000) / 1_000 : value)) as Latency);

/** Of a column of milliseconds, of rows that completed. */
const latencyOf = (column: SQL, completed: SQL): SQL => sql`
  (select case when count(*) filter (where ${completed}) > 0 then jsonb_build_object(
    'p50', (percentile_cont(array[0.5, 0.9, 0.95, 0.99]) within group (order by ${column}) filter (where ${completed}))[1],
    'p90', (percentile_cont(array[0.5, 0.9, 0.95, 0.99]) within group (order by ${column}) filter (where ${completed}))[2],
    'p95', (percentile_cont(array[0.5, 0.9, 0.95, 0.99]) within group (order by ${column}) filter (where ${completed}))[3],
    'p99', (percentile_cont(array[0.5, 0.9, 0.95, 0.99]) within group (order by ${column}) filter (where ${completed}))[4],
    'mean', avg(${column}) filter (where ${completed})) end)`;

/** The newest runs of a time, no more than `limit`, found by the indexes of the lists. */
const newest = (tenant: TenantId, { from, to, workflowId }: AnalyticsRange, limit: number): SQL => sql`
  select r.id, r.status, r.created_at, r.completed_at, r.workflow_id, r.workflow_name from runs r
  where r.tenant_id = ${tenant} and r.created_at >= ${from}::timestamptz and r.created_at < ${to}::timestamptz
    ${workflowId === undefined ? sql`` : sql`and r.workflow_id = ${workflowId}`}
  order by r.created_at desc, r.id desc limit ${limit}`;

/** How many runs of each kind, of rows of `considered`. */
const runCounts = sql`
  count(*)::integer as runs,
  count(*) filter (where status = 'completed')::integer as completed,
  count(*) filter (where status = 'failed')::integer as failed,
  count(*) filter (where status = 'timed_out')::integer as timed_out,
  count(*) filter (where status = 'cancelled')::integer as cancelled,
  count(*) filter (where completed_at is null)::integer as open,
  ${latencyOf(sql`extract(epoch from completed_at - created_at)::float8 * 1000`, sql`status = 'completed'`)} as latency`;

export function createAnalytics(sessions: Sessions): Analytics {
  return {
    async installation() {
      const [open, [queue]] = await sessions.onceAll<[{ status: RunStatus; count: number }[], { queued: number; oldest_ms: number }[]]>("system", (db) => [
        db.execute<{ status: RunStatus; count: number }>(
          sql`select status, count(*)::integer as count from runs where completed_at is null group by status order by status`,
        ),
        db.execute<{ queued: number; oldest_ms: number }>(sql`
          select count(*)::integer as queued, coalesce(extract(epoch from now() - min(r.created_at)) * 1000, 0)::float8 as oldest_ms
          from run_slots s join runs r on r.id = s.run_id and r.completed_at is null where s.admitted_at is null and s.request is not null`),
      ]);
      return { open, queued: queue?.queued ?? 0, oldestQueuedMs: queue?.oldest_ms ?? 0 };
    },

    async runs(tenant, range, bucketMs, maxRows) {
      const at = sql`date_bin(make_interval(secs => ${bucketMs / 1000}::double precision), created_at, ${EPOCH}::timestamptz)`;
      const rows = await sessions.once(tenant, (db) =>
        db.execute<Counted & { kind: "total" | "bucket" | "workflow"; at: string | null; workflow_id: string | null; workflow_name: string | null }>(sql`
          with considered as materialized (select c.*, ${at} as at from (${newest(tenant, range, maxRows + 1)}) c limit ${maxRows})
          select case grouping(at, workflow_id) when 3 then 'total' when 1 then 'bucket' else 'workflow' end as kind,
            at, workflow_id, (array_agg(workflow_name order by created_at desc))[1] as workflow_name, ${runCounts}
          from considered group by grouping sets ((), (at), (workflow_id))
          order by kind, at, runs desc, workflow_id`),
      );
      const total = rows.find(({ kind }) => kind === "total");
      return {
        considered: total?.runs ?? 0,
        totals: toRunStats(total),
        buckets: rows.filter(({ kind }) => kind === "bucket").map((row) => ({ at: new Date(row.at ?? 0), ...toRunStats(row) })),
        workflows: rows
          .filter(({ kind }) => kind === "workflow")
          .slice(0, WORKFLOWS_AT_MOST)
          .map((row) => ({ workflowId: row.workflow_id, workflowName: row.workflow_name ?? "", ...toRunStats(row) })),
        isTruncated: (total?.runs ?? 0) >= maxRows && (await hasMore(tenant, range, maxRows)),
      };
    },

    async nodes(tenant, range, maxRows) {
      const each = range.workflowId === undefined ? sql`null::text` : sql`n.node_id`;
      const rows = await sessions.once(tenant, (db) =>
        db.execute<
          Omit<NodeStats, "latency" | "nodeType" | "nodeId"> & { node_type: string; node_id: string | null; latency: string | null; seen: number }
        >(sql`
          with rows as materialized (
            select n.type, ${each} as node_id, n.name, n.status, n.attempt, n.duration_ms
            from (${newest(tenant, range, maxRows)}) c join node_executions n on n.run_id = c.id and n.tenant_id = ${tenant}
            limit ${maxRows + 1}
          ), considered as (select * from rows limit ${maxRows})
          select type as node_type, node_id, case when node_id is not null then max(name) end as name,
            count(*)::integer as executions,
            count(*) filter (where status = 'completed')::integer as completed,
            count(*) filter (where status = 'failed')::integer as failed,
            count(*) filter (where status = 'skipped')::integer as skipped,
            count(*) filter (where status = 'cancelled')::integer as cancelled,
            count(*) filter (where not is_settled(status))::integer as open,
            coalesce(sum(greatest(attempt - 1, 0)), 0)::integer as retries,
            ${latencyOf(sql`duration_ms`, sql`status = 'completed' and duration_ms is not null`)} as latency,
            (select count(*) from rows)::integer as seen
          from considered group by type, node_id order by executions desc, type, node_id limit ${NODES_AT_MOST}`),
      );
      const seen = rows[0]?.seen ?? 0;
      return {
        considered: Math.min(seen, maxRows),
        isTruncated: seen > maxRows,
        nodes: rows.map(({ node_type: nodeType, node_id: nodeId, latency, seen: _seen, ...row }) => ({
          ...row,
          nodeType,
          nodeId,
          latency: toLatency(latency),
        })),
      };
    },
  };

  async function hasMore(tenant: TenantId, range: AnalyticsRange, maxRows: number): Promise<boolean> {
    const [row] = await sessions.once(tenant, (db) =>
      db.execute<{ found: number }>(sql`select count(*)::integer as found from (${newest(tenant, range, maxRows + 1)}) c`),
    );
    return (row?.found ?? 0) > maxRows;
  }
}

function toRunStats(row: Counted | undefined): RunStats {
  const { runs = 0, completed = 0, failed = 0, timed_out = 0, cancelled = 0, open = 0, latency = null } = row ?? {};
  return { runs, completed, failed, timed_out, cancelled, open, latency: toLatency(latency) };
}
