import { type Client, ScheduleAlreadyRunning, type ScheduleDescription, ScheduleNotFoundError, type ScheduleSpec } from "@temporalio/client";
import { isUuid, type Json, PerdureError, stableStringify, tenantId, type TenantId } from "#core";
import type { Schedule } from "#db";
import { type ScheduledStart, scheduleWorkflowId, START_SCHEDULED_RUN } from "#workflows/messages";
import { SEARCH_ATTRIBUTES } from "#workflows/search-attributes";
import { isSilence, unavailable } from "../temporal-errors.ts";
import { overlapOf, specOf } from "./spec.ts";

const CALL_TIMEOUT_MS = 5_000;
/** People's own notes stay out of Temporal, which stores them unsealed. */
const PAUSED_NOTE = "Paused through the API, which has the note.";

/** What Temporal says of a schedule. */
export interface ScheduleStanding {
  /** It is as the row says. */
  isSame: boolean;
  /** The next ten at most. */
  next: Date[];
  /** Moments that were not fired since the schedule was made there. */
  missed: number;
  skipped: number;
  /** Moments that wait for the run before. */
  isRunning: boolean;
}

/** Schedules as Temporal holds them. Every call is bounded. @throws PerdureError `temporal.unavailable`, `validation.failed` where Temporal refuses what it is given. */
export interface TemporalSchedules {
  /** Makes it as the row says. Where it was not there, moments since `missingSince` are fired. */
  put(schedule: Schedule, missingSince: Date | undefined): Promise<void>;
  remove(tenant: TenantId, id: string): Promise<void>;
  /** Undefined where there is none. */
  describe(schedule: Schedule): Promise<ScheduleStanding | undefined>;
  /** The moments after the one and not after the other, as many as `limit`, which Temporal cuts at a thousand. */
  moments(tenant: TenantId, id: string, from: Date, to: Date, limit: number): Promise<Date[]>;
  backfill(schedule: Schedule, from: Date, to: Date): Promise<void>;
  /** Those that were made through us, on our task queue. */
  mine(): AsyncIterable<{ tenant: TenantId; id: string }>;
  /** Whether it starts its runs on our task queue. */
  isOurs(tenant: TenantId, id: string): Promise<boolean>;
}

export function createTemporalSchedules(client: Client, { taskQueue, namespace }: { taskQueue: string; namespace: string }): TemporalSchedules {
  const handle = (tenant: TenantId, id: string) => client.schedule.getHandle(scheduleIdOf(tenant, id));
  async function ask<T>(call: () => Promise<T>): Promise<T> {
    try {
      return await client.connection.withDeadline(Date.now() + CALL_TIMEOUT_MS, call);
    } catch (error) {
      if (error instanceof PerdureError || error instanceof ScheduleNotFoundError || error instanceof ScheduleAlreadyRunning) throw error;
      if (error instanceof TypeError) {
        throw new PerdureError("validation.failed", "Temporal does not take this schedule.", {
          findings: [{ code: "schedule.refused", message: error.message }],
          cause: error,
        });
      }
      throw isSilence(error) ? unavailable(error) : error;
    }
  }
  const described = (tenant: TenantId, id: string): Promise<ScheduleDescription | undefined> =>
    ask(() => handle(tenant, id).describe()).catch((error: unknown) => {
      if (error instanceof ScheduleNotFoundError) return undefined;
      throw error;
    });

  return {
    async put(schedule, missingSince) {
      const wanted = wantedOf(schedule, taskQueue);
      const change = () => ask(() => handle(schedule.tenantId, schedule.id).update(() => wanted));
      try {
        return await change();
      } catch (error) {
        if (!(error instanceof ScheduleNotFoundError)) throw error;
      }
      const now = new Date();
      const backfill =
        missingSince && schedule.enabled && missingSince < now ? [{ start: missingSince, end: now, overlap: overlapOf(schedule.definition) }] : [];
      try {
        await ask(() =>
          client.schedule.create({
            ...wanted,
            scheduleId: scheduleIdOf(schedule.tenantId, schedule.id),
            typedSearchAttributes: [
              { key: SEARCH_ATTRIBUTES.tenant, value: schedule.tenantId },
              { key: SEARCH_ATTRIBUTES.workflow, value: schedule.workflowId },
            ],
            state: { ...wanted.state, ...(backfill.length > 0 && { backfill }) },
          }),
        );
      } catch (error) {
        if (!(error instanceof ScheduleAlreadyRunning)) throw error;
        await change();
      }
    },

    async remove(tenant, id) {
      try {
        await ask(() => handle(tenant, id).delete());
      } catch (error) {
        if (!(error instanceof ScheduleNotFoundError)) throw error;
      }
    },

    async describe(schedule) {
      const found = await described(schedule.tenantId, schedule.id);
      return (
        found && {
          isSame: isSame(found, schedule, taskQueue),
          next: found.state.paused || found.state.remainingActions === 0 ? [] : found.info.nextActionTimes,
          missed: found.info.numActionsMissedCatchupWindow,
          skipped: found.info.numActionsSkippedOverlap,
          isRunning: found.info.runningActions.length > 0,
        }
      );
    },

    async moments(tenant, id, from, to, limit) {
      const { startTime } = await ask(() =>
        client.workflowService.listScheduleMatchingTimes({
          namespace,
          scheduleId: scheduleIdOf(tenant, id),
          startTime: timestamp(from),
          endTime: timestamp(to),
        }),
      );
      return startTime.slice(0, limit).map(({ seconds }) => new Date(Number(seconds) * 1000));
    },

    backfill: (schedule, from, to) =>
      ask(() =>
        // Moments before the beginning are among them only where it is earlier than the first.
        handle(schedule.tenantId, schedule.id).backfill({ start: new Date(from.getTime() - 1), end: to, overlap: overlapOf(schedule.definition) }),
      ),

    async *mine() {
      for await (const { scheduleId } of client.schedule.list({ pageSize: 200 })) {
        const [tenant = "", id = "", ...rest] = scheduleId.split("/");
        if (isUuid(tenant) && isUuid(id) && rest.length === 0) yield { tenant: tenantId(tenant), id };
      }
    },

    async isOurs(tenant, id) {
      const found = await described(tenant, id);
      return found?.action.taskQueue === taskQueue && found.action.workflowType === START_SCHEDULED_RUN;
    },
  };
}

/** Temporal's id of a schedule. */
function scheduleIdOf(tenant: TenantId, id: string): string {
  return `${tenant}/${id}`;
}

function wantedOf(schedule: Schedule, taskQueue: string) {
  const { tenantId: tenant, id, workflowId, definition, enabled, executions, name } = schedule;
  const start: ScheduledStart = { tenant_id: tenant, schedule_id: id, on_cancel: definition.overlap_policy === "terminate_other" ? "terminate" : "cancel" };
  return {
    spec: specOf(definition) ?? ({ calendars: [] } satisfies ScheduleSpec),
    action: {
      type: "startWorkflow" as const,
      workflowType: START_SCHEDULED_RUN,
      workflowId: scheduleWorkflowId(tenant, id),
      taskQueue,
      args: [start],
      staticSummary: `Schedule ${[...name].slice(0, 60).join("")}`,
      typedSearchAttributes: [
        { key: SEARCH_ATTRIBUTES.tenant, value: tenant },
        { key: SEARCH_ATTRIBUTES.workflow, value: workflowId },
        { key: SEARCH_ATTRIBUTES.trigger, value: "schedule" },
      ],
    },
    policies: { overlap: overlapOf(definition), catchupWindow: definition.catchup_window_seconds * 1000, pauseOnFailure: false },
    state: {
      paused: !enabled,
      note: enabled ? "" : PAUSED_NOTE,
      ...(definition.max_executions > 0 && { remainingActions: Math.max(0, definition.max_executions - executions) }),
    },
  };
}

/** Whether Temporal's is what the row says; how many firings are left is Temporal's own to know. */
function isSame(found: ScheduleDescription, schedule: Schedule, taskQueue: string): boolean {
  const { spec, action, policies, state } = wantedOf(schedule, taskQueue);
  const told = (text: unknown) => stableStringify(JSON.parse(JSON.stringify(text)) as Json);
  const specs = ({ calendars = [], intervals = [], timezone = "", jitter = 0, startAt, endAt }: ScheduleSpec) =>
    told({
      calendars: calendars.map(({ second, minute, hour, dayOfMonth, month, dayOfWeek, year = [] }) => ({
        second,
        minute,
        hour,
        dayOfMonth,
        month,
        dayOfWeek,
        year,
      })),
      intervals,
      timezone,
      jitter,
      startAt,
      endAt,
    });
  return (
    specs(found.spec) === specs(spec) &&
    found.policies.overlap === policies.overlap &&
    found.policies.catchupWindow === policies.catchupWindow &&
    !found.policies.pauseOnFailure &&
    found.state.paused === state.paused &&
    (found.state.note ?? "") === state.note &&
    (found.state.remainingActions === undefined) === (state.remainingActions === undefined) &&
    found.action.workflowType === action.workflowType &&
    found.action.taskQueue === action.taskQueue &&
    found.action.workflowId === action.workflowId &&
    told(found.action.args) === told(action.args)
  );
}

function timestamp(at: Date) {
  return { seconds: Math.floor(at.getTime() / 1000) as never, nanos: (at.getTime() % 1000) * 1_000_000 };
}
