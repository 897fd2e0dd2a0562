import { randomBytes } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
import { setTimeout } from "node:timers/promises";
import { Client, Connection } from "@temporalio/client";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type CountingServer, startCountingServer } from "../support/counting-server.ts";
import { type CollectedSpan, type OtlpCollector, startOtlpCollector, treeOf } from "../support/otlp-collector.ts";
import { type Perdure, startPerdure } from "../support/perdure.ts";
import { until } from "../support/until.ts";

const DOCS = new URL("../../docs/operations.md", import.meta.url);
const CALLER_TRACE = "4bf92f3577b34da6a3ce929d0e0e4736";
const CALLER_SPAN = "00f067aa0ba902b7";
const SECRET = "canary-T7x/09+secret";

let collector: OtlpCollector;
let outside: CountingServer;
let perdure: Perdure;
let failures = 0;

beforeAll(async () => {
  collector = await startOtlpCollector();
  outside = await startCountingServer({
    reply({ path }, response) {
      response.setHeader("content-type", "application/json");
      if (path.startsWith("/flaky") && failures++ === 0) return void response.writeHead(503).end("{}");
      response.end(JSON.stringify({ price: 12 }));
    },
  });
  perdure = await startPerdure({
    OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
    OTEL_EXPORTER_OTLP_HEADERS: "x-collector-key=abc%20d",
    OTEL_BSP_SCHEDULE_DELAY: "100",
    PERDURE_SECRET_CANARY: SECRET,
  });
});
afterAll(async () => {
  await perdure?.stop();
  await outside?.close();
  await collector?.close();
});

const spansOf = (traceId: string): CollectedSpan[] => collector.spans.filter((span) => span.traceId === traceId);

async function runTraced(workflow: string, inputs: object = {}): Promise<{ run: string; status: string }> {
  const started = await perdure.user.request(
    "POST",
    `/api/v1/workflows/${workflow}/execute`,
    { inputs },
    { traceparent: `00-${CALLER_TRACE}-${CALLER_SPAN}-01` },
  );
  const run = started.body["execution_id"] as string;
  return { run, status: (await perdure.user.ended(run))["status"] as string };
}

/** What a line of the tree in the docs says of a span: nothing that differs between two runs. Whoever writes the end of a run or node tells it. */
function line({ name, kind, service, attributes, isError }: CollectedSpan): string {
  const said = ["perdure.node.id", "perdure.node.attempt", "http.response.status_code", "perdure.run.status", "perdure.node.status", "error.type"].flatMap(
    (key) => (attributes[key] === undefined ? [] : [`${key.replace(/^.*\./, "")}=${attributes[key]}`]),
  );
  return `${name}  ${[...(kind === "server" ? [`service=${service}`] : []), ...said].join(" ")}${isError ? " ✗" : ""}`;
}

test("K2: When a run was asked for within a caller's trace, then its request, nodes, attempts, calls and child run are one tree in that trace, as the docs show it", async () => {
  const { user } = perdure;
  const child = await user.saveWorkflow(
    {
      nodes: [
        { id: "start", type: "Start" },
        { id: "stock", type: "HttpRequest", data: { inputs: { url: `${outside.url}/stock?key=${SECRET}` } } },
        { id: "end", type: "End", data: { inputs: { value: "{{stock.body.price}}" } } },
      ],
      edges: [
        { source: "start", target: "stock" },
        { source: "stock", target: "end" },
      ],
    },
    "Stock",
  );
  await user.post(`/api/v1/workflows/${child}/publish`);
  const workflow = await user.saveWorkflow({
    nodes: [
      { id: "start", type: "Start" },
      {
        id: "price",
        type: "HttpRequest",
        data: {
          name: "Ask Mr Secretive",
          inputs: { url: `${outside.url}/flaky?key=secret`, headers: { "x-token": "{{secrets.CANARY}}" } },
          settings: { retry: { maximum_attempts: 3, initial_interval: "50ms" } },
        },
      },
      { id: "large", type: "Condition", data: { inputs: { condition: "price.body.price > 100" } } },
      { id: "never", type: "Set", data: { inputs: { values: { n: 1 } } } },
      { id: "stock", type: "SubWorkflow", data: { inputs: { workflow: child } } },
      { id: "end", type: "End", data: { inputs: { value: "{{stock}}" } } },
    ],
    edges: [
      { source: "start", target: "price" },
      { source: "price", target: "large" },
      { source: "large", target: "never", sourceHandle: "true" },
      { source: "large", target: "stock", sourceHandle: "false" },
      { source: "stock", target: "end" },
    ],
  });
  const { run, status } = await runTraced(workflow);
  expect(status).toBe("completed");
  await until("the run's span", () => spansOf(CALLER_TRACE).some(({ attributes, name }) => name === "run" && attributes["perdure.run.id"] === run));
  await until("the child's span", () => spansOf(CALLER_TRACE).filter(({ name }) => name === "run").length === 2);

  const spans = spansOf(CALLER_TRACE);
  const request = spans.find(({ kind }) => kind === "server");
  expect(request).toMatchObject({ name: "POST /api/v1/workflows/{id}/execute", parentSpanId: CALLER_SPAN, service: "perdure-api" });
  expect(new Set(spans.map(({ spanId }) => spanId)).size).toBe(spans.length);
  const tree = treeOf(spans, line);
  const docs = await readFile(DOCS, "utf8");
  const shown = docs.replace(/(<!-- made by .*-->\n```\n)[^`]*(```)/, (_all, before: string, after: string) => `${before}${tree}\n${after}`);
  if (process.env["UPDATE_DOCS"]) await writeFile(DOCS, shown);
  else expect(docs).toBe(shown);
  for (const span of spans) expect(span.endMs, span.name).toBeGreaterThanOrEqual(span.startMs);
  expect(collector.headers()["x-collector-key"]).toBe("abc d");

  // Neither what users wrote nor what others answered has left for the collector.
  const sent = collector.bytes().toString("latin1");
  for (const text of [SECRET, "canary", "key=", "Secretive", "/flaky", "x-token", 'price":']) expect(sent.includes(text), text).toBe(false);
  // Nor has the trace left for a host that is not to see it.
  expect(outside.calls.filter(({ headers }) => headers["traceparent"] !== undefined)).toEqual([]);
});

test("K2: When a run waits, its worker is killed and it is answered later, then it is still one trace, and the run's span is as long as the run", async () => {
  const { user } = perdure;
  const workflow = await user.saveWorkflow({
    nodes: [
      { id: "start", type: "Start" },
      { id: "ask", type: "HumanApproval", data: { inputs: { prompt: "OK?", timeout: "1 day" } } },
      { id: "call", type: "HttpRequest", data: { inputs: { url: `${outside.url}/after` } } },
      { id: "end", type: "End" },
    ],
    edges: [
      { source: "start", target: "ask" },
      { source: "ask", target: "call", sourceHandle: "approved" },
      { source: "call", target: "end" },
    ],
  });
  const run = await user.start(workflow);
  const [wait] = (await user.until(run, ["waiting"]))["waiting_for"] as { approval_id: string }[];
  // What a killed process had not sent yet is lost.
  await until("its first node", () => collector.spans.some(({ name, attributes }) => name === "node Start" && attributes["perdure.run.id"] === run));
  perdure.worker.kill9();
  await perdure.worker.exited;
  await perdure.startWorker();
  expect((await user.post(`/api/v1/approvals/${wait?.approval_id}`, { decision: "approved" })).status).toBeLessThan(300);
  const ended = await user.ended(run);
  expect(ended["status"]).toBe("completed");
  const isOfRun = ({ attributes }: CollectedSpan) => attributes["perdure.run.id"] === run;
  await until("the run's span", () => collector.spans.some((span) => span.name === "run" && isOfRun(span)));
  await until("its last node", () => collector.spans.some((span) => span.name === "node End" && isOfRun(span)));
  const found = collector.spans.filter(isOfRun);
  expect(new Set(found.map(({ traceId }) => traceId)).size).toBe(1);
  const whole = found.find(({ name }) => name === "run") as CollectedSpan;
  expect([whole.startMs, whole.endMs]).toEqual([ended["created_at"], ended["completed_at"]].map((at) => Date.parse(at as string)));
  expect(found.filter(({ name }) => name.startsWith("node ")).map(({ name, parentSpanId }) => [name, parentSpanId])).toEqual(
    expect.arrayContaining(["Start", "HumanApproval", "HttpRequest", "End"].map((type) => [`node ${type}`, whole.spanId])),
  );
  const request = collector.spans.find(({ spanId }) => spanId === whole.parentSpanId);
  expect(request?.name).toBe("POST /api/v1/workflows/{id}/execute");
});

test("K2 A10 A11: When a run was queued behind another and continues as new, then all of it is in the trace of its request", async () => {
  const { user } = perdure;
  const trace = randomBytes(16).toString("hex");
  const workflow = await user.saveWorkflow({
    settings: { concurrency: { limit: 1 } },
    nodes: [
      { id: "start", type: "Start" },
      { id: "ask", type: "HumanApproval", data: { inputs: { prompt: "OK?", timeout: "1 day" } } },
      { id: "call", type: "HttpRequest", data: { inputs: { url: `${outside.url}/queued` } } },
      { id: "end", type: "End" },
    ],
    edges: [
      { source: "start", target: "ask" },
      { source: "ask", target: "call", sourceHandle: "approved" },
      { source: "call", target: "end" },
    ],
  });
  const approve = async (run: string) => {
    const [wait] = (await user.until(run, ["waiting"]))["waiting_for"] as { approval_id: string }[];
    expect((await user.post(`/api/v1/approvals/${wait?.approval_id}`, { decision: "approved" })).status).toBeLessThan(300);
  };
  const before = await user.start(workflow);
  const asked = await user.request("POST", `/api/v1/workflows/${workflow}/execute`, { inputs: {} }, { traceparent: `00-${trace}-${CALLER_SPAN}-01` });
  const run = asked.body["execution_id"] as string;
  expect((await user.run(run))["waiting_for"]).toMatchObject([{ kind: "slot" }]);
  await approve(before);
  await user.until(run, ["waiting"]);
  // More than 2 MiB of what neither shrinks nor is large enough to be stored beside the history; a link younger than a second never continues as new.
  for (let n = 0; n < 100; n++) {
    expect((await user.request("PUT", `/api/v1/executions/${run}/variables/ballast`, { value: randomBytes(24_000).toString("base64") })).status).toBe(200);
  }
  await setTimeout(1_000);
  expect((await user.request("PUT", `/api/v1/executions/${run}/variables/ballast`, { value: "" })).status).toBe(200);
  await until("the second link", async () => (await linkOf(run)).isFirst === false, 60_000);
  await approve(run);
  expect((await user.ended(run))["status"]).toBe("completed");
  const isOfRun = ({ attributes }: CollectedSpan) => attributes["perdure.run.id"] === run;
  await until("the run's span", () => collector.spans.some((span) => span.name === "run" && isOfRun(span)));
  await until("its last node", () => collector.spans.some((span) => span.name === "node End" && isOfRun(span)));
  const found = collector.spans.filter(isOfRun);
  expect(new Set(found.map(({ traceId }) => traceId))).toEqual(new Set([trace]));
  expect(found.map(({ name }) => name)).toEqual(expect.arrayContaining(["run", "node HumanApproval", "node HttpRequest", "attempt HttpRequest"]));
}, 120_000);

/** Whether the link of a run's chain that is under way is the first one. */
async function linkOf(run: string): Promise<{ isFirst: boolean }> {
  const { temporal_ui: page } = (await perdure.user.run(run))["links"] as { temporal_ui: string };
  const workflowId = decodeURIComponent(new URL(page).pathname.split("/workflows/")[1]?.split("/")[0] ?? "");
  const connection = await Connection.connect({ address: perdure.temporalAddress });
  try {
    const { runId, raw } = await new Client({ connection, namespace: perdure.namespace }).workflow.getHandle(workflowId).describe();
    return { isFirst: raw.workflowExecutionInfo?.firstRunId === runId };
  } finally {
    await connection.close();
  }
}

test("K2: When the collector refuses, and then is not there at all, then runs end as ever", async () => {
  const { user } = perdure;
  const workflow = await user.saveWorkflow({
    nodes: [
      { id: "start", type: "Start" },
      { id: "call", type: "HttpRequest", data: { inputs: { url: `${outside.url}/plain` } } },
    ],
    edges: [{ source: "start", target: "call" }],
  });
  collector.answerWith(503);
  expect((await user.ended(await user.start(workflow)))["status"]).toBe("completed");
  await collector.close();
  const startedAt = performance.now();
  for (let n = 0; n < 5; n++) expect((await user.ended(await user.start(workflow)))["status"]).toBe("completed");
  expect(performance.now() - startedAt).toBeLessThan(15_000);
});
