import { afterAll, beforeAll, expect, test } from "vitest";
import type { JsonObject } from "#core";
import type { TestClient } from "../support/client.ts";
import { type CountingServer, startCountingServer } from "../support/counting-server.ts";
import { type Perdure, startPerdure } from "../support/perdure.ts";
import { checkRun } from "../support/run-checker.ts";
import { until } from "../support/until.ts";

const CALL_MS = 400;

let perdure: Perdure;
let outside: CountingServer;
/** Calls under way at the outside system, now and at most, by the first part of the path. */
/** Calls at these parts of the path are held until the gate is opened. */
const gates = new Map<string, Promise<void>>();
const under = { way: new Map<string, number>(), most: new Map<string, number>() };

beforeAll(async () => {
  outside = await startCountingServer({
    async reply({ path }, response) {
      const name = path.split("/")[1] as string;
      const count = (by: number) => under.way.set(name, (under.way.get(name) ?? 0) + by).get(name) ?? 0;
      under.most.set(name, Math.max(under.most.get(name) ?? 0, count(1)));
      response.once("close", () => count(-1));
      await Promise.all([gates.get(name), new Promise((resolve) => setTimeout(resolve, CALL_MS))]);
      response.setHeader("content-type", "application/json").end("{}");
    },
  });
  perdure = await startPerdure({ LOG_LEVEL: "warn" });
});
afterAll(async () => {
  await perdure?.stop();
  await outside?.close();
});

const graph = (name: string, settings: JsonObject): JsonObject => ({
  settings,
  nodes: [
    { id: "start", type: "Start" },
    { id: "call", type: "HttpRequest", data: { inputs: { url: `${outside.url}/${name}/{{run.id}}`, method: "POST" } } },
    { id: "end", type: "End", data: { inputs: { value: "{{inputs.n}}" } } },
  ],
  edges: [
    { source: "start", target: "call" },
    { source: "call", target: "end" },
  ],
});

async function startMany(user: TestClient, workflow: string, count: number): Promise<string[]> {
  const ids: string[] = [];
  for (let n = 0; n < count; n++) ids.push(await user.start(workflow, { n }));
  return ids;
}

/** @returns what opens the gate. */
function hold(name: string): () => void {
  const { promise, resolve } = Promise.withResolvers<void>();
  gates.set(name, promise);
  return resolve;
}

const callsOf = (run: string) => outside.calls.filter(({ path }) => path.endsWith(run)).length;

test("A8 A11: When a workflow may have two runs at once, ten are started, and api and worker are killed in the middle, then all ten complete, never more than two at a time", async () => {
  const { user } = perdure;
  const workflow = await user.saveWorkflow(graph("killed", { concurrency: 2 }));
  const open = hold("killed");
  const runs = await startMany(user, workflow, 10);
  expect((await user.run(runs[9] as string))["waiting_for"]).toMatchObject([{ kind: "slot" }]);
  open();
  perdure.api.kill9();
  await until("the third call", () => outside.calls.filter(({ path }) => path.startsWith("/killed/")).length >= 3);
  perdure.worker.kill9();
  await perdure.startWorker();
  await until("the sixth call", () => runs.filter((run) => callsOf(run) > 0).length >= 6, 60_000);
  await perdure.startApi();
  for (const [n, run] of runs.entries()) {
    expect(await user.ended(run, 60_000)).toMatchObject({ status: "completed", outputs: n });
    await checkRun(perdure, user, run);
  }
  expect(under.most.get("killed")).toBe(2);
  expect(runs.filter((run) => callsOf(run) > 1).length, "only calls in flight are made again").toBeLessThanOrEqual(2);
  expect((await user.get("/api/v1/queue")).body).toMatchObject({ running: 0, queued: 0 });
});

test("A9 A11: When runs are queued, then they show their place, can be waited for, cancelled and paused, and say so in their logs", async () => {
  const { user } = perdure;
  const workflow = await user.saveWorkflow(graph("queued", { concurrency: { limit: 1 } }));
  const open = hold("queued");
  const [first, paused, cancelled] = await startMany(user, workflow, 3);
  expect((await user.run(cancelled as string))["waiting_for"]).toEqual([{ kind: "slot", node_id: "", iteration: "", position: 2 }]);
  expect((await user.get("/api/v1/queue")).body).toMatchObject({
    limit: null,
    operator_limit: null,
    running: 1,
    queued: 2,
    workflows: [{ workflow_id: workflow, key: null, limit: 1, running: 1, queued: 2 }],
  });
  expect(await user.post(`/api/v1/executions/${paused}/pause`)).toMatchObject({ status: 200, body: { status: "paused", started_at: null } });
  expect(await user.post(`/api/v1/executions/${cancelled}/cancel`)).toMatchObject({ status: 200, body: { status: "cancelled", started_at: null } });
  open();
  const { body: log } = await user.get<JsonObject[]>(`/api/v1/executions/${cancelled}/events`);
  expect(log.map(({ kind }) => kind)).toEqual(["run_queued", "run_queued", "command", "error"]);
  expect(log[1]).toMatchObject({ reason: "concurrency" });

  const waited = await user.post(`/api/v1/workflows/${workflow}/execute`, { mode: "wait", inputs: { n: 7 } });
  expect(waited).toMatchObject({ status: 200, body: { status: "completed", outputs: 7 } });
  expect((await user.run(first as string))["status"]).toBe("completed");
  expect((await user.run(paused as string))["status"]).toBe("paused");
  expect(await user.post(`/api/v1/executions/${paused}/resume`)).toMatchObject({ status: 200 });
  expect(await user.ended(paused as string)).toMatchObject({ status: "completed" });
  await checkRun(perdure, user, paused as string);
});

test("A11: When a workflow's queue has no room, then a start is refused with 429 and nothing of it remains; the same key starts it later", async () => {
  const { user } = perdure;
  const workflow = await user.saveWorkflow(graph("full", { concurrency: { limit: 1, max_queued: 0 } }));
  const open = hold("full");
  const [first] = await startMany(user, workflow, 1);
  const again = () => user.post(`/api/v1/workflows/${workflow}/execute`, { inputs: { n: 1 } }, { "idempotency-key": "when-there-is-room" });
  const refused = await again();
  expect(refused).toMatchObject({ status: 429, body: { code: "rate.limited" } });
  expect(refused.headers.get("retry-after")).not.toBeNull();
  open();
  await user.ended(first as string);
  const [one, two] = [await again(), await again()];
  expect([one.status, two.status]).toEqual([201, 201]);
  expect(one.body["execution_id"]).toBe(two.body["execution_id"]);
  expect(await user.ended(one.body["execution_id"] as string)).toMatchObject({ status: "completed" });
  expect((await user.get<JsonObject[]>(`/api/v1/workflows/${workflow}/executions`)).body).toHaveLength(2);
});

test("A11: When runs share a limit by key, then each key has its own; an organization's limit holds beside it, and priority goes before age", async () => {
  const { user } = perdure;
  expect((await user.request("PUT", "/api/v1/queue/limit", { limit: 1 })).body).toMatchObject({ limit: 1 });
  const workflow = await user.saveWorkflow(graph("keyed", { concurrency: { limit: 1, key: "{{inputs.customer}}" } }));
  const open = hold("keyed");
  const start = async (customer: string, priority: number) =>
    (await user.post(`/api/v1/workflows/${workflow}/execute`, { inputs: { customer, n: priority }, priority })).body["execution_id"] as string;
  const runs = [await start("a", 3), await start("a", 5), await start("b", 1), await start("c", 2)];
  const { body } = await user.get("/api/v1/queue");
  open();
  expect((body["workflows"] as JsonObject[]).map(({ key }) => key).toSorted()).toEqual(["a", "b", "c"]);
  for (const run of runs) expect(await user.ended(run)).toMatchObject({ status: "completed" });
  const order = outside.calls.filter(({ path }) => path.startsWith("/keyed/")).map(({ path }) => runs.indexOf(path.split("/")[2] as string));
  expect(order).toEqual([0, 2, 3, 1]);
  expect(under.most.get("keyed")).toBe(1);
  expect((await user.request("PUT", "/api/v1/queue/limit", { limit: null })).body).toMatchObject({ limit: null });
  const missing = await user.post(`/api/v1/workflows/${workflow}/execute`, {});
  expect([missing.status, missing.body["code"]]).toEqual([422, "template.missing"]);
});
