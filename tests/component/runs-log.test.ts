import { pino } from "pino";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { eventKey, PerdureError, type RunEvent, type TenantId, uuidv7 } from "#core";
import { type Database, openDatabase } from "#db";
import { createEventReader, createEventWriter, type StoredEvent } from "#runs";
import { createTestDatabase, type TestDatabase } from "#tests/database.ts";

let database: TestDatabase;
let db: Database;
let tenant: TenantId;
const logger = pino({ level: "silent" });

beforeAll(async () => {
  database = await createTestDatabase();
  db = await openDatabase({ url: database.url, poolSize: 6 });
  tenant = (await db.accounts.register({ email: "a@example.com", passwordHash: "h", name: "A", organizationName: "A" })).membership.tenantId;
});

afterAll(async () => {
  await db?.close();
  await database?.drop();
});

async function newRun(): Promise<string> {
  const request = {
    workflowId: null,
    workflowName: "w",
    version: null,
    plan: {} as never,
    inputs: {},
    variables: {},
    entries: [],
    trigger: "api",
    createdBy: null,
  };
  return (await db.runs.insert(tenant, uuidv7(), request)).run.id;
}

const token = (runId: string, n: number): RunEvent => ({
  run_id: runId,
  key: eventKey("token_delta", "a", "", 1, n),
  kind: "token_delta",
  at: new Date().toISOString(),
  node_id: "a",
  iteration: "",
  attempt: 1,
  data: { text: String(n) },
});
const start = (runId: string, nodeId: string): RunEvent => ({
  run_id: runId,
  key: eventKey("node_start", nodeId, "", 1),
  kind: "node_start",
  at: new Date().toISOString(),
  node_id: nodeId,
  iteration: "",
  attempt: 1,
});
const unavailable = () => new PerdureError("database.unavailable", "away");
const texts = async (runId: string) => (await db.runs.events(tenant, runId, 1, 10_000)).map(({ data }) => data?.text);

describe("the writer", () => {
  test("When many facts are given one by one, then they travel in groups, keep their order, and flush waits for all", async () => {
    const id = await newRun();
    let groups = 0;
    const writer = createEventWriter({ logger, log: { append: (facts) => (groups++, db.log.append(facts)) } });
    for (let n = 0; n < 2_000; n++) writer.write(tenant, [token(id, n)]);
    await writer.flush();
    expect(await texts(id)).toEqual(Array.from({ length: 2_000 }, (_, n) => String(n)));
    expect(groups).toBe(4);
    await writer.close();
  });

  test("When one fact is given alone, then it is written without waiting for others or for a flush", async () => {
    const id = await newRun();
    const writer = createEventWriter({ logger, log: db.log });
    writer.write(tenant, [token(id, 0)]);
    await expect.poll(() => texts(id), { timeout: 5_000, interval: 5 }).toEqual(["0"]);
    await writer.close();
  });

  test("When Postgres is away for a while, then nothing is lost, out of order or twice", async () => {
    const id = await newRun();
    let calls = 0;
    const writer = createEventWriter({
      logger,
      log: {
        async append(facts) {
          calls++;
          if (calls <= 2) throw unavailable();
          const count = await db.log.append(facts);
          if (calls === 3) throw unavailable();
          return count;
        },
      },
    });
    for (let n = 0; n < 20; n++) writer.write(tenant, [token(id, n)]);
    await writer.flush();
    expect(await texts(id)).toEqual(Array.from({ length: 20 }, (_, n) => String(n)));
    expect(calls).toBeGreaterThanOrEqual(4);
    await writer.close();
  });

  test("When too many facts wait, then the oldest tokens go and every other fact stays", async () => {
    const id = await newRun();
    let isAway = true;
    const writer = createEventWriter({
      logger,
      queueMaxFacts: 10,
      log: { append: (facts) => (isAway ? Promise.reject(unavailable()) : db.log.append(facts)) },
    });
    for (let n = 0; n < 30; n++) writer.write(tenant, [token(id, n), ...(n % 3 === 0 ? [start(id, `n${n}`)] : [])]);
    isAway = false;
    await writer.flush();
    const events = await db.runs.events(tenant, id, 1, 1000);
    expect(events.filter(({ kind }) => kind === "node_start").map(({ node_id }) => node_id)).toEqual(Array.from({ length: 10 }, (_, n) => `n${n * 3}`));
    const kept = events.filter(({ kind }) => kind === "token_delta").map(({ data }) => Number(data?.text));
    expect(kept.length).toBeLessThan(30);
    expect(kept).toEqual(kept.toSorted((a, b) => a - b));
    await writer.close();
  });

  test("When Postgres refuses one fact for what is in it, then all others are written, and of it what can be", async () => {
    const id = await newRun();
    const writer = createEventWriter({ logger, log: db.log });
    const bad = { ...start(id, "bad"), data: { name: "Bad", duration_ms: 1 } };
    writer.write(tenant, [{ ...bad, kind: "node_end", key: "refused-end", data: { output: 1, duration_ms: "no number" as never } }], "of the refused end");
    writer.write(tenant, [
      token(id, 0),
      { ...bad, kind: "node_end", key: "bad-duration", data: { duration_ms: "no number" as never } },
      token(id, 1),
      { ...token(id, 2), at: "no time" },
      token(id, 3),
    ]);
    await writer.flush();
    expect((await db.runs.events(tenant, id, 1, 100)).map(({ key }) => key)).toEqual([
      "refused-end",
      token(id, 0).key,
      "bad-duration",
      token(id, 1).key,
      token(id, 3).key,
    ]);
    expect(await db.receipts.find(tenant, "of the refused end"), "an end without its value is no receipt").toBeUndefined();
    expect((await db.runs.nodes(tenant, id, { limit: 1_000 })).rows).toMatchObject([{ node_id: "bad", status: "completed" }]);
    await writer.close();
  });
});

describe("the reader", () => {
  const collect = async (runId: string, after: number, signal = AbortSignal.timeout(20_000), reader = createEventReader({ log: db.log, runs: db.runs })) => {
    const seen: StoredEvent[] = [];
    for await (const event of reader.read(tenant, runId, after, signal)) if (!("idle" in event)) seen.push(event);
    await reader.close();
    return seen;
  };
  const close = (runId: string) => db.runs.close(tenant, runId, { status: "completed", outputs: 1, at: new Date() });

  test("G1: When a run is read while it goes on, then every event comes once, in order, and the reading ends with the closing event", async () => {
    const id = await newRun();
    const reading = collect(id, 0);
    for (let group = 0; group < 12; group++)
      await db.log.append(Array.from({ length: 100 }, (_, n) => ({ tenantId: tenant, event: token(id, group * 100 + n) })));
    await close(id);
    const seen = await reading;
    expect(seen.map(({ seq }) => seq)).toEqual(Array.from({ length: 1 + 1200 + 1 }, (_, index) => index + 1));
    expect(seen.at(-1)).toMatchObject({ kind: "workflow_complete", data: { result: 1 } });
  });

  test("G1: When reading resumes after an event, a day later too, then it goes on with the next; after the last one it ends at once", async () => {
    const id = await newRun();
    await db.log.append([0, 1, 2].map((n) => ({ tenantId: tenant, event: token(id, n) })));
    await close(id);
    expect((await collect(id, 3)).map(({ seq }) => seq)).toEqual([4, 5]);
    expect(await collect(id, 5)).toEqual([]);
    expect(await collect(uuidv7(), 0)).toEqual([]);
  });

  test("G1: When nothing is said, then the reader says so, and stops when told", async () => {
    const id = await newRun();
    const reader = createEventReader({ log: db.log, runs: db.runs, idleMs: 40 });
    const stop = new AbortController();
    const seen: unknown[] = [];
    for await (const event of reader.read(tenant, id, 0, stop.signal)) {
      seen.push("idle" in event ? "idle" : event.kind);
      if (seen.length === 4) stop.abort();
    }
    expect(seen).toEqual(["run_queued", "idle", "idle", "idle"]);
    await reader.close();
  });

  test("When a call was lost, then the look every few seconds finds what is new", async () => {
    const id = await newRun();
    const deaf = { listen: async () => ({ close: async () => {} }), heads: db.log.heads };
    const reading = collect(id, 0, AbortSignal.timeout(20_000), createEventReader({ log: deaf, runs: db.runs, pollMs: 50 }));
    await new Promise((resolve) => setTimeout(resolve, 100));
    await db.log.append([{ tenantId: tenant, event: token(id, 0) }]);
    await close(id);
    expect((await reading).map(({ kind }) => kind)).toEqual(["run_queued", "token_delta", "workflow_complete"]);
  });

  test("When a thousand readers wait for other runs, then what happens in one run costs them no query", async () => {
    const [busy, quiet] = [await newRun(), await newRun()];
    let queries = 0;
    const stop = new AbortController();
    let received = 0;
    const reader = createEventReader({
      log: db.log,
      pollMs: 60_000,
      runs: { get: db.runs.get, events: (...args) => (queries++, db.runs.events(...args)), eventPage: (...args) => (queries++, db.runs.eventPage(...args)) },
    });
    const readings = Array.from({ length: 1_000 }, async () => {
      for await (const _event of reader.read(tenant, quiet, 0, stop.signal)) received++;
    });
    await expect.poll(() => received, { timeout: 20_000 }).toBe(1_000);
    const before = queries;
    for (let n = 0; n < 20; n++) await db.log.append([{ tenantId: tenant, event: token(busy, n) }]);
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(queries - before).toBe(0);
    await db.log.append([{ tenantId: tenant, event: token(quiet, 0) }]);
    await expect.poll(() => received, { timeout: 20_000 }).toBe(2_000);
    stop.abort();
    await Promise.all(readings);
    await reader.close();
  });

  test("When the database is away in between, then the reading goes on where it was", async () => {
    const id = await newRun();
    let failures = 3;
    const isAway = (after: number) => after > 0 && failures-- > 0;
    const runs: Parameters<typeof createEventReader>[0]["runs"] = {
      get: db.runs.get,
      events: (...args) => (isAway(args[2]) ? Promise.reject(unavailable()) : db.runs.events(...args)),
      eventPage: (...args) => (isAway(args[2]) ? Promise.reject(unavailable()) : db.runs.eventPage(...args)),
    };
    const reading = collect(id, 0, AbortSignal.timeout(20_000), createEventReader({ log: db.log, runs }));
    await db.log.append([{ tenantId: tenant, event: token(id, 0) }]);
    await close(id);
    expect((await reading).map(({ seq }) => seq)).toEqual([1, 2, 3]);
  });
});
