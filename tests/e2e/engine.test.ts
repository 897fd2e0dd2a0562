import { randomBytes } from "node:crypto";
import type { ServerResponse } from "node:http";
import { Client, Connection } from "@temporalio/client";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { JsonObject } from "#core";
import { type Call, type CountingServer, startCountingServer } from "../support/counting-server.ts";
import { type Perdure, startPerdure } from "../support/perdure.ts";
import { until } from "../support/until.ts";

let perdure: Perdure;
let outside: CountingServer;

beforeAll(async () => {
  [perdure, outside] = await Promise.all([startPerdure(), startCountingServer({ reply: answer })]);
});
afterAll(async () => {
  await perdure?.stop();
  await outside?.close();
});

/** Tags whose `/flaky` is well again. */
const flakyWorks = new Set<string>();

function answer({ path }: Call, response: ServerResponse): void {
  const isDown = path.endsWith("/flaky") && !flakyWorks.has(path.replace("/flaky", ""));
  response.statusCode = path.endsWith("/fail") ? 400 : isDown ? 503 : 200;
  response.setHeader("content-type", "application/json").end(JSON.stringify({ path }));
}

const paths = (tag: string): string[] => outside.calls.map(({ path }) => path).filter((path) => path.startsWith(tag));

type Node = { type: string; inputs?: object; settings?: object };

function graphOf(nodes: Record<string, Node>, edges: string[], settings: object = {}): JsonObject {
  return {
    nodes: Object.entries(nodes).map(([id, { type, inputs = {}, settings: own = {} }]) => ({ id, type, data: { inputs, settings: own } })),
    edges: edges.map((edge) => {
      const [from = "", to = ""] = edge.split(" -> ");
      const [source, sourceHandle] = from.split("#");
      const [target, targetHandle] = to.split("#");
      return { source, target, ...(sourceHandle && { sourceHandle }), ...(targetHandle && { targetHandle }) };
    }),
    settings,
  } as JsonObject;
}

const call = (path: string, settings: object = {}): Node => ({
  type: "HttpRequest",
  inputs: { url: `${outside.url}${path}`, method: "POST", body: {} },
  settings,
});

test("A5: When a run fails late, then what its nodes have done is undone by real calls, the last first, once each", async () => {
  const { user } = perdure;
  const tag = `/${randomBytes(4).toString("hex")}`;
  const graph = graphOf(
    {
      start: { type: "Start" },
      a: call(`${tag}/a`),
      b: call(`${tag}/b`),
      broken: call(`${tag}/fail`, { retry: { maximum_attempts: 1 } }),
      ua: call(`${tag}/ua`),
      ub: call(`${tag}/ub`),
    },
    ["start -> a", "a -> b", "b -> broken", "a#compensate -> ua", "b#compensate -> ub"],
  );
  const run = await user.start(await user.saveWorkflow(graph), {});
  expect(await user.ended(run)).toMatchObject({ status: "failed", error: { node_id: "broken" } });
  expect(paths(tag)).toEqual(["a", "b", "fail", "ub", "ua"].map((name) => `${tag}/${name}`));
  expect(await user.nodeStatuses(run)).toMatchObject({ ua: "completed", ub: "completed" });
});

test("A5: When a workflow runs another, then the child is a run of its own, linked, and in Temporal a child of the parent's workflow", async () => {
  const { user } = perdure;
  const inner = await user.saveWorkflow(
    graphOf({ start: { type: "Start" }, double: { type: "Set", inputs: { values: { twice: "{{inputs.n}}{{inputs.n}}" } } }, end: { type: "End" } }, [
      "start -> double",
      "double -> end",
    ]),
  );
  const outer = await user.saveWorkflow(
    graphOf(
      {
        start: { type: "Start" },
        map: { type: "MapReduce", inputs: { items: [1, 2, 3] } },
        child: { type: "SubWorkflow", inputs: { workflow_id: inner, inputs: { n: "{{item}}" } } },
      },
      ["start -> map", "map#body -> child", "child -> map#return"],
    ),
  );
  const run = await user.start(outer, {});
  expect(await user.ended(run)).toMatchObject({ status: "completed", outputs: [{ twice: "11" }, { twice: "22" }, { twice: "33" }] });
  const { body: children } = await user.get<JsonObject[]>(`/api/v1/executions?workflow_id=${inner}`);
  expect(children).toHaveLength(3);
  for (const { id } of children) {
    expect(await user.ended(id as string)).toMatchObject({ parent_id: run, trigger: "parent", status: "completed", version: 1 });
  }
  const connection = await Connection.connect({ address: perdure.temporalAddress });
  const { links } = children[0] as { links: { temporal_ui: string } };
  const described = await new Client({ connection, namespace: perdure.namespace }).workflow
    .getHandle(decodeURIComponent(links.temporal_ui.split("/workflows/")[1] ?? ""))
    .describe();
  expect(described.raw.workflowExecutionInfo?.parentExecution?.workflowId).toContain(run);
  await connection.close();
});

test("A5 A9: When the parent is cancelled, then its child is too; when the child is terminated, then the parent hears of it", async () => {
  const { user } = perdure;
  const inner = await user.saveWorkflow(
    graphOf({ start: { type: "Start" }, ask: { type: "HumanApproval", inputs: { prompt: "?" } }, yes: { type: "Set" } }, [
      "start -> ask",
      "ask#approved -> yes",
    ]),
  );
  const outer = await user.saveWorkflow(
    graphOf({ start: { type: "Start" }, child: { type: "SubWorkflow", inputs: { workflow_id: inner } } }, ["start -> child"]),
  );
  const childOf = async (run: string): Promise<string> => {
    let id: unknown;
    await until("the child waits", async () => {
      const { body } = await user.get<JsonObject[]>(`/api/v1/executions?workflow_id=${inner}`);
      const child = body.find((each) => each["parent_id"] === run);
      id = child?.["id"];
      return child?.["status"] === "waiting";
    });
    return id as string;
  };
  const [cancelled, bereft] = [await user.start(outer, {}), await user.start(outer, {})];
  const [first, second] = [await childOf(cancelled), await childOf(bereft)];
  expect((await user.post(`/api/v1/executions/${cancelled}/cancel`, {})).status).toBe(200);
  expect(await user.ended(cancelled)).toMatchObject({ status: "cancelled" });
  expect(await user.ended(first)).toMatchObject({ status: "cancelled" });
  await user.post(`/api/v1/executions/${second}/terminate`, {});
  expect(await user.ended(bereft)).toMatchObject({ status: "failed", error: { code: "child.failed", node_id: "child" } });
});

test.each(["here", "in Temporal"])("A5 A9: When a run whose child runs it has paused is terminated %s, then they end too, and theirs", async (where) => {
  const { user } = perdure;
  const tag = `/${randomBytes(4).toString("hex")}`;
  const over = (inner: string) => graphOf({ start: { type: "Start" }, child: { type: "SubWorkflow", inputs: { workflow_id: inner } } }, ["start -> child"]);
  const inner = await user.saveWorkflow(
    graphOf({ start: { type: "Start" }, book: call(`${tag}/book`), ask: { type: "HumanApproval", inputs: { prompt: "?" } }, undo: call(`${tag}/undo`) }, [
      "start -> book",
      "book -> ask",
      "book#compensate -> undo",
    ]),
  );
  const middle = await user.saveWorkflow(over(inner));
  const top = await user.start(await user.saveWorkflow(over(middle)));
  const childOf = async (workflow: string, parent: string, status: string): Promise<string> => {
    let id: unknown;
    await until(`the child is ${status}`, async () => {
      const { body } = await user.get<JsonObject[]>(`/api/v1/executions?workflow_id=${workflow}`);
      const child = body.find((each) => each["parent_id"] === parent && each["status"] === status);
      id = child?.["id"];
      return child !== undefined;
    });
    return id as string;
  };
  const second = await childOf(middle, top, "running");
  const third = await childOf(inner, second, "waiting");
  await user.post(`/api/v1/executions/${top}/pause`);
  await childOf(inner, second, "paused");
  if (where === "here") await user.post(`/api/v1/executions/${top}/terminate`);
  else {
    const connection = await Connection.connect({ address: perdure.temporalAddress });
    const { links } = (await user.run(top)) as { links: { temporal_ui: string } };
    const id = decodeURIComponent(links.temporal_ui.split("/workflows/")[1] ?? "");
    await new Client({ connection, namespace: perdure.namespace }).workflow.getHandle(id).terminate("enough");
    await connection.close();
  }
  for (const run of [second, third]) expect(await user.ended(run, 20_000)).toMatchObject({ status: "cancelled", error: { code: "run.cancelled" } });
  expect((await user.ended(top))["status"]).toBe(where === "here" ? "cancelled" : "failed");
  expect(paths(tag), "what is terminated undoes nothing, what is cancelled does").toEqual(
    (where === "here" ? ["book"] : ["book", "undo"]).map((path) => `${tag}/${path}`),
  );
});

test("A5: When a workflow would contain itself, then saving it says so", async () => {
  const { user } = perdure;
  const id = await user.saveWorkflow(graphOf({ start: { type: "Start" } }, []));
  const { body } = await user.request("PUT", `/api/v1/workflows/${id}`, {
    name: "Self",
    flow_data: graphOf(
      {
        start: { type: "Start" },
        again: { type: "SubWorkflow", inputs: { workflow_id: id } },
        other: { type: "SubWorkflow", inputs: { workflow_id: "nowhere" } },
      },
      ["start -> again", "start -> other"],
    ),
  });
  expect(body["problems"]).toMatchObject([
    { code: "subworkflow.recursive", node_id: "again" },
    { code: "subworkflow.unknown", node_id: "other" },
  ]);
});

test("A5: When a graph is express, then its calls are local activities with receipts, and cached nodes make no second call", async () => {
  const { user } = perdure;
  const tag = `/${randomBytes(4).toString("hex")}`;
  const cached = { cache: { ttl: "1 minute" } };
  const workflow = await user.saveWorkflow(
    graphOf({ start: { type: "Start" }, one: call(`${tag}/one`, cached), two: call(`${tag}/two`) }, ["start -> one", "one -> two"], { execution: "express" }),
  );
  for (const time of [1, 2]) {
    const run = await user.start(workflow, {});
    const ended = await user.ended(run);
    expect(ended).toMatchObject({ status: "completed" });
    const connection = await Connection.connect({ address: perdure.temporalAddress });
    const id = decodeURIComponent(((ended["links"] as JsonObject)["temporal_ui"] as string).split("/workflows/")[1] ?? "");
    const { events = [] } = await new Client({ connection, namespace: perdure.namespace }).workflow.getHandle(id).fetchHistory();
    await connection.close();
    expect((events ?? []).filter((event) => event.activityTaskScheduledEventAttributes)).toEqual([]);
    expect((events ?? []).filter((event) => event.markerRecordedEventAttributes)).toHaveLength(2);
    expect(paths(`${tag}/one`)).toHaveLength(1);
    expect(paths(`${tag}/two`)).toHaveLength(time);
  }
});

test("A5: When a run has undone a call that was to be cached, then the next run makes the call anew, and undoes its own", async () => {
  const { user } = perdure;
  const tag = `/${randomBytes(4).toString("hex")}`;
  const nodes = { start: { type: "Start" }, book: call(`${tag}/book`, { cache: { ttl: "1 hour" } }), pay: call(`${tag}/fail`), unbook: call(`${tag}/unbook`) };
  const workflow = await user.saveWorkflow(graphOf(nodes, ["start -> book", "book -> pay", "book#compensate -> unbook"]));
  for (const _time of [1, 2]) expect(await user.ended(await user.start(workflow))).toMatchObject({ status: "failed" });
  expect(paths(tag)).toEqual(["book", "fail", "unbook", "book", "fail", "unbook"].map((path) => `${tag}/${path}`));
});

test("A9: When a node waits an hour for its next attempt, then a person has it tried now, skips it or says what it came to", async () => {
  const { user } = perdure;
  const tag = `/${randomBytes(4).toString("hex")}`;
  const graph = graphOf(
    {
      start: { type: "Start" },
      flaky: call(`${tag}/flaky`, { retry: { maximum_attempts: 2, initial_interval: "1 hour" } }),
      after: { type: "Set", inputs: { values: { was: "{{flaky}}" } } },
    },
    ["start -> flaky", "flaky -> after"],
  );
  const workflow = await user.saveWorkflow(graph);
  const runs = await Promise.all([1, 2, 3].map(() => user.start(workflow, {})));
  for (const run of runs) await until("the first attempt has failed", async () => (await user.nodeStatuses(run))["flaky"] === "retrying");
  const [anew, skipped, said] = runs as [string, string, string];
  flakyWorks.add(tag);
  const command = (run: string, what: string, body: object = {}) => user.post(`/api/v1/executions/${run}/nodes/flaky/${what}`, body);
  expect((await command(anew, "retry")).status).toBe(200);
  expect((await command(skipped, "skip")).status).toBe(200);
  expect((await command(said, "complete", { output: { by: "hand" } })).status).toBe(200);
  expect(await user.ended(anew)).toMatchObject({ status: "completed" });
  expect(await user.ended(skipped)).toMatchObject({ status: "completed" });
  expect(await user.ended(said)).toMatchObject({ status: "completed", outputs: { was: { by: "hand" } } });
  expect(await user.nodeStatuses(skipped)).toEqual({ start: "completed", flaky: "skipped", after: "skipped" });
  const { body: nodes } = await user.get<JsonObject[]>(`/api/v1/executions/${anew}/nodes`);
  expect(nodes.find((node) => node["node_id"] === "flaky")).toMatchObject({ status: "completed", attempt: 2 });
  const { body: events } = await user.get<JsonObject[]>(`/api/v1/executions/${skipped}/events`);
  expect(events.find((event) => event["kind"] === "command")).toMatchObject({ node_id: "flaky", command: "skip_node" });
  expect((await command(anew, "skip")).status).toBe(409);
});
