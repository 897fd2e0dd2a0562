import type { ScheduleDefinition } from "#db";

/** As a row has it, with nothing that a test would be about. */
export const EVERY_MINUTE: ScheduleDefinition = {
  type: "interval",
  timezone: "UTC",
  interval_seconds: 60,
  offset_seconds: 0,
  jitter_seconds: 0,
  overlap_policy: "allow_all",
  catchup_window_seconds: 60,
  max_executions: 0,
  retry_on_failure: false,
  retry_count: 0,
  retry_delay_seconds: 0,
};
