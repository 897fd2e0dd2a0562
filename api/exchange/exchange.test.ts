import type { JsonObject } from "#core";
import { compile } from "#graph";
import { catalogue } from "#nodes";
import { describe, expect, test } from "vitest";
import { createTestApp, GRAPH } from "../testing/test-app.ts";
import { shareable } from "./share.ts";

const real = { compile: (_tenant: string, graph: unknown) => Promise.resolve(compile(graph, catalogue)) };

const RICH = {
  nodes: [
    { id: "start", type: "Start", position: { x: 1, y: 2 }, custom: { kept: true } },
    { id: "say", type: "Template", data: { name: "Say", inputs: { template: "Hello {{inputs.name}}: yes\n  1:30" }, settings: { retry: 2 } } },
    { id: "end", type: "End" },
  ],
  edges: [
    { id: "e1", source: "start", target: "say" },
    { id: "e2", source: "say", target: "end" },
  ],
  settings: { max_parallel: 3 },
  viewport: { zoom: 1.5 },
};

async function withWorkflow(flowData: unknown = RICH) {
  const app = createTestApp(real);
  const { token } = await app.signUp();
  const { body } = await app.call("POST", "/api/v1/workflows", {
    token,
    body: { name: "Größe & Maß", description: "d", tags: ["a", "b"], flow_data: flowData },
  });
  return { ...app, token, id: String(body["id"]) };
}

describe("export", () => {
  test("A13: When a workflow is exported as JSON, then the file has its graph as it was saved and names itself", async () => {
    const { call, token, id } = await withWorkflow();
    const file = await call("GET", `/api/v1/workflows/${id}/export`, { token });
    expect(file.status).toBe(200);
    expect(file.body).toEqual({
      format: "perdure.workflow",
      format_version: 1,
      name: "Größe & Maß",
      description: "d",
      tags: ["a", "b"],
      flow_data: RICH,
      secrets: [],
      withheld: [],
    });
    expect(file.headers.get("content-disposition")).toBe('attachment; filename="gro-e-ma.json"');
    expect(file.headers.get("etag")).toBe('"1"');
  });

  test("A13: When an old version is asked for, then that one is given; one that is not there is 404", async () => {
    const { call, token, id } = await withWorkflow(GRAPH);
    await call("PATCH", `/api/v1/workflows/${id}`, { token, body: { flow_data: RICH } });
    expect((await call("GET", `/api/v1/workflows/${id}/export?version=1`, { token })).body["flow_data"]).toEqual(GRAPH);
    expect((await call("GET", `/api/v1/workflows/${id}/export`, { token })).body["flow_data"]).toEqual(RICH);
    expect((await call("GET", `/api/v1/workflows/${id}/export?version=9`, { token })).status).toBe(404);
    expect((await call("GET", `/api/v1/workflows/${id}/export?format=xml`, { token })).status).toBe(422);
  });

  test("A13 F2: When secrets were written into a graph, then the file has references in their place, and says where", () => {
    const graph: JsonObject = {
      nodes: [
        {
          id: "call",
          type: "http_request",
          data: { inputs: { url: "https://u:hunter2@shop.example/x?token=hunter2&q=1", headers: { "X-Api-Key": "hunter2", accept: "text/plain" } } },
        },
        {
          id: "auth",
          type: "HttpRequest",
          data: {
            inputs: { url: "https://shop.example", authentication: { type: "bearer", token: "hunter2" } },
            settings: { pinned_output: { body: "hunter2" }, retry: 2 },
          },
        },
        { id: "basic", type: "HttpRequest", config: { url: "https://shop.example", auth: { type: "api_key", name: "k", value: "hunter2" } } },
        { id: "ask", type: "OpenAIChat", data: { openaiApiKey: "hunter2", inputs: { apiKey: "hunter2", max_tokens: "100", prompt: "token" } } },
        {
          id: "body",
          type: "HttpRequest",
          data: { inputs: { url: "https://shop.example", method: "POST", body: { users: [{ name: "Ada", password: "hunter2" }] } } },
        },
        {
          id: "fine",
          type: "HttpRequest",
          data: { inputs: { url: "https://shop.example/{{inputs.id}}?token={{secrets.OWN}}", auth: { type: "bearer", token: "{{secrets.OWN}}" } } },
        },
        { id: "data", type: "Set", data: { inputs: { values: { token: "a word" } } } },
        "no node",
      ],
      edges: [],
    };
    const before = JSON.stringify(graph);
    const { graph: shared, secrets, withheld } = shareable(graph, { pinnedOutputs: false });
    expect(JSON.stringify(graph)).toBe(before);
    expect(JSON.stringify(shared)).not.toContain("hunter2");
    expect(secrets).toEqual([
      "CALL_URL_SECRET",
      "CALL_URL_SECRET_2",
      "CALL_X_API_KEY",
      "AUTH_TOKEN",
      "BASIC_VALUE",
      "ASK_OPENAIAPIKEY",
      "ASK_APIKEY",
      "BODY_PASSWORD",
      "OWN",
    ]);
    expect(withheld).toContainEqual({ node_id: "auth", path: "nodes.1.data.settings.pinned_output" });
    expect(withheld).toContainEqual({ node_id: "body", path: "nodes.4.data.inputs.body.users.0.password", secret: "BODY_PASSWORD" });
    const nodes = shared["nodes"] as { data?: JsonObject }[];
    expect(nodes[0]?.data).toEqual({
      inputs: {
        url: "https://u:{{secrets.CALL_URL_SECRET}}@shop.example/x?token={{secrets.CALL_URL_SECRET_2}}&q=1",
        headers: { "X-Api-Key": "{{secrets.CALL_X_API_KEY}}", accept: "text/plain" },
      },
    });
    expect(nodes[1]?.data?.["settings"]).toEqual({ retry: 2 });
    expect(nodes.slice(5)).toEqual((graph["nodes"] as unknown[]).slice(5));
    const compiled = compile({ ...shared, nodes: nodes.slice(0, 7) }, catalogue);
    expect(compiled.ok ? [] : compiled.problems.map(({ code }) => code)).toEqual([]);
  });

  test("A13: When pinned outputs are asked for, then they stay", async () => {
    const pinned = { nodes: [{ id: "a", type: "Start", data: { settings: { pinned_output: { n: 1 } } } }], edges: [] };
    const { call, token, id } = await withWorkflow(pinned);
    expect((await call("GET", `/api/v1/workflows/${id}/export`, { token })).body).toMatchObject({
      flow_data: { nodes: [{ data: { settings: {} } }] },
      withheld: [{ node_id: "a", path: "nodes.0.data.settings.pinned_output" }],
    });
    expect((await call("GET", `/api/v1/workflows/${id}/export?pinned_outputs=true`, { token })).body).toMatchObject({ flow_data: pinned, withheld: [] });
  });
});

describe("import", () => {
  test.each(["json", "yaml"])("A13: When a file of %s is imported, then the workflow is as it was exported, and exports the same again", async (format) => {
    const { call, token, id, db } = await withWorkflow();
    const file = await call<unknown>("GET", `/api/v1/workflows/${id}/export?format=${format}`, { token });
    expect(file.headers.get("content-type")).toBe(`application/${format}`);
    const headers = { "content-type": `application/${format}` };
    const imported = await call("POST", "/api/v1/workflows/import", { token, body: file.body, headers });
    expect(imported.status).toBe(201);
    expect(imported.body).toMatchObject({
      name: "Größe & Maß",
      description: "d",
      tags: ["a", "b"],
      flow_data: RICH,
      settings: { max_parallel: 3 },
      problems: [],
      version: 1,
    });
    const again = await call<unknown>("GET", `/api/v1/workflows/${String(imported.body["id"])}/export?format=${format}`, { token });
    expect(again.body).toEqual(file.body);
    expect(db.state.runs).toEqual([]);
  });

  test.each<[string, unknown, string | undefined]>([
    ["an exported file without its content type", "format: perdure.workflow\nname: N\nflow_data:\n  nodes: [{ id: a, type: Start }]\n", undefined],
    ["a bare graph", { nodes: [{ id: "a", type: "Start" }] }, "application/json"],
    [
      "what a read of a workflow answers",
      { id: "x", name: "N", version: 7, problems: [], settings: {}, flow_data: { nodes: [{ id: "a", type: "Start" }] } },
      "application/json",
    ],
    ["JSON called YAML", '{"name": "N", "nodes": [{"id": "a", "type": "Start"}]}', "text/yaml; charset=utf-8"],
  ])("A13: When it is %s, then it is taken", async (_what, body, type) => {
    const { call, token } = await withWorkflow();
    const imported = await call("POST", "/api/v1/workflows/import?name=Mine", {
      token,
      body,
      headers: { "content-type": type ?? "application/x-www-form-urlencoded" },
    });
    expect([imported.status, imported.body["name"], imported.body["problems"]]).toEqual([201, "Mine", []]);
  });

  test("A13 A12: When a file is put over a workflow, then that has a new version of it", async () => {
    const { call, token, id } = await withWorkflow();
    const file = (await call("GET", `/api/v1/workflows/${id}/export`, { token })).body;
    const other = await call("POST", "/api/v1/workflows", { token, body: { name: "Other", flow_data: GRAPH } });
    const put = await call("PUT", `/api/v1/workflows/${String(other.body["id"])}`, { token, body: file });
    expect([put.status, put.body["version"], put.body["name"], put.body["flow_data"]]).toEqual([200, 2, "Größe & Maß", RICH]);
  });

  test("A13 A2: When the graph has problems, then it is a draft that says all of them, as when it is saved", async () => {
    const { call, token } = await withWorkflow();
    const graph = {
      nodes: [
        { id: "a", type: "Strat" },
        { id: "b", type: "HttpRequest" },
      ],
      edges: [{ source: "a", target: "c" }],
    };
    const imported = await call<{ problems: unknown[] }>("POST", "/api/v1/workflows/import", { token, body: { name: "Draft", flow_data: graph } });
    const saved = await call<{ problems: unknown[] }>("POST", "/api/v1/workflows", { token, body: { name: "Draft", flow_data: graph } });
    expect(imported.status).toBe(201);
    expect(imported.body.problems.length).toBeGreaterThan(2);
    expect(imported.body.problems).toEqual(saved.body.problems);
  });

  test.each<[string, string, string, number, string]>([
    ["nothing", "", "application/yaml", 400, "request.malformed"],
    ["text", "just words", "text/plain", 422, "validation.failed"],
    ["no graph", "name: N", "application/yaml", 422, "validation.failed"],
    ["another format", "format: n8n\nnodes: []", "application/yaml", 422, "validation.failed"],
    ["a later version of the format", "format_version: 2\nnodes: []", "application/yaml", 422, "validation.failed"],
    ["a tag", "nodes: !!js/function x", "application/yaml", 400, "request.malformed"],
    ["text that cannot be stored", 'nodes: [{ id: "a\\0", type: Start }]', "application/yaml", 422, "validation.failed"],
    ["more than the limit", `nodes: []\nx: "${"x".repeat(100_000)}"`, "application/yaml", 413, "request.too_large"],
    ["JSON that is none", '{"nodes": [}', "application/json", 400, "request.malformed"],
  ])("A13 D7: When it holds %s, then it is refused and nothing is saved", async (_what, body, type, status, code) => {
    const { call, token, db } = await withWorkflow();
    const imported = await call("POST", "/api/v1/workflows/import", { token, body, headers: { "content-type": type } });
    expect([imported.status, imported.body["code"]]).toEqual([status, code]);
    expect(db.state.workflows).toHaveLength(1);
  });
});
