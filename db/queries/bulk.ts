import { and, asc, desc, eq, getTableColumns, gt, sql } from "drizzle-orm";
import { type JsonObject, PerdureError, type TenantId } from "#core";
import type { Sessions, Statements } from "../connection/sessions.ts";
import { toJsonText } from "../connection/values.ts";
import { bulkItems, bulkJobs, runs } from "../schema/index.ts";
import type { BulkAction, BulkRows } from "../types/index.ts";
import { behind, bytesOf, countOf, countUpTo, decodeKey, encodeKey, positionOf, toPage } from "./paging.ts";
import { newestRuns, wantedRuns } from "./runs.ts";

const { tenantId: _jobTenant, nextAt: _nextAt, ...jobColumns } = getTableColumns(bulkJobs);
const { tenantId: _itemTenant, jobId: _jobId, takenAt: _takenAt, ...itemColumns } = getTableColumns(bulkItems);

const numberOf = (status: "done" | "failed" | "pending") =>
  sql<number>`(select count(*)::integer from bulk_items i where i.job_id = bulk_jobs.id and i.status = ${sql.raw(`'${status}'`)})`;
const shown = { ...jobColumns, done: numberOf("done"), failed: numberOf("failed"), pending: numberOf("pending") };

const one = (tenant: TenantId, id: string) => and(eq(bulkJobs.tenantId, tenant), eq(bulkJobs.id, id));
const jobQuery = (db: Statements, tenant: TenantId, id: string) => db.select(shown).from(bulkJobs).where(one(tenant, id));

export function createBulkRows(sessions: Sessions, pageMaxBytes: number): BulkRows {
  return {
    async preview(tenant, filter, limit, sampleSize) {
      const wanted = wantedRuns(tenant, filter);
      const [[counted], sample] = await sessions.onceAll(tenant, (db) => [
        countOf(
          db,
          db
            .select({ one: sql`1`.as("one") })
            .from(runs)
            .where(wanted)
            .limit(limit)
            .as("counted"),
        ),
        newestRuns(db, wanted, sampleSize),
      ]);
      return { total: counted?.total ?? 0, sample };
    },

    create(tenant, job, filter, maxRuns) {
      return sessions.transaction(tenant, async (db) => {
        await db.insert(bulkJobs).values({ ...job, tenantId: tenant, status: "pending" });
        const added = await db.execute<{ added: number }>(sql`
          with added as (
            insert into bulk_items (tenant_id, job_id, run_id)
            select ${tenant}::uuid, ${job.id}::uuid, ${runs.id} from ${runs} where ${wantedRuns(tenant, filter)} limit ${maxRuns + 1}
            returning 1)
          select count(*)::integer as added from added`);
        if ((added[0]?.added ?? 0) > maxRuns) {
          throw new PerdureError("validation.failed", `More than ${maxRuns} runs are meant (BULK_MAX_RUNS): narrow the filter.`);
        }
        const [stored] = await jobQuery(db, tenant, job.id);
        if (!stored) throw new PerdureError("internal", "The operation was not stored.");
        return stored;
      });
    },

    async get(tenant, id) {
      const [found] = await sessions.once(tenant, (db) => jobQuery(db, tenant, id));
      return found;
    },

    async list(tenant, page) {
      const mine = eq(bulkJobs.tenantId, tenant);
      const [listed, [counted]] = await sessions.onceAll(tenant, (db) => [
        db
          .select({ id: bulkJobs.id, createdAt: positionOf(bulkJobs.createdAt), bytes: bytesOf(bulkJobs.filter, bulkJobs.options) })
          .from(bulkJobs)
          .where(and(mine, behind(page.cursor, bulkJobs.createdAt, bulkJobs.id)))
          .orderBy(desc(bulkJobs.createdAt), desc(bulkJobs.id))
          .limit(page.limit + 1)
          .offset(page.offset ?? 0),
        countUpTo(db, bulkJobs, mine),
      ]);
      return toPage(page, pageMaxBytes, listed, counted?.total ?? 0, (ids) =>
        sessions.once(tenant, (db) =>
          db
            .select(shown)
            .from(bulkJobs)
            .where(and(mine, sql`${bulkJobs.id} in (select unnest(${`{${ids.join(",")}}`}::uuid[]))`)),
        ),
      );
    },

    async items(tenant, id, { status }, page) {
      const after = page.cursor === undefined ? undefined : decodeKey(page.cursor, ([runId]) => (typeof runId === "string" ? runId : undefined));
      const wanted = and(eq(bulkItems.tenantId, tenant), eq(bulkItems.jobId, id), status && eq(bulkItems.status, status));
      const [jobs, rows, [counted]] = await sessions.onceAll(tenant, (db) => [
        jobQuery(db, tenant, id),
        db
          .select(itemColumns)
          .from(bulkItems)
          .where(and(wanted, after === undefined ? undefined : gt(bulkItems.runId, after)))
          .orderBy(asc(bulkItems.runId))
          .limit(page.limit + 1)
          .offset(page.offset ?? 0),
        countUpTo(db, bulkItems, wanted),
      ]);
      if (jobs.length === 0) return undefined;
      const shownRows = rows.slice(0, page.limit);
      const last = shownRows.at(-1);
      return { rows: shownRows, total: counted?.total ?? 0, nextCursor: last && rows.length > page.limit ? encodeKey([last.runId]) : undefined };
    },

    async cancel(tenant, id) {
      const [, [found]] = await sessions.onceAll(tenant, (db) => [
        db
          .update(bulkJobs)
          .set({ status: "cancelled", completedAt: sql`now()` })
          .where(and(one(tenant, id), sql`${bulkJobs.status} in ('pending', 'running')`)),
        jobQuery(db, tenant, id),
      ]);
      return found;
    },

    claim({ roundMs, limit, leaseMs }) {
      return sessions.transaction("system", async (db) => {
        const [due] = await db.execute<{
          id: string;
          tenant_id: TenantId;
          action: BulkAction;
          options: string;
          rate_per_minute: number;
          created_by: string;
        }>(sql`
          select id, tenant_id, action, options, rate_per_minute, created_by from bulk_jobs
          where status in ('pending', 'running') and next_at <= now() order by next_at limit 1 for no key update skip locked`);
        if (!due) return undefined;
        const wanted = Math.max(1, Math.min(limit, Math.round((due.rate_per_minute * roundMs) / 60_000)));
        const items = await db.execute<{ run_id: string; attempts: number }>(sql`
          update bulk_items set taken_at = now(), attempts = attempts + 1
          where job_id = ${due.id} and run_id in (
            select run_id from bulk_items
            where job_id = ${due.id} and status = 'pending' and (taken_at is null or taken_at < now() - make_interval(secs => ${leaseMs / 1000}::double precision))
            order by run_id limit ${wanted})
          returning run_id, attempts`);
        await db.execute(sql`
          update bulk_jobs set
            status = case when left_over then 'running' else 'completed' end,
            completed_at = case when left_over then null else now() end,
            next_at = now() + make_interval(secs => ${(Math.max(1, items.length) * 60) / due.rate_per_minute}::double precision)
          from (select exists (select from bulk_items i where i.job_id = ${due.id} and i.status = 'pending') as left_over) as l
          where id = ${due.id}`);
        return {
          tenantId: due.tenant_id,
          job: { id: due.id, action: due.action, options: JSON.parse(due.options) as JsonObject, createdBy: due.created_by },
          items: items.map(({ run_id, attempts }) => ({ runId: run_id, attempts })),
        };
      });
    },

    async settle(tenant, id, runId, outcome) {
      const { resultRunId = null, error = null } = { ...outcome } as { resultRunId?: string; error?: object };
      await sessions.onceAll(tenant, (db) => [
        db.execute(sql`
          update bulk_items set status = ${outcome.status}, result_run_id = ${resultRunId}::uuid, error = ${error && toJsonText(error)}::jsonb, settled_at = now()
          where tenant_id = ${tenant} and job_id = ${id} and run_id = ${runId} and status = 'pending'`),
        db.execute(sql`
          update bulk_jobs set status = 'completed', completed_at = now()
          where tenant_id = ${tenant} and id = ${id} and status = 'running'
            and not exists (select from bulk_items i where i.job_id = ${id} and i.status = 'pending')`),
      ]);
    },
  };
}
