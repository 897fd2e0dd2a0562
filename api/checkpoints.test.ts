import type { JsonObject } from "#core";
import { describe, expect, test } from "vitest";
import { createTestApp } from "./testing/test-app.ts";

async function withRun() {
  const testApp = createTestApp();
  const { token, userId } = await testApp.signUp();
  const runId = await testApp.startRun(token, await testApp.saveWorkflow(token));
  const as = (method: string, path: string, body?: unknown, headers: Record<string, string> = {}, by = token) =>
    testApp.call<JsonObject>(method, path, { token: by, headers, ...(body !== undefined && { body }) });
  const on = (path: string, body?: unknown, headers?: Record<string, string>) => as("POST", `/api/v1/executions/${runId}/${path}`, body, headers);
  const [membership] = await testApp.services.db.accounts.memberships(userId);
  if (!membership) throw new Error("no membership");
  const colleague = await testApp.signUp();
  testApp.db.state.memberships.push({ ...membership, userId: colleague.userId, role: "operator" });
  const operator = await testApp.services.tokens.issue({ userId: colleague.userId, tenantId: membership.tenantId, role: "operator" });
  return { ...testApp, as, on, runId, userId, operator };
}

describe("runs that go on from others", () => {
  test("A15: When a run is retried as another system documents it, then with the version that running takes now", async () => {
    const { on, checkpoints, runId, userId } = await withRun();
    const retried = await on("retry", { loadWorkflow: true });
    expect([retried.status, retried.body["forked_from"]]).toEqual([201, runId]);
    expect(retried.headers.get("location")).toBe(`/api/v1/executions/${String(retried.body["id"])}`);
    expect(retried.body["links"]).toMatchObject({ comparison: `/api/v1/executions/${String(retried.body["id"])}/comparison` });
    await on("retry");
    await on("replay", { version: 3, load_workflow: true });
    expect(checkpoints.asked.map(({ kind, request }) => [kind, request])).toEqual([
      ["retry", { version: "current" }],
      ["retry", {}],
      ["replay", { version: 3 }],
    ]);
    expect(checkpoints.asked[0]?.asked).toEqual({ by: userId });
  });

  test("A15 D2: When the same key comes again, then it names the same new run; with another request it is 409", async () => {
    const { on } = await withRun();
    const key = { "idempotency-key": "once" };
    const first = await on("fork", { from_node: "start" }, key);
    expect((await on("fork", { from_node: "start" }, key)).body["id"]).toBe(first.body["id"]);
    expect((await on("fork", { from_node: "end" }, key)).status).toBe(409);
    expect((await on("retry", {}, key)).status).toBe(409);
  });

  test("F1 A15: When inputs of a node are changed by who may not run graphs of their own, then it is 403", async () => {
    const { as, operator, runId, checkpoints } = await withRun();
    const fork = (body: object) => as("POST", `/api/v1/executions/${runId}/fork`, { from_node: "start", ...body }, {}, operator);
    expect((await fork({ node_inputs: { url: "http://elsewhere.example" } })).status).toBe(403);
    expect((await fork({ outputs: { start: 1 }, routes: {}, inputs: { a: 1 }, variables: {} })).status).toBe(201);
    expect(checkpoints.asked).toHaveLength(1);
    expect(checkpoints.asked[0]?.request).toEqual({ fromNode: "start", outputs: { start: 1 }, routes: {}, inputs: { a: 1 }, variables: {} });
  });

  test("F1 A9: When who is not asked would decide what named people are asked, then it is 403, however they say it; who may run other graphs may", async () => {
    const { as, on, operator, runId, checkpoints, runs } = await withRun();
    checkpoints.ofSome.push("ask");
    const tries: [path: string, body: object][] = [
      ["nodes/ask/complete", { output: { decision: "approved" }, route: "approved" }],
      ["nodes/ask/skip", {}],
      ["fork", { from_node: "pay", outputs: { ask: { decision: "approved" } }, routes: { ask: "approved" } }],
      ["fork", { from_node: "pay", routes: { ask: "approved" } }],
    ];
    for (const [path, body] of tries) {
      const refused = await as("POST", `/api/v1/executions/${runId}/${path}`, body, {}, operator);
      expect([refused.status, refused.body["code"]], path).toEqual([403, "auth.forbidden"]);
    }
    expect([checkpoints.asked, runs.commands]).toEqual([[], []]);
    expect((await as("POST", `/api/v1/executions/${runId}/nodes/other/complete`, { output: 1 }, {}, operator)).status).toBe(200);
    for (const [path, body] of tries) expect((await on(path, body)).status, path).toBeLessThan(300);
  });

  test("F1 A9: When who is not asked would complete a node behind what named people are asked, then it is 403; who may run other graphs may", async () => {
    const { on, as, operator, runId, checkpoints, runs } = await withRun();
    checkpoints.comesBefore.set("pay", ["ask"]);
    const refused = await as("POST", `/api/v1/executions/${runId}/nodes/pay/complete`, { output: 1 }, {}, operator);
    expect([refused.status, refused.body["code"], runs.commands.length]).toEqual([403, "auth.forbidden", 0]);
    expect((await as("POST", `/api/v1/executions/${runId}/nodes/pay/skip`, {}, {}, operator)).status, "what is skipped passes nothing over").toBe(200);
    expect((await on("nodes/pay/complete", { output: 1 })).status).toBe(200);
  });

  test("D7 A15: When a body does not fit, then it is 422 and nothing is asked for", async () => {
    const { on, checkpoints, runs } = await withRun();
    for (const [path, body] of [
      ["fork", {}],
      ["fork", { from_node: "" }],
      ["fork", { from_node: "a", iteration: "1." }],
      ["fork", { from_node: "a", outputs: [] }],
      ["retry", { version: 0 }],
      ["migrate", {}],
      ["nodes/a/skip", { iteration: "x" }],
      ["nodes/a/complete", { route: "" }],
      ["events", { name: " " }],
    ] as const) {
      expect((await on(path, body)).status, `${path} ${JSON.stringify(body)}`).toBe(422);
    }
    expect([checkpoints.asked, runs.commands]).toEqual([[], []]);
  });

  test("A12: When a migration is only tried, then nothing moves, and what stands against it is told", async () => {
    const { on, checkpoints } = await withRun();
    expect((await on("migrate?dry_run=true", { version: 2 })).body).toEqual({ can_migrate: true, nodes: [] });
    checkpoints.obstacles = [{ node_id: "a", message: "It has run." }];
    expect((await on("migrate?dry_run=1", { version: 2 })).body).toEqual({ can_migrate: false, nodes: checkpoints.obstacles });
    expect(checkpoints.asked).toEqual([]);
    expect((await on("migrate", { version: 2 })).body["version"]).toBe(2);
  });

  test("A9: When nodes are skipped, tried again, completed and told of events, then the run gets these commands", async () => {
    const { on, runs } = await withRun();
    await on("nodes/a%20b/skip");
    await on("nodes/a/retry", { iteration: "2.5" });
    await on("nodes/a/complete", { output: { x: 1 }, route: "true" });
    await on("events", { name: "paid", correlation: "7", payload: [1] });
    runs.outcome = "kept";
    expect((await on("events", { name: "paid" })).status).toBe(202);
    expect(runs.commands.map(({ command }) => command)).toEqual([
      { kind: "skip_node", node_id: "a b", iteration: "" },
      { kind: "retry_node", node_id: "a", iteration: "2.5" },
      { kind: "complete_node", node_id: "a", iteration: "", output: { x: 1 }, route: "true" },
      { kind: "send_event", name: "paid", correlation: "7", payload: [1] },
      { kind: "send_event", name: "paid", payload: null },
    ]);
  });

  test("D4 A15: When runs are listed by the one they were forked from, then only those come", async () => {
    const { on, as, runId } = await withRun();
    const fork = await on("fork", { from_node: "start" });
    const listed = (await as("GET", `/api/v1/executions?forked_from=${runId}`)).body as unknown as JsonObject[];
    expect(listed.map((run) => run["id"])).toEqual([fork.body["id"]]);
  });
});
