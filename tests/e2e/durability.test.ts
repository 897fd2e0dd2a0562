import { Client, Connection } from "@temporalio/client";
import postgres from "postgres";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { JsonObject } from "#core";
import { migrate } from "#db";
import { silentProgress, startPostgres, startTemporal, temporalBinary } from "../../scripts/infra/index.ts";
import type { SseEvent } from "../support/client.ts";
import { type CountingServer, startCountingServer } from "../support/counting-server.ts";
import { type Perdure, startPerdure } from "../support/perdure.ts";
import { checkRun } from "../support/run-checker.ts";
import { createTemporaryFolder, type TemporaryFolder } from "../support/temporary-folder.ts";
import { until } from "../support/until.ts";

let folder: TemporaryFolder;
let postgresServer: Awaited<ReturnType<typeof startPostgres>>;
let temporalServer: Awaited<ReturnType<typeof startTemporal>>;
let perdure: Perdure;
let outside: CountingServer;

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
const startDatabase = (port?: number) =>
  startPostgres({ folder: join(folder.path, "postgres"), logFile: join(folder.path, "postgres.log"), ...(port !== undefined && { port }) });
async function startOrchestrator(port?: number) {
  const binary = await temporalBinary(silentProgress.step(""));
  return startTemporal({ binary, folder: join(folder.path, "temporal"), logFile: join(folder.path, "temporal.log"), ...(port !== undefined && { port }) });
}
async function kill(server: { pid: number; exited: Promise<unknown> }): Promise<void> {
  process.kill(-server.pid, "SIGKILL");
  await server.exited;
}

beforeAll(async () => {
  folder = await createTemporaryFolder();
  [postgresServer, temporalServer] = await Promise.all([startDatabase(), startOrchestrator()]);
  await migrate(postgresServer.url);
  perdure = await startPerdure({ LOG_LEVEL: "error" }, { databaseUrl: postgresServer.url, temporalAddress: temporalServer.url });
  outside = await startCountingServer({
    async reply({ path }, response) {
      const url = new URL(path, "http://outside");
      await pause(Number(url.searchParams.get("ms") ?? 0));
      const isBusy = url.searchParams.has("busy") && outside.calls.filter((call) => call.path === path).length === 1;
      response.statusCode = isBusy ? 429 : 200;
      if (isBusy) response.setHeader("retry-after", "2");
      response.setHeader("content-type", "application/json").end(JSON.stringify({ path: url.pathname }));
    },
  });
});
afterAll(async () => {
  await perdure?.stop();
  await Promise.all([outside?.close(), postgresServer?.stop(), temporalServer?.stop()]);
  await folder?.remove();
});

function call(id: string, query = ""): JsonObject {
  return { id, type: "HttpRequest", data: { inputs: { url: `${outside.url}/{{run.id}}/${id}?${query}`, method: "POST" } } };
}

/** Of everything a little: calls in a row, one that outlasts half a heartbeat time-out, one that is told to come later, a timer, a branch not taken, a person. */
function mixture(): JsonObject {
  const chain = [1, 2, 3, 4].map((n) => `step_${n}`);
  return {
    nodes: [
      { id: "start", type: "Start" },
      ...chain.map((id) => call(id, "ms=500")),
      call("long", "ms=3500"),
      call("busy", "busy=1"),
      { id: "nap", type: "Delay", data: { inputs: { duration: "3s" } } },
      { id: "choice", type: "Condition", data: { inputs: { condition: "1 == 2" } } },
      call("never"),
      { id: "shape", type: "Transform", data: { inputs: { expression: '{ "sum": 1 + 1 }' } } },
      { id: "ask", type: "HumanApproval", data: { inputs: { prompt: "Go on?" } } },
      { id: "end", type: "End", data: { inputs: { value: { sum: "{{shape.sum}}", by: "{{ask.comment}}" } } } },
    ],
    edges: [
      ...chain.map((target, at) => ({ source: at === 0 ? "start" : (chain[at - 1] as string), target })),
      ...["long", "busy", "nap", "choice", "shape", "ask"].map((target) => ({ source: "start", target })),
      { source: "choice", target: "never", sourceHandle: "true" },
      { source: "ask", target: "end", sourceHandle: "approved" },
      ...["step_4", "long", "busy", "nap", "never", "shape"].map((source) => ({ source, target: "end" })),
    ],
  };
}

async function approve(run: string): Promise<void> {
  let id: unknown;
  await until("the approval", async () => {
    const { status, body } = await perdure.user.get<JsonObject[]>("/api/v1/approvals?status=pending&limit=100");
    id = status === 200 ? body.find((row) => row["execution_id"] === run)?.["id"] : undefined;
    return id !== undefined;
  });
  expect([200, 202]).toContain((await perdure.user.post(`/api/v1/approvals/${id as string}`, { decision: "approved", comment: "yes" })).status);
}

/** The run came through whole, and nothing was called more often than it had to be. */
async function cameThrough(run: string): Promise<void> {
  expect(await perdure.user.ended(run, 90_000)).toMatchObject({ status: "completed", outputs: { sum: 2, by: "yes" } });
  await checkRun(perdure, perdure.user, run);
  const statuses = await perdure.user.nodeStatuses(run);
  expect(statuses).toEqual(Object.fromEntries(Object.keys(statuses).map((id) => [id, id === "never" ? "skipped" : "completed"])));
  expect(Object.keys(statuses)).toHaveLength(13);
  const mine = outside.calls.filter(({ path }) => path.includes(run)).map(({ path }) => path.split(/[/?]/)[2]);
  expect(mine.toSorted()).toEqual(["busy", "busy", "long", "step_1", "step_2", "step_3", "step_4"]);
}

test("A8 A10 G4: When PostgreSQL dies and stays away while runs go on, then they wait or go on, none fails, and log, rows and stream are whole afterwards", async () => {
  const { user } = perdure;
  const workflow = await user.saveWorkflow(mixture());
  const runs = [await user.start(workflow), await user.start(workflow), await user.start(workflow)];
  const seen: SseEvent[] = [];
  const streamed = (async () => {
    while (seen.at(-1)?.kind !== "workflow_complete") {
      await user.stream(runs[0] as string, seen.at(-1)?.id ?? 0, (event) => void seen.push(event));
      await pause(200);
    }
  })();
  await until("the second steps", () => runs.every((run) => outside.calls.some(({ path }) => path.startsWith(`/${run}/step_2`))));
  await kill(postgresServer);
  const refused = await user.post(`/api/v1/workflows/${workflow}/execute`, {}, { "idempotency-key": "while-postgres-is-away" });
  expect(refused.status).toBe(503);
  expect(refused.headers.get("retry-after")).not.toBeNull();
  await pause(10_000);
  postgresServer = await startDatabase(postgresServer.port);

  await Promise.all(runs.map(approve));
  for (const run of runs) await cameThrough(run);
  await streamed;
  expect(seen.map(({ id }) => id)).toEqual(seen.map((_event, at) => at + 1));
  const started = await user.post(`/api/v1/workflows/${workflow}/execute`, {}, { "idempotency-key": "while-postgres-is-away" });
  expect(started.status).toBe(201);
  await approve(started.body["execution_id"] as string);
  await cameThrough(started.body["execution_id"] as string);
}, 120_000);

test("A8 A9 A10: When Temporal dies and comes back, then runs go on, a cancel is kept, and a start that was refused begins with the same key", async () => {
  const { user } = perdure;
  const workflow = await user.saveWorkflow(mixture());
  const [run, doomed] = [await user.start(workflow), await user.start(workflow)];
  await until("the second steps", () => [run, doomed].every((each) => outside.calls.some(({ path }) => path.startsWith(`/${each}/step_2`))));
  await kill(temporalServer);
  const [refused, cancelled] = await Promise.all([
    user.post(`/api/v1/workflows/${workflow}/execute`, {}, { "idempotency-key": "while-temporal-is-away" }),
    user.post(`/api/v1/executions/${doomed}/cancel`),
  ]);
  expect(refused.status).toBe(503);
  expect(refused.headers.get("retry-after")).not.toBeNull();
  expect(cancelled.status).toBe(202);
  temporalServer = await startOrchestrator(temporalServer.port);

  await approve(run);
  await cameThrough(run);
  expect(await user.ended(doomed, 60_000)).toMatchObject({ status: "cancelled" });
  const { log } = await checkRun(perdure, user, doomed);
  expect(log.filter(({ kind }) => kind === "command")).toHaveLength(1);
  // By now the sweeper has given up what Temporal never took.
  await until("the refused start is closed", async () => (await user.get<JsonObject[]>("/api/v1/executions?status=failed")).body.length === 1, 40_000);
  const again = await Promise.all([1, 2, 3].map(() => user.post(`/api/v1/workflows/${workflow}/execute`, {}, { "idempotency-key": "while-temporal-is-away" })));
  expect(again.map(({ status }) => status)).toEqual([201, 201, 201]);
  const [id, ...others] = new Set(again.map(({ body }) => body["execution_id"] as string));
  expect(others).toEqual([]);
  await approve(id as string);
  await cameThrough(id as string);
}, 150_000);

test("A9 A10: When runs are cancelled or terminated in Temporal itself, calls under way, then they are shown so and nothing of them stays open", async () => {
  const { user } = perdure;
  const workflow = await user.saveWorkflow({
    nodes: [{ id: "start", type: "Start" }, call("first"), call("second", "ms=20000")],
    edges: [
      { source: "start", target: "first" },
      { source: "first", target: "second" },
    ],
  });
  const [cancelled, terminated] = [await user.start(workflow), await user.start(workflow)];
  await until("the calls", () => [cancelled, terminated].every((run) => outside.calls.some(({ path }) => path.startsWith(`/${run}/second`))));
  const sql = postgres(perdure.databaseUrl, { max: 1 });
  const [row] = await sql<{ tenant_id: string }[]>`select tenant_id from runs where id = ${cancelled}`;
  await sql.end();
  const connection = await Connection.connect({ address: temporalServer.url });
  const { workflow: client } = new Client({ connection, namespace: perdure.namespace });
  await client.getHandle(`${row?.tenant_id}/${cancelled}`).cancel();
  await client.getHandle(`${row?.tenant_id}/${terminated}`).terminate("enough");
  await connection.close();

  expect(await user.ended(cancelled, 20_000)).toMatchObject({ status: "cancelled", error: { code: "run.cancelled" } });
  expect(await user.ended(terminated, 20_000)).toMatchObject({ status: "failed", error: { code: "run.cancelled" } });
  for (const run of [cancelled, terminated]) {
    await checkRun(perdure, user, run);
    expect(await user.nodeStatuses(run)).toEqual({ start: "completed", first: "completed", second: "cancelled" });
  }
});

test("A4: When a worker stands still in the middle of calls and wakes up after others have taken them, then each run has one result and one end of each node", async () => {
  const { user } = perdure;
  const workflow = await user.saveWorkflow({
    nodes: [
      { id: "start", type: "Start" },
      call("asleep", "ms=1500"),
      call("after"),
      { id: "end", type: "End", data: { inputs: { value: "{{asleep.elapsed_ms}}" } } },
    ],
    edges: [
      { source: "start", target: "asleep" },
      { source: "asleep", target: "after" },
      { source: "after", target: "end" },
    ],
  });
  const other = await perdure.startWorker();
  const runs = await Promise.all(Array.from({ length: 6 }, () => user.start(workflow)));
  await until("the calls", () => runs.every((run) => outside.calls.some(({ path }) => path.startsWith(`/${run}/asleep`))));
  process.kill(-perdure.worker.pid, "SIGSTOP");
  // Temporal still hands tasks to the one that stands still, until each has timed out.
  await until("another worker's call", () => runs.some((run) => outside.calls.filter(({ path }) => path.startsWith(`/${run}/asleep`)).length > 1), 60_000);
  process.kill(-perdure.worker.pid, "SIGCONT");
  for (const run of runs) {
    const ended = await user.ended(run, 60_000);
    expect(ended["status"]).toBe("completed");
    const { log } = await checkRun(perdure, user, run);
    expect(log.filter(({ kind, node_id }) => node_id === "asleep" && (kind === "node_end" || kind === "node_error")).map(({ data }) => data?.status)).toEqual([
      "completed",
    ]);
    const { body: nodes } = await user.get<JsonObject[]>(`/api/v1/executions/${run}/nodes`);
    expect(nodes.find((node) => node["node_id"] === "asleep")).toMatchObject({ output: { elapsed_ms: ended["outputs"] } });
    expect(outside.calls.filter(({ path }) => path.startsWith(`/${run}/after`))).toHaveLength(1);
  }
  await other.stop();
}, 120_000);
