import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, expect, test } from "vitest";
import { tenantId } from "#core";
import { type AuditEvent, type Database, openDatabase } from "#db";
import { createTestDatabase, type TestDatabase } from "#tests/database.ts";

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

const event = (fields: Partial<AuditEvent> = {}): Omit<AuditEvent, "id" | "at"> => ({
  userId: randomUUID(),
  apiKeyId: null,
  role: "admin",
  action: "updateWorkflow",
  resourceType: "workflow",
  resourceId: randomUUID(),
  method: "PATCH",
  path: "/api/v1/workflows/x",
  status: 200,
  before: { name: "a" },
  after: { name: "b" },
  ip: "127.0.0.1",
  userAgent: "test",
  correlationId: "c",
  ...fields,
});

test("F5: When changes are recorded, then they are listed newest first, by every filter, page by page, and for their tenant alone", async () => {
  const [tenant, other] = [tenantId(randomUUID()), tenantId(randomUUID())];
  const apiKeyId = randomUUID();
  const events = [event(), event({ apiKeyId, before: null }), event({ action: "deleteWorkflow", resourceType: "x", after: null })];
  for (const each of events) await db.audit.record(tenant, each);
  await db.audit.record(other, event());
  const newest = events.toReversed();
  const all = await db.audit.list(tenant, {}, { limit: 10 });
  expect(all.rows).toMatchObject(newest);
  expect([all.total, (await db.audit.list(other, {}, { limit: 10 })).total]).toEqual([3, 1]);

  const found = async (filter: Parameters<Database["audit"]["list"]>[1]) =>
    (await db.audit.list(tenant, filter, { limit: 10 })).rows.map(({ userId }) => userId);
  const [last, second, first] = newest.map(({ userId }) => userId);
  expect(await found({ apiKeyId })).toEqual([second]);
  expect(await found({ userId: first ?? "" })).toEqual([first]);
  expect(await found({ action: "deleteWorkflow" })).toEqual([last]);
  expect(await found({ resourceType: "x" })).toEqual([last]);
  expect(await found({ resourceId: events[0]?.resourceId ?? "" })).toEqual([first]);
  expect(await found({ from: new Date(Date.now() + 60_000) })).toEqual([]);
  expect(await found({ to: new Date(), from: new Date(Date.now() - 60_000) })).toEqual([last, second, first]);

  const page = await db.audit.list(tenant, {}, { limit: 2 });
  const rest = await db.audit.list(tenant, {}, { limit: 2, cursor: page.nextCursor ?? "" });
  expect([...page.rows, ...rest.rows]).toEqual(all.rows);
  expect(rest.nextCursor).toBeUndefined();
});

test("F5: When old entries are forgotten, then those of all tenants go, the oldest first, as many as asked for", async () => {
  const tenants = [tenantId(randomUUID()), tenantId(randomUUID())];
  for (const tenant of tenants) await db.audit.record(tenant, event());
  expect(await db.audit.forget(new Date(Date.now() - 60_000), 100)).toBe(0);
  const before = new Date(Date.now() + 60_000);
  expect(await db.audit.forget(before, 1)).toBe(1);
  while ((await db.audit.forget(before, 100)) > 0);
  for (const tenant of tenants) expect((await db.audit.list(tenant, {}, { limit: 10 })).rows).toEqual([]);
});

test("F5: When many changes are recorded at the same time, then each is written once, in the order in which they came", async () => {
  const [tenant, other] = [tenantId(randomUUID()), tenantId(randomUUID())];
  const events = Array.from({ length: 40 }, (_nothing, n) => event({ correlationId: String(n) }));
  await Promise.all(events.flatMap((each) => [db.audit.record(tenant, each), db.audit.record(other, each)]));
  for (const one of [tenant, other]) {
    const { rows } = await db.audit.list(one, {}, { limit: 100 });
    expect(rows.map(({ correlationId }) => correlationId)).toEqual(events.map(({ correlationId }) => correlationId).toReversed());
  }
});

test("F4: When all wait for connections, then an entry, which ends a request that has waited already, goes before them", async () => {
  const narrow = await openDatabase({ url: database.url, poolSize: 1 });
  const tenant = tenantId(randomUUID());
  const done: string[] = [];
  const asked = (name: string) => narrow.audit.list(tenant, {}, { limit: 1 }).then(() => done.push(name));
  await Promise.all([asked("first"), asked("second"), asked("third"), narrow.audit.record(tenant, event()).then(() => done.push("entry"))]);
  // A list without rows asks once.
  expect(done).toEqual(["first", "entry", "second", "third"]);
  await narrow.close();
});
