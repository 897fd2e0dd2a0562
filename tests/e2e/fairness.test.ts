import { Client, Connection } from "@temporalio/client";
import postgres from "postgres";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { JsonObject } from "#core";
import { TestClient } from "../support/client.ts";
import { type CountingServer, startCountingServer } from "../support/counting-server.ts";
import { type Perdure, startPerdure } from "../support/perdure.ts";
import { until } from "../support/until.ts";

/** Runs that one organization starts at once, and those of the other. */
const FLOOD = 150;
const FEW = 8;

let perdure: Perdure;
let outside: CountingServer;

beforeAll(async () => {
  outside = await startCountingServer({
    async reply({ path }, response) {
      await new Promise((resolve) => setTimeout(resolve, path === "/slow" ? 3_000 : 200));
      response.setHeader("content-type", "application/json").end("{}");
    },
  });
  perdure = await startPerdure({ LOG_LEVEL: "warn" });
});
afterAll(async () => {
  await perdure?.stop();
  await outside?.close();
});

const graph = (name: string): JsonObject => ({
  settings: { priority: 4 },
  nodes: [
    { id: "start", type: "Start" },
    { id: "call", type: "HttpRequest", data: { inputs: { url: `${outside.url}/${name}` } } },
  ],
  edges: [{ source: "start", target: "call" }],
});

test("A11: When one organization's runs pile up while no worker is there, then another's that come after them are not last", async () => {
  const [a, b] = [perdure.user, await TestClient.register(perdure.base)];
  const [workflowA, workflowB] = [await a.saveWorkflow(graph("a")), await b.saveWorkflow(graph("b"))];
  perdure.worker.kill9();
  await perdure.worker.exited;
  let left = FLOOD;
  await Promise.all(
    Array.from({ length: 8 }, async () => {
      while (left-- > 0) await a.start(workflowA);
    }),
  );
  const runs = await Promise.all(Array.from({ length: FEW }, () => b.start(workflowB)));
  await perdure.startWorker();
  await until("the calls of the few", () => outside.calls.filter(({ path }) => path === "/b").length >= FEW, 60_000);
  const last = outside.calls.findLastIndex(({ path }) => path === "/b");
  expect(last, "its place among all calls").toBeLessThan(FLOOD / 2);
  for (const run of runs) expect(await b.ended(run)).toMatchObject({ status: "completed" });
});

test("A11: When a run calls something, then the call too carries the organization's fairness key and the run's priority", async () => {
  const run = await perdure.user.start(await perdure.user.saveWorkflow(graph("slow")));
  const sql = postgres(perdure.databaseUrl, { max: 1 });
  const [row] = await sql<{ tenant_id: string }[]>`select tenant_id from runs where id = ${run}`;
  await sql.end();
  await until("the call", () => outside.calls.some(({ path }) => path === "/slow"));
  const connection = await Connection.connect({ address: perdure.temporalAddress });
  const { raw, priority } = await new Client({ connection, namespace: perdure.namespace }).workflow.getHandle(`${row?.tenant_id}/${run}`).describe();
  await connection.close();
  expect(priority).toMatchObject({ fairnessKey: row?.tenant_id, priorityKey: 4 });
  expect(raw.pendingActivities?.map((each) => each.priority)).toMatchObject([{ fairnessKey: row?.tenant_id, priorityKey: 4 }]);
  await perdure.user.ended(run);
});
