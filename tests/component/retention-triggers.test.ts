import { randomUUID } from "node:crypto";
import postgres from "postgres";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { type RetentionDays, tenantId, type TenantId } from "#core";
import { type Database, openDatabase } from "#db";
import { createLogger, readEnv } from "#platform";
import { sweepOnce } from "#runs";
import { createTestDatabase, type TestDatabase } from "#tests/database.ts";

const DAY = 86_400;

let database: TestDatabase;
let db: Database;
let sql: postgres.Sql;
let tenant: TenantId;

beforeAll(async () => {
  database = await createTestDatabase();
  db = await openDatabase({ url: database.url, poolSize: 4 });
  sql = postgres(database.url, { max: 1, onnotice: () => {} });
});
afterAll(async () => {
  await db?.close();
  await sql?.end();
  await database?.drop();
});
beforeEach(async () => {
  tenant = await organization();
});

async function organization(): Promise<TenantId> {
  const id = tenantId(randomUUID());
  await sql`insert into organizations (id, name) values (${id}, 'T')`;
  return id;
}

const ago = (days: number) => new Date(Date.now() - days * DAY * 1000);

/** A run that ended so many days ago; null: it lives. */
async function run(endedDaysAgo: number | null): Promise<string> {
  const id = randomUUID();
  await sql`
    insert into runs (id, tenant_id, workflow_name, status, trigger, inputs, variables, entries, last_seq, created_at, completed_at)
    values (${id}, ${tenant}, 'w', ${endedDaysAgo === null ? "running" : "failed"}, 'webhook', '{}', '{}', '{}', 1, ${ago(100)}, ${endedDaysAgo === null ? null : ago(endedDaysAgo)})`;
  return id;
}

interface Came {
  daysAgo: number;
  runId?: string;
  redeliveryOf?: string;
  key?: string;
  of?: TenantId;
}

async function delivery({ daysAgo, runId, redeliveryOf, key, of = tenant }: Came): Promise<string> {
  const id = randomUUID();
  await sql`
    insert into webhook_deliveries (id, tenant_id, webhook_id, run_id, redelivery_of, delivery_key, event_type, method, path, query, headers, body, body_bytes,
      source_ip, user_agent, correlation_id, key_version, sealed, response_status, created_at)
    values (${id}, ${of}, 'wh_1', ${runId ?? null}, ${redeliveryOf ?? null}, ${key ?? null}, 'x', 'POST', '/', '{}', '{}', '{"a":1}', 7, '', '', '', 1, 'abc', 200, ${ago(daysAgo)})`;
  return id;
}

async function signature(hash: string, expiresInSeconds: number): Promise<void> {
  await sql`
    insert into webhook_replays (webhook_id, tenant_id, signature_hash, expires_at)
    values ('wh_1', ${tenant}, ${hash}, now() + make_interval(secs => ${expiresInSeconds}::double precision))`;
}

async function schedule({ catchupDays = 1, checkedDaysAgo = 0, isDeleted = false } = {}): Promise<string> {
  const [workflow, id] = [randomUUID(), randomUUID()];
  await sql`insert into workflows (id, tenant_id, name, description, tags, settings, is_public, version) values (${workflow}, ${tenant}, 'w', '', '{}', '{}', false, 1)`;
  await sql`
    insert into schedules (id, tenant_id, workflow_id, name, definition, inputs, enabled, changed_at, checked_at, deleted_at)
    values (${id}, ${tenant}, ${workflow}, 's', ${sql.json({ type: "cron", catchup_window_seconds: catchupDays * DAY, max_executions: 0 })}, '{}', true, ${ago(90)},
      ${ago(checkedDaysAgo)}, ${isDeleted ? ago(1) : null})`;
  return id;
}

/** What became of a moment; by default of a run that ended as long ago. */
async function firing(
  scheduleId: string,
  daysAgo: number,
  { attempt = 1, moment = ago(daysAgo), outcome = "started", runEndedDaysAgo = daysAgo as number | null, isManual = false } = {},
): Promise<Date> {
  const runId = outcome === "started" ? await run(runEndedDaysAgo) : null;
  await sql`
    insert into schedule_firings (tenant_id, schedule_id, scheduled_at, attempt, number, is_manual, outcome, run_id, fired_at)
    values (${tenant}, ${scheduleId}, ${moment}, ${attempt}, 1, ${isManual}, ${outcome}, ${runId}, ${attempt === 1 ? moment : ago(daysAgo)})`;
  return moment;
}

async function sweep(days: Partial<RetentionDays>): Promise<void> {
  await db.retention.set(tenant, days);
  await sweepOnce({ db, env: readEnv({}), logger: createLogger("test", "silent") });
}

const deliveries = async (of: TenantId = tenant) =>
  (await sql<{ id: string }[]>`select id from webhook_deliveries where tenant_id = ${of}`).map(({ id }) => id).toSorted();
const moments = async (scheduleId: string) =>
  (await sql<{ at: Date }[]>`select scheduled_at as at from schedule_firings where schedule_id = ${scheduleId} order by scheduled_at, attempt`).map(
    ({ at }) => at,
  );

test("K4 C2: When deliveries are kept for 30 days, then older ones of ended runs and of none go, and those of live runs and of others stay", async () => {
  const other = await organization();
  await delivery({ daysAgo: 31, runId: await run(31) });
  await delivery({ daysAgo: 31 });
  await delivery({ daysAgo: 31, runId: randomUUID() });
  const kept = [
    await delivery({ daysAgo: 29, runId: await run(29) }),
    await delivery({ daysAgo: 31, runId: await run(null), key: "waits" }),
    await delivery({ daysAgo: 60, runId: await run(29) }),
  ];
  const others = await delivery({ daysAgo: 31, of: other });
  await sweep({ webhook_deliveries: 30 });
  expect(await deliveries()).toEqual(kept.toSorted());
  expect(await deliveries(other)).toEqual([others]);
  expect(await db.webhooks.fed(tenant, "wh_1", "waits")).toBeDefined();
});

test("K4 C2: When a delivery was delivered again, then it stays as long as that one does, and goes after it", async () => {
  const first = await delivery({ daysAgo: 50 });
  const again = await delivery({ daysAgo: 40, redeliveryOf: first, runId: await run(5) });
  const oldest = await delivery({ daysAgo: 50 });
  await delivery({ daysAgo: 40, redeliveryOf: oldest, runId: await run(40) });
  await sweep({ webhook_deliveries: 30 });
  expect(await deliveries()).toEqual([first, again, oldest].toSorted());
  await sweep({ webhook_deliveries: 30 });
  expect(await deliveries()).toEqual([first, again].toSorted());
});

test("K4 C2: When signatures were taken, then those whose window has passed go with the deliveries, and the others still refuse a repeat", async () => {
  await signature("passed", -1);
  await signature("stands", 60);
  await sweep({ webhook_deliveries: null });
  expect(await sql`select 1 from webhook_replays where tenant_id = ${tenant}`).toHaveLength(2);
  await sweep({ webhook_deliveries: 30 });
  expect((await sql<{ hash: string }[]>`select signature_hash as hash from webhook_replays where tenant_id = ${tenant}`).map(({ hash }) => hash)).toEqual([
    "stands",
  ]);
});

test("K4 C3: When firings are kept for 10 days, then older moments go with all their attempts once their runs have ended so long ago", async () => {
  const id = await schedule();
  await firing(id, 20);
  const tried = await firing(id, 19);
  await firing(id, 18, { attempt: 2, moment: tried });
  await firing(id, 17, { outcome: "refused" });
  await firing(id, 16, { outcome: "pending", isManual: true });
  const kept = [
    await firing(id, 15, { runEndedDaysAgo: null }),
    await firing(id, 14, { runEndedDaysAgo: 9 }),
    await firing(id, 13, { outcome: "pending" }),
    await firing(id, 12),
    await firing(id, 9),
  ];
  await firing(id, 8, { attempt: 2, moment: kept[3] as Date, outcome: "refused" });
  await sweep({ schedule_firings: 10 });
  expect(await moments(id)).toEqual([...kept.slice(0, 4), kept[3], kept[4]]);
});

test("K4 C3: When a moment lies within the catch-up window, or Temporal was not seen to have the schedule since, then it stays and fires no second time", async () => {
  const [late, lost] = [await schedule({ catchupDays: 30 }), await schedule({ checkedDaysAgo: 25 })];
  for (const id of [late, lost]) await firing(id, 1);
  const [within, since] = [await firing(late, 20), await firing(lost, 20)];
  await firing(late, 31);
  await firing(lost, 26);
  await sweep({ schedule_firings: 10 });
  expect(await moments(late)).toEqual([within, expect.anything()]);
  expect(await moments(lost)).toEqual([since, expect.anything()]);
  const again = await db.schedules.fire(tenant, { scheduleId: late, scheduledAt: within, attempt: 1, isManual: false });
  expect(again?.firing.runId).not.toBeNull();
});

test("K4 C3: When a schedule fired long ago for the last time, then that firing stays until the schedule is deleted", async () => {
  const [standing, deleted] = [await schedule(), await schedule({ isDeleted: true })];
  await firing(standing, 60);
  const last = await firing(standing, 50);
  await firing(deleted, 50);
  await sweep({ schedule_firings: 10 });
  expect([await moments(standing), await moments(deleted)]).toEqual([[last], []]);
  expect((await db.schedules.get(tenant, standing))?.lastFiredAt?.getTime()).toBe(last.getTime());
});

test("K4: When more deliveries and firings are due than one statement takes, then all of them go", async () => {
  const id = await schedule({ isDeleted: true });
  await sql`
    insert into webhook_deliveries (id, tenant_id, webhook_id, event_type, method, path, query, headers, body_bytes, source_ip, user_agent, correlation_id, created_at)
    select gen_random_uuid(), ${tenant}, 'wh_1', 'x', 'POST', '/', '{}', '{}', 0, '', '', '', now() - interval '40 days' from generate_series(1, 1103)`;
  await sql`
    insert into schedule_firings (tenant_id, schedule_id, scheduled_at, attempt, number, is_manual, outcome, fired_at)
    select ${tenant}, ${id}, now() - make_interval(days => 40, secs => n), 1, n, false, 'refused', now() - interval '40 days' from generate_series(1, 1103) n`;
  await sql`analyze webhook_deliveries, schedule_firings`;
  const sizes = Object.fromEntries((await db.retention.storage(tenant)).map(({ kind, rows, bytes }) => [kind, { rows, hasBytes: bytes > 0 }]));
  expect(sizes).toMatchObject({ webhook_deliveries: { rows: 1103, hasBytes: true }, schedule_firings: { rows: 1103 } });
  await sweep({ webhook_deliveries: 30, schedule_firings: 30 });
  expect([await deliveries(), await moments(id)]).toEqual([[], []]);
});
