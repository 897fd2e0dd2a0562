import { type Access, DOCUMENTED, PERMISSIONS, ROLES, SCOPES, type RouteName, may, pathsOf, replySchema, routes } from "#contract";
import { uuidv7 } from "#core";
import { type CountingServer, startCountingServer } from "#tests/counting-server.ts";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Callers, guard } from "./middleware/guard.ts";
import { type TestApp, createTestApp } from "./testing/test-app.ts";

/** Takes whatever credential it is shown. */
let taker: CountingServer;
beforeAll(async () => {
  taker = await startCountingServer();
});
afterAll(() => taker.close());

const names = Object.keys(routes) as RouteName[];
const served = names.flatMap((name) => pathsOf(name).map((path) => ({ name, method: routes[name].method.toUpperCase(), path, access: routes[name].access })));
const unknownId = uuidv7();
const withIds = (path: string): string =>
  (path.endsWith("/diff") ? `${path}?from=1&to=1` : path)
    .replace("/webhooks/{id}", `/webhooks/wh_${"f".repeat(24)}`)
    .replace("{type}", "NoSuchNode")
    .replace("{version}", "1")
    .replace("{name}", "a_variable")
    .replace("{node_id}", "start")
    .replace("{edge_id}", "start->end")
    .replaceAll(/\{\w+\}/g, unknownId);

/** Bodies that pass their route's schema, so that what is tested is the look-up. */
const BODIES: Partial<Record<RouteName, unknown>> = {
  replaceCredential: { name: "Another name" },
  setVariable: { value: 1 },
  registerNode: { name: "weather", request: { url: "https://api.example/" } },
  replaceNode: { request: { url: "https://api.example/" } },
  createVariable: { name: "another", value: 1 },
  createWorkflowVariable: { name: "another", value: 1 },
  replaceVariable: { value: 1 },
  replaceWorkflowVariable: { value: 1 },
  addWorkflowNode: { type: "Set" },
  replaceWorkflowNode: { type: "Start" },
  addWorkflowEdge: { source: "end", target: "start" },
  replaceWorkflowEdge: { source: "start", target: "end" },
  answerApproval: { decision: "approved" },
  forkExecution: { from_node: "start" },
  migrateExecution: { version: 1 },
  sendEvent: { name: "paid" },
  createApiKey: { name: "a key" },
  updateMember: { role: "admin" },
  createInvitation: { email: "guest@example.com", role: "viewer" },
  acceptInvitation: { token: "t", password: "secure_password" },
  joinOrganization: { token: "t" },
  backfillSchedule: { start_at: "2026-01-01T00:00:00Z", end_at: "2026-01-01T00:03:00Z" },
};

function membership(db: TestApp["db"], userId: string) {
  const found = db.state.memberships.find((each) => each.userId === userId);
  if (!found) throw new Error("no membership");
  return found;
}

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

/** Ways to write a path that a proxy or a router might take for another one. */
function tricks(path: string): string[] {
  const [bare = "", query = ""] = path.split(/(?=\?)/);
  const last = bare.slice(bare.lastIndexOf("/") + 1);
  const first = last.charAt(0);
  const encoded = `%${first.charCodeAt(0).toString(16)}`;
  return [
    bare.toUpperCase(),
    bare.replace("/api/", "/API/"),
    bare.slice(0, -last.length) + encoded + last.slice(1),
    bare.replaceAll("/", "%2f").replace("%2f", "/"),
    `/${bare}`,
    bare.replaceAll("/", "//"),
    `${bare}//`,
    `${bare}.json`,
    `${bare};a=b`,
    `${bare}%20`,
    `${bare}%00`,
    `${bare}%2e`,
    `${bare}/..;/`,
    `${bare}/%2e%2e/${last}`,
    `/health/..${bare}`,
    `/health/%2e%2e${bare}`,
    `/health%2f..${bare}`,
    `/docs/..%2f${bare.slice(1)}`,
    `${bare}\\`,
    `${bare}?/health`,
    `${bare}#/health`,
  ].map((each) => (each.includes("?") ? each : each + query));
}

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

  test.each(served.filter(({ access }) => access.auth === "user"))(
    "F1: When $method $path is called without a token, then it is 401",
    async ({ method, path }) => {
      const { call } = createTestApp();
      const answer = await call(method, withIds(path), { ...(method !== "GET" && { body: {} }) });
      expect(answer.status).toBe(401);
      expect(answer.body["code"]).toBe("auth.required");
      expect(answer.headers.get("content-type")).toBe("application/problem+json");
    },
  );

  test.each(served.filter(({ access }) => access.auth === "user"))(
    "F1: When $method $path is written in another way and called without a token, or with what is none, then nothing is served",
    async ({ method, path }) => {
      const { app, db } = createTestApp();
      const plain = withIds(path);
      for (const variant of tricks(plain)) {
        for (const headers of NO_TOKENS) {
          const body = method === "GET" ? {} : { body: "{}" };
          const { status } = await app.fetch(new Request(`http://localhost${variant}`, { method, headers, ...body }));
          expect([401, 404, 405], `${variant} ${JSON.stringify(headers)} → ${status}`).toContain(status);
        }
      }
      expect([db.state.workflows.length, db.state.runs.length, db.state.audit.length]).toEqual([0, 0, 0]);
    },
  );

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

  test("F1: When a route does not say who may call it, then it cannot be mounted", () => {
    expect(() => guard(undefined as unknown as Access, {} as Callers)).toThrow();
    expect(() => guard({ auth: "user" } as unknown as Access, {} as Callers)).toThrow("permission");
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
      for (const id of [hook, "wh_0123456789abcdef01234567", unknownId, "%00"]) {
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

  test.each(served.filter(({ path, access }) => path.includes("{id}") && access.auth !== "webhook"))(
    "F1: When $method $path names what is another tenant's, then it is 404",
    async ({ name, method, path }) => {
      const { call, signUp, saveWorkflow, startRun, db, shutdown } = createTestApp();
      const owner = await signUp();
      const workflowId = await saveWorkflow(owner.token);
      const runId = await startRun(owner.token, workflowId);
      const run = db.state.runs[0];
      if (!run) throw new Error("no run");
      const approvalId = uuidv7();
      db.state.approvals.push({
        id: approvalId,
        tenantId: run.tenantId,
        runId,
        nodeId: "ask",
        iteration: "",
        kind: "approval",
        status: "pending",
        prompt: "",
        data: null,
        schema: null,
        assignees: [],
        decision: null,
        answer: null,
        comment: null,
        answeredBy: null,
        answeredAt: null,
        expiresAt: null,
        createdAt: new Date(),
      });
      const isRun = path.includes("/executions/{id}") || path.includes("/runs/{id}");
      const bulk = { id: uuidv7(), action: "cancel" as const, filter: {}, options: {}, ratePerMinute: 1, createdBy: owner.userId };
      const { body: key } = await call("POST", "/api/v1/api-keys", { token: owner.token, body: { name: "a key" } });
      const { body: invitation } = await call("POST", "/api/v1/invitations", {
        token: owner.token,
        body: { email: "guest@example.com", role: "viewer" },
      });
      // A second admin, whom the owner may change and remove.
      const second = await signUp();
      db.state.memberships.unshift({ ...membership(db, owner.userId), userId: second.userId });
      const { id: bulkId } = await db.bulk.create(run.tenantId, bulk, {}, 10);
      const written = { name: "Key", type: "http_bearer", data: { token: "t-1", test_url: `${taker.url}/` } };
      const { body: credential } = await call("POST", "/api/v1/credentials", { token: owner.token, body: written });
      await call("PUT", `/api/v1/workflows/${workflowId}/variables/a_variable`, { token: owner.token, body: { value: 1 } });
      await saveWorkflow(owner.token, { nodes: [{ id: "start", type: "WebhookTrigger", data: { response_mode: "accepted" } }], edges: [] });
      const hook = db.state.webhooks[0]?.id ?? "";
      const { body: shown } = await call("GET", `/api/v1/webhooks/${hook}`, { token: owner.token });
      const { body: taken } = await call("POST", `/api/v1/hooks/${hook}`, { token: String(shown["security_token"]), body: {} });
      const timing = { workflow_id: workflowId, interval_seconds: 60 };
      const { body: schedule } = await call("POST", "/api/v1/schedules", { token: owner.token, body: timing });
      const ids: Record<string, string> = {
        webhooks: hook,
        schedules: String(schedule["id"]),
        jobs: String(schedule["id"]),
        "scheduled-jobs": String(schedule["id"]),
        credentials: String(credential["id"]),
        approvals: approvalId,
        "bulk-operations": bulkId,
        "api-keys": String(key["id"]),
        invitations: String(invitation["id"]),
        members: second.userId,
        auth: db.state.sessions.find(({ userId }) => userId === owner.userId)?.id ?? "",
      };
      const id = isRun ? runId : (ids[path.split("/").at(path.startsWith("/api/v1/") ? 3 : 2) ?? ""] ?? workflowId);
      const target = withIds(path.replace("{workflow_id}", workflowId).replace("{id}", id).replace("{delivery_id}", String(taken["delivery_id"])));
      const stranger = await signUp();
      const body = method === "GET" ? {} : { body: BODIES[name] ?? {} };

      const foreign = await call(method, target, { token: stranger.token, ...body });
      const missing = await call(method, withIds(path), { token: stranger.token, ...body });
      expect([foreign.status, foreign.body["code"]]).toEqual([404, "resource.not_found"]);
      expect({ ...foreign.body, correlation_id: "" }).toEqual({ ...missing.body, correlation_id: "" });
      // Streams end at once.
      shutdown.abort();
      const own = await call(method, target, { token: owner.token, ...body });
      if ("socket" in routes[name]) return expect(own.status, "the owner is asked to upgrade").toBe(426);
      expect(own.status, "the owner is served").toBeLessThan(400);
      expect(replySchema(routes[name], own.status)?.safeParse(own.body).error, "as the contract states").toBeUndefined();
    },
  );

  test.each(served.filter(({ path, access }) => path.includes("{id}") && access.auth !== "webhook"))(
    "D7: When the id of $method $path is no id, then it is 404, not a failure",
    async ({ name, method, path }) => {
      const { call, signUp } = createTestApp();
      const { token } = await signUp();
      for (const bad of ["1", "..%2f..%2fetc", "%00", "not-an-id", "' or 1=1"]) {
        const answer = await call(method, withIds(path.replace("{id}", bad)), { token, ...(method !== "GET" && { body: BODIES[name] ?? {} }) });
        expect(answer.status, bad).toBe(404);
      }
    },
  );

  test.each(["viewer", "operator", "editor", "admin"] as const)("F1: When a %s calls, then exactly the routes of its permissions let it in", async (role) => {
    const { call, signUp, services, db } = createTestApp();
    const { userId } = await signUp();
    db.setRole(userId, role);
    const [membership] = await services.db.accounts.memberships(userId);
    if (!membership) throw new Error("no membership");
    for (const { name, method, path, access } of served) {
      if (access.auth !== "user") continue;
      // One for each: some of the routes end sessions.
      const token = await services.tokens.issue({ userId, tenantId: membership.tenantId, role });
      const { status } = await call(method, withIds(path), { token, ...(method !== "GET" && { body: BODIES[name] ?? {} }) });
      expect(status === 403, `${role} ${method} ${path} → ${status}`).toBe(!may(role, access.permission));
    }
  });

  test.each(SCOPES)("F3: When a key has the scope %s alone, then exactly the routes of that permission let it in", async (scope) => {
    const { call, signUp } = createTestApp();
    const { token } = await signUp();
    const { body } = await call<{ key: string }>("POST", "/api/v1/api-keys", { token, body: { name: "one scope", scopes: [scope] } });
    for (const { name, method, path, access } of served) {
      if (access.auth !== "user") continue;
      const { status } = await call(method, withIds(path), { token: body.key, ...(method !== "GET" && { body: BODIES[name] ?? {} }) });
      expect(status === 403, `${scope} ${method} ${path} → ${status}`).toBe(access.permission !== scope);
    }
  });

  test("D8: When a path ends in a slash, then it is the same path", async () => {
    const { call, signUp } = createTestApp();
    const { token } = await signUp();
    for (const { method, path } of served.filter(({ method }) => method === "GET")) {
      const bare = await call(method, withIds(path), { token });
      const slashed = await call(method, withIds(path).replace(/(?=\?|$)/, "/"), { token });
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
