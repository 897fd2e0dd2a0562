import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { createHttp } from "#integrations/http";
import { type CountingServer, startCountingServer } from "#tests/counting-server.ts";
import type { RoleName } from "#contract";
import { createTestApp, type TestApp } from "./testing/test-app.ts";

let server: CountingServer;
beforeAll(async () => {
  server = await startCountingServer({
    async reply(call, response) {
      if (call.path === "/slow") return;
      if (call.path === "/away") return void response.writeHead(302, { location: "/echo" }).end();
      if (call.path === "/teapot") return void response.writeHead(418, { "content-type": "text/plain", "set-cookie": ["a=1", "b=2"] }).end("short and stout");
      if (call.path === "/large") return void response.end("x".repeat(20_000));
      if (call.path === "/pixel") return void response.writeHead(200, { "content-type": "image/png" }).end(Buffer.from([137, 80, 78, 71]));
      const { method, path, headers, body } = call;
      response.setHeader("content-type", "application/json").end(JSON.stringify({ method, path, headers, body }));
    },
  });
});
beforeEach(() => void server.calls.splice(0));
afterAll(() => server?.close());

const PATH = "/api/v1/tools/http/test";

interface Result {
  status: number | null;
  headers: Record<string, string>;
  body: unknown;
  elapsed_ms: number;
  error: { code: string; message: string; retryable: boolean } | null;
}

async function testing(app: TestApp = createTestApp()) {
  const { token } = await app.signUp();
  return {
    ...app,
    token,
    send: (body: unknown) => app.call<Result & { code?: string; errors?: { path: string; code: string }[] }>("POST", PATH, { token, body }),
  };
}

test("D6: When a request is tested, then it is sent as the node sends it, and answered in the shape of the node's output", async () => {
  const { send, db } = await testing();
  const { status, body } = await send({
    url: `${server.url}/echo?a=1`,
    method: "POST",
    headers: { "X-Trace": "t" },
    query: { b: [2, 3] },
    body: { name: "Ada" },
    auth: { type: "basic", username: "u", password: "p" },
  });
  expect(status).toBe(200);
  expect(body).toMatchObject({ status: 200, headers: { "content-type": "application/json" }, error: null, elapsed_ms: expect.any(Number) });
  expect(body.body).toMatchObject({ method: "POST", path: "/echo?a=1&b=2&b=3", body: '{"name":"Ada"}' });
  expect(server.calls[0]?.headers).toMatchObject({
    "x-trace": "t",
    "content-type": "application/json",
    authorization: `Basic ${Buffer.from("u:p").toString("base64")}`,
    "idempotency-key": expect.any(String),
  });
  expect(db.state.runs).toEqual([]);
});

test.each([
  [{ auth: { type: "bearer", token: "t-1" } }, { authorization: "Bearer t-1" }, "/echo"],
  [{ auth: { type: "api_key", name: "X-Key", value: "k" } }, { "x-key": "k" }, "/echo"],
  [{ auth: { type: "api_key", name: "key", value: "k", in: "query" } }, {}, "/echo?key=k"],
  [{ auth: null, method: null, headers: null, query: null, timeout: null, response_type: null }, {}, "/echo"],
])("D6: When a request proves itself with %j, then so it is sent", async (more, headers, path) => {
  const { send } = await testing();
  expect((await send({ url: `${server.url}/echo`, ...more })).body).toMatchObject({ status: 200 });
  expect(server.calls).toMatchObject([{ method: "GET", path, headers }]);
});

test("D6: When the answer is an error, text, bytes or a redirect, then it is shown as the node shows it", async () => {
  const { send } = await testing();
  const shown = async (path: string, more = {}) => (await send({ url: server.url + path, ...more })).body;
  expect(await shown("/teapot")).toMatchObject({ status: 418, headers: { "set-cookie": "a=1, b=2" }, body: "short and stout", error: null });
  expect(await shown("/pixel")).toMatchObject({ status: 200, body: { encoding: "base64", content_type: "image/png", data: "iVBORw==" } });
  expect(await shown("/away")).toMatchObject({ status: 200, body: { path: "/echo" } });
  expect(await shown("/away", { follow_redirects: false })).toMatchObject({ status: 302, headers: { location: "/echo" } });
  expect(await shown("/teapot", { response_type: "json" })).toMatchObject({ status: null, body: null, error: { code: "upstream.rejected" } });
});

test("D6 F4: When an address is private and not allowed, then nothing is sent and the answer says that it was refused", async () => {
  const { send } = await testing(createTestApp({ http: createHttp({ allow: [] }) }));
  const { status, body } = await send({ url: `${server.url}/echo` });
  expect([status, body.status, body.error?.code]).toEqual([200, null, "outbound.refused"]);
  expect(server.calls).toEqual([]);
});

test("D6 F4: When the organization's list does not have the host, then nothing is sent, also where the operator allows it", async () => {
  const { send } = await testing(createTestApp({ http: createHttp({ allow: ["127.0.0.1"], hostsOf: () => Promise.resolve(["api.example"]) }) }));
  expect((await send({ url: `${server.url}/echo` })).body.error?.code).toBe("outbound.refused");
  expect(server.calls).toEqual([]);
});

test("D6: When a server is silent, away or says too much, then that is the answer, within the time that tests have", async () => {
  const { send } = await testing(createTestApp({}, { HTTP_TEST_TIMEOUT_MS: 150 }));
  const failure = async (path: string, more = {}) => (await send({ url: path.startsWith("/") ? server.url + path : path, ...more })).body.error;
  const begun = Date.now();
  expect(await failure("/slow", { timeout: "5m" })).toMatchObject({ code: "network.timed_out", retryable: true });
  expect(await failure("/slow", { timeout: 0.05 })).toMatchObject({ code: "network.timed_out" });
  expect(await failure("/slow")).toMatchObject({ code: "network.timed_out" });
  expect(Date.now() - begun, "not the five minutes").toBeLessThan(60_000);
  expect(await failure("http://127.0.0.1:1/")).toMatchObject({ code: "network.unreachable" });
  expect(await failure("ftp://127.0.0.1/")).toMatchObject({ code: "outbound.refused" });
  expect(await failure("/large")).toMatchObject({ code: "output.too_large", message: expect.stringContaining("NODE_OUTPUT_MAX_BYTES") });
  const small = await testing(createTestApp({ http: createHttp({ allow: ["127.0.0.1"], maxResponseBytes: 1_000 }) }));
  expect((await small.send({ url: `${server.url}/large` })).body.error?.code).toBe("output.too_large");
});

test("D6 K1: When the process stops, then a test that waits for its answer is called off", async () => {
  const { send, shutdown } = await testing(createTestApp({}, { HTTP_TEST_TIMEOUT_MS: 60_000 }));
  const waiting = send({ url: `${server.url}/slow` });
  await expect.poll(() => server.calls.length).toBe(1);
  shutdown.abort();
  expect((await waiting).body).toMatchObject({ status: null, error: { code: "network.unreachable", message: "The test was called off." } });
});

test.each([
  ["no URL", { url: "nowhere" }, ["url"]],
  ["no url at all", { method: "GET" }, ["url"]],
  ["a method that the node does not know", { url: "http://127.0.0.1/", method: "TRACE" }, ["method"]],
  ["a time that is none", { url: "http://127.0.0.1/", timeout: "soon" }, ["timeout"]],
  ["no time", { url: "http://127.0.0.1/", timeout: 0 }, ["timeout"]],
  ["a way to prove itself that there is not", { url: "http://127.0.0.1/", auth: { type: "digest" } }, ["auth.type"]],
  ["a stored credential", { url: "http://127.0.0.1/", credential: "x" }, ["credential"]],
  [
    "secrets",
    {
      url: "http://127.0.0.1/{{ secrets.A }}",
      headers: { a: "{{secrets.B}}" },
      body: [{ c: "x {{upper(secrets.C)}}" }],
      auth: { type: "bearer", token: "{{secrets.D}}" },
    },
    ["url", "headers.a", "body.0.c", "auth.token"],
  ],
])("D6: When a test has %s, then it is 422 that names each place, and nothing is sent", async (_name, body, places) => {
  const { send } = await testing();
  const answer = await send(body);
  expect([answer.status, answer.body.code]).toEqual([422, "validation.failed"]);
  expect(answer.body.errors?.map(({ path }) => path).toSorted()).toEqual(places.toSorted());
});

test("D6: When a header is none that HTTP allows, then it is 422; other templates are sent as they stand", async () => {
  const { send } = await testing();
  expect((await send({ url: `${server.url}/echo`, headers: { a: "x\ny" } })).status).toBe(422);
  const { body } = await send({ url: `${server.url}/echo`, method: "POST", body: "{{input.name}}" });
  expect(body.body).toMatchObject({ body: "{{input.name}}" });
});

test.each<[RoleName, number]>([
  ["viewer", 403],
  ["operator", 403],
  ["editor", 200],
  ["admin", 200],
])("D6 F1: When a %s tests a request, then it is %i, as for a graph that is not saved", async (role, expected) => {
  const app = createTestApp();
  const { userId } = await app.signUp();
  app.db.setRole(userId, role);
  const [membership] = await app.db.accounts.memberships(userId);
  const token = await app.services.tokens.issue({ userId, tenantId: membership!.tenantId, role });
  expect((await app.call("POST", PATH, { token, body: { url: `${server.url}/echo` } })).status).toBe(expected);
  expect(server.calls).toHaveLength(expected === 200 ? 1 : 0);
});

test("D6 F4 F5: When requests are tested, then they count as starts, and the audit log has who did and nothing of what was sent", async () => {
  const app = await testing(createTestApp({}, { RATE_LIMIT_STARTS: { tokens: 1, perMs: 3_600_000, burst: 1 } }));
  const request = { url: `${server.url}/echo?canary`, auth: { type: "bearer", token: "canary-2" } };
  expect([(await app.send(request)).status, (await app.send(request)).status]).toEqual([200, 429]);
  expect(server.calls).toHaveLength(1);
  const entries = app.db.state.audit.filter(({ action }) => action === "testHttpRequest");
  expect(entries).toMatchObject([{ resourceType: "http_request", path: PATH, status: 200 }]);
  expect(JSON.stringify(app.db.state)).not.toContain("canary");
});

test("D6: When nodes have sent requests, then the log has them by workflow and node, the newest first, and of nobody else", async () => {
  const app = createTestApp();
  const [owner, stranger] = [await app.signUp(), await app.signUp()];
  const workflowId = await app.saveWorkflow(owner.token);
  const runId = await app.startRun(owner.token, workflowId);
  const other = await app.startRun(owner.token, await app.saveWorkflow(owner.token));
  const row = { iteration: "", name: "Call", type: "HttpRequest", attempt: 1, route: null, completed_at: null, duration_ms: 12 };
  const failed = { code: "upstream.failed", message: "POST https://a.example/x answered 503: busy", retryable: true };
  app.db.state.nodes.set(runId, [
    {
      ...row,
      node_id: "a",
      status: "completed",
      input: { url: "https://a.example/{{secrets.K}}" },
      output: { status: 204 },
      error: null,
      started_at: "2026-01-01T00:00:00.000Z",
    },
    {
      ...row,
      node_id: "b",
      status: "failed",
      attempt: 3,
      input: { url: "u", method: "post" },
      output: null,
      error: failed,
      started_at: "2026-01-02T00:00:00.000Z",
    },
    { ...row, node_id: "c", status: "completed", type: "Set", input: null, output: null, error: null, started_at: "2026-01-03T00:00:00.000Z" },
  ]);
  app.db.state.nodes.set(other, [
    { ...row, node_id: "a", status: "running", input: null, output: null, error: null, duration_ms: null, started_at: "2026-01-04T00:00:00.000Z" },
  ]);
  const list = async (query: string, token = owner.token) => app.call<Record<string, unknown>[]>("GET", `/api/v1/tools/http/logs${query}`, { token });
  const { body, headers } = await list(`?workflow_id=${workflowId}`);
  expect(headers.get("x-total-count")).toBe("2");
  expect(body).toMatchObject([
    { execution_id: runId, node_id: "b", attempt: 3, method: "POST", status_code: 503, error_code: "upstream.failed", duration_ms: 12 },
    { execution_id: runId, workflow_id: workflowId, node_id: "a", method: "GET", url: "https://a.example/{{secrets.K}}", status_code: 204, error_code: null },
  ]);
  expect((await list("?node_id=a")).body).toMatchObject([{ execution_id: other, method: null, url: null, status_code: null }, { execution_id: runId }]);
  const first = await list("?limit=1&from=2026-01-01&to=2026-01-04");
  expect(first.body).toMatchObject([{ node_id: "b" }]);
  expect(first.headers.get("link")).toContain("cursor=");
  expect((await list(`?workflow_id=${workflowId}`, stranger.token)).body).toEqual([]);
  expect((await list("?workflow_id=nobody")).status).toBe(422);
});
