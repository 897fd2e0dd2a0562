import { afterAll, beforeAll, expect, test } from "vitest";
import type { JsonObject } from "#core";
import { startCountingServer } from "../support/counting-server.ts";
import { type Perdure, startPerdure } from "../support/perdure.ts";
import { until } from "../support/until.ts";

let perdure: Perdure;

beforeAll(async () => {
  perdure = await startPerdure({ BULK_LEASE_MS: "3000", BULK_MAX_RUNS: "25" });
});
afterAll(async () => {
  await perdure?.stop();
});

const WAITING = {
  nodes: [
    { id: "start", type: "Start" },
    { id: "ask", type: "HumanApproval", data: { inputs: { prompt: "Go on?" } } },
    { id: "end", type: "End" },
  ],
  edges: [
    { source: "start", target: "ask" },
    { source: "ask", target: "end", sourceHandle: "approved" },
  ],
};

const job = async (id: unknown): Promise<JsonObject> => (await perdure.user.get(`/api/v1/bulk-operations/${String(id)}`)).body;

test("A15: When 20 failed runs are retried at once and api and worker are killed in the middle, then each has been retried exactly once", async () => {
  const { user } = perdure;
  let broken = true;
  const outside = await startCountingServer({
    reply({ path }, response) {
      if (broken && path.startsWith("/second")) response.statusCode = 422;
      response.setHeader("content-type", "application/json").end(JSON.stringify({ path }));
    },
  });
  const workflow = await user.saveWorkflow({
    nodes: [
      { id: "start", type: "Start" },
      { id: "first", type: "HttpRequest", data: { inputs: { url: `${outside.url}/first/{{inputs.n}}`, method: "POST" } } },
      { id: "second", type: "HttpRequest", data: { inputs: { url: `${outside.url}/second/{{inputs.n}}`, method: "POST" } } },
      { id: "end", type: "End" },
    ],
    edges: [
      { source: "start", target: "first" },
      { source: "first", target: "second" },
      { source: "second", target: "end" },
    ],
  });
  const runs = await Promise.all(Array.from({ length: 20 }, (_nothing, n) => user.start(workflow, { n })));
  for (const run of runs) expect((await user.ended(run))["status"]).toBe("failed");
  broken = false;

  const request = { action: "retry", filter: { workflow_id: workflow, error_code: "upstream.rejected" }, rate_per_minute: 240 };
  const preview = await user.post("/api/v1/bulk-operations", { ...request, dry_run: true });
  expect([preview.status, preview.body["total"], (preview.body["sample"] as unknown[]).length]).toEqual([200, 20, 10]);
  expect((await user.get<JsonObject[]>("/api/v1/bulk-operations")).body).toEqual([]);

  const created = await user.post("/api/v1/bulk-operations", request);
  expect([created.status, created.body["total"], created.body["status"]]).toEqual([202, 20, "pending"]);
  const { id } = created.body;
  await until("some of them", async () => Number((await job(id))["done"]) >= 5);
  perdure.worker.kill9();
  perdure.api.kill9();
  const api = await perdure.startApi();
  expect(api.url).toBe(perdure.base);
  const halfway = await job(id);
  expect(halfway).toMatchObject({ status: "running", failed: 0 });
  expect(Number(halfway["pending"])).toBeGreaterThan(0);
  await perdure.startWorker();

  await until("the end of the operation", async () => (await job(id))["status"] === "completed", 90_000);
  expect(await job(id)).toMatchObject({ done: 20, failed: 0, pending: 0 });
  const { body: items } = await user.get<JsonObject[]>(`/api/v1/bulk-operations/${String(id)}/items?limit=100`);
  expect(new Set(items.map((item) => item["execution_id"]))).toEqual(new Set(runs));
  for (const run of runs) {
    const { body: forks } = await user.get<JsonObject[]>(`/api/v1/executions?forked_from=${run}`);
    expect(forks).toHaveLength(1);
    expect(items.find((item) => item["execution_id"] === run)?.["result_execution_id"]).toBe(forks[0]?.["id"]);
    expect(await user.ended(forks[0]?.["id"] as string, 60_000)).toMatchObject({ status: "completed", trigger: "retry" });
  }
  const counts = outside.counts();
  for (let n = 0; n < 20; n++) expect(counts[`/first/${n}`], `run ${n}`).toBe(1);
  await outside.close();
});

test("A15: When an operation is cancelled, then no more runs are taken up, and what it did stays done", async () => {
  const { user } = perdure;
  const workflow = await user.saveWorkflow(WAITING);
  const runs = await Promise.all(Array.from({ length: 6 }, () => user.start(workflow)));
  for (const run of runs) await user.until(run, ["waiting"]);
  const created = await user.post("/api/v1/bulk-operations", { action: "cancel", filter: { ids: runs }, rate_per_minute: 20, reason: "stock-taking" });
  const { id } = created.body;
  await until("the first", async () => Number((await job(id))["done"]) >= 1);
  const cancelled = await user.post(`/api/v1/bulk-operations/${String(id)}/cancel`);
  expect([cancelled.status, cancelled.body["status"]]).toEqual([200, "cancelled"]);
  await new Promise((resolve) => setTimeout(resolve, 4_000));
  const ended = await job(id);
  expect(ended).toMatchObject({ status: "cancelled", failed: 0 });
  const done = Number(ended["done"]);
  expect(done).toBeLessThan(6);
  const statuses = await Promise.all(runs.map(async (run) => (await user.run(run))["status"]));
  expect(statuses.filter((status) => status === "cancelled")).toHaveLength(done);
  expect(statuses.filter((status) => status === "waiting")).toHaveLength(6 - done);
});

test("A15: When more runs are meant than BULK_MAX_RUNS, none, or none in a fitting status, then nothing is stored and the answer says why", async () => {
  const { user } = perdure;
  const workflow = await user.saveWorkflow({ nodes: [{ id: "start", type: "Start" }], edges: [] });
  const runs = await Promise.all(Array.from({ length: 26 }, () => user.start(workflow)));
  for (const run of runs) await user.ended(run);
  const before = (await user.get<JsonObject[]>("/api/v1/bulk-operations")).body.length;
  const fork = { action: "fork", from_node: "start", filter: { workflow_id: workflow } };
  const refused = await user.post("/api/v1/bulk-operations", fork);
  expect([refused.status, refused.body["detail"]]).toEqual([422, "More than 25 runs are meant (BULK_MAX_RUNS): narrow the filter."]);
  expect((await user.post("/api/v1/bulk-operations", { ...fork, dry_run: true })).body).toMatchObject({ total: 26, is_too_many: true });
  for (const body of [
    { action: "fork", filter: { workflow_id: workflow } },
    { action: "migrate", filter: { workflow_id: workflow } },
    { action: "retry", filter: {} },
    { action: "retry", filter: { status: "completed" } },
    { action: "retry", filter: { workflow: "w" } },
  ]) {
    expect((await user.post("/api/v1/bulk-operations", body)).status, JSON.stringify(body)).toBe(422);
  }
  expect((await user.get<JsonObject[]>("/api/v1/bulk-operations")).body).toHaveLength(before);
});
