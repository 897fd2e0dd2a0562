import { DOCUMENTED, PERMISSIONS, ROLES, type RouteName, may, pathsOf, routes } from "#contract";
import { uuidv7 } from "#core";
import { describe, expect, test } from "vitest";
import { fillUnknown } from "./testing/specimens.ts";
import { createTestApp } from "./testing/test-app.ts";

const names = Object.keys(routes) as RouteName[];
const served = names.flatMap((name) => pathsOf(name).map((path) => ({ name, method: routes[name].method.toUpperCase(), path, access: routes[name].access })));
const PUBLIC_ROUTES: readonly RouteName[] = [
  "register",
  "login",
  "finishLogin",
  "refresh",
  "logout",
  "forgotPassword",
  "resetPassword",
  "verifyEmail",
  "listOidcProviders",
  "startOidc",
  "finishOidc",
  "exchangeOidc",
  "acceptInvitation",
  "health",
  "ready",
  "detailedHealth",
];

/** Served without a token: what describes the API. */
// The page of metrics asks for a token of the operator (api/routes/metrics.ts).
const DESCRIPTION = ["GET /", "GET /docs", "GET /docs/:file", "GET /metrics", "GET /openapi.json", "GET /swagger-ui"];

/** Middleware, and what refuses the methods that a path does not take. */
const REFUSALS = ["ALL /", "ALL /*", "ALL /docs", "ALL /docs/:file", "ALL /openapi.json", "ALL /swagger-ui"];

/** What opens nothing. */
const NO_TOKENS: Record<string, string>[] = [{}, { authorization: "Bearer null" }, { authorization: "Basic dXNlcjpwYXNz" }, { "x-api-key": "pk_" }];

describe("every route", () => {
  test("F1: When a route is declared, then it says who may call it, and its operation id is its name", () => {
    for (const name of names) {
      const { access, operationId } = routes[name];
      expect(operationId, name).toBe(name);
      if (access.auth === "user") expect(PERMISSIONS, name).toContain(access.permission);
      else if (access.auth === "webhook") expect(name).toMatch(/^call(Test)?Webhook|^getWebhookInfo$/);
      else expect(PUBLIC_ROUTES, name).toContain(name);
    }
  });

  test("F1: When a role grows, then it may do all that the smaller one may", () => {
    const grown = [...ROLES].reverse();
    for (const [index, role] of grown.entries()) {
      const smaller = grown[index - 1];
      for (const permission of PERMISSIONS) if (smaller && may(smaller, permission)) expect(may(role, permission), `${role} ${permission}`).toBe(true);
    }
    expect(PERMISSIONS.every((permission) => may("admin", permission))).toBe(true);
    expect(may("viewer", "run.start")).toBe(false);
    expect(may("operator", "workflow.write")).toBe(false);
  });

  test("F1: When the app serves a path, then it is a route of the contract with its access, or a page of the description", () => {
    const { app } = createTestApp();
    const known = new Set(
      served.flatMap(({ method, path }) => {
        const routed = path.replaceAll(/\{(\w+)\}/g, ":$1");
        return [`${method} ${routed}`, `ALL ${routed}`];
      }),
    );
    const others = app.routes.filter(({ method, path }) => !known.has(`${method} ${path}`)).map(({ method, path }) => `${method} ${path}`);
    expect([...new Set(others)].toSorted()).toEqual([...REFUSALS, ...DESCRIPTION]);
  });

  test.each(served.filter(({ access }) => access.auth === "webhook"))(
    "C1 F1: When $method $path is called by a member, with an API key, or with nothing, for a webhook that is there or not, then it is 401 alike",
    async ({ method, path }) => {
      const { call, signUp, saveWorkflow, db } = createTestApp();
      const owner = await signUp();
      await saveWorkflow(owner.token, { nodes: [{ id: "start", type: "WebhookTrigger" }], edges: [] });
      const hook = db.state.webhooks[0]?.id ?? "";
      const { body: key } = await call("POST", "/api/v1/api-keys", { token: owner.token, body: { name: "a key" } });
      const answers: unknown[] = [];
      for (const id of [hook, "wh_0123456789abcdef01234567", uuidv7(), "%00"]) {
        for (const headers of [...NO_TOKENS, { authorization: `Bearer ${owner.token}` }, { "x-api-key": String(key["key"]) }]) {
          const { status, body } = await call(method, path.replace("{id}", id), { headers, ...(method !== "GET" && { body: {} }) });
          answers.push({ status, ...body, correlation_id: "" });
        }
      }
      for (const answer of answers) expect(answer).toEqual(answers[0]);
      expect(answers[0]).toMatchObject({ status: 401, code: "auth.invalid" });
      expect([db.state.runs.length, db.state.deliveries.length]).toEqual([0, 0]);
    },
  );

  test("D8: When a path ends in a slash, then it is the same path", async () => {
    const { call, signUp } = createTestApp();
    const { token } = await signUp();
    for (const { name, method, path } of served.filter(({ method }) => method === "GET")) {
      const bare = await call(method, fillUnknown(name, path), { token });
      const slashed = await call(method, fillUnknown(name, path).replace(/(?=\?|$)/, "/"), { token });
      expect(slashed.status, path).toBe(bare.status);
    }
  });

  test("D8: When an alias is declared, then it is no canonical path and no other alias", () => {
    const all = served.map(({ method, path }) => `${method} ${path.replaceAll(/\{\w+\}/g, "{}")}`);
    expect(new Set(all).size).toBe(all.length);
    for (const row of DOCUMENTED) if ("serves" in row) expect(names).toContain(row.serves);
  });
});

describe("what is not a route", () => {
  test("D7: When a path does not exist, then it is a 404 problem", async () => {
    const { call } = createTestApp();
    const answer = await call("GET", "/api/v1/nowhere");
    expect([answer.status, answer.body["code"], answer.headers.get("content-type")]).toEqual([404, "resource.not_found", "application/problem+json"]);
  });

  test("D7: When a path stands where another has a parameter, then its methods are its own", async () => {
    const { call } = createTestApp();
    for (const [method, path] of [
      ["GET", "/api/v1/invitations/accept"],
      ["DELETE", "/api/v1/workflows/validate"],
      ["PUT", "/api/v1/credentials/types"],
      ["OPTIONS", "/api/v1/workflows/import"],
    ] as const) {
      const answer = await call(method, path);
      expect([answer.status, answer.headers.get("allow")], path).toEqual([405, path.endsWith("types") ? "GET, HEAD" : "POST"]);
    }
  });

  test("D7: When a path exists and the method does not, then it is 405 and says which do", async () => {
    const { call } = createTestApp();
    const answer = await call("DELETE", "/api/v1/workflows/");
    expect([answer.status, answer.body["code"]]).toEqual([405, "request.method_not_allowed"]);
    expect(answer.headers.get("allow")?.split(", ").toSorted()).toEqual(["GET", "HEAD", "POST"]);
  });
});

describe("the root", () => {
  test.each([
    ["a browser", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", 302],
    ["curl", "*/*", 200],
    ["a program", "application/json", 200],
    ["a program that would take a page too", "application/json, text/html;q=0.5", 200],
  ] as const)("D7: When %s asks for it, then it is led to the documentation or told where that is", async (_who, accept, status) => {
    const { call } = createTestApp();
    const answer = await call("GET", "/", { headers: { accept } });
    expect([answer.status, answer.headers.get("location"), answer.headers.get("vary")?.toLowerCase()]).toEqual([
      status,
      status === 302 ? "/docs" : null,
      expect.stringContaining("accept"),
    ]);
    if (status === 200) expect(answer.body).toMatchObject({ name: "Perdure", links: { documentation: "/docs", openapi: "/openapi.json" } });
  });
});

describe("the OpenAPI description", () => {
  test("D7: When /openapi.json is read, then it is 3.1 with every canonical operation, its aliases and its access", async () => {
    const { call } = createTestApp();
    const { status, body } = await call<{
      openapi: string;
      tags: { name: string; description?: string }[];
      paths: Record<
        string,
        Record<
          string,
          { operationId: string; security: unknown[]; "x-aliases"?: string[]; "x-alias-of"?: string; tags: string[]; responses: Record<string, unknown> }
        >
      >;
    }>("GET", "/openapi.json");
    expect([status, body.openapi]).toEqual([200, "3.1.0"]);
    const operations = Object.values(body.paths).flatMap((path) => Object.values(path));
    const canonical = operations.filter((each) => each["x-alias-of"] === undefined);
    expect(canonical.map(({ operationId }) => operationId).toSorted()).toEqual([...names].toSorted());
    expect(new Set(operations.map(({ operationId }) => operationId)).size).toBe(operations.length);
    const create = body.paths["/api/v1/workflows"]?.["post"];
    expect(create?.["x-aliases"]).toEqual(["/api/workflows"]);
    expect(create?.security).toEqual([{ bearer: [] }, { api_key: [] }]);
    expect(Object.keys(create?.responses ?? {})).toEqual(expect.arrayContaining(["201", "400", "401", "403", "413", "422", "429", "500", "503"]));
    expect(body.paths["/api/v1/auth/login"]?.["post"]?.security).toEqual([]);
    expect(JSON.stringify(body)).not.toContain('"access"');
    const alias = body.paths["/api/workflows/{id}"]?.["delete"];
    expect(alias).toMatchObject({ "x-alias-of": "deleteWorkflow", deprecated: false, tags: ["KAI-Fusion backend", "AI Workflow Builder"] });
    expect(alias?.responses).toMatchObject({ 200: { content: { "application/json": { schema: { properties: { message: { type: "string" } } } } } } });
    expect(body.tags.find(({ name }) => name === "KAI-Fusion requirements")?.description).toContain("/api/v1/vectors/collections");
  });

  test("D7: When a schema of /openapi.json lists its values and may be null, then null is among them", async () => {
    const { body } = await createTestApp().call<object>("GET", "/openapi.json");
    const lists: { type: string[]; enum?: unknown[]; const?: unknown }[] = [];
    const look = (part: object): void => {
      if (("enum" in part || "const" in part) && "type" in part && Array.isArray(part.type)) lists.push(part as (typeof lists)[number]);
      for (const inner of Object.values(part)) if (typeof inner === "object" && inner !== null) look(inner);
    };
    look(body);
    const nullable = lists.filter(({ type }) => type.includes("null"));
    expect(nullable.length).toBeGreaterThan(20);
    expect(nullable.filter((list) => !(list.enum ?? [list.const]).includes(null))).toEqual([]);
  });

  test("D7: When /docs is read, then the page and all it loads come from here under a strict policy", async () => {
    const { call } = createTestApp();
    const page = await call<string>("GET", "/docs");
    expect(page.status).toBe(200);
    expect(page.headers.get("content-security-policy")).toContain("default-src 'none'; script-src 'self'");
    const loaded = [...page.body.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, url]) => url ?? "");
    expect(loaded.length).toBeGreaterThan(3);
    for (const url of loaded) expect((await call("GET", url)).status, url).toBe(200);
    expect(page.body).not.toMatch(/https?:/);
  });

  test("F4: When /docs is asked for other files, then it has none", async () => {
    const { app } = createTestApp();
    for (const path of [
      "/docs/package.json",
      "/docs/..%2fpackage.json",
      "/docs/../package.json",
      "/docs/%2e%2e%2f%2e%2e%2fpackage.json",
      "/docs/__proto__",
      "/docs/swagger-ui.css.map",
    ]) {
      expect((await app.request(path)).status, path).toBe(404);
    }
  });
});
