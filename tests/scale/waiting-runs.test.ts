import { afterAll, beforeAll, expect } from "vitest";
import type { JsonObject } from "#core";
import { type Perdure, startPerdure } from "../support/perdure.ts";
import { until } from "../support/until.ts";
import { verifies } from "../support/verifies.ts";
import { form, isLong, say } from "./form.ts";
import { inMegabytes, MEASURED, memoryOf } from "./memory.ts";

const CACHED = form({ short: 20, long: 100 });
const WAITING = form({ short: 100, long: 2_000 });
/** So many wait already when the first look is taken: a process takes its memory from the system in its first minute and keeps it. */
const WARM = form({ short: 40, long: 1_000 });
const STARTED_AT_ONCE = 8;
/** What more a worker may hold for all the runs that it does not keep in memory. */
const GROWTH_MAX = 1.1;
/** The same for each of them, in bytes; one that is kept weighs more than 200,000. */
const GROWTH_PER_RUN_MAX = 50_000;

let perdure: Perdure;

beforeAll(async () => {
  perdure = await startPerdure({ WORKER_CACHED_RUNS: String(CACHED), LOG_LEVEL: "warn" }, { workerArgs: MEASURED });
});
afterAll(async () => {
  await perdure?.stop();
});

const graph = {
  nodes: [
    { id: "start", type: "Start" },
    { id: "ask", type: "HumanApproval", data: { inputs: { prompt: "Number {{inputs.n}}?" } } },
    { id: "end", type: "End", data: { inputs: { value: "{{inputs.n}}" } } },
  ],
  edges: [
    { source: "start", target: "ask" },
    { source: "ask", target: "end", sourceHandle: "approved" },
  ],
};

async function startMany(workflow: string, numbers: number[]): Promise<string[]> {
  const { user } = perdure;
  const rest = [...numbers];
  const ids: string[] = [];
  await Promise.all(
    Array.from({ length: STARTED_AT_ONCE }, async () => {
      for (let n = rest.shift(); n !== undefined; n = rest.shift()) ids[n] = await user.start(workflow, { n });
    }),
  );
  return ids;
}

async function untilWaiting(count: number): Promise<void> {
  await until(
    `${count} waiting runs`,
    async () => (await perdure.user.get("/api/v1/executions?status=waiting&limit=1")).headers.get("x-total-count") === String(count),
    120_000,
  );
}

verifies(
  ["A9", "A10"],
  "When 1,000 more runs wait for approvals, then those that a worker does not keep cost it no memory, and each goes on when it is answered",
  async () => {
    const { user, worker } = perdure;
    const workflow = await user.saveWorkflow(graph);
    const numbers = Array.from({ length: WAITING }, (_nothing, n) => n);
    const first = await startMany(workflow, numbers.slice(0, WARM));
    await untilWaiting(WARM);
    const before = await memoryOf(worker);
    const ids = [...first, ...(await startMany(workflow, numbers.slice(WARM))).slice(WARM)];
    await untilWaiting(WAITING);
    const after = await memoryOf(worker);
    say(`${WARM} waiting runs: ${inMegabytes(before)}; ${WAITING}: ${inMegabytes(after)}; ${CACHED} kept`);
    expect(after.heap).toBeLessThan(before.heap * GROWTH_MAX);
    expect((after.heap - before.heap) / (WAITING - WARM)).toBeLessThan(GROWTH_PER_RUN_MAX);
    if (isLong) expect(after.rss).toBeLessThan(before.rss * GROWTH_MAX);

    const { body: approvals } = await user.get<JsonObject[]>("/api/v1/approvals?status=pending&limit=50");
    expect(approvals).toHaveLength(50);
    for (const approval of approvals) expect((await user.post(`/api/v1/approvals/${approval["id"]}`, { decision: "approved" })).status).toBe(200);
    for (const approval of approvals) {
      const id = approval["execution_id"] as string;
      expect(await user.ended(id)).toMatchObject({ status: "completed", outputs: ids.indexOf(id) });
    }
  },
);
