import type { JsonObject } from "#core";
import { describe, expect, test } from "vitest";
import { createTestApp } from "./testing/test-app.ts";

async function signedIn() {
  const app = createTestApp();
  const { token } = await app.signUp();
  const path = `/api/v1/workflows/${await app.saveWorkflow(token)}`;
  const as = <T = JsonObject>(method: string, at: string, body?: unknown, headers: Record<string, string> = {}) =>
    app.call<T>(method, path + at, { token, headers, ...(body !== undefined && { body }) });
  return { ...app, token, path, as };
}

describe("nodes of a workflow", () => {
  test("D3: When a node is added, read, replaced, changed and deleted under the documented paths, then each is a version with the graph's findings", async () => {
    const { call, token, path, as } = await signedIn();
    const documented = path.replace("/api/v1/", "/api/");
    const added = await call("POST", `${documented}/nodes`, { token, body: { id: "set_1", type: "Set", position: { x: 1, y: 2 }, config: { values: {} } } });
    expect(added.status).toBe(201);
    expect(added.body).toMatchObject({ id: "set_1", type: "Set", position: { x: 1, y: 2 }, workflow_version: 2, problems: [], warnings: [] });
    expect(added.headers.get("etag")).toBe('"2"');
    const read = await as("GET", "/nodes/set_1");
    expect(read.body).toEqual({ id: "set_1", type: "Set", position: { x: 1, y: 2 }, config: { values: {} } });
    expect(read.headers.get("etag")).toBe('"2"');
    const broken = await as("PUT", "/nodes/set_1", { ...added.body, type: "Broken", config: null });
    expect(broken.body).toEqual({
      id: "set_1",
      type: "Broken",
      position: { x: 1, y: 2 },
      workflow_version: 3,
      problems: [expect.objectContaining({ node_id: "set_1" })],
      warnings: [],
    });
    expect((await as("PATCH", "/nodes/set_1", { type: "Set", data: { inputs: { a: 1 } } })).body).toMatchObject({ problems: [], workflow_version: 4 });
    expect((await as("PATCH", "/nodes/set_1", { position: null, data: { inputs: { b: 2 } } })).body).toMatchObject({ data: { inputs: { a: 1, b: 2 } } });
    expect((await as("GET", "/nodes/set_1")).body).toEqual({ id: "set_1", type: "Set", data: { inputs: { a: 1, b: 2 } } });
    const deleted = await as("DELETE", "/nodes/set_1");
    expect([deleted.status, deleted.headers.get("etag")]).toEqual([204, '"6"']);
    expect((await as("GET", "/nodes/set_1")).status).toBe(404);
  });

  test("D3: When a node is deleted, then its edges are, and what is not there is 404", async () => {
    const { as } = await signedIn();
    expect((await as("DELETE", "/nodes/end")).status).toBe(204);
    expect((await as<unknown[]>("GET", "/edges")).body).toEqual([]);
    for (const [method, body] of [["GET"], ["PUT", { type: "Set" }], ["PATCH", {}], ["DELETE"]] as const) {
      expect((await as(method, "/nodes/end", body)).status, method).toBe(404);
    }
    expect((await as("POST", "/nodes", { id: "start", type: "Set" })).status).toBe(409);
    expect((await as("POST", "/nodes", { id: "x" })).status).toBe(422);
  });

  test("D3: When nodes are many, then they are paged, filtered and searched", async () => {
    const { as } = await signedIn();
    for (let n = 0; n < 3; n++) await as("POST", "/nodes", { type: "Set", data: { name: `Step ${n}` } });
    const first = await as<JsonObject[]>("GET", "/nodes?limit=2");
    expect([first.body.map(({ id }) => id), first.headers.get("x-total-count")]).toEqual([["start", "end"], "5"]);
    const next = /<([^>]+)>/.exec(first.headers.get("link") ?? "")?.[1] ?? "";
    expect((await as<JsonObject[]>("GET", next.slice(next.indexOf("/nodes")))).body.map(({ id }) => id)).toEqual(["set_1", "set_2"]);
    expect((await as<JsonObject[]>("GET", "/nodes?type=Set&search=step%202")).body.map(({ id }) => id)).toEqual(["set_3"]);
    expect((await as("GET", "/nodes?cursor=nonsense")).status).toBe(400);
  });
});

describe("edges of a workflow", () => {
  test("D3: When an edge is added, read, replaced and deleted, then each is a version, and the same edge twice is 409", async () => {
    const { as } = await signedIn();
    await as("POST", "/nodes", { id: "a", type: "Set" });
    const added = await as("POST", "/edges", { source: "start", target: "a", sourceHandle: "output" });
    expect([added.status, added.body]).toEqual([
      201,
      { id: "start->a", source: "start", target: "a", sourceHandle: "output", workflow_version: 3, problems: [], warnings: [] },
    ]);
    expect((await as("POST", "/edges", { source: "start", target: "a", targetHandle: "input" })).body["code"]).toBe("resource.conflict");
    expect((await as("POST", "/edges", { source: "start", target: "gone" })).body).toMatchObject({ code: "validation.failed", errors: [{ path: "target" }] });
    expect((await as("PUT", `/edges/${encodeURIComponent("start->a")}`, { source: "a", target: "end" })).body).toMatchObject({ source: "a", id: "start->a" });
    expect((await as<JsonObject[]>("GET", "/edges?source=a")).body).toEqual([{ id: "start->a", source: "a", target: "end" }]);
    expect((await as("DELETE", `/edges/${encodeURIComponent("start->a")}`)).status).toBe(204);
    expect((await as("GET", `/edges/${encodeURIComponent("start->a")}`)).status).toBe(404);
  });

  test("A12: When If-Match names another state, then every change is 412 and nothing is saved", async () => {
    const { as } = await signedIn();
    const stale = { "if-match": '"9"' };
    const tries = [
      ["POST", "/nodes", { type: "Set" }],
      ["PUT", "/nodes/start", { type: "Set" }],
      ["PATCH", "/nodes/start", { type: "Set" }],
      ["DELETE", "/nodes/start", undefined],
      ["POST", "/edges", { source: "end", target: "start" }],
      ["PUT", "/edges/start->end", { source: "end", target: "start" }],
      ["DELETE", "/edges/start->end", undefined],
    ] as const;
    for (const [method, at, body] of tries) expect((await as(method, at, body, stale)).status, `${method} ${at}`).toBe(412);
    expect((await as("GET", "")).headers.get("etag")).toBe('"1"');
    expect((await as("POST", "/nodes", { type: "Set" }, { "if-match": '"1"' })).status).toBe(201);
  });

  test("F5: When parts are changed, then the log has the workflow's id, the part before and after", async () => {
    const { call, token, path, as } = await signedIn();
    await as("PATCH", "/nodes/end", { data: { inputs: { value: 1, api_key: "hunter2" } } });
    const { body } = await call<JsonObject[]>("GET", "/api/v1/audit-events?resource_type=workflow_node", { token });
    expect(body).toMatchObject([{ action: "updateWorkflowNode", resource_id: path.split("/").at(-1), after: { data: { inputs: { value: 1 } } } }]);
    expect(JSON.stringify(body)).not.toContain("hunter2");
  });
});

describe("a deleted workflow", () => {
  test("D2: When it is restored, then it is there again; deleted ones have a list of their own", async () => {
    const { call, token, as, path } = await signedIn();
    expect((await as("DELETE", "", undefined, { "if-match": '"9"' })).status).toBe(412);
    expect((await as("DELETE", "")).status).toBe(204);
    expect((await call("GET", "/api/v1/workflows", { token })).body).toEqual([]);
    const { body: deleted } = await call<JsonObject[]>("GET", "/api/v1/workflows?deleted=true", { token });
    expect(deleted).toMatchObject([{ id: path.split("/").at(-1), deleted_at: expect.any(String) }]);
    const restored = await as("POST", "/restore");
    expect([restored.status, restored.body["deleted_at"], restored.headers.get("etag")]).toEqual([200, undefined, '"3"']);
    expect((await as("POST", "/restore")).headers.get("etag")).toBe('"3"');
    expect((await as("GET", "")).status).toBe(200);
  });
});

describe("partial answers", () => {
  test("D2 D4: When fields of a list are named, then rows have those alone, and unknown ones are refused", async () => {
    const { call, token, path, startRun } = await signedIn();
    await startRun(token, path.split("/").at(-1) ?? "");
    const list = async (at: string) => (await call<JsonObject[]>("GET", at, { token })).body;
    expect(await list("/api/v1/workflows?fields=name,version")).toEqual([{ name: "A workflow", version: 1 }]);
    expect(await list("/api/v1/executions?fields=status")).toEqual([{ status: expect.any(String) }]);
    expect(await list(path.concat("/executions?fields=id&fields=status"))).toEqual([{ id: expect.any(String), status: expect.any(String) }]);
    expect((await call("GET", "/api/v1/workflows?fields=name,nonsense", { token })).body["errors"]).toMatchObject([{ path: "query.fields" }]);
  });
});
