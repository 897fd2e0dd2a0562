import type { JsonObject } from "#core";
import { describe, expect, test } from "vitest";
import { createNodeRegistry } from "./node-registry.ts";
import { createTestApp } from "./testing/test-app.ts";

const WEATHER = {
  name: "weather",
  input_schema: { type: "object", properties: { city: { type: "string", title: "City" } }, required: ["city"] },
  request: { url: "https://api.example/{{inputs.city}}" },
};

async function signedIn() {
  const app = createTestApp({ nodes: createNodeRegistry() });
  const { token } = await app.signUp();
  const as = <T = JsonObject>(method: string, at: string, body?: unknown, headers: Record<string, string> = {}) =>
    app.call<T>(method, at, { token, headers, ...(body !== undefined && { body }) });
  return { ...app, token, as };
}

describe("node types of an organization", () => {
  test("D5: When one is registered under the documented path, then registry, categories and search know it as they know the others", async () => {
    const { as } = await signedIn();
    const registered = await as("POST", "/api/v1/nodes/registry", { ...WEATHER, category: "tools" });
    expect([registered.status, registered.headers.get("etag")]).toEqual([201, '"1"']);
    expect(registered.body).toMatchObject({ name: "custom.weather", display_name: "weather", category: "tools", custom: true, version: 1 });
    expect(registered.body["input_schema"]).toMatchObject({ properties: { city: { title: "City" } }, required: ["city"] });
    expect((await as("GET", "/api/nodes/registry/custom.weather")).body).toEqual(registered.body);
    const { body: all } = await as<JsonObject[]>("GET", "/api/v1/nodes");
    expect(all.map(({ name }) => name)).toEqual(expect.arrayContaining(["custom.weather", "HttpRequest"]));
    expect((await as<JsonObject[]>("GET", "/api/v1/nodes?custom=true")).body).toHaveLength(1);
    expect((await as<JsonObject[]>("GET", "/api/v1/nodes?custom=false&search=weather")).body).toEqual([]);
    const first = await as<JsonObject[]>("GET", "/api/v1/nodes?limit=1");
    expect([first.body.length, first.headers.get("x-total-count"), first.headers.get("link")]).toEqual([
      1,
      String(all.length),
      expect.stringContaining("cursor="),
    ]);
    const { body: categories } = await as<JsonObject[]>("GET", "/api/v1/nodes/categories");
    expect(categories.find(({ name }) => name === "tools")?.["nodes"]).toEqual(expect.arrayContaining(["custom.weather", "HttpRequest"]));
    await as("POST", "/api/v1/nodes", { ...WEATHER, name: "custom.other" });
    expect((await as<JsonObject[]>("GET", "/api/v1/nodes/categories")).body.find(({ name }) => name === "custom")).toEqual({
      name: "custom",
      count: 1,
      nodes: ["custom.other"],
    });
  });

  test("D5: When one is changed, then it is a version; the same again is none; If-Match guards it", async () => {
    const { as } = await signedIn();
    await as("POST", "/api/v1/nodes", WEATHER);
    expect((await as("POST", "/api/v1/nodes", WEATHER)).status).toBe(409);
    const { name: _name, ...content } = WEATHER;
    expect((await as("PUT", "/api/v1/nodes/custom.weather", content)).body["version"]).toBe(1);
    const changed = await as("PUT", "/api/v1/nodes/weather", { ...content, description: "More." }, { "if-match": '"1"' });
    expect([changed.status, changed.body["version"], changed.headers.get("etag")]).toEqual([200, 2, '"2"']);
    for (const [method, body] of [
      ["PUT", content],
      ["DELETE", undefined],
    ] as const) {
      expect((await as(method, "/api/v1/nodes/custom.weather", body, { "if-match": '"1"' })).status).toBe(412);
    }
    const { body: versions } = await as<JsonObject[]>("GET", "/api/v1/nodes/custom.weather/versions");
    expect(versions.map(({ version }) => version)).toEqual([2, 1]);
    expect((await as("DELETE", "/api/v1/nodes/custom.weather")).status).toBe(204);
    expect((await as("GET", "/api/v1/nodes/custom.weather")).status).toBe(404);
    expect((await as("POST", "/api/v1/nodes", WEATHER)).body["version"]).toBe(3);
  });

  test("D5: When a definition is wrong in many ways, then all are named and nothing is stored", async () => {
    const { as } = await signedIn();
    const refused = await as("POST", "/api/v1/nodes", {
      ...WEATHER,
      request: { url: "https://{{inputs.city}}/", headers: { Authorization: "Bearer abc", "X-Ok": "{{inputs.town}}" }, timeout: "1h" },
      credential_types: ["nonsense"],
      description: "x".repeat(5_000),
    });
    expect(refused.status).toBe(422);
    const paths = (refused.body["errors"] as JsonObject[]).map(({ path }) => path);
    expect(paths).toEqual(
      expect.arrayContaining(["request.url", "request.headers.Authorization", "request.headers.X-Ok", "request.timeout", "credential_types.0"]),
    );
    expect(refused.body["errors"]).toContainEqual(expect.objectContaining({ message: expect.stringContaining("CUSTOM_NODE_MAX_BYTES") }));
    expect((await as<JsonObject[]>("GET", "/api/v1/nodes?custom=true")).body).toEqual([]);
  });

  test("D5: When there are CUSTOM_NODES_MAX, then the next is refused; types of the product cannot be changed; others see none", async () => {
    const { as, call, signUp } = await signedIn();
    for (const name of ["a", "b", "c"]) expect((await as("POST", "/api/v1/nodes", { ...WEATHER, name })).status).toBe(201);
    expect((await as("POST", "/api/v1/nodes", { ...WEATHER, name: "d" })).status).toBe(422);
    const { name: _name, ...content } = WEATHER;
    expect((await as("PUT", "/api/v1/nodes/HttpRequest", content)).status).toBe(409);
    expect((await as("DELETE", "/api/v1/nodes/HttpRequest")).status).toBe(404);
    const stranger = await signUp();
    expect((await call<JsonObject[]>("GET", "/api/v1/nodes?custom=true", { token: stranger.token })).body).toEqual([]);
    for (const method of ["GET", "DELETE"]) expect((await call(method, "/api/v1/nodes/custom.a", { token: stranger.token })).status).toBe(404);
  });

  test("F5: When one is registered, changed and deleted, then the audit log says what it was", async () => {
    const { as } = await signedIn();
    await as("POST", "/api/v1/nodes", WEATHER);
    await as("DELETE", "/api/v1/nodes/custom.weather");
    const { body } = await as<JsonObject[]>("GET", "/api/v1/audit-events?resource_type=node_type");
    expect(body).toMatchObject([
      { action: "deleteNode", before: { name: "custom.weather", version: 1 }, after: null },
      { action: "registerNode", before: null, after: { name: "custom.weather", definition: { request: { url: WEATHER.request.url } } } },
    ]);
    expect(body[0]?.["resource_id"]).toBe(body[1]?.["resource_id"]);
  });
});
