import { expect, test } from "vitest";
import { parseMetrics, sum } from "../tests/support/metrics.ts";
import type { PastSpan, SpanSpec, Tracing } from "#telemetry";
import { createTestApp } from "./testing/test-app.ts";

const TOKEN = "a token for the monitoring";
const withToken = { headers: { authorization: `Bearer ${TOKEN}` } };

test("K1: When requests are answered, refused and not found, then each is counted under its route's template, and no path of a caller's is a label", async () => {
  const { call, signUp, services } = createTestApp({}, { RATE_LIMIT_USER: { tokens: 2, perMs: 60_000, burst: 2 } });
  const { token } = await signUp();
  await call("GET", "/health");
  await call("GET", "/nowhere/canary-1");
  await call("GET", "/api/v1/executions/01a1ff56-4822-7000-8000-000000000000", { token });
  await call("GET", "/api/executions/01a1ff56-4822-7000-8000-000000000001", { token });
  expect((await call("GET", "/api/v1/executions", { token })).status).toBe(429);
  await call("PROPFIND", "/health");
  const { text } = await services.metrics.page();
  const samples = parseMetrics(text);
  const count = (route: string, status: string, method = "GET") => sum(samples, "http_requests_total", { method, route, status });
  expect(count("/health", "200")).toBe(1);
  expect(count("/api/v1/executions/{id}", "404"), "both spellings of the path").toBe(2);
  expect(count("/api/v1/executions", "429")).toBe(1);
  expect(count("unmatched", "404")).toBe(1);
  expect(sum(samples, "http_requests_total", { method: "OTHER" })).toBe(1);
  expect(sum(samples, "perdure_rate_limit_refusals_total", { limit: "user" })).toBe(1);
  expect(sum(samples, "http_request_duration_seconds_count", { route: "/health", method: "GET" })).toBe(1);
  expect(sum(samples, "http_requests_in_flight")).toBe(0);
  expect(text).not.toMatch(/canary|01a1ff56/);
});

test("F1 K1: When the operator has set no METRICS_TOKEN, then nobody reads metrics on this port; with one, who sends it does", async () => {
  expect((await createTestApp().call("GET", "/metrics", withToken)).status).toBe(403);
  const { call, signUp } = createTestApp({}, { METRICS_TOKEN: TOKEN });
  const { token } = await signUp();
  expect((await call("GET", "/metrics")).status).toBe(401);
  expect((await call("GET", "/metrics", { token })).status).toBe(401);
  const page = await call<string>("GET", "/metrics", withToken);
  expect([page.status, page.headers.get("content-type")]).toEqual([200, expect.stringContaining("text/plain")]);
  expect(page.body).toContain("# TYPE active_workflows_total gauge");
});

test("F1 K1: When HEALTH_DETAILED is token, then only who sends METRICS_TOKEN sees the dependencies, and probes go on as before", async () => {
  const { call } = createTestApp({}, { HEALTH_DETAILED: "token", METRICS_TOKEN: TOKEN });
  expect((await call("GET", "/health/detailed")).status).toBe(401);
  expect((await call("GET", "/health/detailed", withToken)).status).toBe(200);
  expect([(await call("GET", "/health")).status, (await call("GET", "/health/ready")).status]).toEqual([200, 200]);
  expect((await createTestApp({}, { HEALTH_DETAILED: "token" }).call("GET", "/health/detailed", withToken)).status).toBe(403);
});

test("K1: When no worker polls, or Temporal does not say, then health tells it apart", async () => {
  const none = createTestApp({
    installation: { runs: () => Promise.reject(new Error("away")), queues: async () => [{ type: "workflow", backlog: 3, oldestMs: 1, pollers: 0 }] },
  });
  expect((await none.call("GET", "/health/detailed")).body).toMatchObject({ status: "degraded", workers: { polling: 0, backlog: 3 } });
  const silent = createTestApp({ installation: { runs: () => Promise.reject(new Error("away")), queues: () => Promise.reject(new Error("secret")) } });
  const answer = await silent.call("GET", "/health/detailed");
  expect(answer.body).toMatchObject({ status: "healthy", workers: null });
  expect(JSON.stringify(answer.body)).not.toContain("secret");
});

test("K2: When a request brings X-Request-ID, then its answer has it under both names; X-Correlation-ID goes before it", async () => {
  const { call } = createTestApp();
  const idsOf = async (headers: Record<string, string>) => {
    const answer = await call("GET", "/health", { headers });
    return [answer.headers.get("x-request-id"), answer.headers.get("x-correlation-id")];
  };
  expect(await idsOf({ "x-request-id": "abc" })).toEqual(["abc", "abc"]);
  expect(await idsOf({ "x-request-id": "abc", "x-correlation-id": "def" })).toEqual(["def", "def"]);
  expect(await idsOf({ "x-request-id": "no good\u00ff" })).not.toContain("no good\u00ff");
});

test("K2: When OTEL_PROPAGATORS is none, then a caller's trace is not gone on with; else it is", async () => {
  const traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
  const parentsOf = async (propagators: "tracecontext" | "none") => {
    const spans: SpanSpec[] = [];
    const tracing: Tracing = {
      isOn: true,
      span: (spec, work) => {
        spans.push(spec);
        return work({ rename: () => undefined, set: () => undefined, failed: () => undefined, traceparent: undefined });
      },
      tell: (_span: PastSpan) => undefined,
      current: () => undefined,
      begin: () => traceparent,
      close: async () => undefined,
    };
    await createTestApp({ tracing }, { OTEL_PROPAGATORS: propagators }).call("GET", "/health", { headers: { traceparent } });
    return spans.map(({ parent }) => parent);
  };
  expect(await parentsOf("tracecontext")).toEqual([traceparent]);
  expect(await parentsOf("none")).toEqual([undefined]);
});

test("K6: When a time is asked for that is none, or has too many buckets, then the request is refused; a viewer may ask", async () => {
  const { call, signUp, db } = createTestApp();
  const { token, userId } = await signUp();
  db.setRole(userId, "viewer");
  const ask = async (query: string) => (await call("GET", `/api/v1/analytics/runs?${query}`, { token })).status;
  expect(await ask("")).toBe(200);
  expect(await ask("from=2026-01-02&to=2026-01-01")).toBe(422);
  expect(await ask("from=2026-01-01&to=2026-01-02&bucket=minute")).toBe(422);
  expect(await ask("from=2026-01-01&to=2026-01-02&bucket=hour")).toBe(200);
  expect(await ask("bucket=year")).toBe(422);
  expect((await call("GET", "/api/v1/analytics/nodes", { token })).body).toMatchObject({ nodes: [], truncated: false });
  expect((await call("GET", "/api/v1/analytics/runs")).status).toBe(401);
});

test("K1 C2: When webhooks are called, then each call of one that is there is counted by what it was answered, refused or not", async () => {
  const { call, signUp, saveWorkflow, db, services } = createTestApp();
  const { token } = await signUp();
  await saveWorkflow(token, { nodes: [{ id: "start", type: "WebhookTrigger", data: { response_mode: "accepted" } }], edges: [] });
  const id = db.state.webhooks[0]?.id ?? "";
  const { body } = await call("GET", `/api/v1/webhooks/${id}`, { token });
  const good = String(body["security_token"]);
  const post = (path: string, shown: string, sent: unknown = {}) => call("POST", `/api/v1/hooks/${path}`, { token: shown, body: sent });
  expect([(await post(id, good)).status, (await post(id, good)).status, (await post(id, "wrong")).status]).toEqual([202, 202, 401]);
  expect((await post(id, good, "x".repeat(5 * 1024 * 1024))).status).toBe(413);
  expect((await post("wh_0123456789abcdef01234567", good)).status).toBe(401);
  await call("POST", `/api/v1/webhooks/${id}/disable`, { token });
  expect((await post(id, good)).status).toBe(404);
  const samples = parseMetrics((await services.metrics.page()).text).filter(({ name }) => name === "webhook_requests_total");
  expect(Object.fromEntries(samples.map(({ labels, value }) => [`${labels["webhook_id"]} ${labels["status"]}`, value]))).toEqual({
    [`${id} 202`]: 2,
    [`${id} 401`]: 1,
    [`${id} 413`]: 1,
    [`${id} 404`]: 1,
  });
});
