import { randomUUID } from "node:crypto";
import postgres from "postgres";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { type RetentionDays, tenantId, type TenantId } from "#core";
import { type Database, openDatabase } from "#db";
import { createLogger, readEnv } from "#platform";
import { sweepOnce } from "#runs";
import { createTestDatabase, type TestDatabase } from "#tests/database.ts";

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

/** A run that ended so many days ago, with three events, a row of a node and a receipt; null: it lives, and began 100 days ago. */
async function run(of: TenantId, endedDaysAgo: number | null): Promise<string> {
  const id = randomUUID();
  const days = (number: number) => new Date(Date.now() - number * 86_400_000);
  const completedAt = endedDaysAgo === null ? null : days(endedDaysAgo);
  await sql`
    insert into runs (id, tenant_id, workflow_name, status, trigger, inputs, variables, entries, last_seq, created_at, completed_at)
    values (${id}, ${of}, 'w', ${endedDaysAgo === null ? "running" : "failed"}, 'api', '{}', '{}', '{}', 3, ${days(100)}, ${completedAt})`;
  for (const seq of [1, 2, 3])
    await sql`insert into run_events (tenant_id, run_id, seq, key, kind, at) values (${of}, ${id}, ${seq}, ${`${seq}`}, ${seq === 3 ? "error" : "log"}, now())`;
  await sql`
    insert into node_executions (tenant_id, run_id, node_id, iteration, type, name, status, attempt, first_seq) values (${of}, ${id}, 'n', '', 'T', 'n', 'completed', 1, 1)`;
  await sql`insert into receipts (tenant_id, key, run_id, result) values (${of}, ${id}, ${id}, '{"value":1}')`;
  return id;
}

const payload = async (of: TenantId, hash: string, usedDaysAgo: number) =>
  sql`insert into payload_blobs (tenant_id, hash, bytes, used_at) values (${of}, ${hash}, 'abc', now() - make_interval(days => ${usedDaysAgo}::int))`;

async function sweep(of: TenantId, days: Partial<RetentionDays>, env: Record<string, string> = {}): Promise<void> {
  await db.retention.set(of, days);
  await sweepOnce({ db, env: readEnv(env), logger: createLogger("test", "silent") });
}

const events = async (id: string) => (await sql<{ seq: number }[]>`select seq from run_events where run_id = ${id} order by seq`).map(({ seq }) => seq);
const rows = async (id: string) =>
  (await sql`select 1 from node_executions where run_id = ${id}`).length + (await sql`select 1 from receipts where run_id = ${id}`).length;
const hashes = async (of: TenantId) =>
  (await sql<{ hash: string }[]>`select hash from payload_blobs where tenant_id = ${of} order by 1`).map(({ hash }) => hash);

test("K4: When events are kept for 30 days, then those of runs that ended before go but for the closing one, and those of live runs and of others stay", async () => {
  const [old, young, live, others] = [await run(tenant, 31), await run(tenant, 29), await run(tenant, null), await run(await organization(), 31)];
  await sweep(tenant, { run_events: 30 });
  expect(await Promise.all([old, young, live, others].map(events))).toEqual([[3], [1, 2, 3], [1, 2, 3], [1, 2, 3]]);
  expect(await Promise.all([old, young, live, others].map(rows))).toEqual([2, 2, 2, 2]);
});

test("K4 B1: When rows of nodes are kept for 30 days, then older ones go with their receipts, and going on from such a run is refused", async () => {
  const [old, live] = [await run(tenant, 31), await run(tenant, null)];
  await sweep(tenant, { node_rows: 30 });
  expect(await Promise.all([old, live].map(rows))).toEqual([0, 2]);
  expect(await events(old)).toEqual([1, 2, 3]);
  expect(await db.runs.recorded(tenant, live, 10)).toHaveLength(1);
  await expect(db.runs.recorded(tenant, old, 10)).rejects.toMatchObject({ code: "run.state" });
});

test("K4: When there is more than one batch, then all of it goes, and a second sweep finds nothing", async () => {
  await sql`
    insert into audit_events (id, tenant_id, at, user_id, role, action, resource_type, method, path, status, ip, user_agent, correlation_id)
    select gen_random_uuid(), ${tenant}, now() - make_interval(days => case when n > 1100 then 1 else 9 end), gen_random_uuid(), 'admin', 'x', 'x', 'POST', '/', 200, '', '', ''
    from generate_series(1, 1103) n`;
  await sweep(tenant, { audit: 8 });
  expect(await sql`select 1 from audit_events where tenant_id = ${tenant}`).toHaveLength(3);
  expect(await db.retention.sweep(tenant, "audit", 8, 500)).toEqual({ removed: 0, more: false });
});

test("K4 A2: When idempotency keys are kept for 30 days, then those of runs that ended before go, and those of live runs, of their children, of schedules and of others stay", async () => {
  const key = async (of: TenantId, name: string, runId: string, createdDaysAgo = 100) =>
    sql`insert into idempotency_keys (tenant_id, key, request_hash, run_id, created_at) values (${of}, ${name}, 'h', ${runId}, now() - make_interval(days => ${createdDaysAgo}::int))`;
  const stranger = await organization();
  const [old, young, live, childOfLive, childOfOld] = [
    await run(tenant, 31),
    await run(tenant, 29),
    await run(tenant, null),
    await run(tenant, 40),
    await run(tenant, 40),
  ];
  await sql`update runs set parent_id = ${live} where id = ${childOfLive}`;
  await sql`update runs set parent_id = ${old} where id = ${childOfOld}`;
  await key(tenant, "order-1", old);
  await key(tenant, "webhook:wh_1:abc", old);
  await key(tenant, `child:${childOfOld}`, childOfOld);
  await key(tenant, " schedule s 2026-01-01 1", old);
  await key(tenant, "order-2", young);
  await key(tenant, "order-3", live);
  await key(tenant, "begun anew", old, 3);
  await key(tenant, `child:${childOfLive}`, childOfLive);
  await key(stranger, "order-1", await run(stranger, 31));
  const keys = async (of: TenantId) =>
    (await sql<{ key: string }[]>`select key from idempotency_keys where tenant_id = ${of}`).map((row) => row.key).toSorted();
  await sweep(tenant, { idempotency_keys: 30 });
  expect(await keys(tenant)).toEqual([" schedule s 2026-01-01 1", "begun anew", `child:${childOfLive}`, "order-2", "order-3"].toSorted());
  expect(await keys(stranger)).toEqual(["order-1"]);
  await sweep(stranger, {});
  expect(await keys(stranger), "kept where nobody says for how long").toEqual(["order-1"]);
  await sweep(stranger, {}, { RETENTION_IDEMPOTENCY_KEYS_DAYS: "7" });
  expect(await keys(stranger)).toEqual([]);
});

test("K4: When payloads age, then those that were last used before any live run began go, and no other", async () => {
  await payload(tenant, "old", 200);
  await payload(tenant, "middle", 50);
  await payload(tenant, "young", 5);
  const live = await run(tenant, null);
  await sweep(tenant, { payloads: 31 });
  expect(await hashes(tenant)).toEqual(["middle", "young"]);
  await sql`update runs set status = 'failed', completed_at = now() where id = ${live}`;
  await sweep(tenant, { payloads: 31 });
  expect(await hashes(tenant)).toEqual(["young"]);
});

test("K4: When an organization says nothing, then the operator's default holds, and null keeps all the same", async () => {
  const keeps = await organization();
  const [old, kept] = [await run(tenant, 31), await run(keeps, 31)];
  await db.retention.set(keeps, { run_events: null });
  await sweep(tenant, {}, { RETENTION_RUN_EVENTS_DAYS: "30" });
  expect([await events(old), await events(kept)]).toEqual([[3], [1, 2, 3]]);
});

test("K4: When the size is asked for, then rows and bytes of the organization alone are counted", async () => {
  await run(tenant, 1);
  await run(await organization(), 1);
  await payload(tenant, "p", 0);
  const sizes = Object.fromEntries((await db.retention.storage(tenant)).map(({ kind, rows: number, bytes }) => [kind, { number, hasBytes: bytes > 0 }]));
  expect(sizes).toEqual({
    run_events: { number: 3, hasBytes: true },
    node_rows: { number: 2, hasBytes: true },
    payloads: { number: 1, hasBytes: true },
    webhook_deliveries: { number: 0, hasBytes: false },
    schedule_firings: { number: 0, hasBytes: false },
    audit: { number: 0, hasBytes: false },
    idempotency_keys: { number: 0, hasBytes: false },
    runs: { number: 1, hasBytes: true },
    workflow_versions: { number: 0, hasBytes: false },
  });
});
