/** Schedules (C3): rows say what there should be, Temporal fires, each moment becomes one ordinary run (docs/decisions/023-schedules.md). */
import type { Client } from "@temporalio/client";
import type { Database } from "#db";
import type { Env, Logger } from "#platform";
import type { CompileGraph } from "../compiler.ts";
import type { Rounds } from "../rounds.ts";
import type { Runs } from "../types.ts";
import { createFirings, type ScheduleFirings } from "./firing.ts";
import { createScheduleRounds } from "./rounds.ts";
import { createSchedules, type Schedules } from "./service.ts";
import { createSync } from "./sync.ts";
import { createTemporalSchedules, type TemporalSchedules } from "./temporal.ts";

export type { ScheduleRequest } from "./definition.ts";
export type { ScheduleFirings } from "./firing.ts";
export type { Schedules, ScheduleWrite, StandingSchedule } from "./service.ts";
export type { ScheduleStanding, TemporalSchedules } from "./temporal.ts";

export interface ScheduleParts {
  schedules: Schedules;
  firings: ScheduleFirings;
  startRounds(): Rounds;
}

export interface SchedulePartsOptions {
  db: Pick<Database, "schedules" | "workflows" | "runs" | "organizations">;
  /** Or what stands for it. */
  temporal: Client | TemporalSchedules;
  runs: Pick<Runs, "start" | "command" | "reconcile">;
  compile: CompileGraph;
  env: Parameters<typeof createSchedules>[0]["env"] & Pick<Env, "SCHEDULE_CHECK_INTERVAL_MS" | "TEMPORAL_TASK_QUEUE" | "TEMPORAL_NAMESPACE">;
  logger: Logger;
}

export function createScheduleParts({ db, temporal: given, runs, compile, env, logger }: SchedulePartsOptions): ScheduleParts {
  const temporal =
    "workflowService" in given ? createTemporalSchedules(given, { taskQueue: env.TEMPORAL_TASK_QUEUE, namespace: env.TEMPORAL_NAMESPACE }) : given;
  const sync = createSync({ db, temporal, logger });
  const firings = createFirings({ db, runs, compile });
  return {
    schedules: createSchedules({ db, temporal, sync, firings, env, logger }),
    firings,
    startRounds: () => createScheduleRounds({ db, sync, temporal, env, logger }),
  };
}
