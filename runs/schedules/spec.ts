import { type CalendarSpec, DAYS_OF_WEEK, MONTHS, type Range, type ScheduleOverlapPolicy, type ScheduleSpec } from "@temporalio/client";
import { type CronCalendar, parseCron, PerdureError } from "#core";
import type { OverlapPolicy, ScheduleDefinition } from "#db";

/** Temporal knows years to 2100, which is none of February 29. */
const LEAP_YEARS: Range<number>[] = [{ start: 2024, end: 2096, step: 4 }];
const OTHER_YEARS: Range<number>[] = [...[2025, 2026, 2027].map((start) => ({ start, end: start + 72, step: 4 })), { start: 2100, end: 2100, step: 1 }];

/** What ends the run before is asked of the workflow that waits for it, so that it has a say: hence no TERMINATE_OTHER. */
const OVERLAPS: Readonly<Record<OverlapPolicy, ScheduleOverlapPolicy & string>> = {
  allow_all: "ALLOW_ALL",
  skip: "SKIP",
  buffer_one: "BUFFER_ONE",
  buffer_all: "BUFFER_ALL",
  cancel_other: "CANCEL_OTHER",
  terminate_other: "CANCEL_OTHER",
};

export function overlapOf({ overlap_policy: policy }: ScheduleDefinition): ScheduleOverlapPolicy & string {
  return OVERLAPS[policy];
}

/** Undefined for what only people start. Complete, in the form in which Temporal gives it back. */
export function specOf(definition: ScheduleDefinition): ScheduleSpec | undefined {
  const moments = momentsOf(definition);
  return (
    moments && {
      ...moments,
      ...(definition.start_at !== undefined && { startAt: new Date(definition.start_at) }),
      ...(definition.end_at !== undefined && { endAt: new Date(definition.end_at) }),
      ...(definition.jitter_seconds > 0 && { jitter: definition.jitter_seconds * 1000 }),
    }
  );
}

function momentsOf({
  type,
  timezone,
  cron_expression: cron,
  interval_seconds: every,
  offset_seconds: offset,
  scheduled_time: at,
}: ScheduleDefinition): ScheduleSpec | undefined {
  switch (type) {
    case "manual":
      return undefined;
    case "cron": {
      const parsed = parseCron(cron ?? "");
      if (!parsed.ok) throw new PerdureError("configuration.invalid", `The cron expression ${parsed.problems.join("; ")}.`);
      return { calendars: parsed.calendars.map(toCalendar), timezone };
    }
    case "interval":
      return { intervals: [{ every: (every ?? 0) * 1000, offset: (offset ?? 0) * 1000 }], timezone };
    case "once":
      return { calendars: [momentIn(new Date(at ?? 0))], timezone: "UTC" };
  }
}

function toCalendar({ second, minute, hour, dayOfMonth, month, dayOfWeek, leap }: CronCalendar): CalendarSpec {
  return {
    second: ranges(second),
    minute: ranges(minute),
    hour: ranges(hour),
    dayOfMonth: ranges(dayOfMonth),
    month: ranges(month).map(({ start, end, step }) => ({ start: MONTHS[start - 1] ?? "JANUARY", end: MONTHS[end - 1] ?? "DECEMBER", step })),
    dayOfWeek: ranges(dayOfWeek).map(({ start, end, step }) => ({ start: DAYS_OF_WEEK[start] ?? "SUNDAY", end: DAYS_OF_WEEK[end] ?? "SATURDAY", step })),
    ...(leap !== undefined && { year: leap ? LEAP_YEARS : OTHER_YEARS }),
  };
}

function momentIn(at: Date): CalendarSpec {
  const calendar = toCalendar({
    second: [at.getUTCSeconds()],
    minute: [at.getUTCMinutes()],
    hour: [at.getUTCHours()],
    dayOfMonth: [at.getUTCDate()],
    month: [at.getUTCMonth() + 1],
    dayOfWeek: [0, 1, 2, 3, 4, 5, 6],
  });
  return { ...calendar, year: [{ start: at.getUTCFullYear(), end: at.getUTCFullYear(), step: 1 }] };
}

/** As few as make the same list: one of even steps, else one for each row of neighbours. */
function ranges(values: readonly number[]): Range<number>[] {
  const [first = 0, second] = values;
  const last = values.at(-1) ?? first;
  const step = second === undefined ? 1 : second - first;
  if (values.every((value, index) => value === first + index * step)) return [{ start: first, end: last, step }];
  const found: Range<number>[] = [];
  for (const value of values) {
    const row = found.at(-1);
    if (row && row.end === value - 1) row.end = value;
    else found.push({ start: value, end: value, step: 1 });
  }
  return found;
}
