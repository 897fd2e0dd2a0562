import { PerdureError, type TenantId } from "#core";
import type { Schedule, ScheduleFiring, ScheduleRows } from "#db";
import type { TemporalSchedules } from "#runs";
import { type MemoryState, pageOf } from "./memory-database.ts";

/** Keeps in memory what the api calls of `ScheduleRows`. */
export function createMemorySchedules(state: MemoryState): ScheduleRows {
  const rows: Schedule[] = [];
  const firings: (ScheduleFiring & { starter?: string })[] = [];
  const find = (tenant: TenantId, id: string) => rows.find((each) => each.tenantId === tenant && each.id === id);
  const live = (tenant: TenantId, id: string) => rows.find((each) => each.tenantId === tenant && each.id === id && each.deletedAt === null);
  const change = (row: Schedule | undefined, fields: Partial<Schedule>) =>
    row && { ...Object.assign(row, fields, { revision: row.revision + 1, changedAt: new Date() }) };
  return {
    async create(tenant, schedule, max) {
      if (!state.workflows.some((each) => each.tenant === tenant && each.workflow.id === schedule.workflowId && each.workflow.deletedAt === null))
        throw new PerdureError("resource.not_found", "There is no such workflow.");
      const mine = rows.filter((each) => each.tenantId === tenant && each.deletedAt === null);
      if (mine.length >= max) throw new PerdureError("validation.failed", "Too many.");
      if (schedule.nodeId !== null && mine.some((each) => each.workflowId === schedule.workflowId && each.nodeId === schedule.nodeId))
        throw new PerdureError("resource.conflict", "Taken.");
      const now = new Date();
      const row: Schedule = {
        ...schedule,
        tenantId: tenant,
        pausedAt: schedule.enabled ? null : now,
        backfilledTo: null,
        executions: 0,
        firings: 0,
        revision: 1,
        syncedRevision: 0,
        syncError: null,
        changedAt: now,
        checkedAt: null,
        createdAt: now,
        updatedAt: now,
        deletedAt: null,
        lastFiredAt: null,
      };
      rows.push(row);
      return { ...row };
    },
    get: async (tenant, id) => live(tenant, id),
    find: async (tenant, id) => find(tenant, id),
    list: async (tenant, { workflowId, enabled }, page) =>
      pageOf(
        rows
          .filter((each) => each.tenantId === tenant && each.deletedAt === null)
          .filter((each) => (workflowId === undefined || each.workflowId === workflowId) && (enabled === undefined || each.enabled === enabled))
          .toReversed(),
        page,
      ),
    ofWorkflow: async (tenant, workflowId) => rows.filter((each) => each.tenantId === tenant && each.workflowId === workflowId),
    async update(tenant, id, fields) {
      const row = live(tenant, id);
      return change(row, { ...fields, ...(fields.enabled !== undefined && { pausedAt: fields.enabled ? null : (row?.pausedAt ?? new Date()) }) });
    },
    allowBackfill: async () => undefined,
    remove: async (tenant, id) => change(live(tenant, id), { deletedAt: new Date() }),
    async synced(tenant, id, revision, error) {
      const row = find(tenant, id);
      if (row?.revision === revision) Object.assign(row, error === undefined ? { syncedRevision: revision, syncError: null } : { syncError: error });
    },
    due: async () => [],
    async fire(tenant, { scheduleId, scheduledAt, attempt, isManual, starter }) {
      const schedule = live(tenant, scheduleId);
      if (!schedule) return undefined;
      const known = firings.find((each) => each.scheduleId === scheduleId && starter !== undefined && each.starter === starter);
      if (known) return { schedule, firing: known };
      const fired = new Date();
      const firing = {
        scheduleId,
        scheduledAt,
        attempt,
        number: ++schedule.firings,
        isManual,
        key: ` schedule ${scheduleId} ${scheduledAt.toISOString()} ${attempt}`,
        outcome: "pending" as const,
        runId: null,
        error: null,
        firedAt: fired,
      };
      firings.push({ ...firing, ...(starter !== undefined && { starter }) });
      schedule.lastFiredAt = fired;
      return { schedule, firing };
    },
    async settle(_tenant, { scheduleId, scheduledAt, attempt }, { outcome, runId = null, error = null }) {
      const firing = firings.find((each) => each.scheduleId === scheduleId && each.scheduledAt === scheduledAt && each.attempt === attempt);
      if (firing) Object.assign(firing, { outcome, runId, error });
    },
    starterOf: async () => undefined,
    pendingStarterOf: async () => undefined,
    runOf: async () => undefined,
    async executions(tenant, id, { status }, page) {
      if (!live(tenant, id)) return undefined;
      const shown = firings
        .filter((each) => each.scheduleId === id)
        .map(({ starter: _starter, ...firing }) => ({ ...firing, run: state.runs.find((run) => run.id === firing.runId) ?? null }))
        .filter(({ run }) => status === undefined || (run !== null && status.includes(run.status)));
      return pageOf(shown.toReversed(), page);
    },
  };
}

/** Takes what it is given and fires nothing. */
export function createMemoryTemporalSchedules(): TemporalSchedules {
  const known = new Map<string, Schedule>();
  const told = (schedule: Schedule) => JSON.stringify([schedule.definition, schedule.enabled]);
  return {
    async put(schedule) {
      known.set(schedule.id, structuredClone(schedule));
    },
    async remove(_tenant, id) {
      known.delete(id);
    },
    async describe(schedule) {
      const found = known.get(schedule.id);
      return (
        found && { isSame: told(found) === told(schedule), next: found.enabled ? [new Date(Date.now() + 60_000)] : [], missed: 0, skipped: 0, isRunning: false }
      );
    },
    moments: async (_tenant, _id, from, to, limit) =>
      Array.from({ length: Math.min(limit, Math.floor((to.getTime() - from.getTime()) / 60_000)) }, (_, index) => new Date(from.getTime() + index * 60_000)),
    backfill: async () => undefined,
    async *mine() {
      yield* [];
    },
    isOurs: async () => false,
  };
}
