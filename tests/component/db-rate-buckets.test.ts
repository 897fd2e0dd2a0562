import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import postgres from "postgres";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Database, openDatabase } from "#db";
import { createTestDatabase, type TestDatabase } from "#tests/database.ts";

let database: TestDatabase;
let processes: Database[];

beforeAll(async () => {
  database = await createTestDatabase();
  processes = await Promise.all([1, 2, 3].map(() => openDatabase({ url: database.url, poolSize: 4 })));
});

afterAll(async () => {
  for (const db of processes ?? []) await db.close();
  await database?.drop();
});

const take = (n: number, key: string, wanted: number, bucket: { burst: number; tokensPerSecond: number }) => {
  const db = processes[n % processes.length];
  if (!db) throw new Error("no process");
  return db.rateBuckets.take(key, wanted, bucket);
};

test("F4: When three processes take from one bucket at once, then together they get what it holds", async () => {
  const key = randomUUID();
  const taken = await Promise.all(Array.from({ length: 90 }, (_, n) => take(n, key, 7, { burst: 100, tokensPerSecond: 0.001 })));
  expect(taken.reduce((sum, each) => sum + each.taken, 0)).toBe(100);
  expect(taken.every(({ tokens }) => tokens >= 0 && tokens < 100)).toBe(true);
});

test("F4: When time passes, then a bucket fills at its rate and never over its size; tokens can be put back", async () => {
  const key = randomUUID();
  const bucket = { burst: 10, tokensPerSecond: 20 };
  expect(await take(0, key, 10, bucket)).toEqual({ taken: 10, tokens: 0 });
  await sleep(250);
  const { taken, tokens } = await take(1, key, 10, bucket);
  expect(taken).toBeGreaterThanOrEqual(4);
  expect(taken).toBeLessThanOrEqual(10);
  expect(tokens).toBeLessThan(10);
  await sleep(700);
  expect(await take(2, key, 100, bucket)).toEqual({ taken: 10, tokens: 0 });
  const slow = { burst: 10, tokensPerSecond: 0.0001 };
  const other = randomUUID();
  await take(0, other, 10, slow);
  expect((await take(1, other, 1, slow)).taken).toBe(0);
  expect((await take(1, other, -1, slow)).taken).toBe(-1);
  expect((await take(2, other, 5, slow)).taken).toBe(1);
});

test("F4: When buckets are full again, then they are swept and no others", async () => {
  const [full, busy] = [randomUUID(), randomUUID()];
  await take(0, full, 1, { burst: 1, tokensPerSecond: 1_000 });
  await take(0, busy, 1, { burst: 1, tokensPerSecond: 0.001 });
  await sleep(50);
  await processes[0]?.rateBuckets.sweep();
  const admin = postgres(database.url, { max: 1 });
  const rows = await admin<{ key: string }[]>`select key from rate_buckets where key in (${full}, ${busy})`;
  await admin.end();
  expect(rows.map(({ key }) => key)).toEqual([busy]);
});
