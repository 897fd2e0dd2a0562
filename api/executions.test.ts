import { type JsonObject, uuidv7 } from "#core";
import { describe, expect, test } from "vitest";
import { GRAPH, createTestApp } from "./testing/test-app.ts";

const TYPED = {
  nodes: [
    {
      id: "start",
      type: "Start",
      data: {
        schema: { type: "object", properties: { message: { type: "string", minLength: 3 }, count: { type: "integer" } }, required: ["message", "count"] },
      },
    },
  ],
  edges: [],
};

async function withWorkflow(graph: unknown = GRAPH, ...options: Parameters<typeof createTestApp>) {
  const testApp = createTestApp(...options);
  const { token, userId } = await testApp.signUp();
  const workflowId = await testApp.saveWorkflow(token, graph);
  const as = (method: string, path: string, body?: unknown, headers: Record<string, string> = {}) =>
    testApp.call<JsonObject>(method, path, { token, headers, ...(body !== undefined && { body }) });
  const execute = (body: unknown = {}, headers: Record<string, string> = {}) => as("POST", `/api/v1/workflows/${workflowId}/execute`, body, headers);
  return { ...testApp, as, execute, token, userId, workflowId };
}

describe("starting", () => {
  test("A8: When a workflow is executed as documented, then it is 201 with the documented fields", async () => {
    const { as, workflowId, runs, userId } = await withWorkflow();
    const started = await as("POST", `/api/workflows/${workflowId}/execute`, { inputs: { message: "Test" } });
    expect(started.status).toBe(201);
    expect(started.body).toMatchObject({
      workflow_id: workflowId,
      status: "queued",
      inputs: { message: "Test" },
      version: 1,
      trigger: "api",
      error: null,
      error_message: null,
      waiting_for: [],
    });
    expect(started.body["execution_id"]).toBe(started.body["id"]);
    expect(started.body["started_at"]).toMatch(/Z$/);
    expect(runs.starts[0]).toMatchObject({ workflowName: "A workflow", entries: ["start"], variables: {}, createdBy: userId });
    const read = await as("GET", `/api/executions/${String(started.body["id"])}`);
    expect([read.status, read.body["id"]]).toEqual([200, started.body["id"]]);
    expect((await as("GET", `/api/workflows/${workflowId}/runs/${String(started.body["id"])}`)).status).toBe(200);
    expect((await as("GET", `/api/workflows/${uuidv7()}/runs/${String(started.body["id"])}`)).status).toBe(404);
  });

  test("K3: When a run is read, then its links lead to itself, its stream and its page in the Temporal UI", async () => {
    const { execute, db } = await withWorkflow(GRAPH, {}, { PUBLIC_URL: "https://perdure.example/" });
    const { body } = await execute();
    const id = String(body["id"]);
    expect(body["links"]).toEqual({
      self: `https://perdure.example/api/v1/executions/${id}`,
      stream: `https://perdure.example/api/v1/executions/${id}/stream`,
      forks: `https://perdure.example/api/v1/executions?forked_from=${id}`,
      temporal_ui: `http://127.0.0.1:8233/namespaces/perdure/workflows/${db.state.runs[0]?.tenantId}%2F${id}`,
    });
  });

  test("A8: When the mode is wait, then the finished run is 200, and 202 where the time-out ends first", async () => {
    const { execute, runs, db } = await withWorkflow();
    const waiting = execute({ mode: "wait", timeout: "2s" });
    setTimeout(() => runs.end(db.state.runs[0]?.id ?? "", "completed", { answer: 42 }), 30);
    const ended = await waiting;
    expect([ended.status, ended.body["status"], ended.body["outputs"]]).toEqual([200, "completed", { answer: 42 }]);
    const late = await execute({ mode: "wait", timeout: 0.02 });
    expect([late.status, late.body["status"]]).toEqual([202, "queued"]);
    const before = runs.starts.length;
    const refused = await execute({ mode: "wait", timeout: "soon" });
    expect([refused.status, refused.body["errors"]]).toMatchObject([422, [{ code: "validation.duration", path: "timeout" }]]);
    expect(runs.starts).toHaveLength(before);
  });

  test("K5: When the process shuts down, then who waits is told how the run stands", async () => {
    const { execute, shutdown } = await withWorkflow();
    const startedAt = performance.now();
    setTimeout(() => shutdown.abort(), 30);
    expect((await execute({ mode: "wait" })).status).toBe(202);
    expect(performance.now() - startedAt, "not the time it would have waited").toBeLessThan(20_000);
  });

  test("A8: When a waited-for run fails, then the answer is 200 with the failed run", async () => {
    const { execute, runs, db } = await withWorkflow();
    const waiting = execute({ mode: "wait" });
    setTimeout(() => runs.end(db.state.runs[0]?.id ?? "", "failed"), 30);
    expect((await waiting).body["status"]).toBe("failed");
  });

  test("D2: When the same key comes again, then it names the same run; with another request it is 409", async () => {
    const { execute, runs } = await withWorkflow();
    const key = { "idempotency-key": "order-1" };
    const first = await execute({ inputs: { a: 1, b: 2 } }, key);
    const again = await execute({ inputs: { b: 2, a: 1 }, mode: "wait", timeout: 0 }, key);
    expect(again.body["id"]).toBe(first.body["id"]);
    const other = await execute({ inputs: { a: 2 } }, key);
    expect([other.status, other.body["code"]]).toEqual([409, "idempotency.mismatch"]);
    expect((await execute({ inputs: { a: 1, b: 2 } }, { "idempotency-key": "order-2" })).body["id"]).not.toBe(first.body["id"]);
    expect(runs.starts).toHaveLength(4);
  });

  test("D2: When a caller takes the key that a webhook's delivery or a run within a run would have, then theirs is another, as good as any", async () => {
    const { execute, runs } = await withWorkflow();
    for (const key of [`webhook:wh_0123456789abcdef01234567:${"0".repeat(64)}`, "child:0198c0de-0000-7000-8000-000000000000"]) {
      const first = await execute({ inputs: { a: 1 } }, { "idempotency-key": key });
      expect((await execute({ inputs: { a: 1 } }, { "idempotency-key": key })).body["id"]).toBe(first.body["id"]);
      expect((await execute({ inputs: { a: 2 } }, { "idempotency-key": key })).status).toBe(409);
      expect(runs.starts.at(-1)?.idempotency?.key).not.toBe(key);
    }
    await execute({}, { "idempotency-key": "order-1" });
    expect(runs.starts.at(-1)?.idempotency?.key).toBe("order-1");
  });

  test("D2: When the key is longer than 200 characters or empty, then it is 422", async () => {
    const { execute } = await withWorkflow();
    const status = async (key: string): Promise<number> => (await execute({}, { "idempotency-key": key })).status;
    expect([await status("k".repeat(200)), await status("k".repeat(201)), await status("")]).toEqual([201, 422, 422]);
  });

  test("D2: When two tenants use the same key, then each has a run of their own", async () => {
    const { execute, signUp, saveWorkflow, call } = await withWorkflow();
    const first = await execute({}, { "idempotency-key": "k" });
    const stranger = await signUp();
    const theirs = await saveWorkflow(stranger.token);
    const second = await call("POST", `/api/v1/workflows/${theirs}/execute`, { token: stranger.token, body: {}, headers: { "idempotency-key": "k" } });
    expect([second.status, second.body["id"] === first.body["id"]]).toEqual([201, false]);
  });

  test("A2: When inputs do not fit the start's schema, then every finding comes at once and nothing runs", async () => {
    const { execute, runs } = await withWorkflow(TYPED);
    const refused = await execute({ inputs: { message: "ab" } });
    expect([refused.status, refused.body["code"]]).toEqual([422, "validation.failed"]);
    expect((refused.body["errors"] as JsonObject[]).map((error) => [error["code"], error["path"]])).toEqual(
      expect.arrayContaining([
        ["schema.required", "inputs"],
        ["schema.minLength", "inputs.message"],
      ]),
    );
    expect(runs.starts).toHaveLength(0);
    expect((await execute({ inputs: { message: "abc", count: 1 } })).status).toBe(201);
  });

  test("A9: When an entry, variables and a priority are given, then the run gets them, and an unknown entry is 422", async () => {
    const { execute, runs } = await withWorkflow();
    await execute({ entry: "start", variables: { region: "eu" }, priority: 1 });
    expect(runs.starts[0]).toMatchObject({ entries: ["start"], variables: { region: "eu" }, plan: { settings: { priority: 1, max_parallel: 16 } } });
    const refused = await execute({ entry: "nowhere" });
    expect([refused.status, refused.body["code"]]).toEqual([422, "entry.required"]);
    const all = await execute({ priority: 9, mode: "later", timeout: "soon", inputs: 1 });
    expect([all.status, (all.body["errors"] as JsonObject[]).map(({ path }) => path).sort()]).toEqual([422, ["inputs", "mode", "priority", "timeout"]]);
  });

  test("F4: When the inputs are larger than RUN_INPUTS_MAX_BYTES, then it is 413 and nothing runs", async () => {
    const { execute, runs } = await withWorkflow();
    expect((await execute({ inputs: { text: "ü".repeat(4_900) } })).status).toBe(201);
    expect((await execute({ inputs: { text: "ü".repeat(5_100) } })).status).toBe(413);
    expect((await execute({ variables: { text: "ü".repeat(5_100) } })).status).toBe(413);
    expect(runs.starts).toHaveLength(1);
  });

  test.each(["/api/v1/executions", "/api/v1/workflows/execute", "/api/workflows/execute/"])(
    "D8: When a graph is run ad hoc at %s, then it runs without being saved",
    async (path) => {
      const { as, runs, db } = await withWorkflow();
      const started = await as("POST", path, { flow_data: GRAPH, inputs: { a: 1 } });
      expect([started.status, started.body["workflow_id"], started.body["version"]]).toEqual([201, null, null]);
      expect(runs.starts[0]).toMatchObject({ workflowId: null, version: null, graph: GRAPH, inputs: { a: 1 } });
      expect(db.state.workflows).toHaveLength(1);
      const refused = await as("POST", path, { nodes: [{ id: "a", type: "Broken" }] });
      expect([refused.status, (refused.body["errors"] as JsonObject[])[0]?.["node_id"]]).toEqual([422, "a"]);
      expect((await as("POST", path, { inputs: {} })).status).toBe(422);
    },
  );

  test("D2: When no body is sent, then the run starts without inputs", async () => {
    const { app, token, workflowId } = await withWorkflow();
    const answer = await app.request(`/api/v1/workflows/${workflowId}/execute`, { method: "POST", headers: { authorization: `Bearer ${token}` } });
    expect(answer.status).toBe(201);
  });
});

describe("reading", () => {
  test("D4: When runs are listed, then by workflow, status and time, the newest first", async () => {
    const { execute, runs, as, workflowId } = await withWorkflow();
    const ids = [String((await execute()).body["id"]), String((await execute()).body["id"])];
    runs.end(ids[0] ?? "", "completed");
    const listed = async (query: string): Promise<unknown[]> => ((await as("GET", query)).body as unknown as JsonObject[]).map((run) => run["id"]);
    expect(await listed(`/api/v1/executions?workflow_id=${workflowId}`)).toEqual(ids.toReversed());
    expect(await listed(`/api/v1/workflows/${workflowId}/executions`)).toEqual(ids.toReversed());
    expect(await listed("/api/v1/executions?status=completed")).toEqual([ids[0]]);
    expect(await listed("/api/v1/executions?status=completed,queued")).toEqual(ids.toReversed());
    expect(await listed("/api/v1/executions?from=2999-01-01T00:00:00Z")).toEqual([]);
    expect((await as("GET", "/api/v1/executions?status=nonsense")).status).toBe(422);
    expect((await as("GET", "/api/v1/executions?workflow_id=nonsense")).status).toBe(422);
    expect((await as("GET", "/api/v1/executions?from=yesterday")).status).toBe(422);
  });

  test("D4: When a result is asked for, then it is 202 while the run lives, 200 afterwards, and ?wait waits", async () => {
    const { execute, runs, as } = await withWorkflow();
    const id = String((await execute()).body["id"]);
    expect([(await as("GET", `/api/v1/executions/${id}/result`)).status, (await as("GET", `/api/v1/executions/${id}/result?wait=0.02`)).status]).toEqual([
      202, 202,
    ]);
    setTimeout(() => runs.end(id, "completed", "done"), 30);
    const ended = await as("GET", `/api/v1/executions/${id}/result?wait=2`);
    expect([ended.status, ended.body["outputs"]]).toEqual([200, "done"]);
  });

  test("A9: When a run that has been silent is read, then Temporal is asked, and not again at once", async () => {
    const { execute, runs, as, db } = await withWorkflow();
    const id = String((await execute()).body["id"]);
    await as("GET", `/api/v1/executions/${id}`);
    expect(runs.reconciled).toBe(0);
    const run = db.state.runs[0];
    if (run) run.createdAt = new Date(Date.now() - 60_000);
    await Promise.all([1, 2, 3].map(() => as("GET", `/api/v1/executions/${id}`)));
    await as("GET", `/api/v1/executions/${id}/nodes`);
    expect(runs.reconciled).toBe(1);
  });

  test("G1: When the log is read in pages, then every event comes once, flat, without the key", async () => {
    const { execute, runs, as } = await withWorkflow();
    const id = String((await execute()).body["id"]);
    runs.emit(id, "node_start", { name: "Start" });
    runs.end(id, "completed", 1);
    const first = await as("GET", `/api/v1/executions/${id}/events?limit=2`);
    expect(first.body).toMatchObject([
      { seq: 1, kind: "run_queued", run_id: id },
      { seq: 2, kind: "node_start", name: "Start" },
    ]);
    expect(JSON.stringify(first.body)).not.toContain('"key"');
    const next = /^<([^>]+)>/.exec(first.headers.get("link") ?? "")?.[1] ?? "";
    expect(((await as("GET", next)).body as unknown as JsonObject[]).map((event) => event["seq"])).toEqual([3]);
  });
});

describe("commands", () => {
  test.each([
    ["pause", "paused"],
    ["resume", "running"],
    ["cancel", "cancelled"],
    ["terminate", "cancelled"],
  ])("A9: When a run is told to %s, then it is 200 with the run as it is then", async (kind, status) => {
    const { execute, as, runs, userId } = await withWorkflow();
    const id = String((await execute()).body["id"]);
    const answer = await as("POST", `/api/v1/executions/${id}/${kind}`, { reason: "enough" });
    expect([answer.status, answer.body["status"]]).toEqual([200, status]);
    expect(runs.commands).toEqual([{ runId: id, by: userId, command: expect.objectContaining({ kind }) }]);
  });

  test("A9: When no worker is there, then it is 202; when the run has ended, 409", async () => {
    const { execute, as, runs } = await withWorkflow();
    const id = String((await execute()).body["id"]);
    runs.outcome = "kept";
    expect((await as("POST", `/api/v1/executions/${id}/pause`)).status).toBe(202);
    runs.end(id, "completed");
    const late = await as("POST", `/api/v1/executions/${id}/cancel`);
    expect([late.status, late.body["code"]]).toEqual([409, "run.closed"]);
  });

  test("A9: When a variable is set, then its value goes with it, null and false too, and a missing value is 422", async () => {
    const { execute, as, runs } = await withWorkflow();
    const id = String((await execute()).body["id"]);
    for (const value of [{ a: [1] }, null, false]) expect((await as("PUT", `/api/v1/executions/${id}/variables/region`, { value })).status).toBe(200);
    expect(runs.commands.map(({ command }) => command)).toEqual([{ a: [1] }, null, false].map((value) => ({ kind: "set_variable", name: "region", value })));
    expect((await as("PUT", `/api/v1/executions/${id}/variables/region`, {})).status).toBe(422);
    for (const name of ["a%20b", "__proto__", "1st"]) expect((await as("PUT", `/api/v1/executions/${id}/variables/${name}`, { value: 1 })).status).toBe(404);
  });
});
