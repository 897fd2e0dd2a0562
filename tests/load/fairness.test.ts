import { afterAll, beforeAll, expect, test } from "vitest";
import type { JsonObject } from "#core";
import { percentile } from "../../bench/measure.ts";
import { TestClient } from "../support/client.ts";
import { type CountingServer, startCountingServer } from "../support/counting-server.ts";
import { type Perdure, startPerdure } from "../support/perdure.ts";

/** Runs that the busy organization starts at once. */
const FLOOD = Number(process.env["FAIRNESS_RUNS"] ?? 2_000);
/** What an operator sets whose organizations share a machine: 4 runs of each under way at once. */
const SETTINGS = JSON.parse(process.env["FAIRNESS_SETTINGS"] ?? '{"ORGANIZATION_CONCURRENCY_LIMIT":"4"}') as Record<string, string>;
const PROBES = 150;
const WARM_UP = 20;
/** What a call of a model takes at least. */
const CALL_MS = 1_000;
/** How much longer than on an idle installation a start may take. */
const RATIO = 2;

let perdure: Perdure;
let outside: CountingServer;

beforeAll(async () => {
  outside = await startCountingServer({ delayMs: CALL_MS });
  perdure = await startPerdure({ LOG_LEVEL: "warn", ...SETTINGS });
});
afterAll(async () => {
  await perdure?.stop();
  await outside?.close();
});

const busyGraph = (): JsonObject => ({
  nodes: [
    { id: "start", type: "Start" },
    { id: "call", type: "HttpRequest", data: { inputs: { url: outside.url } } },
    { id: "end", type: "End" },
  ],
  edges: [
    { source: "start", target: "call" },
    { source: "call", target: "end" },
  ],
});
const quickGraph: JsonObject = {
  nodes: [
    { id: "start", type: "Start" },
    { id: "end", type: "End" },
  ],
  edges: [{ source: "start", target: "end" }],
};

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** Start delays of runs that come one after another: from the request until the run's workflow began, all on this machine's clock. */
async function probe(user: TestClient, workflow: string, times: number): Promise<number[]> {
  const delays: number[] = [];
  for (let n = 0; n < times; n++) {
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

test("A11: When one organization queues 2,000 runs, then another's p95 start delay stays under twice its idle value", async () => {
  const [a, b] = [perdure.user, await TestClient.register(perdure.base)];
  const [workflowA, workflowB] = [await a.saveWorkflow(busyGraph()), await b.saveWorkflow(quickGraph)];
  await probe(b, workflowB, WARM_UP);
  const idle = await probe(b, workflowB, PROBES);
  await flood(a, workflowA);
  const busy = await probe(b, workflowB, PROBES);
  const ended = Number((await a.get("/api/v1/executions?status=completed&limit=1")).headers.get("x-total-count"));
  const [idleP95, busyP95] = [percentile(idle, 0.95), percentile(busy, 0.95)];
  const summary = {
    settings: SETTINGS,
    idle_ms: { p50: percentile(idle, 0.5), p95: idleP95 },
    busy_ms: { p50: percentile(busy, 0.5), p95: busyP95 },
    flood_ended: ended,
  };
  process.stdout.write(`${JSON.stringify(summary)}\n`);
  expect(ended, "the flood lasts longer than what is measured").toBeLessThan(FLOOD);
  expect(busyP95).toBeLessThan(RATIO * idleP95);
});
