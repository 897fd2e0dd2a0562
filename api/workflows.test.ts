import type { JsonObject } from "#core";
import { describe, expect, test } from "vitest";
import { GRAPH, compileForTest, createTestApp } from "./testing/test-app.ts";

const BROKEN = {
  nodes: [
    { id: "a", type: "Broken" },
    { id: "b", type: "Broken" },
  ],
  edges: [],
};

async function signedIn(...options: Parameters<typeof createTestApp>) {
  const testApp = createTestApp(...options);
  const { token, userId } = await testApp.signUp();
  const as = (method: string, path: string, body?: unknown, headers: Record<string, string> = {}) =>
    testApp.call<JsonObject>(method, path, { token, headers, ...(body !== undefined && { body }) });
  return { ...testApp, as, token, userId };
}

describe("saving", () => {
  test("D2: When a workflow is saved under the documented path, then it is 201 and reads back as it was sent, unknown fields and all", async () => {
    const { as } = await signedIn();
    const flowData = { ...GRAPH, viewport: { x: 1, y: 2, zoom: 0.5 } };
    const saved = await as("POST", "/api/workflows/", { name: "My AI Workflow", description: "Advanced", flow_data: flowData });
    expect(saved.status).toBe(201);
    expect(saved.body).toMatchObject({
      name: "My AI Workflow",
      description: "Advanced",
      tags: [],
      is_public: false,
      version: 1,
      published_version: null,
      problems: [],
      warnings: [],
    });
    const read = await as("GET", `/api/workflows/${String(saved.body["id"])}`);
    expect(read.body["flow_data"]).toEqual(flowData);
    expect(read.headers.get("etag")).toBe('"1"');
  });

  test("A1: When nodes and edges stand at the top level, then they are the graph", async () => {
    const { as } = await signedIn();
    const saved = await as("POST", "/api/v1/workflows", { name: "Top level", nodes: GRAPH.nodes });
    expect([saved.status, saved.body["flow_data"]]).toEqual([201, { nodes: GRAPH.nodes, edges: [] }]);
  });

  test("A2: When a graph has problems, then it is saved as a draft that lists them all, cannot be published and does not run", async () => {
    const { as } = await signedIn();
    const saved = await as("POST", "/api/v1/workflows", { name: "Draft", flow_data: BROKEN });
    expect(saved.status).toBe(201);
    expect((saved.body["problems"] as JsonObject[]).map((problem) => problem["node_id"])).toEqual(["a", "b"]);
    for (const action of ["publish", "execute"]) {
      const refused = await as("POST", `/api/v1/workflows/${String(saved.body["id"])}/${action}`, {});
      expect([action, refused.status, refused.body["code"]]).toEqual([action, 422, "graph.invalid"]);
      expect((refused.body["errors"] as JsonObject[]).map((error) => error["node_id"])).toEqual(["a", "b"]);
    }
  });

  test("A2: When a graph is only checked, then it is 200 with every problem, stored or not", async () => {
    const { as, saveWorkflow, token } = await signedIn();
    const adHoc = await as("POST", "/api/v1/workflows/validate", { flow_data: BROKEN });
    expect([adHoc.status, adHoc.body["valid"], (adHoc.body["errors"] as unknown[]).length]).toEqual([200, false, 2]);
    const stored = await as("POST", `/api/v1/workflows/${await saveWorkflow(token)}/validate`);
    expect(stored.body).toEqual({ valid: true, errors: [], warnings: [] });
  });

  test("D7: When fields are wrong, then all are named and nothing is saved", async () => {
    const { as, db } = await signedIn();
    const refused = await as("POST", "/api/v1/workflows", { name: "", tags: "a", is_public: "yes", flow_data: [] });
    expect(refused.status).toBe(422);
    expect((refused.body["errors"] as JsonObject[]).map((error) => error["path"])).toEqual(expect.arrayContaining(["name", "tags", "is_public", "flow_data"]));
    expect(db.state.workflows).toHaveLength(0);
  });
});

describe("versions", () => {
  test("A12: When only the graph changes, then a version is made; the same graph again makes none", async () => {
    const { as, saveWorkflow, token } = await signedIn();
    const path = `/api/v1/workflows/${await saveWorkflow(token)}`;
    expect((await as("PUT", path, { name: "Renamed" })).body).toMatchObject({ name: "Renamed", version: 1 });
    expect((await as("PUT", path, { flow_data: { edges: GRAPH.edges, nodes: GRAPH.nodes } })).body["version"]).toBe(1);
    const changed = { nodes: [...GRAPH.nodes, { id: "more", type: "Set" }], edges: GRAPH.edges };
    const second = await as("PATCH", path, { flow_data: changed });
    expect([second.body["version"], second.body["name"], second.headers.get("etag")]).toEqual([2, "Renamed", '"4"']);

    const versions = await as("GET", `${path}/versions`);
    expect((versions.body as unknown as JsonObject[]).map((version) => version["version"])).toEqual([2, 1]);
    expect((await as("GET", `${path}/versions/1`)).body["flow_data"]).toEqual(GRAPH);
    expect((await as("GET", `${path}/versions/9`)).status).toBe(404);

    const difference = await as("GET", `${path}/diff?from=1&to=2`);
    expect(difference.body).toMatchObject({ from: 1, to: 2, nodes: { added: ["more"], removed: [], changed: [] }, edges: { added: [], removed: [] } });
    expect(difference.body["migration"]).toEqual({ any_run: true, obstacles: [] });
    expect((await as("GET", `${path}/diff?from=1&to=draft`)).body).toEqual(difference.body);
    expect((await as("GET", `${path}/diff`)).status, "nothing is published").toBe(404);
    await as("POST", `${path}/publish`, { version: 1 });
    expect((await as("GET", `${path}/diff`)).body).toEqual(difference.body);
    expect((await as("GET", `${path}/diff?from=latest`)).status).toBe(422);

    const restored = await as("POST", `${path}/versions/1/restore`);
    expect([restored.body["version"], restored.body["flow_data"]]).toEqual([3, GRAPH]);
  });

  test("A12: When If-Match names another version, then it is 412 and nothing is overwritten", async () => {
    const { as, saveWorkflow, token } = await signedIn();
    const path = `/api/v1/workflows/${await saveWorkflow(token)}`;
    for (const stale of ['"7"', 'W/"7"', "nonsense"]) expect((await as("PUT", path, { name: "Mine" }, { "if-match": stale })).status, stale).toBe(412);
    expect((await as("GET", path)).body["name"]).toBe("A workflow");
    for (const fresh of ['"1"', "*", "3"]) expect((await as("PUT", path, { name: "Mine" }, { "if-match": fresh })).status, fresh).toBe(200);
  });

  test("A12: When a version is published, then it is what runs, until one is asked for by number", async () => {
    const { as, runs, saveWorkflow, token } = await signedIn();
    const id = await saveWorkflow(token);
    await as("PUT", `/api/v1/workflows/${id}`, { flow_data: { ...GRAPH, note: 2 } });
    await as("PUT", `/api/v1/workflows/${id}`, { flow_data: { ...GRAPH, note: 3 } });
    const published = await as("POST", `/api/v1/workflows/${id}/publish`, { version: 2 });
    expect(published.body).toMatchObject({ version: 3, published_version: 2 });
    await as("POST", `/api/v1/workflows/${id}/execute`, {});
    await as("POST", `/api/v1/workflows/${id}/execute`, { version: 1 });
    expect(runs.starts.map(({ version }) => version)).toEqual([2, 1]);
    expect((await as("POST", `/api/v1/workflows/${id}/publish`, { version: 9 })).status).toBe(404);
  });

  test("A12 A2: When a draft compiles after an upgrade of the node types, then it runs, can be published, reads without problems, and saving it again makes a version", async () => {
    let isUpgraded = false;
    const { as, runs } = await signedIn({ compile: (_tenant, graph) => Promise.resolve(compileForTest(isUpgraded ? GRAPH : graph)) });
    const saved = await as("POST", "/api/v1/workflows", { name: "Draft", flow_data: BROKEN });
    const path = `/api/v1/workflows/${String(saved.body["id"])}`;
    expect([(await as("POST", `${path}/execute`, {})).status, (await as("POST", `${path}/publish`, {})).status]).toEqual([422, 422]);
    isUpgraded = true;
    expect((await as("GET", path)).body).toMatchObject({ version: 1, problems: [] });
    expect((await as("POST", `${path}/execute`, {})).status).toBe(201);
    expect(runs.starts).toMatchObject([{ version: 1, plan: { format_version: 1 } }]);
    const resaved = await as("PUT", path, { flow_data: BROKEN });
    expect(resaved.body).toMatchObject({ version: 2, problems: [] });
    expect((await as("PUT", path, { flow_data: BROKEN })).body["version"]).toBe(2);
    expect((await as("POST", `${path}/publish`, { version: 1 })).body).toMatchObject({ published_version: 1, problems: [] });
  });

  test("A12: When settings change, then they are part of a version, and stay when only the graph is saved again", async () => {
    const { as, saveWorkflow, token } = await signedIn();
    const path = `/api/v1/workflows/${await saveWorkflow(token)}`;
    const first = await as("PUT", path, { settings: { max_parallel: 3 } });
    expect(first.body).toMatchObject({ version: 2, settings: { max_parallel: 3 }, flow_data: { ...GRAPH, settings: { max_parallel: 3 } } });
    const second = await as("PUT", path, { flow_data: { ...GRAPH, note: 1 } });
    expect(second.body).toMatchObject({ version: 3, settings: { max_parallel: 3 } });
    expect((await as("PUT", path, { settings: {} })).body).toMatchObject({ version: 4, settings: {}, flow_data: { ...GRAPH, note: 1 } });
  });

  test("D2: When a workflow is duplicated and deleted, then the copy lives and the original is gone", async () => {
    const { as, saveWorkflow, token } = await signedIn();
    const id = await saveWorkflow(token);
    const copy = await as("POST", `/api/v1/workflows/${id}/duplicate`);
    expect([copy.status, copy.body["name"], copy.body["flow_data"]]).toEqual([201, "A workflow (copy)", GRAPH]);
    expect((await as("DELETE", `/api/v1/workflows/${id}`)).status).toBe(204);
    expect((await as("GET", `/api/v1/workflows/${id}`)).status).toBe(404);
    expect((await as("DELETE", `/api/v1/workflows/${id}`)).status).toBe(404);
    expect((await as("GET", `/api/v1/workflows/${String(copy.body["id"])}`)).status).toBe(200);
  });
});

describe("lists", () => {
  test("D2: When there are more than a page, then the Link of each leads to the next, with the filters kept", async () => {
    const { as } = await signedIn();
    for (let index = 0; index < 5; index++)
      await as("POST", "/api/v1/workflows", { name: `Workflow ${index}`, tags: ["even", "odd"].slice(index % 2, (index % 2) + 1), flow_data: GRAPH });
    const names: unknown[] = [];
    let path: string | undefined = "/api/workflows/?limit=2&search=workflow";
    while (path !== undefined) {
      const page = await as("GET", path);
      expect(page.headers.get("x-total-count")).toBe("5");
      names.push(...(page.body as unknown as JsonObject[]).map((workflow) => workflow["name"]));
      path = /^<([^>]+)>; rel="next"$/.exec(page.headers.get("link") ?? "")?.[1];
    }
    expect(names).toEqual([0, 1, 2, 3, 4].map((index) => `Workflow ${index}`));
    const odd = await as("GET", "/api/v1/workflows?tags=odd");
    expect((odd.body as unknown as JsonObject[]).map((workflow) => workflow["name"])).toEqual(["Workflow 1", "Workflow 3"]);
    expect((await as("GET", "/api/v1/workflows?limit=2&offset=4")).headers.get("link")).toBeNull();
  });

  test.each(["limit=0", "limit=501", "limit=x", "offset=-1", "search=%00"])("D7: When a list is asked for with ?%s, then it is 422", async (query) => {
    const { as } = await signedIn();
    expect((await as("GET", `/api/v1/workflows?${query}`)).status).toBe(422);
  });
});
