import { type SQL, sql } from "drizzle-orm";
import type { RetentionKind, TenantId } from "#core";

export interface Sweepable {
  /** One bounded statement that deletes and returns `removed`, how many, and `more`, whether another batch may follow. */
  sweep(tenant: TenantId, days: number, limit: number): SQL;
  /** Returns `rows` and `bytes` of one organization: of values as they are stored, without indexes. */
  size(tenant: TenantId): SQL;
}

/** A payload's last use is noted within two hours (docs/decisions/012). */
const NOTED_WITHIN = sql.raw(`interval '2 hours'`);

const before = (days: number) => sql`now() - make_interval(days => ${days}::integer)`;

/** Of runs, closed for so long, of which this was not taken away yet; each run whole, so that no run is left with a part. */
const endedRuns = (tenant: TenantId, days: number, limit: number, mark: SQL) => sql`
  select id, last_seq from runs
  where tenant_id = ${tenant} and completed_at < ${before(days)} and ${mark} is null
  order by completed_at limit ${limit} for no key update skip locked`;

/** Of a run `r`: it lives, or ended less than so many days ago. */
const isYoung = (days: number) => sql`(r.completed_at is null or r.completed_at >= ${before(days)})`;

/** Ends a condition that is asked row by row, the oldest first, until a batch is full: joined, it would be asked of all rows for every batch. */
const EACH = sql.raw("offset 0");

/** Rows with a time of their own. */
function byTime(table: string, time: string, sizeOf: string): Sweepable {
  const name = sql.identifier(table);
  return {
    sweep: (tenant, days, limit) => sql`
      with gone as (
        delete from ${name} where ctid = any(array(
          select ctid from ${name} where tenant_id = ${tenant} and ${sql.identifier(time)} < ${before(days)} limit ${limit}))
          and tenant_id = ${tenant} returning 1)
      select count(*)::integer as removed, count(*) >= ${limit}::integer as more from gone`,
    size: (tenant) => sizeIn(table, sizeOf, tenant),
  };
}

function sizeIn(table: string, sizeOf: string, tenant: TenantId): SQL {
  return sql`select count(*)::float8 as rows, coalesce(sum(${sql.raw(sizeOf)}), 0)::float8 as bytes from ${sql.identifier(table)} t where t.tenant_id = ${tenant}`;
}

const bytesOf = (...columns: string[]) => columns.map((column) => `coalesce(pg_column_size(t.${column}), 0)`).join(" + ");

/** Everything that ages, by kind. A table with a time and an organization takes one line here and one in `core/retention.ts`. */
export const SWEEPABLE: Readonly<Record<RetentionKind, Sweepable>> = {
  audit: byTime("audit_events", "at", bytesOf("before", "after", "path", "user_agent")),

  // The closing event stays: it is how a run's stream ends.
  run_events: {
    sweep: (tenant, days, limit) => sql`
      with due as (${endedRuns(tenant, days, limit, sql`events_swept_at`)}),
      gone as (delete from run_events e using due d where e.run_id = d.id and e.tenant_id = ${tenant} and e.seq < d.last_seq returning 1),
      marked as (update runs r set events_swept_at = now() from due d where r.id = d.id and r.tenant_id = ${tenant} returning 1)
      select (select count(*) from gone)::integer as removed, (select count(*) from marked) >= ${limit}::integer as more`,
    size: (tenant) => sizeIn("run_events", bytesOf("data", "key"), tenant),
  },

  // Receipts are what nodes came to as well.
  node_rows: {
    sweep: (tenant, days, limit) => sql`
      with due as (${endedRuns(tenant, days, limit, sql`nodes_swept_at`)}),
      gone as (delete from node_executions n using due d where n.run_id = d.id and n.tenant_id = ${tenant} returning 1),
      receipts_gone as (delete from receipts c using due d where c.run_id = d.id and c.tenant_id = ${tenant} returning 1),
      marked as (update runs r set nodes_swept_at = now() from due d where r.id = d.id and r.tenant_id = ${tenant} returning 1)
      select (select count(*) from gone)::integer + (select count(*) from receipts_gone)::integer as removed, (select count(*) from marked) >= ${limit}::integer as more`,
    size: (tenant) => sql`
      select count(*)::float8 as rows, coalesce(sum(bytes), 0)::float8 as bytes from (
        select ${sql.raw(bytesOf("input", "output", "error", "wait"))} as bytes from node_executions t where t.tenant_id = ${tenant}
        union all
        select ${sql.raw(bytesOf("result", "failure"))} from receipts t where t.tenant_id = ${tenant}) s`,
  },

  // Which payloads a live run names stands sealed in its history: what was last used before the oldest live run began, none of them names.
  payloads: {
    sweep: (tenant, days, limit) => sql`
      with bound as (
        select least(${before(days)}, (select min(created_at) from runs where tenant_id = ${tenant} and completed_at is null)) - ${NOTED_WITHIN} as until),
      gone as (
        delete from payload_blobs p using bound
        where p.tenant_id = ${tenant} and p.used_at < bound.until and p.hash = any(array(
          select b.hash from payload_blobs b, bound o where b.tenant_id = ${tenant} and b.used_at < o.until limit ${limit}))
        returning 1)
      select count(*)::integer as removed, count(*) >= ${limit}::integer as more from gone`,
    size: (tenant) => sizeIn("payload_blobs", bytesOf("bytes"), tenant),
  },

  // One that was delivered again goes after what names it. Signatures have a time of their own, after which they say nothing.
  webhook_deliveries: {
    sweep: (tenant, days, limit) => sql`
      with due as (
        select d.id from webhook_deliveries d
        where d.tenant_id = ${tenant} and d.created_at < ${before(days)}
          and not exists (select from runs r where r.tenant_id = ${tenant} and r.id = d.run_id and ${isYoung(days)} ${EACH})
          and not exists (select from webhook_deliveries again where again.tenant_id = ${tenant} and again.redelivery_of = d.id ${EACH})
        order by d.created_at limit ${limit}),
      gone as (delete from webhook_deliveries d using due where d.id = due.id and d.tenant_id = ${tenant} returning 1),
      expired as (
        select webhook_id, signature_hash from webhook_replays where tenant_id = ${tenant} and expires_at < now() limit ${limit}),
      replays_gone as (
        delete from webhook_replays p using expired x
        where p.tenant_id = ${tenant} and p.webhook_id = x.webhook_id and p.signature_hash = x.signature_hash returning 1)
      select (select count(*) from gone)::integer + (select count(*) from replays_gone)::integer as removed,
        greatest((select count(*) from gone), (select count(*) from replays_gone)) >= ${limit}::integer as more`,
    size: (tenant) => sql`
      select count(*)::float8 as rows, coalesce(sum(bytes), 0)::float8 as bytes from (
        select ${sql.raw(bytesOf("query", "headers", "body", "sealed", "response_body"))} as bytes from webhook_deliveries t where t.tenant_id = ${tenant}
        union all
        select ${sql.raw(bytesOf("signature_hash"))} from webhook_replays t where t.tenant_id = ${tenant}) s`,
  },

  // A moment goes with all its attempts. It stays while Temporal may bring it again: within the catch-up window, and since the schedule was last
  // found in Temporal, from when moments are made up for. Of a schedule that is there the newest stays: it says when that last fired.
  schedule_firings: {
    sweep: (tenant, days, limit) => sql`
      with due as (
        select f.schedule_id, f.scheduled_at from schedule_firings f join schedules s on s.tenant_id = f.tenant_id and s.id = f.schedule_id
        where f.tenant_id = ${tenant} and f.attempt = 1 and f.fired_at < ${before(days)}
          and (s.deleted_at is not null or (
            f.scheduled_at < now() - make_interval(secs => (s.definition ->> 'catchup_window_seconds')::double precision)
            and f.scheduled_at < coalesce(s.checked_at, s.changed_at)
            and f.scheduled_at <> (select n.scheduled_at from schedule_firings n
              where n.tenant_id = ${tenant} and n.schedule_id = f.schedule_id order by n.fired_at desc, n.attempt desc limit 1)))
          and not exists (
            select from schedule_firings a left join runs r on r.tenant_id = a.tenant_id and r.id = a.run_id
            where a.tenant_id = ${tenant} and a.schedule_id = f.schedule_id and a.scheduled_at = f.scheduled_at
              and (a.fired_at >= ${before(days)} or (a.outcome = 'pending' and not a.is_manual) or (r.id is not null and ${isYoung(days)})) ${EACH})
        order by f.fired_at limit ${limit}),
      gone as (
        delete from schedule_firings f using due d
        where f.tenant_id = ${tenant} and f.schedule_id = d.schedule_id and f.scheduled_at = d.scheduled_at returning 1)
      select (select count(*) from gone)::integer as removed, (select count(*) from due) >= ${limit}::integer as more`,
    size: (tenant) => sizeIn("schedule_firings", bytesOf("error", "starter"), tenant),
  },

  // Those of schedules and of bulk operations begin with a blank and stay: a moment that is made up for once more must find its run. So does that of a
  // child whose parent lives. One that begins another run at this moment names another by the time it would go.
  idempotency_keys: {
    sweep: (tenant, days, limit) => sql`
      with due as (
        select k.key, k.run_id from idempotency_keys k
        where k.tenant_id = ${tenant} and k.created_at < ${before(days)} and k.key not like ' %'
          and exists (select from runs r where r.tenant_id = ${tenant} and r.id = k.run_id and r.completed_at < ${before(days)}
            and not exists (select from runs p where p.tenant_id = ${tenant} and p.id = r.parent_id and (p.completed_at is null or p.completed_at >= ${before(days)}))
            ${EACH})
        order by k.created_at limit ${limit}),
      gone as (
        delete from idempotency_keys k using due where k.tenant_id = ${tenant} and k.key = due.key and k.run_id = due.run_id returning 1)
      select count(*)::integer as removed, count(*) >= ${limit}::integer as more from gone`,
    size: (tenant) => sizeIn("idempotency_keys", bytesOf("key", "request_hash"), tenant),
  },
};

/** What is never swept by itself, for the report. */
export const KEPT: Readonly<Record<"runs" | "workflow_versions", (tenant: TenantId) => SQL>> = {
  runs: (tenant) => sizeIn("runs", bytesOf("inputs", "variables", "graph", "outputs", "error"), tenant),
  workflow_versions: (tenant) => sizeIn("workflow_versions", bytesOf("graph", "plan", "problems"), tenant),
};
