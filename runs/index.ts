/** The life of a run as seen from outside its workflow: start, end, commands, log. Temporal holds the truth; all rows are brought in line with it. */
export { type AfterRestore, type AfterRestoreOptions, reconcileAfterRestore } from "./after-restore.ts";
export { BULK_STATUSES, type BulkOptions, type BulkRoundsOptions, createBulkRounds } from "./bulk.ts";
export * from "./checkpoints/index.ts";
export { type CompileGraph, createCompiler } from "./compiler.ts";
export { connectTemporal, ensureNamespace, type TemporalSettings } from "./connect.ts";
export { createRuns, type RunsOptions, type RunsService } from "./create-runs.ts";
export { promoteBuild, type Build } from "./deployment.ts";
export { createEventReader, type EventReaderOptions } from "./event-reader.ts";
export { createEventWriter, type EventWriterOptions } from "./event-writer.ts";
export { createQueueRounds, type QueueRoundsOptions } from "./queue-rounds.ts";
export { createRelay, type RelayOptions } from "./relay.ts";
export type { Rounds } from "./rounds.ts";
export {
  createScheduleParts,
  type ScheduleFirings,
  type ScheduleParts,
  type ScheduleRequest,
  type Schedules,
  type ScheduleStanding,
  type ScheduleWrite,
  type StandingSchedule,
  type TemporalSchedules,
} from "./schedules/index.ts";
export { createErasureRounds, type ErasureRoundsOptions } from "./erasure.ts";
export { createRetentionRounds, retentionDefaults, type RetentionRoundsOptions, sweepOnce } from "./retention.ts";
export { createSweeper, type SweeperOptions } from "./sweeper.ts";
export type * from "./types.ts";
