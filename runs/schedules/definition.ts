import { type Finding, parseCron, shortestGapSeconds } from "#core";
import type { OverlapPolicy, ScheduleDefinition, ScheduleType } from "#db";
import type { Env } from "#platform";
import { zoneOf } from "./zones.ts";

/** When a schedule is to fire, as a person or a timer says it. Times are ISO 8601, durations seconds. */
export interface ScheduleRequest {
  type: ScheduleType;
  cron_expression?: string | undefined;
  timezone?: string | undefined;
  interval_seconds?: number | undefined;
  /** Of an interval: seconds since 1970 by which its moments are shifted. @default as of now, so that the first comes after one interval */
  offset_seconds?: number | undefined;
  scheduled_time?: string | undefined;
  delay_seconds?: number | undefined;
  start_at?: string | undefined;
  end_at?: string | undefined;
  jitter_seconds?: number | undefined;
  overlap_policy?: OverlapPolicy | undefined;
  catchup_window_seconds?: number | undefined;
  max_executions?: number | undefined;
  retry_on_failure?: boolean | undefined;
  retry_count?: number | undefined;
  retry_delay_seconds?: number | undefined;
}

export type ScheduleLimits = Pick<Env, "SCHEDULE_MIN_INTERVAL_SECONDS" | "SCHEDULE_CATCHUP_DEFAULT_SECONDS" | "SCHEDULE_CATCHUP_MAX_SECONDS">;

/** Temporal takes no shorter one (https://docs.temporal.io/schedule#catchup-window). */
const CATCHUP_MIN_SECONDS = 10;
const JITTER_MAX_SECONDS = 86_400;
const RETRY_COUNT_DEFAULT = 3;
const RETRY_COUNT_MAX = 100;
const RETRY_DELAY_DEFAULT_SECONDS = 10;
const RETRY_DELAY_MAX_SECONDS = 86_400;
const MAX_EXECUTIONS = 1_000_000_000;
/** Ten years. */
const LONGEST_SECONDS = 315_360_000;
/** A moment of `once` is at least so far off, so that Temporal has the schedule by then. */
const ONCE_AT_LEAST_MS = 2_000;

/**
 * A complete definition, or everything that is wrong with it. Paths of findings are the fields of the request.
 * @param now - From which `delay_seconds` and an interval without an offset are counted.
 */
export function defineSchedule(request: ScheduleRequest, limits: ScheduleLimits, now: Date): { definition: ScheduleDefinition } | { findings: Finding[] } {
  const findings: Finding[] = [];
  const wrong = (path: string, message: string): undefined => {
    findings.push({ code: "schedule.invalid", message, path });
    return undefined;
  };
  const whole = (path: keyof ScheduleRequest, from: number, to: number, given: number | undefined): number => {
    if (given === undefined || (Number.isInteger(given) && given >= from && given <= to)) return given ?? 0;
    wrong(path, `takes a whole number from ${from} to ${to}`);
    return from;
  };
  const moment = (path: keyof ScheduleRequest, text: string | undefined): Date | undefined => {
    if (text === undefined) return undefined;
    const at = new Date(text);
    if (!/^\d{4}-\d\d-\d\dT/.test(text) || Number.isNaN(at.getTime())) return wrong(path, "takes a moment, ISO 8601 with an offset or Z");
    return /(?:Z|[+-]\d\d:?\d\d)$/i.test(text) ? at : wrong(path, "does not say its offset from UTC; end it with Z or +hh:mm");
  };

  const startAt = moment("start_at", request.start_at);
  const endAt = moment("end_at", request.end_at);
  if (startAt && endAt && endAt <= startAt) wrong("end_at", "comes before start_at");
  const zone = zoneOf(request.timezone ?? "UTC");
  if (zone === undefined) wrong("timezone", `${request.timezone} is no IANA time zone such as America/New_York`);
  const retryOnFailure = request.retry_on_failure ?? (request.retry_count ?? 0) > 0;
  const common = {
    timezone: zone ?? "UTC",
    ...(startAt && { start_at: startAt.toISOString() }),
    ...(endAt && { end_at: endAt.toISOString() }),
    jitter_seconds: whole("jitter_seconds", 0, JITTER_MAX_SECONDS, request.jitter_seconds),
    overlap_policy: request.overlap_policy ?? "allow_all",
    catchup_window_seconds: whole(
      "catchup_window_seconds",
      CATCHUP_MIN_SECONDS,
      limits.SCHEDULE_CATCHUP_MAX_SECONDS,
      request.catchup_window_seconds ?? Math.min(limits.SCHEDULE_CATCHUP_DEFAULT_SECONDS, limits.SCHEDULE_CATCHUP_MAX_SECONDS),
    ),
    max_executions: whole("max_executions", 0, MAX_EXECUTIONS, request.max_executions),
    retry_on_failure: retryOnFailure,
    retry_count: whole("retry_count", 0, RETRY_COUNT_MAX, request.retry_count ?? (retryOnFailure ? RETRY_COUNT_DEFAULT : 0)),
    retry_delay_seconds: whole("retry_delay_seconds", 0, RETRY_DELAY_MAX_SECONDS, request.retry_delay_seconds ?? RETRY_DELAY_DEFAULT_SECONDS),
  };

  const moments = momentsOf();
  return findings.length > 0 || !moments ? { findings } : { definition: { ...moments, ...common } };

  function momentsOf(): Pick<ScheduleDefinition, "type"> | undefined {
    switch (request.type) {
      case "manual":
        return { type: "manual" };
      case "cron":
        return cron();
      case "interval":
        return interval();
      case "once":
        return once();
    }
  }

  function cron(): Pick<ScheduleDefinition, "type" | "cron_expression"> | undefined {
    const text = request.cron_expression?.trim() ?? "";
    if (text === "") return wrong("cron_expression", "is required for a schedule of type cron");
    const parsed = parseCron(text);
    if (!parsed.ok) {
      for (const problem of parsed.problems) wrong("cron_expression", problem);
      return undefined;
    }
    const gap = shortestGapSeconds(parsed.calendars);
    if (gap < limits.SCHEDULE_MIN_INTERVAL_SECONDS) {
      return wrong(
        "cron_expression",
        `comes after ${gap} s again; ${limits.SCHEDULE_MIN_INTERVAL_SECONDS} s at least must lie between (SCHEDULE_MIN_INTERVAL_SECONDS)`,
      );
    }
    return { type: "cron", cron_expression: text };
  }

  function interval(): Pick<ScheduleDefinition, "type" | "interval_seconds" | "offset_seconds" | "has_own_offset"> | undefined {
    if (request.interval_seconds === undefined) return wrong("interval_seconds", "is required for a schedule of type interval");
    const before = findings.length;
    const every = whole("interval_seconds", limits.SCHEDULE_MIN_INTERVAL_SECONDS, LONGEST_SECONDS, request.interval_seconds);
    if (findings.length > before) return undefined;
    if (request.offset_seconds !== undefined) {
      const offset = whole("offset_seconds", 0, every - 1, request.offset_seconds);
      return { type: "interval", interval_seconds: every, offset_seconds: offset, has_own_offset: true };
    }
    return { type: "interval", interval_seconds: every, offset_seconds: Math.floor((startAt ?? now).getTime() / 1000) % every };
  }

  function once(): Pick<ScheduleDefinition, "type" | "scheduled_time" | "delay_seconds"> | undefined {
    const { delay_seconds: delay } = request;
    if (request.scheduled_time !== undefined) {
      const at = moment("scheduled_time", request.scheduled_time);
      if (at && at <= now) return wrong("scheduled_time", "is over");
      return at && { type: "once", scheduled_time: inWholeSeconds(at) };
    }
    if (delay === undefined) return wrong("scheduled_time", "or delay_seconds is required for a schedule of type once");
    if (!(delay >= 0 && delay <= LONGEST_SECONDS)) return wrong("delay_seconds", `takes a number from 0 to ${LONGEST_SECONDS}`);
    return { type: "once", scheduled_time: inWholeSeconds(new Date(now.getTime() + delay * 1000)), delay_seconds: delay };
  }

  function inWholeSeconds(at: Date): string {
    return new Date(Math.ceil(Math.max(at.getTime(), now.getTime() + ONCE_AT_LEAST_MS) / 1000) * 1000).toISOString();
  }
}
