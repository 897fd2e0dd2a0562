import { PerdureError, uuidv7 } from "#core";
import { createLogger } from "#platform";
import { describe, expect, test, vi } from "vitest";
import { JSON_MAX_DEPTH } from "./body.ts";
import { GRAPH, createTestApp } from "./testing/test-app.ts";

describe("bodies", () => {
  test("D7: When a body is no JSON or is missing, then it is 400", async () => {
    const { call, signUp } = createTestApp();
    const { token } = await signUp();
    for (const body of ["{", "name=x", "{'a':1}", " "]) {
      const answer = await call("POST", "/api/v1/workflows", { token, body });
      expect([answer.status, answer.body["code"]], body).toEqual([400, "request.malformed"]);
    }
    for (const body of ["[]", "null", '"text"', "7"]) expect((await call("POST", "/api/v1/workflows", { token, body })).status, body).toBe(422);
  });

  test("F4: When a body is compressed, then it is 415, JSON or YAML, however small; identity is none", async () => {
    const { call, signUp } = createTestApp();
    const { token } = await signUp();
    const body = JSON.stringify({ name: "x", flow_data: GRAPH });
    for (const coding of ["gzip", "BR", "identity, gzip", "x"]) {
      for (const path of ["/api/v1/workflows", "/api/v1/workflows/import"]) {
        const answer = await call("POST", path, { token, body, headers: { "content-encoding": coding } });
        expect([answer.status, answer.body["code"]], `${coding} ${path}`).toEqual([415, "request.unsupported_encoding"]);
      }
    }
    expect((await call("POST", "/api/v1/workflows", { token, body, headers: { "content-encoding": "identity" } })).status).toBe(201);
  });

  test("F4: When a body is larger than REQUEST_MAX_BODY_BYTES, then it is 413, whether or not it says so first", async () => {
    const { app, call, signUp } = createTestApp();
    const { token } = await signUp();
    const body = JSON.stringify({ name: "x", description: "y".repeat(100_000) });
    expect((await call("POST", "/api/v1/workflows", { token, body })).status).toBe(413);
    expect((await call("POST", "/api/v1/workflows", { token, body, headers: { "content-length": String(body.length) } })).status).toBe(413);
    const chunks = new ReadableStream({
      pull(controller) {
        controller.enqueue(new TextEncoder().encode("[".padEnd(50_000)));
      },
    });
    const streamed = await app.request("/api/v1/workflows", { method: "POST", headers: { authorization: `Bearer ${token}` }, body: chunks, duplex: "half" });
    expect(streamed.status).toBe(413);
  });

  test("F4: When a body is within the limit, then its size is no matter", async () => {
    const { call, signUp } = createTestApp();
    const { token } = await signUp();
    const body = { name: "x", flow_data: { ...GRAPH, note: "y".repeat(90_000) } };
    expect((await call("POST", "/api/v1/workflows", { token, body })).status).toBe(201);
  });

  test("F4: When JSON nests deeper than JSON_MAX_DEPTH, then it is 400, and brackets in text do not count", async () => {
    const { call, signUp } = createTestApp();
    const { token } = await signUp();
    const deep = (levels: number): string => `{"name":"x","flow_data":{"nodes":[{"id":"a","type":"Start"}],"x":${"[".repeat(levels)}${"]".repeat(levels)}}}`;
    expect((await call("POST", "/api/v1/workflows", { token, body: deep(JSON_MAX_DEPTH - 2) })).status).toBe(201);
    expect((await call("POST", "/api/v1/workflows", { token, body: deep(JSON_MAX_DEPTH - 1) })).status).toBe(400);
    expect((await call("POST", "/api/v1/workflows", { token, body: deep(40_000) })).status).toBe(400);
    expect((await call("POST", "/api/v1/workflows", { token, body: { name: `\\"${"[{".repeat(80)}` } })).status).toBe(201);
  });

  test("D7: When text cannot be stored, then it is 422 and says where", async () => {
    const { call, signUp, db } = createTestApp();
    const { token } = await signUp();
    const bodies = ['{"name":"a\\u0000b"}', '{"name":"x","flow_data":{"nodes":[{"id":"\\ud800"}]}}', '{"name":"x","flow_data":{"\\u0000":1}}'];
    const paths = ["name", "flow_data.nodes.0.id", "flow_data"];
    for (const [index, body] of bodies.entries()) {
      const answer = await call("POST", "/api/v1/workflows", { token, body });
      expect([answer.status, (answer.body["errors"] as unknown as { path: string }[])[0]?.path]).toEqual([422, paths[index]]);
    }
    expect((await call("POST", "/api/v1/workflows", { token, body: '{"name":"\\ud83d\\ude00"}' })).status).toBe(201);
    expect(db.state.workflows).toHaveLength(1);
  });

  test("F4: When keys name parts of prototypes, then they are data and change nothing", async () => {
    const { call, signUp, runs, saveWorkflow } = createTestApp();
    const { token } = await signUp();
    const id = await saveWorkflow(token);
    const data = '"inputs":{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}}},"variables":{"__proto__":{"a":1}}';
    const path = `/api/v1/workflows/${id}/execute`;
    expect(await call("POST", path, { token, body: `{${data},"__proto__":{"mode":"wait"}}` })).toMatchObject({
      status: 422,
      body: { errors: [{ path: "__proto__" }] },
    });
    expect((await call("POST", path, { token, body: `{${data}}` })).status).toBe(201);
    expect(({} as Record<string, unknown>)["polluted"]).toBeUndefined();
    expect(Object.keys(runs.starts[0]?.inputs ?? {})).toEqual(["__proto__", "constructor"]);
  });
});

describe("names", () => {
  test("D7: When a body or a query has names that nobody knows, then it is 422 that names each, with what was probably meant", async () => {
    const { call, signUp, saveWorkflow, runs } = createTestApp();
    const { token } = await signUp();
    const id = await saveWorkflow(token);
    const execute = await call("POST", `/api/v1/workflows/${id}/execute`, { token, body: { Inputs: {}, mode: "wait", timout: 3, zzzzzzz: 1 } });
    expect(execute).toMatchObject({
      status: 422,
      body: {
        errors: [
          { code: "validation.unrecognized_keys", path: "Inputs", message: "is not known; did you mean `inputs`?" },
          { path: "timout", message: "is not known; did you mean `timeout`?" },
          { path: "zzzzzzz", message: "is not known" },
        ],
      },
    });
    const bulk = { action: "terminate", filter: { workflow_id: id }, dryRun: true };
    expect(await call("POST", "/api/v1/bulk-operations", { token, body: bulk })).toMatchObject({ status: 422, body: { errors: [{ path: "dryRun" }] } });
    expect(await call("POST", "/api/v1/bulk-operations?dry_run=true", { token, body: { action: "terminate", filter: { workflow_id: id } } })).toMatchObject({
      status: 422,
      body: { errors: [{ code: "validation.unknown_parameter", path: "query.dry_run" }] },
    });
    expect(await call("POST", "/api/v1/api-keys", { token, body: { name: "ci", scope: ["run.read"] } })).toMatchObject({
      status: 422,
      body: { errors: [{ path: "scope", message: "is not known; did you mean `scopes`?" }] },
    });
    expect(await call("GET", "/api/v1/executions?state=failed&workflow=x", { token })).toMatchObject({
      status: 422,
      body: { errors: [{ code: "validation.unknown_parameter", path: "query.state" }, { path: "query.workflow" }] },
    });
    const many = Object.fromEntries(Array.from({ length: 10_000 }, (_nothing, n) => [`x${n}`, 1]));
    const { body } = await call<{ errors: unknown[] }>("POST", `/api/v1/workflows/${id}/execute`, { token, body: many });
    expect(body.errors).toHaveLength(100);
    expect(runs.starts).toHaveLength(0);
  });

  test("D1: When what was read is sent back whole, then what only the server writes is left out", async () => {
    const { call, signUp, saveWorkflow } = createTestApp();
    const { token } = await signUp();
    const path = `/api/v1/workflows/${await saveWorkflow(token)}`;
    const { body } = await call("GET", path, { token });
    expect(await call("PUT", path, { token, body: { ...body, name: "Renamed" } })).toMatchObject({ status: 200, body: { name: "Renamed", version: 1 } });
  });
});

describe("problems", () => {
  test("D7: When something unexpected breaks, then it is 500 without details, and the log has them under the same id", async () => {
    const logger = createLogger("api", "silent");
    const logged = vi.spyOn(logger, "error");
    const testApp = createTestApp({ logger });
    const { token } = await testApp.signUp();
    testApp.db.workflows.list = () => Promise.reject(new Error("secret connection string"));
    const answer = await testApp.call("GET", "/api/v1/workflows", { token, headers: { "x-correlation-id": "trace-7" } });
    expect(answer.status).toBe(500);
    expect(answer.body).toEqual({
      type: "urn:perdure:problem:internal",
      title: "Internal Server Error",
      status: 500,
      detail: "An unexpected error occurred.",
      code: "internal",
      correlation_id: "trace-7",
    });
    expect(logged.mock.calls[0]?.[0]).toMatchObject({ correlation_id: "trace-7", err: { message: "secret connection string" } });
  });

  test.each([
    [new PerdureError("temporal.unavailable", "Temporal is away."), 503, "1"],
    [new PerdureError("rate.limited", "Slow down.", { retryAfterMs: 2_500 }), 429, "3"],
  ])("D7: When the failure is $code, then it says when to come again", async (error, status, retryAfter) => {
    const { call, signUp, saveWorkflow, runs } = createTestApp();
    const { token } = await signUp();
    const id = await saveWorkflow(token);
    runs.start = () => Promise.reject(error);
    const answer = await call("POST", `/api/v1/workflows/${id}/execute`, { token, body: {} });
    expect([answer.status, answer.headers.get("retry-after"), answer.body["detail"]]).toEqual([status, retryAfter, error.message]);
  });

  test("D7: When several parts of a request are wrong, then all are named with where they are", async () => {
    const { call, signUp, saveWorkflow } = createTestApp();
    const { token } = await signUp();
    const id = await saveWorkflow(token);
    const answer = await call("POST", `/api/v1/workflows/${id}/execute`, {
      token,
      body: { inputs: [], priority: 9 },
      headers: { "idempotency-key": "k".repeat(256) },
    });
    expect(answer.status).toBe(422);
    expect((answer.body["errors"] as unknown as { path: string }[]).map(({ path }) => path).toSorted()).toEqual([
      "header.idempotency-key",
      "inputs",
      "priority",
    ]);
  });
});

describe("headers", () => {
  test("K2: When a caller sends a correlation id, then it comes back; one that could harm a log does not", async () => {
    const { call } = createTestApp();
    const answerWith = async (id: string): Promise<string | null> =>
      (await call("GET", "/health", { headers: { "x-correlation-id": id } })).headers.get("x-correlation-id");
    expect(await answerWith("abc-123")).toBe("abc-123");
    for (const bad of ["a b", "x".repeat(129), "<script>"]) expect(await answerWith(bad)).toMatch(/^[0-9a-f-]{36}$/);
  });

  test("F4: When anything is answered, then it carries the headers that keep browsers from doing more with it", async () => {
    const { call } = createTestApp();
    for (const path of ["/health", "/nowhere", "/api/v1/workflows"]) {
      const { headers } = await call("GET", path);
      expect(headers.get("x-content-type-options"), path).toBe("nosniff");
      expect(headers.get("x-frame-options"), path).toBe("DENY");
      expect(headers.get("content-security-policy"), path).toContain("default-src 'none'");
      expect(headers.get("cache-control"), path).toBe("no-store");
      expect(headers.get("access-control-allow-origin"), path).toBeNull();
    }
  });

  test("F4: When origins are listed, then those alone may call, with credentials; a wildcard never has them", async () => {
    const preflight = { origin: "https://app.example", "access-control-request-method": "PUT", "access-control-request-headers": "authorization" };
    const listed = createTestApp({}, { CORS_ORIGINS: ["https://app.example"] });
    const allowed = await listed.call("OPTIONS", "/api/v1/workflows", { headers: preflight });
    expect([allowed.status, allowed.headers.get("access-control-allow-origin"), allowed.headers.get("access-control-allow-credentials")]).toEqual([
      204,
      "https://app.example",
      "true",
    ]);
    expect(allowed.headers.get("access-control-allow-methods")).toContain("PUT");
    const refused = await listed.call("GET", "/health", { headers: { origin: "https://evil.example" } });
    expect(refused.headers.get("access-control-allow-origin")).toBeNull();
    const everybody = await createTestApp({}, { CORS_ORIGINS: ["*"] }).call("GET", "/health", { headers: { origin: "https://any.example" } });
    expect([everybody.headers.get("access-control-allow-origin"), everybody.headers.get("access-control-allow-credentials")]).toEqual(["*", null]);
    const problem = await listed.call("GET", "/api/v1/workflows", { headers: { origin: "https://app.example" } });
    expect([problem.status, problem.headers.get("access-control-allow-origin")]).toEqual([401, "https://app.example"]);
  });

  test.each(["Basic abc", "Bearer", "Bearer a b", "Bearer \u00e4", "token"])(
    "F1: When the Authorization header is %s, then it is 401",
    async (authorization) => {
      const { call } = createTestApp();
      expect((await call("GET", "/api/v1/workflows", { headers: { authorization } })).status).toBe(401);
    },
  );
});

describe("health", () => {
  const down = (): Promise<void> => Promise.reject(new Error("password=hunter2"));

  test("A17 K1: When circuits stand open, then anybody reads how many, and a tenant which of its own", async () => {
    const { call, signUp, db } = createTestApp();
    const [owner, stranger] = [await signUp(), await signUp()];
    const at = "2026-11-21T10:00:00.000Z";
    const circuit = { worker: "w", kind: "http", name: "api.example", state: "open" as const, failures: 5, opened_at: at, retry_at: at };
    db.state.circuits.push({ ...circuit, tenantId: db.state.memberships[0]?.tenantId as never });
    expect((await call("GET", "/api/v1/circuits", { token: owner.token })).body).toEqual([circuit]);
    expect((await call("GET", "/api/circuits/", { token: stranger.token })).body).toEqual([]);
    const detailed = await call("GET", "/health/detailed");
    expect(detailed.body["circuits"]).toEqual({ open: 1, half_open: 0 });
    expect(JSON.stringify(detailed.body)).not.toContain("api.example");
  });

  test("A17 K1: When the circuits cannot be read, then health says so and nothing worse", async () => {
    const { call, db } = createTestApp();
    db.circuits.count = () => Promise.reject(new Error("away"));
    expect(await call("GET", "/health/detailed")).toMatchObject({ status: 200, body: { status: "healthy", circuits: null } });
  });

  test("K1: When all is well, then each page says so", async () => {
    const { call } = createTestApp();
    expect((await call("GET", "/health")).body).toMatchObject({ status: "healthy" });
    expect((await call("GET", "/health/ready")).body).toMatchObject({ status: "ready" });
    const detailed = await call("GET", "/health/detailed");
    expect([detailed.status, detailed.body]).toMatchObject([
      200,
      { status: "healthy", dependencies: { postgres: { status: "up" }, temporal: { status: "up" }, qdrant: { status: "up" } } },
    ]);
  });

  test("K1: When Qdrant is away, then the rest is served: degraded", async () => {
    const well = createTestApp().services.health;
    const { call } = createTestApp({ health: { ...well, qdrant: down } });
    expect((await call("GET", "/health/ready")).status).toBe(200);
    const detailed = await call("GET", "/health/detailed");
    expect([detailed.status, detailed.body["status"]]).toEqual([200, "degraded"]);
    expect(JSON.stringify(detailed.body)).not.toContain("hunter2");
  });

  test.each(["postgres", "temporal"] as const)("K1: When %s is away, then it is 503, and the process is still alive", async (dependency) => {
    const well = createTestApp().services.health;
    const { call } = createTestApp({ health: { ...well, [dependency]: down } });
    expect((await call("GET", "/health")).status).toBe(200);
    expect((await call("GET", "/health/ready")).status).toBe(503);
    expect(await call("GET", "/health/detailed")).toMatchObject({
      status: 503,
      body: { status: "unhealthy", dependencies: { [dependency]: { status: "down" } } },
    });
  });

  test("K5: When the process is shutting down, then it is no longer ready", async () => {
    const { call, shutdown } = createTestApp();
    shutdown.abort();
    expect((await call("GET", "/health/ready")).status).toBe(503);
  });
});

describe("the node registry", () => {
  const node = {
    name: "HttpRequest",
    display_name: "HTTP request",
    description: "Calls a URL.",
    category: "http",
    node_type: "processor",
    inputs: [],
    outputs: [],
  };
  const nodes = {
    list: () => [node],
    categories: () => [{ name: "http" }],
    get: (type: string) => (type === "HttpRequest" || type === "http_request" ? node : undefined),
  };

  test.each(["/api/v1/nodes", "/api/nodes/", "/api/v1/nodes/registry", "/api/nodes/registry"])(
    "B12: When %s is read, then every node type is there",
    async (path) => {
      const { call, signUp } = createTestApp({ nodes });
      const { token } = await signUp();
      const documented = path.includes("registry")
        ? { ...node, node_type: node.name, node_class: node.name, schema_definition: { inputs: node.inputs, outputs: node.outputs } }
        : node;
      expect((await call("GET", path, { token })).body).toEqual([documented]);
      expect((await call("GET", `${path}?search=nothing`, { token })).body).toEqual([]);
      expect((await call("GET", `${path}/http_request`.replace("//", "/"), { token })).body).toEqual(documented);
    },
  );

  test("B12: When categories or an unknown type are read, then they are the categories, and 404", async () => {
    const { call, signUp } = createTestApp({ nodes });
    const { token } = await signUp();
    expect((await call("GET", "/api/v1/nodes/categories", { token })).body).toEqual([{ name: "http" }]);
    expect((await call("GET", `/api/v1/nodes/${uuidv7()}`, { token })).status).toBe(404);
  });
});
