import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, expect, test } from "vitest";
import { tenantId } from "#core";
import { type Database, openDatabase } from "#db";
import { createTestDatabase, type TestDatabase } from "#tests/database.ts";
import { until } from "#tests/until.ts";

let database: TestDatabase;
let db: Database;

beforeAll(async () => {
  database = await createTestDatabase();
  db = await openDatabase({ url: database.url, poolSize: 4 });
});
afterAll(async () => {
  await db?.close();
  await database?.drop();
});

const at = "2026-11-21T10:00:00.000Z";
const open = (tenant: string, name: string, state: "open" | "half_open" = "open") => ({
  tenantId: tenant,
  kind: "http",
  name,
  state,
  failures: 5,
  opened_at: at,
  retry_at: at,
});

test("A17 F1: When workers tell of their circuits, then each tenant reads its own, and a later word of a worker replaces its earlier one", async () => {
  const [a, b] = [tenantId(randomUUID()), tenantId(randomUUID())];
  const [one, two] = [randomUUID(), randomUUID()];
  await db.circuits.report(one, [open(a, "x.example"), open(b, "y.example")], 60_000);
  await db.circuits.report(two, [open(a, "x.example", "half_open")], 60_000);
  const byWorker = [one, two].sort();
  expect((await db.circuits.list(a)).map(({ worker, name }) => [worker, name])).toEqual(byWorker.map((worker) => [worker, "x.example"]));
  expect(await db.circuits.list(b)).toEqual([{ worker: one, kind: "http", name: "y.example", state: "open", failures: 5, opened_at: at, retry_at: at }]);
  expect(await db.circuits.count()).toEqual({ open: 2, half_open: 1 });

  await db.circuits.report(one, [open(a, "x.example", "half_open")], 60_000);
  expect(await db.circuits.list(b)).toEqual([]);
  expect((await db.circuits.list(a)).map(({ state }) => state)).toEqual(["half_open", "half_open"]);
  await db.circuits.report(one, [], 60_000);
  await db.circuits.report(two, [], 60_000);
  expect(await db.circuits.count()).toEqual({ open: 0, half_open: 0 });
});

test("A17: When a worker tells nothing more, then what it told is forgotten", async () => {
  const tenant = tenantId(randomUUID());
  await db.circuits.report(randomUUID(), [open(tenant, "x.example")], 300);
  expect(await db.circuits.list(tenant)).toHaveLength(1);
  await until("it is forgotten", async () => (await db.circuits.list(tenant)).length === 0);
});
