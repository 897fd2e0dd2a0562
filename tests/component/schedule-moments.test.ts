import { randomUUID } from "node:crypto";
import { Client, Connection } from "@temporalio/client";
import { Cron } from "croner";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, inject, test } from "vitest";
import { parseCron, PerdureError, tenantId, uuidv7 } from "#core";
import type { Schedule } from "#db";
import { readEnv } from "#platform";
import { defineSchedule, type ScheduleRequest } from "../../runs/schedules/definition.ts";
import { createTemporalSchedules } from "../../runs/schedules/temporal.ts";
import { localTime } from "../../runs/schedules/zones.ts";

const NEW_YORK = "America/New_York";
const ZONES = ["UTC", NEW_YORK, "Europe/Berlin", "Asia/Kolkata", "Australia/Lord_Howe"];
/** Two days before clocks change somewhere: New York in March and November, Berlin in March and October, Lord Howe in April. */
const FROM = ["2027-03-12T00:00:00Z", "2026-10-30T00:00:00Z", "2027-03-26T00:00:00Z", "2026-10-23T00:00:00Z", "2027-04-02T00:00:00Z", "2028-02-20T00:00:00Z"];
const MOMENTS = 50;
const EXPRESSIONS = Number(process.env["CRON_EXPRESSIONS"] ?? 120);
const DAY_MS = 86_400_000;

const tenant = tenantId(uuidv7());
let connection: Connection;
let client: Client;
let temporal: ReturnType<typeof createTemporalSchedules>;

beforeAll(async () => {
  connection = await Connection.connect({ address: inject("temporalAddress") });
  client = new Client({ connection, namespace: "perdure" });
  temporal = createTemporalSchedules(client, { taskQueue: `test-${randomUUID()}`, namespace: "perdure" });
});
afterAll(() => connection?.close());

function scheduleOf(request: ScheduleRequest): Schedule {
  const defined = defineSchedule(request, readEnv({}), new Date("2026-10-01T00:00:00Z"));
  if ("findings" in defined) throw new Error(JSON.stringify(defined.findings));
  const at = new Date();
  return {
    id: uuidv7(),
    tenantId: tenant,
    workflowId: uuidv7(),
    nodeId: null,
    source: "api",
    name: "Compared",
    definition: defined.definition,
    inputs: {},
    enabled: false,
    note: "",
    pausedAt: at,
    backfilledTo: null,
    executions: 0,
    firings: 0,
    revision: 1,
    syncedRevision: 0,
    syncError: null,
    changedAt: at,
    checkedAt: null,
    createdBy: null,
    createdAt: at,
    updatedAt: at,
    deletedAt: null,
    lastFiredAt: null,
  };
}

/** What Temporal itself says, of a schedule that is made there. A server under load is asked again. */
async function momentsIn(request: ScheduleRequest, from: Date, to: Date): Promise<Date[]> {
  const schedule = scheduleOf(request);
  await patiently(() => temporal.put(schedule, undefined));
  try {
    expect(await patiently(() => temporal.describe(schedule)), "Temporal gives back what it was given").toMatchObject({ isSame: true });
    return await patiently(() => temporal.moments(tenant, schedule.id, from, to, 1_000));
  } finally {
    await patiently(() => temporal.remove(tenant, schedule.id));
  }
}

async function patiently<T>(call: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await call();
    } catch (error) {
      if (attempt === 5 || !(error instanceof PerdureError && error.retryable)) throw error;
    }
  }
}

const texts = (moments: Date[]) => moments.map((at) => at.toISOString());

/** The moments at which the clocks of a zone show what croner finds for clocks without a zone: none, one or two for each. */
function wallClock(expression: string, zone: string, from: Date, count: number): Date[] {
  const walls = new Cron(expression, { timezone: "UTC" }).nextRuns(count + 200, new Date(from.getTime() - 2 * DAY_MS));
  const found = new Set<number>();
  for (const wall of walls) {
    const shown = wall.toISOString().slice(0, 19);
    for (const near of [-DAY_MS, 0, DAY_MS]) {
      const local = localTime(new Date(wall.getTime() + near), zone);
      const sign = local[19] === "-" ? -1 : 1;
      const offsetMs = sign * (Number(local.slice(20, 22)) * 60 + Number(local.slice(23, 25))) * 60_000;
      const at = new Date(wall.getTime() - offsetMs);
      if (at > from && localTime(at, zone).startsWith(shown)) found.add(at.getTime());
    }
  }
  return [...found]
    .toSorted((a, b) => a - b)
    .slice(0, count)
    .map((at) => new Date(at));
}

const offsetMs = (at: Date, zone: string): number => Date.parse(`${localTime(at, zone).slice(0, 19)}Z`) - Math.floor(at.getTime() / 1000) * 1000;
const HOURS_2 = 7_200_000;
/** Within two hours of clocks that go back east of Greenwich. There Temporal reckons in a way of its own (docs/schedules.md). */
const isRepeated = (at: Date, zone: string) =>
  zone !== NEW_YORK && offsetMs(new Date(at.getTime() - HOURS_2), zone) > offsetMs(new Date(at.getTime() + HOURS_2), zone);

const list = (...values: string[]) => fc.uniqueArray(fc.constantFrom(...values), { minLength: 1, maxLength: 3 }).map((chosen) => chosen.join(","));
const expressions = fc
  .tuple(
    fc.constantFrom("", "0 ", "*/20 ", "5,35 "),
    fc.oneof(fc.constantFrom("*", "0", "30", "*/10", "5-55/25"), list("0", "15", "59")),
    fc.oneof({ weight: 2, arbitrary: fc.constantFrom("*", "1", "2", "1-3", "*/6", "0,2,23") }, { weight: 1, arbitrary: list("1", "2", "3", "12") }),
    fc.constantFrom("*", "*", "*", "1-7", "13", "14,15", "31", "L", "10,L", "29"),
    fc.constantFrom("*", "*", "*", "MAR", "1-3", "FEB,NOV", "*/4"),
    fc.constantFrom("*", "*", "*", "MON-FRI", "7", "SUN,3", "5L", "TUE#1", "0L,1"),
  )
  .map(([second, minute, hour, dom, month, dow]) => `${second}${minute} ${hour} ${dom} ${month} ${dow}`);

describe("moments of cron expressions, as Temporal has them", () => {
  test(
    `C3: When ${EXPRESSIONS} expressions are read in several zones around changes of clocks, then the next ${MOMENTS} moments are those of croner by the clocks of the zone`,
    { timeout: 300_000 },
    async () => {
      const cases = fc.sample(fc.tuple(expressions, fc.constantFrom(...ZONES), fc.constantFrom(...FROM)), { numRuns: EXPRESSIONS, seed: 7 });
      for (const [expression, zone, start] of cases) {
        const from = new Date(Date.parse(start) - 1);
        const expected = wallClock(expression, zone, from, MOMENTS);
        const last = expected.at(-1);
        if (!last) {
          expect(parseCron(expression).ok, `${expression} never comes`).toBe(false);
          continue;
        }
        const told = await momentsIn({ type: "cron", cron_expression: expression, timezone: zone }, from, last);
        const usual = (moments: Date[]) => texts(moments.filter((at) => !isRepeated(at, zone)));
        expect(usual(told), `${expression} in ${zone} from ${start}`).toEqual(usual(expected));
      }
    },
  );

  test("C3: When no clocks change, then croner with the zone agrees as well", { timeout: 120_000 }, async () => {
    const from = new Date("2026-12-01T00:00:00Z");
    for (const [expression, zone] of fc.sample(fc.tuple(expressions, fc.constantFrom(NEW_YORK, "Asia/Kolkata")), { numRuns: 20, seed: 3 })) {
      const expected = new Cron(expression, { timezone: zone }).nextRuns(MOMENTS, from).filter((at) => at < new Date("2027-03-01T00:00:00Z"));
      const told = await momentsIn({ type: "cron", cron_expression: expression, timezone: zone }, from, new Date("2027-02-28T23:59:59Z"));
      expect(texts(told.slice(0, expected.length)), `${expression} in ${zone}`).toEqual(texts(expected));
    }
  });

  const newYork = async (expression: string, from: string, to: string) =>
    texts(await momentsIn({ type: "cron", cron_expression: expression, timezone: NEW_YORK }, new Date(from), new Date(to)));

  test("C3: When clocks in New York go forward, then 09:00 stays 09:00 there, and 02:30, which does not exist, is left out", async () => {
    expect(await newYork("0 9 * * *", "2027-03-13T00:00:00Z", "2027-03-16T00:00:00Z")).toEqual([
      "2027-03-13T14:00:00.000Z",
      "2027-03-14T13:00:00.000Z",
      "2027-03-15T13:00:00.000Z",
    ]);
    expect(await newYork("30 2 * * *", "2027-03-13T00:00:00Z", "2027-03-16T00:00:00Z")).toEqual(["2027-03-13T07:30:00.000Z", "2027-03-15T06:30:00.000Z"]);
    expect(await newYork("*/30 * * * *", "2027-03-14T06:29:00Z", "2027-03-14T08:00:00Z"), "no half hour is missing").toEqual([
      "2027-03-14T06:30:00.000Z",
      "2027-03-14T07:00:00.000Z",
      "2027-03-14T07:30:00.000Z",
      "2027-03-14T08:00:00.000Z",
    ]);
  });

  test("C3: When clocks in New York go back, then 01:30, which comes twice, fires twice, and 02:30 once", async () => {
    expect(await newYork("30 1 * * *", "2026-10-31T12:00:00Z", "2026-11-02T12:00:00Z")).toEqual([
      "2026-11-01T05:30:00.000Z",
      "2026-11-01T06:30:00.000Z",
      "2026-11-02T06:30:00.000Z",
    ]);
    expect(await newYork("30 2 * * *", "2026-10-31T12:00:00Z", "2026-11-02T12:00:00Z")).toEqual(["2026-11-01T07:30:00.000Z", "2026-11-02T07:30:00.000Z"]);
  });

  test("C3: When an interval has an offset, then its moments are those of the offset whatever clocks do; a single moment comes once", async () => {
    const from = new Date("2026-11-01T04:00:00Z");
    const to = new Date("2026-11-01T08:00:00Z");
    expect(texts(await momentsIn({ type: "interval", interval_seconds: 3_600, offset_seconds: 90, timezone: NEW_YORK }, from, to))).toEqual(
      [4, 5, 6, 7].map((hour) => `2026-11-01T0${hour}:01:30.000Z`),
    );
    expect(texts(await momentsIn({ type: "once", scheduled_time: "2026-11-01T01:30:00.200-04:00" }, from, to))).toEqual(["2026-11-01T05:30:01.000Z"]);
  });
});
