import type { JsonObject } from "#core";
import { describe, expect, test } from "vitest";
import { createTestApp } from "./testing/test-app.ts";

async function signedIn() {
  const app = createTestApp();
  const { token } = await app.signUp();
  const workflow = `/api/v1/workflows/${await app.saveWorkflow(token)}/variables`;
  const as = <T = JsonObject>(method: string, at: string, body?: unknown, headers: Record<string, string> = {}) =>
    app.call<T>(method, at, { token, headers, ...(body !== undefined && { body }) });
  return { ...app, token, as, places: ["/api/v1/variables", workflow] };
}

describe("variables", () => {
  test("D6 F6: When a variable is made, read, set and deleted, in an organization and in a workflow, then each has its own", async () => {
    const { as, places } = await signedIn();
    for (const [at, place] of places.entries()) {
      const made = await as("POST", place, { name: "region", value: { eu: [at] }, description: "Where" });
      expect([made.status, made.headers.get("etag")]).toEqual([201, '"1"']);
      expect(made.body).toMatchObject({
        name: "region",
        value: { eu: [at] },
        type: "object",
        scope: at === 0 ? "organization" : "workflow",
        description: "Where",
      });
      expect((await as("POST", place, { name: "region", value: 1 })).body["code"]).toBe("resource.conflict");
    }
    for (const [at, place] of places.entries()) {
      expect((await as("GET", `${place}/region`)).body["value"]).toEqual({ eu: [at] });
      const set = await as("PUT", `${place}/region`, { value: null, type: "null" });
      expect([set.status, set.body["value"], set.body["description"], set.headers.get("etag")]).toEqual([200, null, "Where", '"2"']);
      expect((await as("PUT", `${place}/other`, { value: "x" })).status).toBe(201);
      expect((await as<JsonObject[]>("GET", `${place}?limit=1`)).body.map(({ name }) => name)).toEqual(["other"]);
      expect((await as<JsonObject[]>("GET", `${place}?search=reg`)).body.map(({ name }) => name)).toEqual(["region"]);
      expect((await as("DELETE", `${place}/region`)).status).toBe(204);
      expect((await as("GET", `${place}/region`)).status).toBe(404);
    }
  });

  test("D6: When If-Match names another state, then a change is 412", async () => {
    const { as, places } = await signedIn();
    for (const place of places) {
      await as("PUT", `${place}/a`, { value: 1 });
      const stale = { "if-match": '"7"' };
      expect((await as("PUT", `${place}/a`, { value: 2 }, stale)).status).toBe(412);
      expect((await as("PUT", `${place}/b`, { value: 2 }, stale)).status, "it cannot be made so").toBe(412);
      expect((await as("DELETE", `${place}/a`, undefined, stale)).status).toBe(412);
      expect((await as("PUT", `${place}/a`, { value: 2 }, { "if-match": '"1"' })).status).toBe(200);
    }
  });

  test.each([
    [{ name: "1a", value: 1 }, "name"],
    [{ name: "a-b", value: 1 }, "name"],
    [{ name: "__proto__", value: 1 }, "name"],
    [{ name: "a" }, "value"],
    [{ name: "a", value: "1", type: "number" }, "value"],
    [{ name: "a", value: "s", is_secret: true }, "is_secret"],
    [{ name: "a", value: "x".repeat(1_000) }, "value"],
  ])("D6 F6: When %j is sent, then it is refused and `%s` is named", async (body, path) => {
    const { as } = await signedIn();
    const refused = await as("POST", "/api/v1/variables", body);
    expect(refused.status).toBe(422);
    expect((refused.body["errors"] as JsonObject[]).map((error) => error["path"])).toContain(path);
  });

  test("D6: When there are more than VARIABLES_MAX or VARIABLES_MAX_BYTES, then the next is refused", async () => {
    const { as } = await signedIn();
    for (let n = 0; n < 5; n++) expect((await as("POST", "/api/v1/variables", { name: `v${n}`, value: n })).status).toBe(201);
    expect((await as("POST", "/api/v1/variables", { name: "more", value: 1 })).status).toBe(422);
    expect((await as("PUT", "/api/v1/variables/v0", { value: "x".repeat(900) })).status).toBe(200);
    expect((await as("PUT", "/api/v1/variables/v1", { value: "x".repeat(900) })).status).toBe(200);
    expect((await as("PUT", "/api/v1/variables/v2", { value: "x".repeat(900) })).status).toBe(413);
  });

  test("F2 F5: When a variable looks like a secret, then it is marked, and the audit log withholds its value only by its name", async () => {
    const { as } = await signedIn();
    expect((await as("PUT", "/api/v1/variables/api_key", { value: "x" })).body["looks_secret"]).toBe(true);
    expect((await as("PUT", "/api/v1/variables/region", { value: "eu" })).body["looks_secret"]).toBe(false);
    await as("PUT", "/api/v1/variables/api_key", { value: "y" });
    await as("DELETE", "/api/v1/variables/region");
    const { body } = await as<JsonObject[]>("GET", "/api/v1/audit-events?resource_type=variable");
    expect(body.map(({ action, before, after }) => [action, before, after])).toMatchObject([
      ["deleteVariable", { name: "region", value: "eu" }, null],
      ["replaceVariable", { value: "[withheld]" }, { value: "[withheld]" }],
      ["replaceVariable", null, { name: "region", value: "eu" }],
      ["replaceVariable", null, { name: "api_key", value: "[withheld]" }],
    ]);
    expect(body[0]?.["resource_id"]).toBe(body[2]?.["resource_id"]);
  });
});
