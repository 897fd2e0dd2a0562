import { afterAll, beforeAll, expect, test } from "vitest";
import type { JsonObject } from "#core";
import { percentile } from "../../bench/measure.ts";
import { TestClient } from "../support/client.ts";
import { type CountingServer, startCountingServer } from "../support/counting-server.ts";
import { type Perdure, startPerdure } from "../support/perdure.ts";

/** Runs that the busy organization starts at once. `npm run test:fairness` has 2,000. */
const FLOOD = Number(process.env["FAIRNESS_RUNS"] ?? 150);
/** Only the long form measures times: in a short one the machine's noise outweighs the queue. */
const IS_MEASURED = FLOOD >= 1_000;
const PROBES = IS_MEASURED ? 60 : 8;
const CALL_MS = 200;

let perdure: Perdure;
let outside: CountingServer;

beforeAll(async () => {
  outside = await startCountingServer({ delayMs: CALL_MS });
  perdure = await startPerdure({ LOG_LEVEL: "warn", ...JSON.parse(process.env["FAIRNESS_ENV"] ?? "{}") });
});
afterAll(async () => {
  await perdure?.stop();
  await outside?.close();
});

const graph = (name: string): JsonObject => ({
  nodes: [
    { id: "start", type: "Start" },
    { id: "call", type: "HttpRequest", data: { inputs: { url: `${outside.url}/${name}` } } },
    { id: "end", type: "End" },
  ],
  edges: [
    { source: "start", target: "call" },
    { source: "call", target: "end" },
  ],
});

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** Start delays of runs that come one after another: from the request until the run's workflow began, all on this machine's clock. */
async function probe(user: TestClient, workflow: string): Promise<number[]> {
  const delays: number[] = [];
  for (let n = 0; n < PROBES; n++) {
    const asked = Date.now();
    const run = await user.ended(await user.start(workflow), 200_000);
    delays.push(Date.parse(run["started_at"] as string) - asked);
    await pause(100);
  }
  return delays;
}

async function flood(user: TestClient, workflow: string): Promise<void> {
  let left = FLOOD;
  await Promise.all(
    Array.from({ length: 16 }, async () => {
      while (left-- > 0) await user.start(workflow);
    }),
  );
}

test("A11: When one organization queues many runs, then another's do not wait behind them", async () => {
  const [a, b] = [perdure.user, await TestClient.register(perdure.base)];
  const [workflowA, workflowB] = [await a.saveWorkflow(graph("a")), await b.saveWorkflow(graph("b"))];
  await probe(b, workflowB);
  const idle = await probe(b, workflowB);
  const began = Date.now();
  await flood(a, workflowA);
  const flooded = Date.now();
  const startedA = async () => Number((await a.get(`/api/v1/executions?status=completed&limit=1`)).headers.get("x-total-count"));
  const before = await startedA();
  const busy = await probe(b, workflowB);
  const endedA = await startedA();
  if (IS_MEASURED) {
    const summary = { idle_p50: percentile(idle, 0.5), idle_p95: percentile(idle, 0.95), busy_p50: percentile(busy, 0.5), busy_p95: percentile(busy, 0.95), busy_max: Math.max(...busy) };
    process.stdout.write(`${JSON.stringify({ ...summary, flood_ms: flooded - began, before, endedA, probe_ms: Date.now() - flooded })}\n`);
  }
  expect(endedA).toBeLessThan(FLOOD);
  if (IS_MEASURED) expect(percentile(busy, 0.95)).toBeLessThan(2 * percentile(idle, 0.95));
}, 1_200_000);
