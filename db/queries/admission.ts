import { and, eq, isNull, sql } from "drizzle-orm";
import { PerdureError, type TenantId } from "#core";
import type { QueuedStart } from "../../runs/types.ts";
import type { Sessions } from "../connection/sessions.ts";
import { toJsonText } from "../connection/values.ts";
import { organizations, runSlots, runs } from "../schema/index.ts";
import { NOBODY, type RunObserver, tellClosed } from "../observer.ts";
import type { Admission, RunRows } from "../types/index.ts";

export function createAdmission(sessions: Sessions, rows: Pick<RunRows, "get">, observer: RunObserver = NOBODY): Admission {
  return {
    async offer(tenant, runId, request) {
      const text = toJsonText(request);
      await sessions.once(tenant, (db) =>
        db
          .update(runSlots)
          .set({ request: text })
          .where(and(eq(runSlots.tenantId, tenant), eq(runSlots.runId, runId), isNull(runSlots.request), isNull(runSlots.admittedAt))),
      );
    },

    async admit({ installation, organization, waitingMs }, retryMs, atMost, isThorough) {
      const admitted = await sessions.once("system", (db) =>
        db.execute<{ run_id: string; tenant_id: TenantId; request: string }>(
          sql`select run_id, tenant_id, request from admit_runs(${installation ?? null}::integer, ${organization ?? null}::integer, ${waitingMs}::integer, ${retryMs}::integer, ${atMost}::integer, ${isThorough})`,
        ),
      );
      return admitted.map((row) => ({ tenantId: row.tenant_id, runId: row.run_id, request: JSON.parse(row.request) as QueuedStart }));
    },

    async started(tenant, runId) {
      await sessions.onceAll(tenant, (db) => [
        db
          .update(runs)
          .set({ acknowledgedAt: sql`coalesce(${runs.acknowledgedAt}, now())` })
          .where(and(eq(runs.tenantId, tenant), eq(runs.id, runId))),
        db
          .update(runSlots)
          .set({ request: null, admittedAt: sql`coalesce(${runSlots.admittedAt}, now())` })
          .where(and(eq(runSlots.tenantId, tenant), eq(runSlots.runId, runId))),
      ]);
    },

    async withdraw(tenant, runId, ending) {
      const text = toJsonText({ status: ending.status, outputs: null, error: ending.error ?? null, at: ending.at });
      const [result] = await sessions.once(tenant, (db) =>
        db.execute<{ done: boolean }>(sql`select withdraw_run(${tenant}::uuid, ${runId}::uuid, ${text}::jsonb) as done`),
      );
      const run = result?.done ? await rows.get(tenant, runId) : undefined;
      if (run) tellClosed(observer, run);
      return run;
    },

    async setPaused(tenant, runId, pauses) {
      const [result] = await sessions.once(tenant, (db) =>
        db.execute<{ done: boolean }>(sql`select pause_queued_run(${tenant}::uuid, ${runId}::uuid, ${pauses}) as done`),
      );
      return result?.done ?? false;
    },

    async adopt() {
      await sessions.once("system", (db) => db.execute(sql`select adopt_runs(null, null)`));
    },

    async overview(tenant, waitingMs) {
      const [groups, [organization]] = await sessions.onceAll(tenant, (db) => [
        db.execute<{
          key: string;
          workflow_id: string | null;
          workflow_name: string | null;
          max_runs: number | null;
          taken: string;
          held: string;
          holds: boolean;
          queued: string;
          oldest: string | null;
        }>(sql`
          select s.group_key as key, r.workflow_id, w.name as workflow_name, g.max_runs, coalesce(g.holds_while_waiting, false) as holds,
            coalesce(max(u.taken), 0) as taken, coalesce(max(u.held), 0) as held, count(*) filter (where s.admitted_at is null) as queued,
            min(r.created_at) filter (where s.admitted_at is null) as oldest
          from run_slots s join runs r on r.id = s.run_id and r.completed_at is null
          left join run_groups g on g.tenant_id = s.tenant_id and g.key = s.group_key
          left join workflows w on w.id = r.workflow_id and w.tenant_id = s.tenant_id
          left join slots_in_use(${waitingMs}::integer) u on u.tenant_id = s.tenant_id and u.key = s.group_key
          where s.tenant_id = ${tenant}
          group by s.group_key, r.workflow_id, w.name, g.max_runs, g.holds_while_waiting
          order by queued desc, s.group_key limit 500`),
        db.select({ limit: organizations.concurrencyLimit }).from(organizations).where(eq(organizations.id, tenant)),
      ]);
      const listed = groups.map((row) => ({
        workflowId: row.workflow_id,
        workflowName: row.workflow_name,
        key: row.workflow_id !== null && row.key.length > row.workflow_id.length ? row.key.slice(row.workflow_id.length + 1) : null,
        limit: row.max_runs,
        running: Number(row.holds ? row.held : row.taken),
        slots: Number(row.taken),
        queued: Number(row.queued),
        oldestQueuedAt: row.oldest === null ? null : new Date(row.oldest),
      }));
      return {
        limit: organization?.limit ?? null,
        running: listed.reduce((sum, { slots }) => sum + slots, 0),
        queued: listed.reduce((sum, { queued }) => sum + queued, 0),
        groups: listed,
      };
    },

    async setLimit(tenant, limit) {
      const [changed] = await sessions.transaction(tenant, async (db) => {
        const found = await db.update(organizations).set({ concurrencyLimit: limit }).where(eq(organizations.id, tenant)).returning({ id: organizations.id });
        if (limit !== null) await db.execute(sql`select adopt_runs(${tenant}::uuid, null)`);
        return found;
      });
      if (!changed) throw new PerdureError("resource.not_found", "There is no such organization.");
    },
  };
}
