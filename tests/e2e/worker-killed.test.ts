import postgres from "postgres";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { JsonObject } from "#core";
import { type CountingServer, startCountingServer } from "../support/counting-server.ts";
import { startFreezingProxy } from "../support/freezing-proxy.ts";
import { type Perdure, startPerdure } from "../support/perdure.ts";
import { workflowIdOf } from "../support/record-history.ts";
import { openTemporal } from "../support/sealed.ts";
import { until } from "../support/until.ts";

describe("the worker is killed", () => {
  let perdure: Perdure;

  beforeAll(async () => {
    perdure = await startPerdure();
  });
  afterAll(async () => {
    await perdure?.stop();
  });

  test("A3 A4 A8: When the worker dies in the middle of ten slow calls, then another finishes the run and no finished node is called again", async () => {
    const { user } = perdure;
    const outside = await startCountingServer({ delayMs: 500 });
    const run = await user.start(await user.saveWorkflow(chainOfCalls(outside, 10)));

    await until("the fourth call", () => outside.calls.some(({ path }) => path === "/call/4"));
    perdure.worker.kill9();
    await perdure.startWorker();

    const ended = await user.ended(run, 120_000);
    expect(ended["status"]).toBe("completed");
    const counts = outside.counts();
    // The call in flight had not been answered when the worker died: it alone may be made again, under the same key.
    expect(counts["/call/4"]).toBeLessThanOrEqual(2);
    for (const n of [1, 2, 3, 5, 6, 7, 8, 9, 10]) expect(counts[`/call/${n}`], `call ${n}`).toBe(1);
    const keys = outside.calls.filter(({ path }) => path === "/call/4").map(({ headers }) => headers["idempotency-key"]);
    expect(keys).toEqual(keys.map(() => `${run}:call_4:`));
    const statuses = await user.nodeStatuses(run);
    expect(Object.keys(statuses)).toHaveLength(12);
    expect(new Set(Object.values(statuses))).toEqual(new Set(["completed"]));
    await outside.close();
  });

  test("A4: When the worker dies between the answer and its acknowledgement, then the receipt stands for the call", async () => {
    const proxy = await startFreezingProxy(perdure.temporalAddress);
    const outside = await startCountingServer({
      reply({ path }, response) {
        if (path === "/paid") proxy.freeze();
        response.setHeader("content-type", "application/json").end(JSON.stringify({ path }));
      },
    });
    const queue = { TEMPORAL_TASK_QUEUE: `doomed-${Date.now()}` };
    const doomed = await perdure.startWorker({ ...queue, TEMPORAL_ADDRESS: proxy.address });
    const api = await perdure.startApi({ ...queue, PORT: "0" });
    const user = perdure.user.at(api.url as string);
    const run = await user.start(
      await user.saveWorkflow({
        nodes: [
          { id: "start", type: "Start" },
          { id: "paid", type: "HttpRequest", data: { inputs: { url: `${outside.url}/paid`, method: "POST" } } },
          { id: "end", type: "End", data: { inputs: { value: "{{paid.body}}" } } },
        ],
        edges: [
          { source: "start", target: "paid" },
          { source: "paid", target: "end" },
        ],
      }),
    );
    const sql = postgres(perdure.databaseUrl, { max: 1 });
    await until("the receipt", async () => (await sql`select 1 from receipts where run_id = ${run} and result is not null`).length === 1);
    doomed.kill9();
    await sql.end();

    await perdure.startWorker(queue);
    expect(await user.ended(run, 120_000)).toMatchObject({ status: "completed", outputs: { path: "/paid" } });
    expect(outside.counts()["/paid"]).toBe(1);
    await proxy.close();
    await outside.close();
  });

  test("A9 A10: When an answer finds a worker that has to take the run up with something new, then every later worker reads the history alike", async () => {
    const held = { "/second": Promise.withResolvers<void>(), "/last": Promise.withResolvers<void>() };
    const outside = await startCountingServer({
      async reply({ path }, response) {
        await held[path as keyof typeof held]?.promise;
        response.setHeader("content-type", "application/json").end(JSON.stringify({ path }));
      },
    });
    const queue = { TEMPORAL_TASK_QUEUE: `taken-up-${Date.now()}` };
    const first = await perdure.startWorker(queue);
    const api = await perdure.startApi({ ...queue, PORT: "0" });
    const user = perdure.user.at(api.url as string);
    const call = (id: string) => ({ id, type: "HttpRequest", data: { inputs: { url: `${outside.url}/${id}`, method: "POST" } } });
    const run = await user.start(
      await user.saveWorkflow({
        nodes: [
          { id: "start", type: "Start" },
          call("first"),
          call("second"),
          { id: "ask", type: "HumanApproval", data: { inputs: { prompt: "Go on?" } } },
          { id: "all", type: "Merge" },
          call("last"),
          { id: "end", type: "End", data: { inputs: { value: "{{last.body}}" } } },
        ],
        edges: [
          { source: "start", target: "first" },
          { source: "start", target: "second" },
          { source: "start", target: "ask" },
          { source: "first", target: "all" },
          { source: "second", target: "all" },
          { source: "ask", target: "all", sourceHandle: "approved" },
          { source: "all", target: "last" },
          { source: "last", target: "end" },
        ],
      }),
    );
    const temporal = await openTemporal({ ...perdure, settings: { ...perdure.settings, ...queue } });
    const history = temporal.client.workflow.getHandle(workflowIdOf(await user.run(run)));
    const kinds = async () => ((await history.fetchHistory()).events ?? []).map((event) => Object.keys(event).find((key) => key.endsWith("EventAttributes")));
    // What these calls come to asks nothing of Temporal: their workflow tasks stay empty, and that of the answer follows directly.
    const untilEmptyTasks = (count: number) =>
      until(`${count} empty workflow tasks`, async () => {
        const seen = await kinds();
        return (
          seen.filter((kind) => kind === "activityTaskCompletedEventAttributes").length === count && seen.at(-1) === "workflowTaskCompletedEventAttributes"
        );
      });
    await untilEmptyTasks(1);
    held["/second"].resolve();
    await untilEmptyTasks(2);
    first.kill9();

    const second = await perdure.startWorker(queue);
    let approval: JsonObject | undefined;
    await until("the approval is shown", async () => {
      const { body: approvals } = await user.get<JsonObject[]>("/api/v1/approvals?status=pending");
      approval = approvals.find(({ execution_id: of }) => of === run);
      return approval !== undefined;
    });
    expect((await user.post(`/api/v1/approvals/${approval?.["id"] as string}`, { decision: "approved" })).status).toBeLessThan(300);
    await until("the last call", () => outside.counts()["/last"] === 1);
    second.kill9();

    await perdure.startWorker(queue);
    held["/last"].resolve();
    expect(await user.ended(run, 60_000)).toMatchObject({ status: "completed", outputs: { path: "/last" } });
    expect((await kinds()).filter((kind) => kind === "workflowTaskFailedEventAttributes")).toEqual([]);
    await temporal.close();
    await outside.close();
  });
});

function chainOfCalls(outside: CountingServer, length: number): JsonObject {
  const nodes: JsonObject[] = [{ id: "start", type: "Start" }];
  const edges: JsonObject[] = [];
  for (let n = 1; n <= length; n++) {
    nodes.push({ id: `call_${n}`, type: "HttpRequest", data: { name: `Call ${n}`, inputs: { url: `${outside.url}/call/${n}`, method: "POST" } } });
    edges.push({ source: n === 1 ? "start" : `call_${n - 1}`, target: `call_${n}` });
  }
  nodes.push({ id: "end", type: "End" });
  edges.push({ source: `call_${length}`, target: "end" });
  return { nodes, edges };
}
