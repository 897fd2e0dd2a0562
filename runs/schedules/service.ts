import { type Finding, type JsonObject, PerdureError, type RunStatus, type TenantId, uuidv7 } from "#core";
import type { Database, Page, Paged, Schedule, ScheduleExecution, TimerSchedule } from "#db";
import type { Plan } from "#graph";
import type { Env, Logger } from "#platform";
import type { Run } from "../types.ts";
import { defineSchedule, type ScheduleRequest } from "./definition.ts";
import type { ScheduleFirings } from "./firing.ts";
import { checkInputs } from "./inputs.ts";
import { isOver, type ScheduleSync } from "./sync.ts";
import type { TemporalSchedules } from "./temporal.ts";
import { timersOf } from "./timers.ts";

const DESCRIBED_AT_ONCE = 8;

export interface ScheduleWrite {
  name?: string;
  inputs?: JsonObject;
  enabled?: boolean;
  note?: string;
  when?: ScheduleRequest;
}

/** A schedule with what Temporal says of it; `next` is undefined where Temporal could not be asked. */
export interface StandingSchedule {
  schedule: Schedule;
  status: "active" | "paused" | "over";
  next: Date[] | undefined;
  missed: number | undefined;
  skipped: number | undefined;
  /** Temporal has it as the row says. */
  isInSync: boolean;
}

/** Schedules as people see them: rows first, Temporal after; what a crash leaves between is put right by the rounds of the workers. */
export interface Schedules {
  /** @throws PerdureError `validation.failed` with every finding, `resource.not_found`, `resource.conflict`. */
  create(
    tenant: TenantId,
    schedule: { workflowId: string; nodeId: string | null; createdBy: string } & Required<Pick<ScheduleWrite, "name" | "inputs" | "enabled" | "note">> & {
        when: ScheduleRequest;
      },
  ): Promise<StandingSchedule>;
  get(tenant: TenantId, id: string): Promise<StandingSchedule>;
  list(tenant: TenantId, filter: { workflowId?: string; enabled?: boolean }, page: Page): Promise<Paged<StandingSchedule>>;
  /** A change of anything but `enabled` and `note` makes a timer's schedule one of its own, which publishing leaves alone. */
  update(tenant: TenantId, id: string, change: ScheduleWrite): Promise<StandingSchedule>;
  remove(tenant: TenantId, id: string): Promise<void>;
  trigger(tenant: TenantId, id: string, key: string | undefined): Promise<Run>;
  /** @returns how many moments lie between. Those that have a run get no other. @throws PerdureError `validation.failed`, `resource.conflict`. */
  backfill(tenant: TenantId, id: string, from: Date, to: Date): Promise<number>;
  executions(tenant: TenantId, id: string, filter: { status?: RunStatus[] }, page: Page): Promise<Paged<ScheduleExecution>>;
  /** Of a version that is to be published. @throws PerdureError `graph.invalid`. */
  timersOf(plan: Plan): TimerSchedule[];
  /** Brings the schedules of a workflow over, after it was published or deleted. Never throws. */
  follow(tenant: TenantId, workflowId: string): Promise<void>;
}

export interface SchedulesOptions {
  db: Pick<Database, "schedules">;
  temporal: TemporalSchedules;
  sync: ScheduleSync;
  firings: Pick<ScheduleFirings, "fireByHand">;
  env: Pick<
    Env,
    | "SCHEDULES_MAX"
    | "SCHEDULE_MIN_INTERVAL_SECONDS"
    | "SCHEDULE_CATCHUP_DEFAULT_SECONDS"
    | "SCHEDULE_CATCHUP_MAX_SECONDS"
    | "SCHEDULE_BACKFILL_MAX_DAYS"
    | "SCHEDULE_BACKFILL_MAX_RUNS"
    | "RUN_INPUTS_MAX_BYTES"
  >;
  logger: Logger;
}

export function createSchedules({ db, temporal, sync, firings, env, logger }: SchedulesOptions): Schedules {
  async function standing(schedule: Schedule): Promise<StandingSchedule> {
    const status = isOver(schedule, new Date()) ? "over" : schedule.enabled ? "active" : "paused";
    const isKnown = schedule.definition.type !== "manual";
    const told = isKnown
      ? await temporal.describe(schedule).catch((error: unknown) => {
          logger.warn({ err: error, schedule_id: schedule.id }, "Temporal could not be asked about a schedule");
          return null;
        })
      : undefined;
    return {
      schedule,
      status,
      next: told === null ? undefined : (told?.next ?? []),
      missed: told === null ? undefined : (told?.missed ?? 0),
      skipped: told === null ? undefined : (told?.skipped ?? 0),
      isInSync: schedule.revision === schedule.syncedRevision && (!isKnown || status === "over" || told?.isSame === true),
    };
  }

  async function existing(tenant: TenantId, id: string): Promise<Schedule> {
    const found = await db.schedules.get(tenant, id);
    if (!found) throw notFound();
    return found;
  }

  /** What is stored stands: that Temporal is away only delays it. What Temporal refuses is told. */
  async function bring(schedule: Schedule): Promise<Schedule> {
    try {
      return (await sync.bring(schedule.tenantId, schedule.id)) ?? schedule;
    } catch (error) {
      if (error instanceof PerdureError && !error.retryable) throw error;
      logger.warn({ err: error, schedule_id: schedule.id }, "a schedule is stored and not in Temporal yet; the rounds of the workers bring it there");
      return (await db.schedules.find(schedule.tenantId, schedule.id)) ?? schedule;
    }
  }

  function checked({ when, inputs }: { when: ScheduleRequest; inputs: JsonObject }) {
    const defined = defineSchedule(when, env, new Date());
    const findings: Finding[] = [...("findings" in defined ? defined.findings : []), ...checkInputs(inputs)];
    if (Buffer.byteLength(JSON.stringify(inputs)) > env.RUN_INPUTS_MAX_BYTES) {
      throw new PerdureError("request.too_large", `The inputs have more than ${env.RUN_INPUTS_MAX_BYTES} bytes.`);
    }
    if (!("definition" in defined) || findings.length > 0) throw new PerdureError("validation.failed", "The request is not valid.", { findings });
    return defined.definition;
  }

  return {
    async create(tenant, { when, ...schedule }) {
      const definition = checked({ when, inputs: schedule.inputs });
      const created = await db.schedules.create(tenant, { ...schedule, id: uuidv7(), source: "api", definition }, env.SCHEDULES_MAX);
      try {
        return await standing(await bring(created));
      } catch (error) {
        if (error instanceof PerdureError && error.code === "validation.failed") await db.schedules.remove(tenant, created.id);
        throw error;
      }
    },

    get: async (tenant, id) => standing(await existing(tenant, id)),

    async list(tenant, filter, page) {
      const { rows, ...rest } = await db.schedules.list(tenant, filter, page);
      const shown: StandingSchedule[] = [];
      for (let start = 0; start < rows.length; start += DESCRIBED_AT_ONCE) {
        shown.push(...(await Promise.all(rows.slice(start, start + DESCRIBED_AT_ONCE).map(standing))));
      }
      return { rows: shown, ...rest };
    },

    async update(tenant, id, { when, ...change }) {
      const before = await existing(tenant, id);
      const inputs = change.inputs ?? before.inputs;
      const definition = when && checked({ when, inputs });
      if (!definition && change.inputs) checked({ when: { type: "manual" }, inputs });
      const takesOver = definition !== undefined || change.inputs !== undefined || change.name !== undefined;
      const changed = await db.schedules.update(tenant, id, { ...change, ...(definition && { definition }), ...(takesOver && { source: "api" as const }) });
      if (!changed) throw notFound();
      return standing(await bring(changed));
    },

    async remove(tenant, id) {
      const removed = await db.schedules.remove(tenant, id);
      if (!removed) throw notFound();
      await bring(removed);
    },

    async trigger(tenant, id, key) {
      await existing(tenant, id);
      return firings.fireByHand(tenant, id, key);
    },

    async backfill(tenant, id, from, to) {
      const schedule = await existing(tenant, id);
      const wrong = (path: string, message: string) =>
        new PerdureError("validation.failed", "The request is not valid.", { findings: [{ code: "schedule.backfill", message, path }] });
      if (schedule.definition.type === "manual") throw new PerdureError("resource.conflict", "A manual schedule has no moments.");
      if (to <= from) throw wrong("end_at", "comes before start_at");
      if (to > new Date()) throw wrong("end_at", "lies in the future");
      if (to.getTime() - from.getTime() > env.SCHEDULE_BACKFILL_MAX_DAYS * 86_400_000) {
        throw wrong("start_at", `lies more than ${env.SCHEDULE_BACKFILL_MAX_DAYS} days before the end (SCHEDULE_BACKFILL_MAX_DAYS)`);
      }
      if (schedule.revision !== schedule.syncedRevision) await sync.bring(tenant, id);
      const most = env.SCHEDULE_BACKFILL_MAX_RUNS;
      const moments = await temporal.moments(tenant, id, new Date(from.getTime() - 1), to, most + 1);
      if (moments.length > most) throw wrong("start_at", `more than ${most} moments lie between (SCHEDULE_BACKFILL_MAX_RUNS); choose a shorter time`);
      if (moments.length > 0) {
        await db.schedules.allowBackfill(tenant, id, to);
        await temporal.backfill(schedule, from, to);
      }
      return moments.length;
    },

    async executions(tenant, id, filter, page) {
      const found = await db.schedules.executions(tenant, id, filter, page);
      if (!found) throw notFound();
      return found;
    },

    timersOf: (plan) => timersOf(plan, env, new Date()),

    async follow(tenant, workflowId) {
      try {
        for (const { id, revision, syncedRevision } of await db.schedules.ofWorkflow(tenant, workflowId)) {
          if (revision !== syncedRevision) await sync.bring(tenant, id);
        }
      } catch (error) {
        logger.warn({ err: error, workflow_id: workflowId }, "schedules of a workflow are not in Temporal yet; the rounds of the workers bring them there");
      }
    },
  };
}

function notFound(): PerdureError {
  return new PerdureError("resource.not_found", "There is no such schedule.");
}
