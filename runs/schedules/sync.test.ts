import { pino } from "pino";
import { expect, test } from "vitest";
import { tenantId } from "#core";
import type { Database, Schedule } from "#db";
import { createSync } from "./sync.ts";
import type { TemporalSchedules } from "./temporal.ts";

const tenant = tenantId("00000000-0000-7000-8000-000000000001");
const lookedAt = new Date("2026-03-01T10:00:00Z");
const changedAt = new Date("2026-03-01T12:00:00Z");

const definition = (cron: string): Schedule["definition"] => ({
  type: "cron",
  cron_expression: cron,
  timezone: "UTC",
  jitter_seconds: 0,
  overlap_policy: "skip",
  catchup_window_seconds: 60,
  max_executions: 0,
  retry_on_failure: false,
  retry_count: 0,
  retry_delay_seconds: 0,
});

/** A row and a Temporal that has nothing of it; `onPut` is called while Temporal is being told. */
function place(onPut: (put: string, change: (cron: string) => void) => void) {
  let row = {
    tenantId: tenant,
    id: "schedule",
    definition: definition("0 1 * * *"),
    enabled: true,
    executions: 0,
    revision: 1,
    syncedRevision: 1,
    checkedAt: lookedAt,
    changedAt: new Date("2026-02-01T00:00:00Z"),
    deletedAt: null,
  } as Schedule;
  const puts: { cron: string | undefined; since: Date | undefined }[] = [];
  const schedules = {
    find: async () => ({ ...row }),
    synced: async (_tenant: unknown, _id: unknown, revision: number) => {
      if (row.revision === revision) row = { ...row, syncedRevision: revision };
    },
  } as unknown as Database["schedules"];
  const change = (cron: string) => void (row = { ...row, definition: definition(cron), revision: row.revision + 1, changedAt });
  const temporal = {
    describe: async () => undefined,
    put: async (schedule: Schedule, since: Date | undefined) => {
      const cron = schedule.definition.cron_expression as string;
      onPut(cron, change);
      puts.push({ cron, since });
    },
  } as unknown as TemporalSchedules;
  return { sync: createSync({ db: { schedules }, temporal, logger: pino({ enabled: false }) }), puts, change, row: () => row };
}

test("C3: When a schedule is changed while a round puts it right as it was before, then Temporal has the change in the end", async () => {
  const { sync, puts, row } = place((cron, change) => {
    if (cron === "0 1 * * *") change("0 2 * * *");
  });
  expect(await sync.compare(tenant, "schedule")).toBe("repaired");
  expect(puts).toEqual([
    { cron: "0 1 * * *", since: lookedAt },
    { cron: "0 2 * * *", since: changedAt },
  ]);
  expect(row()).toMatchObject({ revision: 2, syncedRevision: 2 });
});

test("C3: When a schedule is not in Temporal, then moments since the last look are fired; of a changed one those since the change", async () => {
  const { sync, puts, change } = place(() => undefined);
  await sync.compare(tenant, "schedule");
  change("0 3 * * *");
  await sync.compare(tenant, "schedule");
  expect(puts.map(({ since }) => since)).toEqual([lookedAt, changedAt]);
});
