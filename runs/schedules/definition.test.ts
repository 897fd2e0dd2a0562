import { describe, expect, test } from "vitest";
import { defineSchedule, type ScheduleRequest } from "./definition.ts";
import { checkInputs, renderInputs, timerData } from "./inputs.ts";
import { localTime, zoneOf } from "./zones.ts";

const NOW = new Date("2026-11-21T18:00:00.400Z");
const LIMITS = { SCHEDULE_MIN_INTERVAL_SECONDS: 10, SCHEDULE_CATCHUP_DEFAULT_SECONDS: 86_400, SCHEDULE_CATCHUP_MAX_SECONDS: 100_000 };
const define = (request: ScheduleRequest) => defineSchedule(request, LIMITS, NOW);
function definitionOf(request: ScheduleRequest) {
  const defined = define(request);
  if ("findings" in defined) throw new Error(JSON.stringify(defined.findings));
  return defined.definition;
}
const pathsOf = (request: ScheduleRequest) => {
  const defined = define(request);
  return "findings" in defined ? defined.findings.map(({ path }) => path) : [];
};

describe("definitions", () => {
  test("C3: When little is said, then the rest is as documented", () => {
    expect(definitionOf({ type: "cron", cron_expression: " 0 9 * * 1-5 ", timezone: "america/new_york" })).toEqual({
      type: "cron",
      cron_expression: "0 9 * * 1-5",
      timezone: "America/New_York",
      jitter_seconds: 0,
      overlap_policy: "allow_all",
      catchup_window_seconds: 86_400,
      max_executions: 0,
      retry_on_failure: false,
      retry_count: 0,
      retry_delay_seconds: 10,
    });
    expect(definitionOf({ type: "manual", retry_on_failure: true })).toMatchObject({ retry_count: 3 });
    expect(definitionOf({ type: "manual", retry_count: 2 })).toMatchObject({ retry_on_failure: true, retry_count: 2 });
  });

  test("C3: When an interval has no offset, then its first moment comes one interval after the making, or the start", () => {
    const at = Math.floor(NOW.getTime() / 1000);
    expect(definitionOf({ type: "interval", interval_seconds: 90 })).toMatchObject({ offset_seconds: at % 90 });
    expect(definitionOf({ type: "interval", interval_seconds: 90, start_at: "2027-01-01T00:00:07Z" })).toMatchObject({
      offset_seconds: (Date.UTC(2027, 0, 1) / 1000 + 7) % 90,
    });
    expect(definitionOf({ type: "interval", interval_seconds: 90, offset_seconds: 5 })).toMatchObject({ offset_seconds: 5, has_own_offset: true });
  });

  test("C3: When a single moment is meant, then it is in whole seconds and far enough off for Temporal to have it", () => {
    expect(definitionOf({ type: "once", delay_seconds: 60.5 })).toMatchObject({ scheduled_time: "2026-11-21T18:01:01.000Z", delay_seconds: 60.5 });
    expect(definitionOf({ type: "once", delay_seconds: 0 })).toMatchObject({ scheduled_time: "2026-11-21T18:00:03.000Z" });
    expect(definitionOf({ type: "once", scheduled_time: "2027-07-01T09:00:00+02:00" })).toMatchObject({ scheduled_time: "2027-07-01T07:00:00.000Z" });
  });

  test.each<[ScheduleRequest, string]>([
    [{ type: "cron" }, "cron_expression"],
    [{ type: "cron", cron_expression: "* * * * * *" }, "cron_expression"],
    [{ type: "cron", cron_expression: "0 9 * * *", timezone: "Mars/Olympus" }, "timezone"],
    [{ type: "cron", cron_expression: "0 9 * * *", timezone: "+02:00" }, "timezone"],
    [{ type: "interval" }, "interval_seconds"],
    [{ type: "interval", interval_seconds: 9 }, "interval_seconds"],
    [{ type: "interval", interval_seconds: 10.5 }, "interval_seconds"],
    [{ type: "interval", interval_seconds: 60, offset_seconds: 60 }, "offset_seconds"],
    [{ type: "once" }, "scheduled_time"],
    [{ type: "once", scheduled_time: "2026-11-21T17:00:00Z" }, "scheduled_time"],
    [{ type: "once", scheduled_time: "2027-11-21T17:00:00" }, "scheduled_time"],
    [{ type: "once", scheduled_time: "tomorrow" }, "scheduled_time"],
    [{ type: "once", delay_seconds: -1 }, "delay_seconds"],
    [{ type: "manual", start_at: "2027-01-02T00:00:00Z", end_at: "2027-01-01T00:00:00Z" }, "end_at"],
    [{ type: "manual", catchup_window_seconds: 9 }, "catchup_window_seconds"],
    [{ type: "manual", catchup_window_seconds: 100_001 }, "catchup_window_seconds"],
    [{ type: "manual", jitter_seconds: -1 }, "jitter_seconds"],
    [{ type: "manual", max_executions: 1.5 }, "max_executions"],
    [{ type: "manual", retry_count: 101 }, "retry_count"],
    [{ type: "manual", retry_delay_seconds: 86_401 }, "retry_delay_seconds"],
  ])("C3: When %j is asked for, then %s is what is wrong", (request, path) => {
    expect(pathsOf(request)).toEqual([path]);
  });

  test("C3: When several things are wrong, then all are told", () => {
    expect(pathsOf({ type: "cron", cron_expression: "61 25 * * *", timezone: "X", retry_count: -1 }).toSorted()).toEqual([
      "cron_expression",
      "cron_expression",
      "retry_count",
      "timezone",
    ]);
  });
});

describe("inputs", () => {
  const facts = {
    schedule: {
      id: "s",
      name: "Report",
      workflowId: "w",
      definition: definitionOf({ type: "cron", cron_expression: "0 9 * * *", timezone: "America/New_York" }),
    },
    scheduledAt: new Date("2027-03-14T03:30:00Z"),
    firedAt: new Date("2027-03-14T03:30:01.250Z"),
    number: 7,
    attempt: 2,
  };

  test("C3: When inputs read the firing, then they have it, a whole text with its type, the day by the clocks of the zone", () => {
    const inputs = {
      n: "{{schedule.number}}",
      text: "{{ schedule.name }} #{{schedule.number}}",
      deep: [{ day: "{{schedule.date}}", at: "{{schedule.local_time}}" }],
      plain: 1,
      none: null,
    };
    expect(renderInputs(inputs, facts)).toEqual({
      n: 7,
      text: "Report #7",
      deep: [{ day: "2027-03-13", at: "2027-03-13T22:30:00-05:00" }],
      plain: 1,
      none: null,
    });
    expect(checkInputs(inputs)).toEqual([]);
    expect(timerData(facts)).toEqual({
      scheduled_at: "2027-03-14T03:30:00.000Z",
      fired_at: "2027-03-14T03:30:01.250Z",
      execution_number: 7,
      schedule_id: "s",
      attempt: 2,
    });
  });

  test("C3: When inputs read what there is not, then each place is told", () => {
    expect(checkInputs({ a: "{{schedule.nothing}}", b: ["{{time}}"], c: "{{secrets.KEY}}" }).map(({ path }) => path)).toEqual([
      "inputs.a",
      "inputs.b.0",
      "inputs.c",
    ]);
  });

  test("C3: When a name has what looks like a template, then it stays text", () => {
    expect(renderInputs({ text: "{{schedule.name}}" }, { ...facts, schedule: { ...facts.schedule, name: "{{schedule.id}}" } })).toEqual({
      text: "{{schedule.id}}",
    });
  });
});

describe("zones", () => {
  test("C3: When a zone is written in any case or by an older name, then it is that which Temporal takes", () => {
    expect(["utc", "UTC", "europe/berlin", "US/Eastern", "", "EST5EDT7", "Europe/Nowhere", "-05:00"].map(zoneOf)).toEqual([
      "UTC",
      "UTC",
      "Europe/Berlin",
      "America/New_York",
      undefined,
      undefined,
      undefined,
      undefined,
    ]);
    expect(localTime(new Date("2026-07-01T00:00:00Z"), "Asia/Kolkata")).toBe("2026-07-01T05:30:00+05:30");
  });
});
