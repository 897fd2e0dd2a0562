import { afterAll, beforeAll, expect, test } from "vitest";
import type { JsonObject } from "#core";
import { type CountingServer, startCountingServer } from "../support/counting-server.ts";
import { type Perdure, startPerdure } from "../support/perdure.ts";
import { TestClient } from "../support/client.ts";

let perdure: Perdure;
let weather: CountingServer;

beforeAll(async () => {
  weather = await startCountingServer({
    reply({ path, headers, body }, response) {
      response.setHeader("content-type", "application/json");
      if (path.startsWith("/broken")) return void response.end('{"temperature":"warm"}');
      response.end(JSON.stringify({ temperature: 21.5, path, token: headers["authorization"] ?? null, lang: headers["accept-language"] ?? null, sent: body }));
    },
  });
  perdure = await startPerdure();
});
afterAll(async () => {
  await perdure?.stop();
  await weather?.close();
});

const definition = (path: string, more: JsonObject = {}): JsonObject => ({
  display_name: "Weather",
  description: "What the weather is.",
  category: "weather",
  input_schema: {
    type: "object",
    properties: {
      city: { type: "string", minLength: 2, description: "Where." },
      days: { type: "integer", minimum: 1, maximum: 9, default: 3 },
      units: { type: "string" },
      language: { type: "string", default: "en" },
    },
    required: ["city"],
  },
  output_schema: { type: "object", properties: { temperature: { type: "number" } }, required: ["temperature"] },
  request: { url: `${weather.url}${path}`, headers: { "Accept-Language": "{{inputs.language}}" }, query: { days: "{{days}}", units: "{{units}}" } },
  credential_types: ["http_bearer"],
  ...more,
});

const graphOf = (inputs: JsonObject, type = "custom.weather", between: JsonObject[] = []) => ({
  nodes: [
    { id: "start", type: "Start" },
    ...between,
    { id: "ask", type, data: { inputs } },
    { id: "end", type: "End", data: { inputs: { value: "{{ask}}" } } },
  ],
  edges: [
    { source: "start", target: between.length > 0 ? String(between[0]?.["id"]) : "ask" },
    ...between.map(({ id }) => ({ source: String(id), target: "ask" })),
    { source: "ask", target: "end" },
  ],
});

test("D5: When a node type is registered and used, then its request is sent as declared; saved versions and live runs keep what it was", async () => {
  const { user } = perdure;
  const registered = await user.post("/api/v1/nodes/registry", { name: "weather", ...definition("/v1/{{inputs.city}}/now") });
  expect([registered.status, registered.body]).toMatchObject([201, { name: "custom.weather", version: 1, custom: true, category: "weather" }]);
  expect(weather.calls, "nothing is sent when it is saved").toHaveLength(0);
  const { body: credential } = await user.post("/api/v1/credentials", { name: "W", type: "http_bearer", data: { token: "t-canary-1" } });

  const city = "São Paulo/../x?y";
  const workflow = await user.saveWorkflow(
    graphOf({ city: "{{inputs.city}}", days: "5", credential: credential["id"] as string }, "custom.weather", [
      { id: "wait", type: "WaitForEvent", data: { inputs: { event: "go" } } },
    ]),
  );
  const run = await user.start(workflow, { city });
  await user.until(run, ["waiting"]);

  // It becomes another type while the run waits, and is deleted after that.
  const changed = await user.request("PUT", "/api/v1/nodes/custom.weather", definition("/v2/{{inputs.city}}", { output_schema: null }), {
    "if-match": registered.headers.get("etag") ?? "",
  });
  expect([changed.status, changed.body["version"]]).toEqual([200, 2]);
  const second = await user.saveWorkflow(graphOf({ city: "Oslo" }));
  expect((await user.request("DELETE", "/api/v1/nodes/custom.weather")).status).toBe(204);
  await user.post(`/api/v1/executions/${run}/events`, { name: "go" });

  const ended = await user.ended(run);
  expect(ended).toMatchObject({ status: "completed", outputs: { temperature: 21.5, token: expect.stringContaining("[secret"), lang: "en" } });
  expect((ended["outputs"] as JsonObject)["path"]).toBe(`/v1/${encodeURIComponent(city)}/now?days=5`);
  expect(weather.calls.at(-1)?.headers["authorization"]).toBe("Bearer t-canary-1");
  const { body: nodes } = await user.get<JsonObject[]>(`/api/v1/executions/${run}/nodes`);
  expect(nodes.find((node) => node["node_id"] === "ask")).toMatchObject({ type: "custom.weather", input: { $definition: { name: "weather", version: 1 } } });

  const later = await user.ended(await user.start(second));
  expect(later).toMatchObject({ status: "completed", outputs: { path: "/v2/Oslo?days=3", token: null } });

  // No graph can be saved with it now, but as a draft.
  const draft = await user.post("/api/v1/workflows", { name: "Late", flow_data: graphOf({ city: "Oslo" }) });
  expect(draft.body["problems"]).toMatchObject([{ code: "node.unknown_type", node_id: "ask" }]);
});

test("D5: When inputs or the answer do not fit what the type declares, then saving or the node says so; another organization knows nothing of it", async () => {
  const { user, base } = perdure;
  await user.post("/api/v1/nodes", { name: "broken", ...definition("/broken") });
  const draft = await user.post("/api/v1/workflows", { name: "D", flow_data: graphOf({ days: 12 }, "custom.broken") });
  expect((draft.body["problems"] as JsonObject[]).map(({ code, path }) => [code, path])).toEqual([
    ["input.missing", "inputs.city"],
    ["input.invalid", "inputs.days"],
  ]);
  const dynamic = await user.saveWorkflow(graphOf({ city: "{{inputs.city}}" }, "custom.broken"));
  expect(await user.ended(await user.start(dynamic, { city: "x" }))).toMatchObject({ status: "failed", error: { code: "validation.failed", node_id: "ask" } });
  expect(await user.ended(await user.start(dynamic, { city: "Oslo" }))).toMatchObject({
    status: "failed",
    error: { code: "upstream.rejected", node_id: "ask" },
  });
  const dots = await user.post("/api/v1/nodes", { name: "dots", ...definition("/a/{{inputs.city}}/b") });
  expect(dots.status).toBe(201);
  const climbing = await user.saveWorkflow(graphOf({ city: ".." }, "custom.dots"));
  expect(await user.ended(await user.start(climbing))).toMatchObject({ status: "failed", error: { code: "validation.failed" } });

  const stranger = await TestClient.register(base);
  expect((await stranger.get("/api/v1/nodes/custom.broken")).status).toBe(404);
  const theirs = await stranger.post("/api/v1/workflows", { name: "S", flow_data: graphOf({ city: "Oslo" }, "custom.broken") });
  expect(theirs.body["problems"]).toMatchObject([{ code: "node.unknown_type" }]);
});

test("F4 D5: When a node type leads to a private address, then the guard refuses it", async () => {
  const { user } = perdure;
  const inside = { ...definition("/"), request: { url: "http://169.254.169.254/latest/{{inputs.city}}" }, output_schema: null };
  expect((await user.post("/api/v1/nodes", { name: "inside", ...inside })).status).toBe(201);
  const run = await user.start(await user.saveWorkflow(graphOf({ city: "meta-data" }, "custom.inside")));
  expect(await user.ended(run)).toMatchObject({ status: "failed", error: { code: "outbound.refused" } });
});

test("F6: When graphs read variables, then the run's win over the workflow's and these over the organization's, and a run keeps what they were", async () => {
  const { user } = perdure;
  for (const [name, value] of Object.entries({ host: "org", region: "org", tier: "org", limit: 5 })) await user.post("/api/v1/variables", { name, value });
  const graph = {
    nodes: [
      { id: "start", type: "Start" },
      { id: "wait", type: "WaitForEvent", data: { inputs: { event: "go" } } },
      { id: "pick", type: "Condition", data: { inputs: { condition: "variables.limit > 3" } } },
      { id: "shape", type: "Transform", data: { inputs: { expression: "variables.region & '/' & $string(variables.limit)" } } },
      { id: "end", type: "End", data: { inputs: { value: ["{{variables.host}}", "{{region}}", "{{tier}}", "{{variables.limit}}", "{{shape}}"] } } },
    ],
    edges: [
      { source: "start", target: "wait" },
      { source: "wait", target: "pick" },
      { source: "pick", target: "shape", sourceHandle: "true" },
      { source: "shape", target: "end" },
    ],
  };
  const workflow = await user.saveWorkflow(graph);
  for (const name of ["region", "tier"]) await user.request("PUT", `/api/v1/workflows/${workflow}/variables/${name}`, { value: "workflow" });
  const started = await user.post(`/api/v1/workflows/${workflow}/execute`, { variables: { tier: "run" } });
  const run = started.body["id"] as string;
  await user.until(run, ["waiting"]);
  for (const name of ["host", "region", "limit"]) expect((await user.request("PUT", `/api/v1/variables/${name}`, { value: "changed" })).status).toBe(200);
  await user.request("DELETE", `/api/v1/workflows/${workflow}/variables/region`);
  await user.post(`/api/v1/executions/${run}/events`, { name: "go" });
  const outputs = ["org", "workflow", "run", 5, "workflow/5"];
  expect(await user.ended(run)).toMatchObject({ status: "completed", outputs });

  const replayed = await user.post(`/api/v1/executions/${run}/replay`);
  expect(await user.ended(replayed.body["id"] as string)).toMatchObject({ status: "completed", outputs });

  const parent = await user.saveWorkflow({
    nodes: [
      { id: "start", type: "Start" },
      { id: "child", type: "SubWorkflow", data: { inputs: { workflow_id: workflow } } },
      { id: "end", type: "End", data: { inputs: { value: "{{child}}" } } },
    ],
    edges: [
      { source: "start", target: "child" },
      { source: "child", target: "end" },
    ],
  });
  await user.request("PUT", "/api/v1/variables/limit", { value: 9 });
  const parentRun = await user.start(parent);
  await expect
    .poll(async () => (await user.get<JsonObject[]>(`/api/v1/executions?workflow_id=${workflow}&status=waiting`)).body.length, { timeout: 20_000 })
    .toBe(1);
  const [child] = (await user.get<JsonObject[]>(`/api/v1/executions?workflow_id=${workflow}&status=waiting`)).body;
  await user.post(`/api/v1/executions/${String(child?.["id"])}/events`, { name: "go" });
  expect(await user.ended(parentRun)).toMatchObject({ status: "completed", outputs: ["changed", "changed", "workflow", 9, "changed/9"] });
});
