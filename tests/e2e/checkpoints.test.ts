import { afterAll, beforeAll, expect, test } from "vitest";
import type { JsonObject } from "#core";
import { TestClient } from "../support/client.ts";
import { type CountingServer, startCountingServer } from "../support/counting-server.ts";
import { type Perdure, startPerdure } from "../support/perdure.ts";
import { workflowIdOf } from "../support/record-history.ts";
import { checkRun } from "../support/run-checker.ts";
import { openTemporal } from "../support/sealed.ts";
import { until } from "../support/until.ts";

let perdure: Perdure;

beforeAll(async () => {
  perdure = await startPerdure({ RUN_GIVEN_MAX_BYTES: "20000" });
});
afterAll(async () => {
  await perdure?.stop();
});

async function again(user: TestClient, runId: string, how: string, body: JsonObject = {}): Promise<string> {
  const answer = await user.post(`/api/v1/executions/${runId}/${how}`, body);
  expect([answer.status, answer.body["forked_from"], answer.body["trigger"]], JSON.stringify(answer.body)).toEqual([201, runId, how]);
  return answer.body["id"] as string;
}

async function expectLinked(user: TestClient, old: string, now: string): Promise<void> {
  const { body } = await user.get<JsonObject[]>((await user.run(old))["links"] ? `/api/v1/executions?forked_from=${old}` : "");
  expect(body.map((run) => run["id"])).toContain(now);
  const { log } = await checkRun(perdure, user, now);
  expect(log.filter(({ kind }) => kind === "command").map(({ data }) => data?.["forked_from"])).toEqual([old]);
}

function chain(outside: CountingServer, length: number): JsonObject {
  const id = (n: number): string => (n === 0 ? "start" : `call_${n}`);
  const calls = Array.from({ length }, (_nothing, at) => at + 1);
  return {
    nodes: [
      { id: "start", type: "Start" },
      ...calls.map((n) => ({
        id: id(n),
        type: "HttpRequest",
        data: { inputs: { url: `${outside.url}/call/${n}`, method: "POST", body: n === 1 ? "{{inputs}}" : { before: `{{${id(n - 1)}.body.path}}` } } },
      })),
      { id: "end", type: "End", data: { inputs: { value: `{{${id(length)}.body.path}}` } } },
    ],
    edges: [...calls.map((n) => ({ source: id(n - 1), target: id(n) })), { source: id(length), target: "end" }],
  };
}

test("A15: When a run of 30 calls is forked at the 15th, then the first 14 make no call and both runs are linked", async () => {
  const { user } = perdure;
  const outside = await startCountingServer();
  const run = await user.start(await user.saveWorkflow(chain(outside, 30)));
  expect((await user.ended(run))["status"]).toBe("completed");
  expect(outside.calls).toHaveLength(30);

  const fork = await again(user, run, "fork", { from_node: "call_15" });
  expect(await user.ended(fork)).toMatchObject({ status: "completed", outputs: "/call/30" });
  const counts = outside.counts();
  for (let n = 1; n <= 30; n++) expect(counts[`/call/${n}`], `call ${n}`).toBe(n < 15 ? 1 : 2);
  await expectLinked(user, run, fork);

  const edited = await again(user, run, "fork", {
    from_node: "call_30",
    outputs: { call_29: { body: { path: "said by a person" } } },
    node_inputs: { url: `${outside.url}/elsewhere` },
  });
  expect(await user.ended(edited)).toMatchObject({ status: "completed", outputs: "/elsewhere" });
  expect(outside.calls.at(-1)).toMatchObject({ path: "/elsewhere", body: '{"before":"said by a person"}' });
  expect(outside.calls).toHaveLength(30 + 16 + 1);
  // A fork of a fork goes by what was edited.
  const third = await again(user, edited, "fork", { from_node: "end" });
  expect(await user.ended(third)).toMatchObject({ status: "completed", outputs: "/elsewhere" });
  expect(outside.calls).toHaveLength(30 + 16 + 1);

  const refused = await user.post(`/api/v1/executions/${run}/fork`, { from_node: "call_15", outputs: { call_16: 1, nowhere: 2 } });
  expect([refused.status, (refused.body["errors"] as JsonObject[]).map((error) => error["path"])]).toEqual([422, ["outputs.call_16", "outputs.nowhere"]]);
  expect((await user.post(`/api/v1/executions/${run}/retry`)).status).toBe(409);
  expect(outside.calls).toHaveLength(30 + 16 + 1);
  await outside.close();
});

test("A15: When a map of 50 calls has failed for some, then a retry calls those alone", async () => {
  const { user } = perdure;
  let broken = true;
  const outside = await startCountingServer({
    async reply({ path }, response) {
      const n = Number(path.split("/").at(-1));
      if (broken && n >= 47 && path.startsWith("/item")) {
        await until("the others", () => outside.calls.length >= 51);
        response.statusCode = 422;
      }
      response.setHeader("content-type", "application/json").end(JSON.stringify({ n }));
    },
  });
  const workflow = await user.saveWorkflow({
    nodes: [
      { id: "start", type: "Start" },
      { id: "first", type: "HttpRequest", data: { inputs: { url: `${outside.url}/first/1` } } },
      { id: "each", type: "ForEach", data: { inputs: { items: "{{inputs.items}}", concurrency: 10 } } },
      { id: "call", type: "HttpRequest", data: { inputs: { url: `${outside.url}/item/{{item}}` } } },
      { id: "end", type: "End", data: { inputs: { value: "{{each}}" } } },
    ],
    edges: [
      { source: "start", target: "first" },
      { source: "first", target: "each" },
      { source: "each", target: "call", sourceHandle: "body" },
      { source: "call", target: "each", targetHandle: "return" },
      { source: "each", target: "end", sourceHandle: "done" },
    ],
  });
  const run = await user.start(workflow, { items: Array.from({ length: 50 }, (_nothing, at) => at) });
  expect((await user.ended(run))["status"]).toBe("failed");
  const before = Object.values(await user.nodeStatuses(run)).filter((status) => status === "completed").length;
  expect(before).toBe(2 + 47);

  broken = false;
  const retry = await again(user, run, "retry");
  const ended = await user.ended(retry);
  expect(ended["status"]).toBe("completed");
  expect((ended["outputs"] as JsonObject[]).map((answer) => (answer["body"] as JsonObject)["n"])).toEqual(Array.from({ length: 50 }, (_nothing, at) => at));
  const counts = outside.counts();
  expect(counts["/first/1"]).toBe(1);
  for (let n = 0; n < 50; n++) expect(counts[`/item/${n}`], `item ${n}`).toBe(n < 47 ? 1 : 2);
  await expectLinked(user, run, retry);
  await outside.close();
});

test("A15: When a run that waits for an approval is forked with another answer before it, then it waits on and the fork goes its own way", async () => {
  const { user } = perdure;
  const outside = await startCountingServer();
  const run = await user.start(
    await user.saveWorkflow({
      nodes: [
        { id: "start", type: "Start" },
        { id: "call", type: "HttpRequest", data: { inputs: { url: `${outside.url}/paid`, method: "POST" } } },
        { id: "ask", type: "HumanApproval", data: { inputs: { prompt: "Go on with {{call.body.path}}?" } } },
        { id: "yes", type: "Set", data: { inputs: { values: { went: "on with {{call.body.path}}" } } } },
        { id: "no", type: "Set", data: { inputs: { values: { went: "back" } } } },
        { id: "end", type: "End" },
      ],
      edges: [
        { source: "start", target: "call" },
        { source: "call", target: "ask" },
        { source: "ask", target: "yes", sourceHandle: "approved" },
        { source: "ask", target: "no", sourceHandle: "rejected" },
        { source: "yes", target: "end" },
        { source: "no", target: "end" },
      ],
    }),
  );
  await user.until(run, ["waiting"]);
  const waiting = await again(user, run, "fork", { from_node: "ask", outputs: { call: { body: { path: "/edited" } } } });
  await user.until(waiting, ["waiting"]);
  expect(outside.calls).toHaveLength(1);
  const decided = await again(user, run, "fork", { from_node: "yes", outputs: { ask: {} }, routes: { ask: "approved" } });
  expect(await user.ended(decided)).toMatchObject({ status: "completed", outputs: { went: "on with /paid" } });
  expect(await user.run(run)).toMatchObject({ status: "waiting" });

  const { log } = await checkRun(perdure, user, run);
  expect(log.filter(({ kind }) => kind === "command").map(({ data }) => [data?.["command"], data?.["execution_id"]])).toEqual([
    ["fork", waiting],
    ["fork", decided],
  ]);
  for (const [each, prompt, decision] of [
    [run, "Go on with /paid?", "rejected"],
    [waiting, "Go on with /edited?", "approved"],
  ] as const) {
    const { body } = await user.get<JsonObject[]>("/api/v1/approvals?status=pending");
    const approval = body.find((row) => row["execution_id"] === each);
    expect(approval).toMatchObject({ prompt });
    expect((await user.post(`/api/v1/approvals/${approval?.["id"] as string}`, { decision })).status).toBe(200);
  }
  expect(await user.ended(run)).toMatchObject({ outputs: { went: "back" } });
  expect(await user.ended(waiting)).toMatchObject({ outputs: { went: "on with /edited" } });
  expect(outside.calls).toHaveLength(1);
  await outside.close();
});

test("A15: When a finished run is replayed, then nothing is called, nobody is asked, and another version's difference is told", async () => {
  const { user } = perdure;
  const outside = await startCountingServer();
  const graph = (text: string) => ({
    nodes: [
      { id: "start", type: "Start" },
      { id: "call", type: "HttpRequest", data: { inputs: { url: `${outside.url}/once`, method: "POST" } } },
      { id: "ask", type: "HumanApproval", data: { inputs: { prompt: "Really?" } } },
      { id: "say", type: "Template", data: { inputs: { template: text } } },
      { id: "end", type: "End" },
    ],
    edges: [
      { source: "start", target: "call" },
      { source: "call", target: "ask" },
      { source: "ask", target: "say", sourceHandle: "approved" },
      { source: "say", target: "end" },
    ],
  });
  const workflow = await user.saveWorkflow(graph("{{call.body.path}} by {{ask.comment}}"));
  const run = await user.start(workflow);
  await user.until(run, ["waiting"]);
  expect((await user.post(`/api/v1/executions/${run}/replay`)).status).toBe(409);
  const { body: approvals } = await user.get<JsonObject[]>("/api/v1/approvals?status=pending");
  const id = approvals.find((row) => row["execution_id"] === run)?.["id"] as string;
  await user.post(`/api/v1/approvals/${id}`, { decision: "approved", comment: "Ada" });
  expect(await user.ended(run)).toMatchObject({ outputs: "/once by Ada" });

  const replay = await again(user, run, "replay");
  expect(await user.ended(replay)).toMatchObject({ status: "completed", outputs: "/once by Ada" });
  const compared = async (other: string) => (await user.get(`/api/v1/executions/${other}/comparison`)).body;
  expect(await compared(replay)).toMatchObject({ same: true, nodes: [], truncated: false });

  expect((await user.request("PUT", `/api/v1/workflows/${workflow}`, { name: "w", flow_data: graph("Said: {{call.body.path}}") })).status).toBe(200);
  const other = await again(user, run, "replay", { version: 2 });
  expect(await user.ended(other)).toMatchObject({ status: "completed", outputs: "Said: /once", version: 2 });
  const differences = await compared(other);
  expect(differences["same"]).toBe(false);
  expect((differences["nodes"] as JsonObject[]).map((node) => node["node_id"])).toEqual(["say", "end"]);
  expect(outside.calls).toHaveLength(1);
  await outside.close();
});

test("A15: When a failed run is replayed, then it fails as it did; where another version makes another call, then that is not made", async () => {
  const { user } = perdure;
  const outside = await startCountingServer({
    reply({ path }, response) {
      response.statusCode = path === "/broken" ? 422 : 200;
      response.setHeader("content-type", "application/json").end("{}");
    },
  });
  const call = (id: string) => ({ id, type: "HttpRequest", data: { inputs: { url: `${outside.url}/${id}`, method: "POST" } } });
  const graph = (ids: readonly string[]) => ({
    nodes: [{ id: "start", type: "Start" }, ...ids.map(call)],
    edges: ids.map((id, at) => ({ source: ids[at - 1] ?? "start", target: id })),
  });
  const workflow = await user.saveWorkflow(graph(["fine", "broken"]));
  const run = await user.start(workflow);
  const { error } = await user.ended(run);
  const replay = await again(user, run, "replay");
  expect(await user.ended(replay)).toMatchObject({ status: "failed", error });
  expect((await user.get(`/api/v1/executions/${replay}/comparison`)).body).toMatchObject({ same: true });

  await user.request("PUT", `/api/v1/workflows/${workflow}`, { name: "w", flow_data: graph(["fine", "another", "broken"]) });
  const other = await again(user, run, "replay", { loadWorkflow: true });
  expect(await user.ended(other)).toMatchObject({ status: "failed", version: 2, error: { code: "handler.rejected", node_id: "another" } });
  expect(outside.counts()).toEqual({ "/fine": 1, "/broken": 1 });
  await outside.close();
});

test("A9 A12: When a live run is moved to another version, then it goes on by that one, unless it has come too far", async () => {
  const { user } = perdure;
  const graph = (prompt: string, text: string) => ({
    nodes: [
      { id: "start", type: "Start" },
      { id: "ask", type: "HumanApproval", data: { inputs: { prompt } } },
      { id: "say", type: "Template", data: { inputs: { template: text } } },
      { id: "end", type: "End" },
    ],
    edges: [
      { source: "start", target: "ask" },
      { source: "ask", target: "say", sourceHandle: "approved" },
      { source: "say", target: "end" },
    ],
  });
  const workflow = await user.saveWorkflow(graph("Yes?", "one"));
  const run = await user.start(workflow);
  await user.until(run, ["waiting"]);
  for (const [prompt, text] of [
    ["Yes?", "two"],
    ["Really?", "three"],
  ] as const) {
    await user.request("PUT", `/api/v1/workflows/${workflow}`, { name: "w", flow_data: graph(prompt, text) });
  }
  const migrate = (version: number, query = "") => user.post(`/api/v1/executions/${run}/migrate${query}`, { version });
  expect((await migrate(2, "?dry_run=true")).body).toEqual({ can_migrate: true, nodes: [] });
  expect((await migrate(3, "?dry_run=true")).body).toMatchObject({ can_migrate: false, nodes: [{ node_id: "ask" }] });
  const refused = await migrate(3);
  expect([refused.status, refused.body["code"]]).toEqual([409, "run.state"]);
  expect((await migrate(4)).status).toBe(404);
  const moved = await migrate(2);
  expect([moved.status, moved.body["version"]]).toEqual([200, 2]);
  let id: unknown;
  await until("the approval", async () => {
    const { body } = await user.get<JsonObject[]>("/api/v1/approvals?status=pending");
    id = body.find((row) => row["execution_id"] === run)?.["id"];
    return id !== undefined && (await user.post(`/api/v1/approvals/${String(id)}`, { decision: "approved" })).status === 200;
  });
  expect(await user.ended(run)).toMatchObject({ status: "completed", outputs: "two", version: 2 });
  expect((await migrate(3)).status).toBe(409);
});

/** A call, and an end that says by which version the run went on. */
const heldGraph = (url: string, text: string) => ({
  nodes: [
    { id: "start", type: "Start" },
    { id: "held", type: "HttpRequest", data: { inputs: { url, method: "POST" } } },
    { id: "end", type: "End", data: { inputs: { value: text } } },
  ],
  edges: [
    { source: "start", target: "held" },
    { source: "held", target: "end" },
  ],
});

/** Holds its calls until they are released, then answers with the status. */
async function holdingServer(status = 200): Promise<{ outside: CountingServer; release: () => void }> {
  const { promise: held, resolve: release } = Promise.withResolvers<void>();
  const outside = await startCountingServer({
    async reply(_call, response) {
      await held;
      response.writeHead(status, { "content-type": "application/json" }).end("{}");
    },
  });
  return { outside, release };
}

test.each(["fails", "goes well"])(
  "A9 A12: When a run is to be moved while a call is under way, and the call then %s, then who asked is told whether the run was moved, and its row says by which version it went on",
  async (how) => {
    const { user } = perdure;
    const { outside, release } = await holdingServer(how === "fails" ? 400 : 200);
    const graph = (text: string) => heldGraph(outside.url, text);
    const workflow = await user.saveWorkflow(graph("one"));
    const run = await user.start(workflow);
    await user.request("PUT", `/api/v1/workflows/${workflow}`, { name: "w", flow_data: graph("two") });
    await until("the call", () => outside.calls.length === 1);
    const asked = user.post(`/api/v1/executions/${run}/migrate`, { version: 2 });
    await new Promise((resolve) => setTimeout(resolve, 500));
    expect((await user.run(run))["version"], "nothing has moved yet").toBe(1);
    release();
    const { status, body } = await asked;
    const ended = await user.ended(run);
    const { log } = await checkRun(perdure, user, run);
    const commands = log.filter(({ kind }) => kind === "command").length;
    if (how === "fails") {
      expect([status, body["code"], commands]).toEqual([409, "run.closed", 0]);
      expect(ended).toMatchObject({ status: "failed", version: 1 });
      expect(await user.run(await again(user, run, "retry"))).toMatchObject({ version: 1 });
    } else {
      expect([status, body["version"], commands]).toEqual([200, 2, 1]);
      expect(ended).toMatchObject({ status: "completed", outputs: "two", version: 2 });
    }
    await outside.close();
  },
);

test("A9 A12: When a call takes longer than who asked for a move waits, then the move is kept, and the run's row says in the end by which version it went on", async () => {
  const { user } = perdure;
  const { outside, release } = await holdingServer();
  const graph = (text: string) => heldGraph(outside.url, text);
  const workflow = await user.saveWorkflow(graph("one"));
  const run = await user.start(workflow);
  await user.request("PUT", `/api/v1/workflows/${workflow}`, { name: "w", flow_data: graph("two") });
  await until("the call", () => outside.calls.length === 1);
  expect(await user.post(`/api/v1/executions/${run}/migrate`, { version: 2 })).toMatchObject({ status: 202, body: { version: 1 } });
  release();
  expect(await user.ended(run)).toMatchObject({ status: "completed", outputs: "two", version: 2 });
  await outside.close();
});

test("A9 A12: When another version is asked for while a move waits for a call, then who asked first is told so at once, and the run goes on by the other", async () => {
  const { user } = perdure;
  const { outside, release } = await holdingServer();
  const workflow = await user.saveWorkflow(heldGraph(outside.url, "one"));
  const run = await user.start(workflow);
  for (const text of ["two", "three"]) await user.request("PUT", `/api/v1/workflows/${workflow}`, { name: "w", flow_data: heldGraph(outside.url, text) });
  await until("the call", () => outside.calls.length === 1);
  const first = user.post(`/api/v1/executions/${run}/migrate`, { version: 2 });
  const temporal = await openTemporal(perdure);
  const history = temporal.client.workflow.getHandle(workflowIdOf(await user.run(run)));
  await until("the workflow has taken it", async () =>
    ((await history.fetchHistory()).events ?? []).some((event) => event.workflowExecutionUpdateAcceptedEventAttributes),
  );
  await temporal.close();
  const second = user.post(`/api/v1/executions/${run}/migrate`, { version: 3 });
  expect(await first).toMatchObject({ status: 409, body: { code: "run.state" } });
  release();
  expect((await second).status).toBeLessThan(300);
  expect(await user.ended(run)).toMatchObject({ status: "completed", outputs: "three", version: 3 });
  await outside.close();
});

test("A9: When nodes of a live run are skipped and completed by command, then it takes them and its log says who asked", async () => {
  const { user } = perdure;
  const run = await user.start(
    await user.saveWorkflow({
      nodes: [
        { id: "start", type: "Start" },
        { id: "ask", type: "HumanApproval", data: { inputs: { prompt: "Yes?" } } },
        { id: "wait", type: "WaitForEvent", data: { inputs: { event: "paid", correlation: "7" } } },
        { id: "nap", type: "Delay", data: { inputs: { duration: "1 day" } } },
        { id: "end", type: "End", data: { inputs: { value: ["{{ask.comment}}", "{{wait.cents}}"] } } },
      ],
      edges: [
        ...["ask", "wait", "nap"].map((target) => ({ source: "start", target })),
        { source: "ask", target: "end", sourceHandle: "approved" },
        { source: "wait", target: "end" },
        { source: "nap", target: "end" },
      ],
    }),
  );
  await user.until(run, ["waiting"]);
  const on = (path: string, body: JsonObject = {}) => user.post(`/api/v1/executions/${run}/${path}`, body);
  expect((await on("nodes/ask/retry")).status).toBe(409);
  expect((await on("nodes/ask/complete", { output: {}, route: "sideways" })).status).toBe(422);
  expect((await on("nodes/ask/complete", { iteration: "x", output: {} })).status).toBe(422);
  expect((await on("nodes/ask/complete", { output: { comment: "by hand" }, route: "approved" })).status).toBe(200);
  expect((await on("nodes/nap/skip")).status).toBe(200);
  expect((await on("events", {})).status).toBe(422);
  expect((await on("events", { name: "paid", correlation: "7", payload: { cents: 5 } })).status).toBe(200);
  expect(await user.ended(run)).toMatchObject({ status: "completed", outputs: ["by hand", 5] });
  const { log } = await checkRun(perdure, user, run);
  const commands = log.filter(({ kind }) => kind === "command").map(({ node_id, data }) => [data?.["command"], node_id ?? data?.["name"]]);
  expect(commands).toEqual(
    expect.arrayContaining([
      ["complete_node", "ask"],
      ["skip_node", "nap"],
      ["send_event", "paid"],
    ]),
  );
});

test("F1 A9: When a key that may control runs, but not run other graphs, would complete a node behind an approval that names somebody, then it is refused until that is answered", async () => {
  const { user } = perdure;
  const run = await user.start(
    await user.saveWorkflow({
      nodes: [
        { id: "start", type: "Start" },
        { id: "ask", type: "HumanApproval", data: { inputs: { prompt: "Yes?", assignees: ["boss@example.com"] } } },
        { id: "first", type: "WaitForEvent", data: { inputs: { event: "a" } } },
        { id: "wait", type: "WaitForEvent", data: { inputs: { event: "b" } } },
      ],
      edges: [
        { source: "start", target: "ask" },
        { source: "ask", target: "first", sourceHandle: "approved" },
        { source: "first", target: "wait" },
      ],
    }),
  );
  await user.until(run, ["waiting"]);
  const key = await user.post("/api/v1/api-keys", { name: "Night shift", scopes: ["run.read", "run.control"] });
  expect(key.status, JSON.stringify(key.body)).toBe(201);
  const operator = new TestClient(user.base, key.body["key"] as string);
  const complete = (by: TestClient, node: string, body: JsonObject = {}) => by.post(`/api/v1/executions/${run}/nodes/${node}/complete`, { output: 1, ...body });
  for (const node of ["ask", "first", "wait"]) expect((await complete(operator, node)).body).toMatchObject({ code: "auth.forbidden" });
  expect((await complete(user, "ask", { route: "approved" })).body).toMatchObject({ id: run });
  await until("the first wait", async () => (await user.nodeStatuses(run))["first"] === "waiting");
  for (const node of ["wait", "first"]) expect((await complete(operator, node, { route: "output" })).body, node).toMatchObject({ id: run });
  expect(await user.ended(run)).toMatchObject({ status: "completed" });
});

test("A9 A15: When a person had skipped a node, then a retry and a retry of that, a fork and a replay skip it too", async () => {
  const { user } = perdure;
  let isBroken = true;
  const outside = await startCountingServer({
    reply: ({ path }, response) => {
      response.statusCode = path === "/last" && isBroken ? 400 : 200;
      response.end("{}");
    },
  });
  const post = (path: string) => ({ type: "HttpRequest", data: { inputs: { url: `${outside.url}${path}`, method: "POST" } } });
  const run = await user.start(
    await user.saveWorkflow({
      nodes: [
        { id: "start", type: "Start" },
        { id: "first", ...post("/first") },
        { id: "ask", type: "HumanApproval", data: { inputs: { prompt: "?" } } },
        { id: "mail", ...post("/mail") },
        { id: "last", ...post("/last") },
      ],
      edges: [
        { source: "start", target: "first" },
        { source: "first", target: "ask" },
        { source: "ask", target: "mail", sourceHandle: "approved" },
        { source: "ask", target: "last", sourceHandle: "approved" },
      ],
    }),
  );
  await user.until(run, ["waiting"]);
  const on = (path: string, body: JsonObject = {}) => user.post(`/api/v1/executions/${run}/${path}`, body);
  expect((await on("nodes/mail/skip")).status).toBe(200);
  expect((await on("nodes/ask/complete", { output: {}, route: "approved" })).status).toBe(200);
  expect((await user.ended(run))["status"]).toBe("failed");

  const replay = await again(user, run, "replay");
  expect(await user.ended(replay)).toMatchObject({ status: "failed", error: { node_id: "last" } });
  const retry = await again(user, run, "retry");
  expect((await user.ended(retry))["status"]).toBe("failed");
  isBroken = false;
  const second = await again(user, retry, "retry");
  expect((await user.ended(second))["status"]).toBe("completed");
  const fork = await again(user, run, "fork", { from_node: "last" });
  expect((await user.ended(fork))["status"]).toBe("completed");
  expect(outside.counts()).toEqual({ "/first": 1, "/last": 4 });
  await checkRun(perdure, user, second);
  const all = await again(user, run, "fork", { from_node: "mail" });
  expect((await user.ended(all))["status"]).toBe("completed");
  expect(outside.counts()).toMatchObject({ "/mail": 1 });
  await outside.close();
});

test("A5 A15: When there was no time to undo a call, then it stands in a retry, and is not made twice", async () => {
  const { user } = perdure;
  let isBroken = true;
  const outside = await startCountingServer({
    reply: ({ path }, response) => {
      response.statusCode = path === "/c" && isBroken ? 400 : 200;
      response.end("{}");
    },
  });
  const post = (id: string) => ({ id, type: "HttpRequest", data: { inputs: { url: `${outside.url}/${id}`, method: "POST" } } });
  const run = await user.start(
    await user.saveWorkflow({
      nodes: [
        { id: "start", type: "Start" },
        post("a"),
        post("b"),
        post("c"),
        post("undo_a"),
        { id: "undo_b", type: "Delay", data: { inputs: { duration: "1 day" } } },
      ],
      edges: [
        { source: "start", target: "a" },
        { source: "a", target: "b" },
        { source: "b", target: "c" },
        { source: "a", sourceHandle: "compensate", target: "undo_a" },
        { source: "b", sourceHandle: "compensate", target: "undo_b" },
      ],
      settings: { cleanup_timeout: "1 second" },
    }),
  );
  expect((await user.ended(run))["status"]).toBe("failed");
  isBroken = false;
  expect((await user.ended(await again(user, run, "retry")))["status"]).toBe("completed");
  expect(outside.counts()).toEqual({ "/a": 1, "/b": 2, "/c": 2 });
  await outside.close();
});

test("A15: When what is given is larger than RUN_GIVEN_MAX_BYTES, then it is 413 and nothing runs", async () => {
  const { user } = perdure;
  const outside = await startCountingServer({ reply: (_call, response) => void response.end(JSON.stringify({ text: "x".repeat(25_000) })) });
  const run = await user.start(await user.saveWorkflow(chain(outside, 2)));
  await user.ended(run);
  const refused = await user.post(`/api/v1/executions/${run}/fork`, { from_node: "call_2" });
  expect([refused.status, refused.body["code"]]).toEqual([413, "request.too_large"]);
  expect(refused.body["detail"]).toContain("RUN_GIVEN_MAX_BYTES");
  expect((await user.get<JsonObject[]>(`/api/v1/executions?forked_from=${run}`)).body).toEqual([]);
  await outside.close();
});
