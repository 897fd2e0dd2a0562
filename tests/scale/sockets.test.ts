import { type ChildProcess, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { createInterface } from "node:readline";
import { afterAll, beforeAll, expect, inject, test } from "vitest";
import { tenantId } from "#core";
import { openDatabase } from "#db";
import { TestClient } from "../support/client.ts";
import { type TestDatabase, createTestDatabase } from "../support/database.ts";
import { testPayloadKeys } from "../support/payloads.ts";
import { type RunningProcess, startApi } from "../support/processes.ts";
import { until } from "../support/until.ts";
import { form, say } from "./form.ts";
import { MEASURED, inMegabytes, memoryOf } from "./memory.ts";

const CONNECTIONS = form({ short: 200, long: 10_000 });
const ROUNDS = form({ short: 3, long: 10 });
/** Of one connection in the server: socket, framing, subscription. The heap, and the whole process. */
const HEAP_PER_CONNECTION = 25_000;
const RSS_PER_CONNECTION = 60_000;

let database: TestDatabase;
let api: RunningProcess;
let crowd: ChildProcess | undefined;

beforeAll(async () => {
  database = await createTestDatabase();
  api = await startApi(
    {
      DATABASE_URL: database.url,
      TEMPORAL_ADDRESS: inject("temporalAddress"),
      TEMPORAL_TASK_QUEUE: `test-${randomBytes(6).toString("hex")}`,
      QDRANT_URL: inject("qdrantUrl"),
      JWT_SECRET_KEY: randomBytes(32).toString("hex"),
      PAYLOAD_KEYS: testPayloadKeys(),
      PORT: "0",
      LOG_LEVEL: "info",
      JWT_ACCESS_TOKEN_EXPIRE_MINUTES: "60",
      LIVE_CONNECTIONS_USER_MAX: String(CONNECTIONS),
      LIVE_SLOW_READER_MS: "3000",
    },
    MEASURED,
  );
});
afterAll(async () => {
  crowd?.kill("SIGKILL");
  await api?.stop();
  await database?.drop();
});

/** A process of clients; `ask` gives its answer to a command. */
function startCrowd(base: string, token: string): (command: string) => Promise<Record<string, number>> {
  const child = spawn(process.execPath, [new URL("socket-crowd.ts", import.meta.url).pathname, base, token, String(CONNECTIONS)], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  crowd = child;
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  return async (command) => {
    child.stdin.write(`${command}\n`);
    const { value } = (await lines.next()) as { value?: string };
    if (value === undefined) throw new Error("the crowd has gone");
    return JSON.parse(value) as Record<string, number>;
  };
}

test(`M5 G3: When ${CONNECTIONS} clients watch a topic, then all hear what is sent there, and a reader that stops is dropped alone`, async () => {
  const user = await TestClient.register(api.url as string);
  const ask = startCrowd(api.url as string, user.accessToken);
  const before = await memoryOf(api);
  const openedAt = Date.now();
  expect(await ask("open")).toEqual({ open: CONNECTIONS, failed: 0 });
  const openedMs = Date.now() - openedAt;
  const after = await memoryOf(api);

  const p95s: number[] = [];
  const broadcast = async (round: number, clients: number): Promise<void> => {
    const sent = await user.post("/api/v1/live/messages", { topic: "crowd", payload: { round, at: Date.now() } });
    expect(sent.status).toBe(202);
    const heard = await ask(`expect ${round} ${clients}`);
    expect(heard["heard"]).toBe(clients);
    say(`round ${round}: ${heard["heard"]} heard, p50 ${heard["p50"]} ms, p95 ${heard["p95"]} ms, max ${heard["max"]} ms`);
    p95s.push(heard["p95"] as number);
  };
  for (let round = 1; round <= ROUNDS; round++) await broadcast(round, CONNECTIONS);

  // One of them stops reading what is sent to it alone.
  expect(await ask("pause")).toEqual({ paused: 1 });
  const { body } = await user.get<{ organization: { id: string }; id: string }>("/api/v1/auth/me");
  const db = await openDatabase({ url: database.url, poolSize: 2 });
  try {
    const word = JSON.stringify({
      message: { id: "i", tenant: tenantId(body.organization.id), topic: "flood", payload: "x".repeat(6_000), from: body.id, at: "" },
    });
    for (let sent = 0; sent < 4_000; sent++) await db.live.tell(word);
  } finally {
    await db.close();
  }
  await until("the reader that stopped to be dropped", () => api.logs().includes("a reader that was too slow was disconnected"), 30_000);
  const dropped = api.logs().split("a reader that was too slow was disconnected").length - 1;
  expect(dropped).toBe(1);
  // What it had not read stands in its own buffers; to the server it is gone.
  const sent = await user.post("/api/v1/live/messages", { topic: "crowd", payload: { round: 1_000, at: Date.now() } });
  expect(sent.status).toBe(202);
  await until("the others to hear on", async () => (await ask(`expect 1000 ${CONNECTIONS - 1}`))["heard"] === CONNECTIONS - 1, 60_000);

  const heap = (after.heap - before.heap) / CONNECTIONS;
  const rss = (after.rss - before.rss) / CONNECTIONS;
  say(`${CONNECTIONS} connections in ${openedMs} ms; before ${inMegabytes(before)}, after ${inMegabytes(after)}`);
  say(
    `each ${(heap / 1000).toFixed(1)} kB of heap, ${(rss / 1000).toFixed(1)} kB of the process; p95 of delivery ${p95s.toSorted((a, b) => a - b).at(-1)} ms at most`,
  );
  // With few connections the caches that fill meanwhile weigh more than they.
  if (CONNECTIONS >= 1_000) expect([heap < HEAP_PER_CONNECTION, rss < RSS_PER_CONNECTION]).toEqual([true, true]);
});
