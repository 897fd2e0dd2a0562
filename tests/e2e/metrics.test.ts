import { afterAll, beforeAll, expect, test } from "vitest";
import { METRICS } from "#telemetry";
import { type CountingServer, startCountingServer } from "../support/counting-server.ts";
import { metricNames, metricsUrl, readMetrics, type Sample, sum } from "../support/metrics.ts";
import { type Perdure, startPerdure } from "../support/perdure.ts";
import type { RunningProcess } from "../support/processes.ts";
import { until } from "../support/until.ts";

const TOKEN = "a token for the monitoring";
const RUNS = 6;

let outside: CountingServer;
let perdure: Perdure;
let second: RunningProcess;

beforeAll(async () => {
  const seen = new Set<string>();
  outside = await startCountingServer({
    reply({ path }, response) {
      // Each call is answered at its second attempt.
      const isFirst = !seen.has(path);
      seen.add(path);
      response
        .setHeader("content-type", "application/json")
        .writeHead(isFirst ? 503 : 200)
        .end("{}");
    },
  });
  // Runs that no worker keeps are replayed for whatever happens to them. The first attempts fail together, which must open no circuit.
  perdure = await startPerdure({ API_METRICS_PORT: "0", WORKER_METRICS_PORT: "0", METRICS_TOKEN: TOKEN, WORKER_CACHED_RUNS: "2", BREAKER_FAILURES: "100" });
  second = await perdure.startWorker();
});
afterAll(async () => {
  await perdure?.stop();
  await outside?.close();
});

const authorization = { authorization: `Bearer ${TOKEN}` };
const read = async (processes: RunningProcess[]): Promise<Sample[]> =>
  (await Promise.all(processes.map((process) => readMetrics(metricsUrl(process), authorization)))).flat();

test("K1: When runs with retries, skips, waits and replays have ended on two workers, then every documented metric has the right value", async () => {
  const { user, api, worker } = perdure;
  const workflow = await user.saveWorkflow({
    nodes: [
      { id: "start", type: "Start" },
      {
        id: "call",
        type: "HttpRequest",
        data: { inputs: { url: `${outside.url}/{{inputs.n}}` }, settings: { retry: { maximum_attempts: 3, initial_interval: "10ms" } } },
      },
      { id: "ask", type: "HumanApproval", data: { inputs: { prompt: "OK?", timeout: "1 day" } } },
      { id: "large", type: "Condition", data: { inputs: { condition: "call.status > 500" } } },
      { id: "never", type: "Set", data: { inputs: { values: { n: 1 } } } },
      { id: "end", type: "End" },
    ],
    edges: [
      { source: "start", target: "call" },
      { source: "call", target: "ask" },
      { source: "ask", target: "large", sourceHandle: "approved" },
      { source: "large", target: "never", sourceHandle: "true" },
      { source: "large", target: "end", sourceHandle: "false" },
    ],
  });
  const runs = await Promise.all(Array.from({ length: RUNS }, (_nothing, n) => user.start(workflow, { n })));
  for (const run of runs) await user.until(run, ["waiting"]);
  const open = async (): Promise<number> => sum(await read([api]), "active_workflows_total");
  await until("all runs are active", async () => (await open()) === RUNS, 10_000);
  const [left, ...answered] = runs;
  for (const run of answered) {
    const [wait] = (await user.run(run))["waiting_for"] as { approval_id: string }[];
    expect((await user.post(`/api/v1/approvals/${wait?.approval_id}`, { decision: "approved" })).status).toBe(200);
  }
  for (const run of answered) expect((await user.ended(run))["status"]).toBe("completed");
  await user.post(`/api/v1/executions/${left}/cancel`);
  expect((await user.ended(left as string))["status"]).toBe("cancelled");

  const processes = [api, worker, second];
  const done = RUNS - 1;
  await until("all is counted", async () => {
    const seen = await read(processes);
    const counts = [
      sum(seen, "node_executions_total", { node_type: "End", status: "completed" }) === done,
      sum(seen, "node_executions_total", { node_type: "HumanApproval", status: "cancelled" }) === 1,
      sum(seen, "perdure_run_duration_seconds_count") === RUNS,
    ];
    return counts.every(Boolean);
  });
  const samples = await read(processes);
  const ended = (type: string, status: string): number => sum(samples, "node_executions_total", { node_type: type, status });
  expect({
    start: ended("Start", "completed"),
    call: ended("HttpRequest", "completed"),
    approved: ended("HumanApproval", "completed"),
    cancelled: ended("HumanApproval", "cancelled"),
    condition: ended("Condition", "completed"),
    skipped: ended("Set", "skipped"),
    end: ended("End", "completed"),
  }).toEqual({ start: RUNS, call: RUNS, approved: done, cancelled: 1, condition: done, skipped: done, end: done });
  expect(sum(samples, "node_execution_duration_seconds_count", { node_type: "HttpRequest" })).toBe(RUNS);
  expect(sum(samples, "node_execution_duration_seconds_count", { node_type: "Set" })).toBe(0);
  const waited = sum(samples, "node_execution_duration_seconds_sum", { node_type: "HumanApproval" });
  const rows = (
    await Promise.all(runs.map(async (run) => (await user.get<{ node_id: string; duration_ms: number }[]>(`/api/v1/executions/${run}/nodes`)).body))
  ).flat();
  expect(waited * 1000).toBeCloseTo(
    rows.filter(({ node_id }) => node_id === "ask").reduce((total, { duration_ms }) => total + duration_ms, 0),
    3,
  );

  expect(sum(samples, "perdure_node_attempts_total", { node_type: "HttpRequest", outcome: "failed" })).toBe(RUNS);
  expect(sum(samples, "perdure_node_attempts_total", { node_type: "HttpRequest", outcome: "completed" })).toBe(RUNS);
  expect(sum(samples, "perdure_outgoing_requests_total", { outcome: "5xx" })).toBe(RUNS);
  expect(sum(samples, "perdure_outgoing_requests_total", { outcome: "2xx" })).toBe(RUNS);
  expect(sum(samples, "perdure_runs_closed_total", { status: "completed", trigger: "api" })).toBe(done);
  expect(sum(samples, "perdure_runs_closed_total", { status: "cancelled" })).toBe(1);
  expect(sum(samples, "perdure_run_duration_seconds_count")).toBe(RUNS);
  expect(sum(samples, "http_requests_total", { method: "POST", route: "/api/v1/workflows/{id}/execute", status: "201" })).toBe(RUNS);
  expect(samples.filter(({ labels }) => Object.values(labels).some((value) => runs.includes(value) || value === workflow))).toEqual([]);
  expect(sum(samples, "perdure_node_attempts_running")).toBe(0);
  await until("no run is active", async () => (await open()) === 0, 10_000);
});

test("K1: When the pages are read, then every metric of the list is there, and Temporal's own with the workers'", async () => {
  const pages = await Promise.all([perdure.api, perdure.worker].map(async (process) => (await fetch(metricsUrl(process), { headers: authorization })).text()));
  const names = new Set(pages.flatMap((page) => [...metricNames(page)]));
  expect(Object.keys(METRICS).filter((name) => !names.has(name))).toEqual([]);
  for (const name of ["temporal_worker_task_slots_available", "temporal_sticky_cache_size", "nodejs_eventloop_lag_p99_seconds", "process_cpu_seconds_total"]) {
    expect([...names], name).toContain(name);
  }
  const api = await read([perdure.api]);
  await until("Temporal has seen pollers", async () => sum(await read([perdure.api]), "perdure_task_queue_pollers", { type: "workflow" }) > 0, 15_000);
  expect(sum(api, "perdure_scrape_problems")).toBe(0);
});

test("K1: When somebody without METRICS_TOKEN asks for metrics, then they get none, on either port", async () => {
  const { base, api } = perdure;
  expect((await fetch(`${base}/metrics`)).status).toBe(401);
  expect((await fetch(`${base}/metrics`, { headers: { authorization: "Bearer wrong" } })).status).toBe(401);
  expect((await fetch(metricsUrl(api))).status).toBe(401);
  expect(sum(await readMetrics(`${base}/metrics`, authorization), "perdure_build_info")).toBe(1);
});
