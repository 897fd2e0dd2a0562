import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { JsonObject } from "#core";
import { migrate } from "#db";
import { silentProgress, startPostgres, startTemporal, temporalBinary } from "../../scripts/infra/index.ts";
import type { TestClient } from "../support/client.ts";
import { type Perdure, startPerdure } from "../support/perdure.ts";
import { createTemporaryFolder } from "../support/temporary-folder.ts";
import { until } from "../support/until.ts";

const APPROVAL = {
  nodes: [
    { id: "start", type: "Start" },
    { id: "ask", type: "HumanApproval", data: { inputs: { prompt: "Pay {{inputs.amount}}?", data: { amount: "{{inputs.amount}}" } } } },
    { id: "pay", type: "Set", data: { inputs: { values: { paid: "{{inputs.amount}}", by: "{{ask.by}}" } } } },
    { id: "refuse", type: "Set", data: { inputs: { values: { refused: "{{ask.comment}}" } } } },
    { id: "end", type: "End" },
  ],
  edges: [
    { source: "start", target: "ask" },
    { source: "ask", target: "pay", sourceHandle: "approved" },
    { source: "ask", target: "refuse", sourceHandle: "rejected" },
    { source: "pay", target: "end" },
    { source: "refuse", target: "end" },
  ],
};

let perdure: Perdure;

beforeAll(async () => {
  perdure = await startPerdure();
});
afterAll(async () => {
  await perdure?.stop();
});

async function pendingApproval(user: TestClient, run: string): Promise<string> {
  let id: string | undefined;
  await until("the approval", async () => {
    const { body } = await user.get<JsonObject[]>("/api/v1/approvals?status=pending");
    id = body.find((approval) => approval["execution_id"] === run)?.["id"] as string | undefined;
    return id !== undefined;
  });
  return id as string;
}

test("A9 A10 B1: When everything is stopped while an approval waits, servers included, then it can be answered after the restart and goes the right way", async () => {
  const { path: folder, remove } = await createTemporaryFolder();
  const binary = await temporalBinary(silentProgress.step(""));
  const servers = async () => {
    const postgres = await startPostgres({ folder: join(folder, "postgres"), logFile: join(folder, "postgres.log") });
    const temporal = await startTemporal({ binary, folder: join(folder, "temporal"), logFile: join(folder, "temporal.log") });
    return { postgres, temporal, stop: () => Promise.all([postgres.stop(), temporal.stop()]) };
  };
  let infrastructure = await servers();
  await migrate(infrastructure.postgres.url);
  const queue = { TEMPORAL_TASK_QUEUE: "graph" };
  const before = await startPerdure(queue, { databaseUrl: infrastructure.postgres.url, temporalAddress: infrastructure.temporal.url });
  const workflow = await before.user.saveWorkflow(APPROVAL);
  const approved = await before.user.start(workflow, { amount: 12 });
  const rejected = await before.user.start(workflow, { amount: 13 });
  await before.user.until(approved, ["waiting"]);
  await before.user.until(rejected, ["waiting"]);
  const [first, second] = [await pendingApproval(before.user, approved), await pendingApproval(before.user, rejected)];
  before.worker.kill9();
  before.api.kill9();
  await before.stop();
  await infrastructure.stop();

  infrastructure = await servers();
  const after = await startPerdure(
    { ...queue, JWT_SECRET_KEY: before.settings["JWT_SECRET_KEY"] as string, PAYLOAD_KEYS: before.settings["PAYLOAD_KEYS"] as string },
    { databaseUrl: infrastructure.postgres.url, temporalAddress: infrastructure.temporal.url },
  );
  const user = before.user.at(after.base);
  expect(await user.run(approved)).toMatchObject({ status: "waiting" });
  expect((await user.get(`/api/v1/approvals/${first}`)).body).toMatchObject({ prompt: "Pay 12?", data: { amount: 12 } });
  expect((await user.post(`/api/v1/approvals/${first}`, { decision: "approved" })).status).toBe(200);
  expect((await user.post(`/api/v1/approvals/${second}`, { decision: "rejected", comment: "too much" })).status).toBe(200);
  expect(await user.ended(approved)).toMatchObject({ status: "completed", outputs: { paid: 12 } });
  expect(await user.ended(rejected)).toMatchObject({ status: "completed", outputs: { refused: "too much" } });
  expect(await user.nodeStatuses(approved)).toMatchObject({ pay: "completed", refuse: "skipped" });
  expect(await user.nodeStatuses(rejected)).toMatchObject({ pay: "skipped", refuse: "completed" });
  await after.stop();
  await infrastructure.stop();
  await remove();
});

test("A9: When twenty answers race, then one is taken and nineteen get 409", async () => {
  const { user } = perdure;
  const run = await user.start(await user.saveWorkflow(APPROVAL), { amount: 1 });
  const id = await pendingApproval(user, run);
  const answers = await Promise.all(
    Array.from({ length: 20 }, (_nothing, n) => user.post(`/api/v1/approvals/${id}`, { decision: n % 2 ? "approved" : "rejected", comment: `answer ${n}` })),
  );
  const statuses = answers.map(({ status }) => status);
  expect(statuses.filter((status) => status === 200)).toHaveLength(1);
  expect(statuses.filter((status) => status === 409)).toHaveLength(19);
  const winner = statuses.indexOf(200);
  await user.ended(run);
  expect(await user.nodeStatuses(run)).toMatchObject(winner % 2 ? { pay: "completed", refuse: "skipped" } : { pay: "skipped", refuse: "completed" });
  expect((await user.get(`/api/v1/approvals/${id}`)).body).toMatchObject({ status: "answered", comment: `answer ${winner}` });
});

test("A9: When data does not fit the schema, then the answer is 422 with findings and the run waits on", async () => {
  const { user } = perdure;
  const run = await user.start(
    await user.saveWorkflow({
      nodes: [
        { id: "start", type: "Start" },
        {
          id: "form",
          type: "HumanInput",
          data: {
            inputs: {
              prompt: "Who?",
              schema: { type: "object", required: ["name", "age"], properties: { name: { type: "string" }, age: { type: "integer", minimum: 0 } } },
            },
          },
        },
        { id: "end", type: "End", data: { inputs: { value: "{{form.name}}" } } },
      ],
      edges: [
        { source: "start", target: "form" },
        { source: "form", target: "end" },
      ],
    }),
  );
  const id = await pendingApproval(user, run);
  const refused = await user.post(`/api/v1/approvals/${id}`, { data: { name: 7 } });
  expect(refused.status).toBe(422);
  expect(refused.headers.get("content-type")).toContain("application/problem+json");
  expect((refused.body["errors"] as JsonObject[]).length).toBeGreaterThanOrEqual(2);
  await user.until(run, ["waiting"]);
  expect((await user.post(`/api/v1/approvals/${id}`, { data: { name: "Ada", age: 36 } })).status).toBe(200);
  expect(await user.ended(run)).toMatchObject({ status: "completed", outputs: "Ada" });
});

test("A9: When an approval has a schema, then it is shown and the data of an answer must fit", async () => {
  const { user } = perdure;
  const schema = { type: "object", required: ["cents"], properties: { cents: { type: "integer" } } };
  const nodes = APPROVAL.nodes.map((node) => (node.id === "ask" ? { ...node, data: { inputs: { prompt: "How much?", schema } } } : node));
  const run = await user.start(await user.saveWorkflow({ ...APPROVAL, nodes }), { amount: 1 });
  const id = await pendingApproval(user, run);
  expect((await user.get(`/api/v1/approvals/${id}`)).body).toMatchObject({ schema });
  expect((await user.post(`/api/v1/approvals/${id}`, { decision: "approved", data: {} })).status).toBe(422);
  expect((await user.post(`/api/v1/approvals/${id}`, { decision: "approved", data: { cents: 5 } })).status).toBe(200);
  expect((await user.ended(run))["status"]).toBe("completed");
});

test("A9: When no worker is alive, then an answer is kept and applied once one is back", async () => {
  const { user } = perdure;
  const run = await user.start(await user.saveWorkflow(APPROVAL), { amount: 5 });
  const id = await pendingApproval(user, run);
  perdure.worker.kill9();
  const kept = await user.post(`/api/v1/approvals/${id}`, { decision: "approved" });
  expect(kept.status).toBe(202);
  expect((await user.post(`/api/v1/approvals/${id}`, { decision: "rejected" })).status).toBe(409);
  await perdure.startWorker();
  expect(await user.ended(run, 90_000)).toMatchObject({ status: "completed", outputs: { paid: 5 } });
});
