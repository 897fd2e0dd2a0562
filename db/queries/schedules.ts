import { and, desc, eq, getTableColumns, inArray, isNull, or, sql } from "drizzle-orm";
import { type FailureValue, type Json, PerdureError, type RunStatus, stableStringify, type TenantId, uuidv7 } from "#core";
import { sqlState, UNIQUE_VIOLATION } from "../connection/errors.ts";
import type { Sessions, Statements } from "../connection/sessions.ts";
import { toJsonText } from "../connection/values.ts";
import { idempotencyKeys, runs, scheduleFirings, schedules, workflows } from "../schema/index.ts";
import type { Schedule, ScheduleExecution, ScheduleFiring, ScheduleRows, TimerSchedule } from "../types/index.ts";
import { behind, bytesOf, countOf, countUpTo, positionOf, toPage, TOTAL_COUNTED_TO } from "./paging.ts";
import { takeTurn } from "./turns.ts";

const { takenAt: _takenAt, ...storedColumns } = getTableColumns(schedules);
const { tenantId: _firingTenant, starter: _starter, ...storedFiring } = getTableColumns(scheduleFirings);
/** A key that no header can hold, since blanks at its beginning are taken off: nobody else's request can name the same run. */
const firingKey = sql<string>`format(' schedule %s %s %s', ${scheduleFirings.scheduleId}, to_char(${scheduleFirings.scheduledAt} at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'), ${scheduleFirings.attempt})`;
const firingColumns = { ...storedFiring, key: firingKey };
const columns = {
  ...storedColumns,
  lastFiredAt: sql<
    string | null
  >`(select to_char(max(f.fired_at) at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') from schedule_firings f where f.tenant_id = schedules.tenant_id and f.schedule_id = schedules.id)`,
};

type ScheduleRecord = Omit<Schedule, "lastFiredAt"> & { lastFiredAt: string | null };
const toSchedule = ({ lastFiredAt, ...row }: ScheduleRecord): Schedule => ({ ...row, lastFiredAt: lastFiredAt === null ? null : new Date(lastFiredAt) });

const one = (tenant: TenantId, id: string) => and(eq(schedules.tenantId, tenant), eq(schedules.id, id));
const live = (tenant: TenantId, id: string) => and(one(tenant, id), isNull(schedules.deletedAt));
/** What every change of a row says beside itself. */
const changed = { revision: sql`${schedules.revision} + 1`, changedAt: sql`now()`, updatedAt: sql`now()`, syncError: null };

async function first(query: PromiseLike<ScheduleRecord[]>): Promise<Schedule | undefined> {
  const [found] = await query;
  return found && toSchedule(found);
}

const read = (db: Statements, where: ReturnType<typeof and>) => db.select(columns).from(schedules).where(where);

export function createScheduleRows(sessions: Sessions, pageMaxBytes: number): ScheduleRows {
  return {
    async create(tenant, schedule, max) {
      try {
        return await sessions.transaction(tenant, async (db) => {
          await takeTurn(db, "schedules", tenant);
          const [workflow] = await db
            .select({ id: workflows.id })
            .from(workflows)
            .where(and(eq(workflows.tenantId, tenant), eq(workflows.id, schedule.workflowId), isNull(workflows.deletedAt)))
            .for("share");
          if (!workflow) throw new PerdureError("resource.not_found", "There is no such workflow.");
          const [counted] = await db
            .select({ total: sql<number>`count(*)::integer` })
            .from(schedules)
            .where(and(eq(schedules.tenantId, tenant), isNull(schedules.deletedAt)));
          if ((counted?.total ?? 0) >= max) throw new PerdureError("validation.failed", `An organization may have ${max} schedules (SCHEDULES_MAX).`);
          await db.insert(schedules).values({ ...schedule, tenantId: tenant, pausedAt: schedule.enabled ? null : sql`now()` });
          const created = await first(read(db, one(tenant, schedule.id)));
          if (!created) throw new PerdureError("internal", "The schedule was not stored.");
          return created;
        });
      } catch (error) {
        if (sqlState(error) === UNIQUE_VIOLATION)
          throw new PerdureError("resource.conflict", "This node of the workflow has a schedule already.", { cause: error });
        throw error;
      }
    },

    get: (tenant, id) => sessions.once(tenant, (db) => first(read(db, live(tenant, id)))),
    find: (tenant, id) => sessions.once(tenant, (db) => first(read(db, one(tenant, id)))),

    async list(tenant, { workflowId, enabled }, page) {
      const wanted = and(
        eq(schedules.tenantId, tenant),
        isNull(schedules.deletedAt),
        workflowId === undefined ? undefined : eq(schedules.workflowId, workflowId),
        enabled === undefined ? undefined : eq(schedules.enabled, enabled),
      );
      const [listed, [counted]] = await sessions.onceAll(tenant, (db) => [
        db
          .select({ id: schedules.id, createdAt: positionOf(schedules.createdAt), bytes: bytesOf(schedules.inputs, schedules.definition) })
          .from(schedules)
          .where(and(wanted, behind(page.cursor, schedules.createdAt, schedules.id)))
          .orderBy(desc(schedules.createdAt), desc(schedules.id))
          .limit(page.limit + 1)
          .offset(page.offset ?? 0),
        countUpTo(db, schedules, wanted),
      ]);
      return toPage(page, pageMaxBytes, listed, counted?.total ?? 0, async (ids) =>
        (await sessions.once(tenant, (db) => read(db, and(eq(schedules.tenantId, tenant), inArray(schedules.id, ids))))).map(toSchedule),
      );
    },

    async ofWorkflow(tenant, workflowId) {
      const found = await sessions.once(tenant, (db) =>
        read(
          db,
          and(
            eq(schedules.tenantId, tenant),
            eq(schedules.workflowId, workflowId),
            or(isNull(schedules.deletedAt), sql`${schedules.revision} <> ${schedules.syncedRevision}`),
          ),
        ),
      );
      return found.map(toSchedule);
    },

    update(tenant, id, change) {
      return sessions.transaction(tenant, async (db) => {
        const { enabled } = change;
        await db
          .update(schedules)
          .set({ ...change, ...changed, ...(enabled !== undefined && { pausedAt: enabled ? null : sql`coalesce(${schedules.pausedAt}, now())` }) })
          .where(live(tenant, id));
        return first(read(db, live(tenant, id)));
      });
    },

    async allowBackfill(tenant, id, to) {
      await sessions.once(tenant, (db) =>
        db
          .update(schedules)
          .set({ backfilledTo: sql`greatest(${schedules.backfilledTo}, ${to.toISOString()}::timestamptz)` })
          .where(live(tenant, id)),
      );
    },

    remove(tenant, id) {
      return sessions.transaction(tenant, async (db) => {
        const removed = await db
          .update(schedules)
          .set({ ...changed, deletedAt: sql`now()` })
          .where(live(tenant, id))
          .returning({ id: schedules.id });
        return removed.length > 0 ? first(read(db, one(tenant, id))) : undefined;
      });
    },

    async synced(tenant, id, revision, error) {
      await sessions.once(tenant, (db) =>
        db
          .update(schedules)
          .set(error === undefined ? { syncedRevision: revision, checkedAt: sql`now()`, syncError: null } : { syncError: error })
          .where(and(one(tenant, id), eq(schedules.revision, revision))),
      );
    },

    async due(everyMs, unsyncedAfterMs, limit) {
      const ago = (ms: number) => sql`now() - make_interval(secs => ${ms / 1000}::double precision)`;
      const rows = await sessions.once("system", (db) =>
        db.execute<{ tenant_id: TenantId; id: string }>(sql`
          update schedules set taken_at = now() where id in (
            select id from schedules where
              (revision <> synced_revision and changed_at < ${ago(unsyncedAfterMs)} and (taken_at is null or taken_at < ${ago(unsyncedAfterMs)}))
              or (deleted_at is null and (taken_at is null or taken_at < ${ago(everyMs)}))
            order by taken_at nulls first limit ${limit} for update skip locked)
          returning tenant_id, id`),
      );
      return rows.map(({ tenant_id: tenantId, id }) => ({ tenantId, id }));
    },

    fire(tenant, { scheduleId, scheduledAt, attempt, isManual, starter }) {
      return sessions.transaction(tenant, async (db) => {
        await db.select({ id: schedules.id }).from(schedules).where(one(tenant, scheduleId)).for("no key update");
        const schedule = await first(read(db, one(tenant, scheduleId)));
        if (!schedule) return undefined;
        const mine = and(eq(scheduleFirings.tenantId, tenant), eq(scheduleFirings.scheduleId, scheduleId));
        const ofMoment = (which: number) => and(mine, eq(scheduleFirings.scheduledAt, scheduledAt), eq(scheduleFirings.attempt, which));
        const [known] = await db
          .select(firingColumns)
          .from(scheduleFirings)
          .where(isManual && starter !== undefined ? and(mine, eq(scheduleFirings.starter, starter)) : ofMoment(attempt));
        if (known) return { schedule, firing: known satisfies ScheduleFiring };
        if (schedule.deletedAt !== null) return undefined;
        if (!isManual && attempt === 1 && isPausedAt(schedule, scheduledAt)) return undefined;
        const { max_executions: most } = schedule.definition;
        const counts = attempt === 1 && !isManual;
        if (counts && most > 0 && schedule.executions >= most) return undefined;
        const [before] = attempt === 1 ? [] : await db.select({ number: scheduleFirings.number }).from(scheduleFirings).where(ofMoment(1));
        const number = before?.number ?? schedule.firings + 1;
        const [firing] = await db
          .insert(scheduleFirings)
          .values({ tenantId: tenant, scheduleId, scheduledAt, attempt, number, isManual, outcome: "pending", starter: starter ?? null })
          .returning(firingColumns);
        if (!firing) throw new PerdureError("internal", "The firing was not stored.");
        if (!before) {
          await db
            .update(schedules)
            .set({ firings: sql`${schedules.firings} + 1`, ...(counts && { executions: sql`${schedules.executions} + 1` }) })
            .where(one(tenant, scheduleId));
        }
        return { schedule, firing };
      });
    },

    async settle(tenant, { scheduleId, scheduledAt, attempt }, { outcome, runId = null, error = null }) {
      await sessions.once(tenant, (db) =>
        db
          .update(scheduleFirings)
          .set({ outcome, runId, error: error && sql`${toJsonText(error)}::jsonb` })
          .where(
            and(
              eq(scheduleFirings.tenantId, tenant),
              eq(scheduleFirings.scheduleId, scheduleId),
              eq(scheduleFirings.scheduledAt, scheduledAt),
              eq(scheduleFirings.attempt, attempt),
            ),
          ),
      );
    },

    async starterOf(tenant, runId) {
      const [found] = await sessions.once(tenant, (db) =>
        db
          .select({ starter: scheduleFirings.starter })
          .from(scheduleFirings)
          .where(and(eq(scheduleFirings.tenantId, tenant), eq(scheduleFirings.runId, runId), eq(scheduleFirings.isManual, false))),
      );
      return found?.starter ?? undefined;
    },

    async pendingStarterOf(tenant, runId) {
      const isItsKey = and(eq(idempotencyKeys.tenantId, tenant), eq(idempotencyKeys.key, firingKey), eq(idempotencyKeys.runId, runId));
      const [found] = await sessions.once(tenant, (db) =>
        db
          .select({ starter: scheduleFirings.starter })
          .from(scheduleFirings)
          .innerJoin(idempotencyKeys, isItsKey)
          .where(and(eq(scheduleFirings.tenantId, tenant), eq(scheduleFirings.outcome, "pending"), eq(scheduleFirings.isManual, false))),
      );
      return found?.starter ?? undefined;
    },

    async runOf(tenant, key) {
      const [found] = await sessions.once(tenant, (db) =>
        db
          .select({ runId: idempotencyKeys.runId })
          .from(idempotencyKeys)
          .where(and(eq(idempotencyKeys.tenantId, tenant), eq(idempotencyKeys.key, key))),
      );
      return found?.runId;
    },

    async executions(tenant, id, { status }, page) {
      const wanted = and(
        eq(scheduleFirings.tenantId, tenant),
        eq(scheduleFirings.scheduleId, id),
        status && status.length > 0 ? inArray(runs.status, status) : undefined,
      );
      const joined = and(eq(runs.tenantId, scheduleFirings.tenantId), eq(runs.id, scheduleFirings.runId));
      const start = page.cursor === undefined ? (page.offset ?? 0) : offsetOf(page.cursor);
      const [found, rows, [counted]] = await sessions.onceAll(tenant, (db) => [
        db.select({ id: schedules.id }).from(schedules).where(live(tenant, id)),
        db
          .select({
            firing: firingColumns,
            run: { status: runs.status, outputs: runs.outputs, error: runs.error, startedAt: runs.startedAt, completedAt: runs.completedAt },
          })
          .from(scheduleFirings)
          .leftJoin(runs, joined)
          .where(wanted)
          .orderBy(desc(scheduleFirings.firedAt), desc(scheduleFirings.attempt))
          .limit(page.limit + 1)
          .offset(start),
        countOf(
          db,
          db
            .select({ one: sql`1`.as("one") })
            .from(scheduleFirings)
            .leftJoin(runs, joined)
            .where(wanted)
            .limit(TOTAL_COUNTED_TO)
            .as("counted"),
        ),
      ]);
      if (found.length === 0) return undefined;
      const shown: ScheduleExecution[] = rows.slice(0, page.limit).map(({ firing, run }) => ({
        ...firing,
        run: run as { status: RunStatus; outputs: Json; error: FailureValue | null; startedAt: Date | null; completedAt: Date | null } | null,
      }));
      return { rows: shown, total: counted?.total ?? 0, nextCursor: rows.length > page.limit ? String(start + page.limit) : undefined };
    },
  };
}

function isPausedAt({ pausedAt, backfilledTo }: Schedule, moment: Date): boolean {
  return pausedAt !== null && moment >= pausedAt && !(backfilledTo !== null && moment <= backfilledTo);
}

function offsetOf(cursor: string): number {
  if (!/^\d{1,7}$/.test(cursor)) throw new PerdureError("request.malformed", "The cursor is not one that this list gave out.");
  return Number(cursor);
}

/** Takes the schedules of a workflow away, with what else happens to it. */
export async function removeSchedules(db: Statements, tenant: TenantId, workflowId: string): Promise<void> {
  await db
    .update(schedules)
    .set({ ...changed, deletedAt: sql`now()` })
    .where(and(eq(schedules.tenantId, tenant), eq(schedules.workflowId, workflowId), isNull(schedules.deletedAt)));
}

/**
 * Makes the schedules of a workflow's timers those of the version that is published. One that was changed by REST stays as it is, one that was
 * paused stays paused unless the timer itself was switched.
 */
export async function putTimers(db: Statements, tenant: TenantId, workflowId: string, timers: readonly TimerSchedule[], by: string | null): Promise<void> {
  const present = (
    await read(db, and(eq(schedules.tenantId, tenant), eq(schedules.workflowId, workflowId), isNull(schedules.deletedAt))).for("no key update")
  ).map(toSchedule);
  for (const gone of present) {
    if (gone.source !== "node" || timers.some(({ nodeId }) => nodeId === gone.nodeId)) continue;
    await db
      .update(schedules)
      .set({ ...changed, deletedAt: sql`now()` })
      .where(one(tenant, gone.id));
  }
  for (const { nodeId, name, definition, inputs, enabled } of timers) {
    const known = present.find((each) => each.nodeId === nodeId);
    if (known?.source === "api") continue;
    if (!known) {
      await db.insert(schedules).values({
        id: uuidv7(),
        tenantId: tenant,
        workflowId,
        nodeId,
        source: "node",
        name,
        definition,
        inputs,
        enabled,
        pausedAt: enabled ? null : sql`now()`,
        createdBy: by,
      });
      continue;
    }
    const kept = keepMoments(definition, known.definition);
    if (stableStringify([name, kept, inputs] as unknown as Json) === stableStringify([known.name, known.definition, known.inputs] as unknown as Json)) continue;
    const switched = kept.timer_enabled !== known.definition.timer_enabled;
    await db
      .update(schedules)
      .set({ ...changed, name, definition: kept, inputs, ...(switched && { enabled, pausedAt: enabled ? null : sql`coalesce(${schedules.pausedAt}, now())` }) })
      .where(one(tenant, known.id));
  }
}

/** What follows from when it was published stays, where the timer says the same as before. */
function keepMoments(next: Schedule["definition"], before: Schedule["definition"]): Schedule["definition"] {
  const same = next.type === before.type && next.interval_seconds === before.interval_seconds && next.delay_seconds === before.delay_seconds;
  if (!same) return next;
  return {
    ...next,
    ...(next.type === "interval" && next.has_own_offset !== true && before.offset_seconds !== undefined && { offset_seconds: before.offset_seconds }),
    ...(next.delay_seconds !== undefined && before.scheduled_time !== undefined && { scheduled_time: before.scheduled_time }),
  };
}
