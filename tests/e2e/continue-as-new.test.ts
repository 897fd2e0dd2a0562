import { randomBytes } from "node:crypto";
import { Client, Connection } from "@temporalio/client";
import type { History } from "@temporalio/common/lib/proto-utils.js";
import postgres from "postgres";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { JsonObject } from "#core";
import type { SseEvent } from "../support/client.ts";
import { startCountingServer } from "../support/counting-server.ts";
import { type Perdure, startPerdure } from "../support/perdure.ts";
import { checkRun } from "../support/run-checker.ts";
import { lastTimerEndsAt } from "../support/timers.ts";
import { until } from "../support/until.ts";

let perdure: Perdure;
let connection: Connection;

beforeAll(async () => {
  perdure = await startPerdure();
  connection = await Connection.connect({ address: perdure.temporalAddress });
});
afterAll(async () => {
  await connection?.close();
  await perdure?.stop();
});

/** The histories of the links of a run's chain, the first one first. */
async function links(runId: string): Promise<History[]> {
  const sql = postgres(perdure.databaseUrl, { max: 1 });
  const [row] = await sql<{ tenant_id: string }[]>`select tenant_id from runs where id = ${runId}`;
  await sql.end();
  const workflowId = `${row?.tenant_id}/${runId}`;
  const { workflow } = new Client({ connection, namespace: perdure.namespace });
  const chain: History[] = [];
  for (let link = (await workflow.getHandle(workflowId).describe()).runId; link;) {
    const history: History = await workflow.getHandle(workflowId, link).fetchHistory();
    chain.unshift(history);
    link = history.events?.[0]?.workflowExecutionStartedEventAttributes?.continuedExecutionRunId ?? "";
  }
  return chain;
}

test("A3 A9 A10: When a paused run with an open approval, a timer and variables continues as new, then nothing of it is lost and it is still paused", async () => {
  const { user } = perdure;
  let gateIsOpen = false;
  const outside = await startCountingServer({
    async reply({ path }, response) {
      if (path.startsWith("/heavy")) await until("the gate", () => gateIsOpen);
      response.setHeader("content-type", "application/json").end(JSON.stringify({ path }));
    },
  });
  const heavy = [1, 2, 3, 4];
  const workflow = await user.saveWorkflow({
    nodes: [
      { id: "start", type: "Start" },
      { id: "ask", type: "HumanApproval", data: { inputs: { prompt: "Go on, {{inputs.who}}?" } } },
      { id: "nap", type: "Delay", data: { inputs: { duration: "25s" } } },
      { id: "early", type: "Set", data: { inputs: { values: { mood: "{{variables.mood}}", at: "{{run.started_at}}" } } } },
      ...heavy.map((n) => ({
        id: `heavy_${n}`,
        type: "HttpRequest",
        data: { inputs: { url: `${outside.url}/heavy/${n}`, method: "POST", body: {} } },
      })),
      {
        id: "late",
        type: "Set",
        data: { inputs: { values: { mood: "{{variables.mood}}", at: "{{run.started_at}}", paths: heavy.map((n) => `{{heavy_${n}.body.path}}`) } } },
      },
      { id: "end", type: "End", data: { inputs: { value: { early: "{{early}}", late: "{{late}}", by: "{{ask.comment}}" } } } },
    ],
    edges: [
      ...["ask", "nap", "early", ...heavy.map((n) => `heavy_${n}`)].map((target) => ({ source: "start", target })),
      ...heavy.map((n) => ({ source: `heavy_${n}`, target: "late" })),
      { source: "ask", target: "end", sourceHandle: "approved" },
      ...["nap", "early", "late"].map((source) => ({ source, target: "end" })),
    ],
  });
  const started = await user.post(`/api/v1/workflows/${workflow}/execute`, {
    inputs: { who: "Ada" },
    variables: { mood: "calm" },
  });
  const run = started.body["execution_id"] as string;

  await until("the calls", () => outside.calls.length === heavy.length);
  expect((await user.request("PUT", `/api/v1/executions/${run}/variables/mood`, { value: "eager" })).status).toBe(200);
  // More than 2 MiB of what neither shrinks nor is large enough to be stored beside the history.
  for (let n = 0; n < 100; n++) {
    expect((await user.request("PUT", `/api/v1/executions/${run}/variables/ballast`, { value: randomBytes(24_000).toString("base64") })).status).toBe(200);
  }
  expect((await user.post(`/api/v1/executions/${run}/pause`)).status).toBe(200);
  // A link younger than a second never continues as new.
  await new Promise((resolve) => setTimeout(resolve, 1_000));
  gateIsOpen = true;
  await until("the second link", async () => (await links(run)).length > 1, 60_000);

  expect(await user.run(run)).toMatchObject({ status: "paused" });
  await checkRun(perdure, user, run);
  expect((await user.post(`/api/v1/executions/${run}/pause`)).status).toBe(409);
  const { body: approvals } = await user.get<JsonObject[]>("/api/v1/approvals?status=pending");
  const approval = approvals.find((row) => row["execution_id"] === run);
  expect(approval).toMatchObject({ prompt: "Go on, Ada?" });
  expect((await user.post(`/api/v1/approvals/${approval?.["id"]}`, { decision: "approved", comment: "yes" })).status).toBe(200);
  expect((await user.post(`/api/v1/approvals/${approval?.["id"]}`, { decision: "rejected" })).status).toBe(409);
  expect(await user.run(run)).toMatchObject({ status: "paused" });
  expect((await user.post(`/api/v1/executions/${run}/resume`)).status).toBe(200);

  const ended = await user.ended(run, 60_000);
  expect(ended).toMatchObject({
    status: "completed",
    outputs: { by: "yes", early: { mood: "calm" }, late: { mood: "eager", paths: heavy.map((n) => `/heavy/${n}`) } },
  });
  const { early, late } = ended["outputs"] as { early: JsonObject; late: JsonObject };
  expect(late["at"]).toBe(early["at"]);
  expect(outside.calls).toHaveLength(heavy.length);
  const { log } = await checkRun(perdure, user, run);
  const nap = log.find(({ node_id, kind }) => node_id === "nap" && kind === "node_end");
  expect(nap?.data?.duration_ms).toBeGreaterThanOrEqual(25_000);
  const [end = Number.NaN, ...others] = (await links(run)).map(lastTimerEndsAt).filter(Number.isFinite);
  expect(others.length, "links that waited").toBeGreaterThan(0);
  for (const other of others) expect(Math.abs(other - end), "each link waits until the same moment").toBeLessThan(10);
  await outside.close();
});

test("A3 A4 G4: When 700 calls in a row outgrow one history, then each is made once, and a stream shows one run without a gap", async () => {
  const { user } = perdure;
  const outside = await startCountingServer();
  const calls = Array.from({ length: 700 }, (_nothing, at) => at + 1);
  const run = await user.start(
    await user.saveWorkflow({
      nodes: [
        { id: "start", type: "Start" },
        { id: "ask", type: "HumanApproval", data: { inputs: { prompt: "Done?" } } },
        ...calls.map((n) => ({ id: `call_${n}`, type: "HttpRequest", data: { inputs: { url: `${outside.url}/call/${n}` } } })),
        { id: "end", type: "End", data: { inputs: { value: ["{{call_1.body.n}}", "{{call_350.body.n}}", "{{call_700.body.n}}"] } } },
      ],
      edges: [
        { source: "start", target: "ask" },
        ...calls.map((n) => ({ source: n === 1 ? "start" : `call_${n - 1}`, target: `call_${n}` })),
        { source: "call_700", target: "end" },
        { source: "ask", target: "end", sourceHandle: "approved" },
      ],
    }),
  );
  const seen: SseEvent[] = [];
  const streamed = user.stream(run, 0, (event) => void seen.push(event));

  await until("the last call", () => outside.calls.length >= calls.length, 80_000);
  const { body: approvals } = await user.get<JsonObject[]>("/api/v1/approvals?status=pending");
  const approval = approvals.find((row) => row["execution_id"] === run);
  expect((await user.post(`/api/v1/approvals/${approval?.["id"]}`, { decision: "approved" })).status).toBeLessThan(300);
  expect(await user.ended(run, 60_000)).toMatchObject({ status: "completed", outputs: [1, 350, 700] });
  expect((await links(run)).length).toBeGreaterThan(1);
  expect(outside.calls.map(({ path }) => path)).toEqual(calls.map((n) => `/call/${n}`));

  expect(await streamed).toBe("ended");
  const { log } = await checkRun(perdure, user, run);
  expect(seen.map(({ id, kind, data }) => [id, kind, data["node_id"] ?? null])).toEqual(log.map(({ seq, kind, node_id }) => [seq, kind, node_id]));
  await outside.close();
}, 120_000);

test("A2 A5 A9: When a cancelled run has more to undo than a history holds, then it continues as new in between and undoes everything once", async () => {
  const { user } = perdure;
  const items = 1_000;
  const run = await user.start(
    await user.saveWorkflow({
      nodes: [
        { id: "start", type: "Start" },
        { id: "map", type: "MapReduce", data: { inputs: { items: Array.from({ length: items }, (_nothing, n) => n), concurrency: 50 } } },
        { id: "book", type: "Set", data: { inputs: { values: { item: "{{item}}" } } } },
        { id: "rest", type: "Delay", data: { inputs: { duration: "1ms" } } },
        { id: "unbook", type: "Set", data: { inputs: { values: { item: "{{book.item}}" } } } },
        { id: "ask", type: "HumanApproval", data: { inputs: { prompt: "?" } } },
      ],
      edges: [
        { source: "start", target: "map" },
        { source: "map", sourceHandle: "body", target: "book" },
        { source: "book", target: "map", targetHandle: "return" },
        { source: "book", sourceHandle: "compensate", target: "rest" },
        { source: "rest", target: "unbook" },
        { source: "map", sourceHandle: "done", target: "ask" },
      ],
    }),
  );
  await user.until(run, ["waiting"]);
  expect((await user.post(`/api/v1/executions/${run}/cancel`, {})).status).toBeLessThan(300);
  await until("the run has ended", async () => (await user.run(run))["status"] === "cancelled", 120_000);
  expect((await links(run)).length).toBeGreaterThan(1);
  const id = decodeURIComponent(((await user.run(run))["links"] as { temporal_ui: string }).temporal_ui.split("/workflows/")[1] ?? "");
  expect((await new Client({ connection, namespace: perdure.namespace }).workflow.getHandle(id).describe()).status.name).toBe("CANCELLED");
  const { log } = await checkRun(perdure, user, run);
  const undone = log
    .filter(({ kind, node_id }) => kind === "node_end" && node_id === "unbook")
    .map(({ data }) => (data?.output as JsonObject | undefined)?.["item"]);
  expect(new Set(undone).size).toBe(items);
  expect(undone).toHaveLength(items);
}, 180_000);
