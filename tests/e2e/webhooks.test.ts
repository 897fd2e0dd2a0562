import { createHmac } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { JsonObject } from "#core";
import { type Perdure, startPerdure } from "../support/perdure.ts";
import type { TestClient } from "../support/client.ts";
import { until } from "../support/until.ts";

let perdure: Perdure;
let user: TestClient;

beforeAll(async () => {
  perdure = await startPerdure({ WEBHOOK_LOGGED_MAX_BYTES: "2048" });
  user = perdure.user;
});
afterAll(() => perdure?.stop());

interface Hook {
  workflowId: string;
  id: string;
  url: string;
  token: string;
  signingSecret: string;
}

const TRIGGER = (inputs: JsonObject = {}) => ({ id: "hook", type: "WebhookTrigger", data: { inputs } });

async function hookOf(workflowId: string): Promise<Hook> {
  const { body } = await user.get<JsonObject[]>(`/api/v1/webhooks?workflow_id=${workflowId}`);
  expect(body).toHaveLength(1);
  const [hook = {}] = body;
  return {
    workflowId,
    id: hook["id"] as string,
    url: hook["webhook_url"] as string,
    token: hook["security_token"] as string,
    signingSecret: hook["signing_secret"] as string,
  };
}

/** A workflow with the webhook node `hook`, and what follows it. */
async function makeHook(
  inputs: JsonObject = {},
  nodes: JsonObject[] = [{ id: "end", type: "End" }],
  edges: JsonObject[] = [{ source: "hook", target: "end" }],
): Promise<Hook> {
  return hookOf(await user.saveWorkflow({ nodes: [TRIGGER(inputs), ...nodes], edges }));
}

async function call(hook: Hook, init: RequestInit & { path?: string } = {}) {
  const { path = "", ...rest } = init;
  const response = await fetch(hook.url + path, {
    method: "POST",
    ...rest,
    headers: { authorization: `Bearer ${hook.token}`, ...(rest.headers as Record<string, string>) },
  });
  const text = await response.text();
  const isJson = response.headers.get("content-type")?.includes("json") ?? false;
  return { status: response.status, headers: response.headers, text, body: (isJson ? JSON.parse(text) : {}) as JsonObject };
}

const send = (hook: Hook, body: unknown, headers: Record<string, string> = {}) =>
  call(hook, { body: JSON.stringify(body), headers: { "content-type": "application/json", ...headers } });

const runsOf = async (hook: Hook) => (await user.get<JsonObject[]>(`/api/v1/workflows/${hook.workflowId}/executions?limit=500`)).body;
const deliveriesOf = async (hook: Hook, query = "") => (await user.get<JsonObject[]>(`/api/v1/webhooks/${hook.id}/deliveries${query}`)).body;

describe("the documented session", () => {
  test("C1 C2 D6: When a workflow with a WebhookStartNode is made and its URL is called with its token, then it answers 200 and has one execution", async () => {
    const workflow = { name: "Test Webhook Workflow", nodes: [{ id: "webhook-start", type: "WebhookStartNode", data: { timeout: 30 } }] };
    const response = await user.post("/api/v1/workflows", workflow);
    const workflowId = response.body["id"] as string;

    const webhooks = await user.get<JsonObject[]>(`/api/v1/webhooks?workflow_id=${workflowId}`);
    const url = webhooks.body[0]?.["webhook_url"] as string;
    const token = webhooks.body[0]?.["security_token"] as string;
    expect(webhooks.body[0]?.["id"]).toMatch(/^wh_[0-9a-f]{24}$/);

    const answer = await fetch(url, {
      method: "POST",
      body: JSON.stringify({ test: "payload" }),
      headers: { "content-type": "application/json", authorization: `Bearer ${token}` },
    });
    expect(answer.status).toBe(200);
    const body = (await answer.json()) as JsonObject;
    expect(body).toMatchObject({ success: true, status: "completed", result: { method: "POST", body: { test: "payload" } } });

    const executions = await user.get<JsonObject[]>(`/api/v1/workflows/${workflowId}/executions`);
    expect(executions.body).toHaveLength(1);
    expect(executions.body[0]).toMatchObject({ id: body["execution_id"], trigger: "webhook", status: "completed" });
    expect(JSON.stringify(executions.body)).not.toContain(token);
  });

  test("C2 M8: When it is called 100 times at once, at both documented paths, then every answer is 200 and every call has its own run", async () => {
    const hook = await makeHook();
    const paths = [hook.url, `${perdure.base}/api/webhooks/${hook.id}`, `${perdure.base}/api/v1/webhooks/${hook.id}`];
    const answers = await Promise.all(
      Array.from({ length: 100 }, (_, index) => send({ ...hook, url: paths[index % paths.length] as string }, { test: "load", index })),
    );
    expect(answers.map(({ status }) => status)).toEqual(Array<number>(100).fill(200));
    const runs = await runsOf(hook);
    expect(new Set(answers.map(({ body }) => body["execution_id"]))).toEqual(new Set(runs.map((run) => run["id"])));
    expect(runs).toHaveLength(100);
    const { body } = await user.get(`/api/v1/webhooks/${hook.id}`);
    expect(body).toMatchObject({ trigger_count: 100, error_count: 0 });
    expect(body["avg_response_time_ms"]).toBeGreaterThan(0);
  });
});

describe("who may call", () => {
  test("C1: When the webhook is not there or the token is wrong, then both are answered alike and nothing runs", async () => {
    const hook = await makeHook();
    const wrong = await send({ ...hook, token: "whk_wrong" }, {});
    const unknown = await send({ ...hook, url: hook.url.replace(hook.id, "wh_ffffffffffffffffffffffff") }, {});
    const neither = await fetch(hook.url, { method: "POST", body: "{}" });
    expect([wrong.status, unknown.status, neither.status]).toEqual([401, 401, 401]);
    const { correlation_id: _a, ...one } = wrong.body;
    const { correlation_id: _b, ...other } = unknown.body;
    expect(one).toEqual(other);
    const member = await call({ ...hook, token: user.accessToken });
    expect(member.status).toBe(401);
    expect(await runsOf(hook)).toEqual([]);
  });

  test("C1: When the token is rotated, then the old one is good for the overlap and no longer", async () => {
    const hook = await makeHook();
    const rotated = await user.post(`/api/v1/webhooks/${hook.id}/rotate`, { overlap: "2s" });
    expect(rotated.body["security_token"]).not.toBe(hook.token);
    const fresh = { ...hook, token: rotated.body["security_token"] as string };
    expect([(await send(hook, {})).status, (await send(fresh, {})).status]).toEqual([200, 200]);
    await until("the old token is refused", async () => (await send(hook, {})).status === 401, 10_000);
    expect((await send(fresh, {})).status).toBe(200);
    const gone = await user.post(`/api/v1/webhooks/${hook.id}/rotate`, { overlap: 0 });
    expect((await send(fresh, {})).status).toBe(401);
    expect((await send({ ...hook, token: gone.body["security_token"] as string }, {})).status).toBe(200);
  });

  test("C1: When an address is not on the list, then it is refused, whatever it says of itself", async () => {
    const hook = await makeHook({ allowed_ips: ["10.0.0.0/8"] });
    expect((await send(hook, {}, { "x-forwarded-for": "10.1.2.3" })).status).toBe(403);
    await user.request("PATCH", `/api/v1/webhooks/${hook.id}`, { allowed_ips: ["10.0.0.0/8", "127.0.0.1"] });
    expect((await send(hook, {})).status).toBe(200);
  });

  test("C1: When it is signed with the webhook's secret, then it is taken once, in its time, and never with another body", async () => {
    const hook = await makeHook({ signature: "hmac" });
    const body = JSON.stringify({ paid: true });
    const signed = (seconds: number, text = body) => ({
      "x-webhook-timestamp": String(seconds),
      "x-webhook-signature": `sha256=${createHmac("sha256", hook.signingSecret).update(`${seconds}.${text}`).digest("hex")}`,
    });
    const now = Math.floor(Date.now() / 1000);
    const post = (headers: Record<string, string>) => call({ ...hook, token: "" }, { body, headers: { "content-type": "application/json", ...headers } });
    expect((await post(signed(now))).status).toBe(200);
    expect((await post(signed(now))).status).toBe(409);
    expect((await post(signed(now - 1_000))).status).toBe(401);
    expect((await post(signed(now, "{}"))).status).toBe(401);
    expect((await call(hook, { body })).status).toBe(401);
    expect(await runsOf(hook)).toHaveLength(1);
  });

  test("C1: When GitHub sends the same delivery again, then it finds the same run", async () => {
    const hook = await makeHook({ signature: "github" });
    const body = JSON.stringify({ zen: "Design for failure." });
    const headers = {
      "content-type": "application/json",
      "x-github-event": "push",
      "x-github-delivery": "72d3162e-cc78-11e3-81ab-4c9367dc0958",
      "x-hub-signature-256": `sha256=${createHmac("sha256", hook.signingSecret).update(body).digest("hex")}`,
    };
    const first = await call({ ...hook, token: "" }, { body, headers });
    const again = await call({ ...hook, token: "" }, { body, headers: { ...headers, "x-github-delivery": "another" } });
    expect([first.status, again.status]).toEqual([200, 200]);
    expect(again.body["execution_id"]).toBe(first.body["execution_id"]);
    expect(first.body["result"]).toMatchObject({ event_type: "push", body: { zen: "Design for failure." } });
  });

  test("C1: When an event's type is not taken, the body is too large, or calls come too fast, then each is refused and told", async () => {
    const hook = await makeHook({ allowed_event_types: ["order.paid"], max_payload_size: 1, rate_limit_per_minute: 2 });
    expect((await send(hook, { event_type: "order.lost" })).status).toBe(422);
    expect((await send(hook, { event_type: "order.paid", text: "x".repeat(2_000) })).status).toBe(413);
    expect((await send(hook, { event_type: "order.paid" })).status).toBe(200);
    expect((await send(hook, { event_type: "order.paid" })).status).toBe(200);
    const late = await send(hook, { event_type: "order.paid" });
    expect(late.status).toBe(429);
    expect(Number(late.headers.get("retry-after"))).toBeGreaterThan(0);
    expect((await deliveriesOf(hook)).map((each) => each["response_status"])).toEqual([200, 200, 413, 422]);
    expect((await deliveriesOf(hook, "?errors=true")).map((each) => each["response_status"])).toEqual([413, 422]);
  });

  test("C1: When a page of another origin asks, then it may call where the webhook says so, and is refused where not", async () => {
    const hook = await makeHook({ cors_origins: ["https://shop.example"] });
    const asked = await fetch(hook.url, { method: "OPTIONS", headers: { origin: "https://shop.example", "access-control-request-method": "POST" } });
    expect([asked.status, asked.headers.get("access-control-allow-origin")]).toEqual([204, "*"]);
    const allowed = await send(hook, {}, { origin: "https://shop.example" });
    expect([allowed.status, allowed.headers.get("access-control-allow-origin")]).toEqual([200, "https://shop.example"]);
    expect((await send(hook, {}, { origin: "https://evil.example" })).status).toBe(403);
    expect(await runsOf(hook)).toHaveLength(1);
  });
});

describe("what is answered", () => {
  test("C2: When the run takes longer than the webhook waits, then the answer is 202 with the run, which goes on", async () => {
    const hook = await makeHook({ timeout: "1s" }, [{ id: "ink", type: "Delay", data: { inputs: { duration: "4s" } } }], [{ source: "hook", target: "ink" }]);
    const answer = await send(hook, { n: 1 });
    expect(answer.status).toBe(202);
    expect(answer.body).toMatchObject({ success: true, execution_id: expect.any(String) });
    expect((await user.ended(answer.body["execution_id"] as string))["status"]).toBe("completed");
  });

  test("C2: When a Respond node runs, then its status, headers and body are the answer while the run goes on; again the same, of the same run", async () => {
    const nodes: JsonObject[] = [
      {
        id: "say",
        type: "RespondToWebhook",
        data: { inputs: { status: 201, headers: { "x-order": "{{hook.body.order}}", "set-cookie": "a=b" }, body: { got: "{{hook.body.order}}" } } },
      },
      { id: "ink", type: "HumanApproval", data: { inputs: { prompt: "Dry?" } } },
      { id: "end", type: "End", data: { inputs: { value: "done" } } },
    ];
    const edges: JsonObject[] = [
      { source: "hook", target: "say" },
      { source: "say", target: "ink" },
      { source: "ink", target: "end", sourceHandle: "approved" },
    ];
    const hook = await makeHook({ deduplication_key: "{{body.order}}" }, nodes, edges);
    const answer = await send(hook, { order: "4711" });
    expect(answer.status).toBe(201);
    expect(answer.body).toEqual({ got: "4711" });
    expect([answer.headers.get("x-order"), answer.headers.get("set-cookie")]).toEqual(["4711", null]);
    const [run] = await runsOf(hook);
    await until("the question", async () => (await user.run(run?.["id"] as string))["status"] === "waiting");
    const { body: questions } = await user.get<JsonObject[]>(`/api/v1/approvals?execution_id=${run?.["id"] as string}`);
    expect((await user.post(`/api/v1/approvals/${questions[0]?.["id"] as string}`, { decision: "approved" })).status).toBe(200);
    expect((await user.ended(run?.["id"] as string))["outputs"]).toBe("done");
    const again = await send(hook, { order: "4711" });
    expect([again.status, again.body]).toEqual([201, { got: "4711" }]);
    expect(await runsOf(hook)).toHaveLength(1);
    expect((await deliveriesOf(hook)).map((each) => each["is_repeat"])).toEqual([true, false]);
  });

  test("C2: When it is set to answer at once, then it answers 202; when the run fails, 500 without why", async () => {
    const accepted = await makeHook({ response_mode: "accepted" });
    expect((await send(accepted, {})).status).toBe(202);
    const failing = await makeHook(
      {},
      [{ id: "code", type: "Code", data: { inputs: { code: "throw new Error('the inner reason')" } } }],
      [{ source: "hook", target: "code" }],
    );
    const failed = await send(failing, {});
    expect(failed.status).toBe(500);
    expect(failed.text).not.toContain("inner reason");
  });
});

describe("runs that wait", () => {
  const nodes: JsonObject[] = [
    { id: "paid", type: "WaitForEvent", data: { inputs: { event: "payment.received", correlation: "{{hook.body.order}}" } } },
    { id: "end", type: "End", data: { inputs: { value: "{{paid.amount}}" } } },
  ];
  const edges = [
    { source: "hook", target: "paid" },
    { source: "paid", target: "end" },
  ];
  const paid = { event_type: "payment.received", correlation: "4711", amount: 12 };

  test("C1: When a run waits for the event that a call brings, then the call feeds it, once; another call starts a run", async () => {
    const hook = await makeHook({ response_mode: "accepted" }, nodes, edges);
    const started = await send(hook, { order: "4711" });
    const runId = started.body["execution_id"] as string;
    await user.until(runId, ["waiting"]);
    const fed = await send(hook, paid, { "idempotency-key": "p-1" });
    expect([fed.status < 300, fed.body["execution_id"]]).toEqual([true, runId]);
    expect((await user.ended(runId))["outputs"]).toBe(12);
    const again = await send(hook, paid, { "idempotency-key": "p-1" });
    expect(again.body["execution_id"]).toBe(runId);
    expect(await runsOf(hook)).toHaveLength(1);
    expect((await send(hook, paid)).body["execution_id"]).not.toBe(runId);
    expect(await runsOf(hook)).toHaveLength(2);
  });

  test.each(["auto", "trigger_only"])(
    "C1 C2: When a call that is named comes ten times at once while a run waits twice for its event (%s), then the run takes it once, and every answer names the run",
    async (node_behavior) => {
      const twice: JsonObject[] = [
        { id: "first", type: "WaitForEvent", data: { inputs: { event: "payment.received" } } },
        { id: "second", type: "WaitForEvent", data: { inputs: { event: "payment.received" } } },
        { id: "end", type: "End", data: { inputs: { value: "{{first.amount}}-{{second.amount}}" } } },
      ];
      const route = ["hook", "first", "second", "end"];
      const hook = await makeHook(
        { node_behavior, response_mode: "accepted" },
        twice,
        route.slice(1).map((target, at) => ({ source: route[at] as string, target })),
      );
      const runId = await user.start(hook.workflowId);
      const waits = (node: string) => until(`the wait of ${node}`, async () => (await user.nodeStatuses(runId))[node] === "waiting");
      await waits("first");
      const answers = await Promise.all(Array.from({ length: 10 }, () => send(hook, paid, { "idempotency-key": "p-1" })));
      expect(new Set(answers.map(({ status, body }) => `${status < 300} ${String(body["execution_id"])}`))).toEqual(new Set([`true ${runId}`]));
      expect(await runsOf(hook)).toHaveLength(1);
      await waits("second");
      expect((await send(hook, { ...paid, amount: 13 }, { "idempotency-key": "p-2" })).body["execution_id"]).toBe(runId);
      expect((await user.ended(runId))["outputs"]).toBe("12-13");
    },
  );

  test("C1: When the webhook only feeds runs, or only starts them, then it does that", async () => {
    const feeding = await makeHook({ node_behavior: "trigger_only" }, nodes, edges);
    expect((await send(feeding, paid)).status).toBe(409);
    expect(await runsOf(feeding)).toEqual([]);
    const starting = await makeHook({ node_behavior: "start_only", response_mode: "accepted" }, nodes, edges);
    const first = await send(starting, { order: "4711" });
    await user.until(first.body["execution_id"] as string, ["waiting"]);
    await send(starting, paid);
    expect(await runsOf(starting)).toHaveLength(2);
  });
});

describe("what is sent", () => {
  test("C2: When it is a form, a multipart form with a file, text, bytes or a query, then the trigger hands it on", async () => {
    const hook = await makeHook();
    const result = async (init: RequestInit & { path?: string }) => (await call(hook, init)).body["result"] as JsonObject;
    const form = await result({
      body: new URLSearchParams([
        ["a", "1"],
        ["b", "2"],
        ["b", "3"],
      ]),
    });
    expect(form["body"]).toEqual({ a: "1", b: ["2", "3"] });
    const parts = new FormData();
    parts.set("note", "see file");
    parts.set("scan", new File([new Uint8Array([0, 1, 254, 255])], "scan.bin", { type: "application/x-scan" }));
    const multipart = await result({ body: parts });
    expect(multipart["body"]).toEqual({ note: "see file" });
    expect(multipart["files"]).toEqual([{ field: "scan", filename: "scan.bin", content_type: "application/x-scan", size: 4, base64: "AAH+/w==" }]);
    expect((await result({ body: "<a/>", headers: { "content-type": "application/xml" } }))["body"]).toBe("<a/>");
    const bytes = await result({ body: new Uint8Array([1, 0, 2]), headers: { "content-type": "application/octet-stream" } });
    expect(bytes["body"]).toEqual({ content_type: "application/octet-stream", size: 3, base64: "AQAC" });
    expect(await result({ method: "GET", path: "?page=2&tag=a&tag=b" })).toMatchObject({ method: "GET", body: {}, query: { page: "2", tag: ["a", "b"] } });
    for (const method of ["PUT", "PATCH", "DELETE"])
      expect(await result({ method, body: '{"m":1}', headers: { "content-type": "application/json" } })).toMatchObject({ method, body: { m: 1 } });
    expect((await call(hook, { body: "{no", headers: { "content-type": "application/json" } })).status).toBe(400);
  });
});

describe("a call that was answered has its run", () => {
  test("C2: When a delivery comes twenty times at once under one id, then there is one run, and every answer names it", async () => {
    const hook = await makeHook();
    const answers = await Promise.all(Array.from({ length: 20 }, () => send(hook, { order: 1 }, { "idempotency-key": "delivery-1" })));
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]));
    expect(new Set(answers.map(({ body }) => body["execution_id"])).size).toBe(1);
    expect(await runsOf(hook)).toHaveLength(1);
  });

  test("C2: When the api is killed while calls come in and their senders try again, then every delivery has exactly one run, and each completes", async () => {
    const hook = await makeHook({ rate_limit_per_minute: 0 });
    const answered = new Map<string, string>();
    const deliver = async (key: string): Promise<void> => {
      for (;;) {
        try {
          const answer = await send(hook, { key }, { "idempotency-key": key });
          if (answer.status < 300) return void answered.set(key, answer.body["execution_id"] as string);
        } catch {
          // The api is away.
        }
        await new Promise((resolve) => setTimeout(resolve, 200));
      }
    };
    const senders = Array.from({ length: 40 }, (_, index) => deliver(`order-${index}`));
    await until("three are answered", () => answered.size >= 3, 20_000);
    perdure.api.kill9();
    await perdure.api.exited;
    await perdure.startApi();
    await Promise.all(senders);
    const runs = await runsOf(hook);
    expect(runs).toHaveLength(40);
    expect(new Set(answered.values())).toEqual(new Set(runs.map((run) => run["id"])));
    for (const run of runs) expect((await user.ended(run["id"] as string))["status"]).toBe("completed");
  });
});

describe("looking after webhooks", () => {
  test("C2: When calls came in, then they are logged without secrets, paged, filtered by date, and can be delivered again", async () => {
    const hook = await makeHook();
    for (let n = 0; n < 3; n++)
      await send(hook, { n, password: "hunter2-canary", deep: { api_key: "canary-key" } }, { "x-api-key": "canary-header", "x-correlation-id": `c-${n}` });
    const first = await user.get<JsonObject[]>(`/api/v1/webhooks/${hook.id}/logs?limit=2`);
    expect(first.body.map((each) => each["correlation_id"])).toEqual(["c-2", "c-1"]);
    const next = /<([^>]+)>/.exec(first.headers.get("link") ?? "")?.[1] ?? "";
    expect((await user.get<JsonObject[]>(next)).body.map((each) => each["correlation_id"])).toEqual(["c-0"]);
    expect(JSON.stringify(first.body)).not.toMatch(/canary|Bearer|whk_/);
    expect(first.body[0]).toMatchObject({ request_method: "POST", response_status: 200, payload: { n: 2 }, source_ip: "127.0.0.1" });
    expect(first.body[0]?.["execution_time_ms"]).toBeGreaterThan(0);
    expect(await deliveriesOf(hook, `?from=${new Date(Date.now() + 60_000).toISOString()}`)).toEqual([]);
    const redelivered = await user.post(`/api/v1/webhooks/${hook.id}/deliveries/${first.body[0]?.["id"] as string}/redeliver`);
    expect(redelivered.status).toBe(201);
    expect(redelivered.body).toMatchObject({ kind: "redelivery", redelivery_of: first.body[0]?.["id"] });
    const run = await user.ended(redelivered.body["execution_id"] as string);
    expect(run["outputs"]).toMatchObject({ body: { n: 2, password: "hunter2-canary" }, delivery_id: redelivered.body["id"] });
  });

  test("C1: When somebody watches, then the next call of the test URL and of the webhook is shown live, and the test starts no run", async () => {
    const hook = await makeHook();
    const leave = new AbortController();
    const stream = await fetch(`${perdure.base}/api/v1/webhooks/${hook.id}/stream`, {
      headers: { authorization: `Bearer ${user.accessToken}` },
      signal: leave.signal,
    });
    let seen = "";
    const reading = (async () => {
      for await (const chunk of stream.body ?? []) seen += Buffer.from(chunk as Uint8Array).toString();
    })().catch(() => undefined);
    await until("it is shown", () => seen.includes("event: listening"), 10_000);
    const tried = await call(hook, { path: "/test", body: '{"hello":"watcher"}', headers: { "content-type": "application/json" } });
    expect(tried.body).toMatchObject({ success: true, status: "test", execution_id: null });
    await until("it is shown", () => seen.includes('"hello":"watcher"'), 10_000);
    await send(hook, { real: "call" });
    await until("it is shown", () => seen.includes('"real":"call"') && seen.includes('"response_status":200'), 10_000);
    leave.abort();
    await reading;
    expect(await runsOf(hook)).toHaveLength(1);
  });

  test("C1: When the graph is saved again, then webhook and token stay, settings that changed in the node are taken over, and a node that is gone takes it along", async () => {
    const hook = await makeHook({ timeout: "10s" });
    await user.request("PUT", `/api/v1/webhooks/${hook.id}`, { config: { timeout: "20s", rate_limit_per_minute: 7 } });
    const save = (nodes: JsonObject[]) => user.request("PUT", `/api/v1/workflows/${hook.workflowId}`, { name: "Again", flow_data: { nodes, edges: [] } });
    await save([TRIGGER({ timeout: "10s", max_payload_size: 5 })]);
    const kept = await user.get(`/api/v1/webhooks/${hook.id}`);
    expect(kept.body).toMatchObject({ security_token: hook.token, config: { timeout: "20s", rate_limit_per_minute: 7, max_payload_size: 5 } });
    await save([{ id: "start", type: "Start" }]);
    expect((await user.get(`/api/v1/webhooks/${hook.id}`)).status).toBe(404);
    expect((await send(hook, {})).status).toBe(401);
    await save([TRIGGER()]);
    expect((await send(hook, {})).status).toBe(200);
  });

  test("C1: When a version is published, then calls run it and no later draft", async () => {
    const hook = await makeHook({}, [{ id: "end", type: "End", data: { inputs: { value: "one" } } }]);
    await user.post(`/api/v1/workflows/${hook.workflowId}/publish`);
    const nodes = [TRIGGER(), { id: "end", type: "End", data: { inputs: { value: "two" } } }];
    await user.request("PUT", `/api/v1/workflows/${hook.workflowId}`, { name: "Two", flow_data: { nodes, edges: [{ source: "hook", target: "end" }] } });
    expect((await send(hook, {})).body["result"]).toBe("one");
    await user.post(`/api/v1/workflows/${hook.workflowId}/publish`);
    expect((await send(hook, {})).body["result"]).toBe("two");
    await user.request("PUT", `/api/v1/workflows/${hook.workflowId}`, {
      name: "Two",
      flow_data: { nodes: [TRIGGER(), { id: "x", type: "NoSuch" }], edges: [] },
    });
    expect((await send(hook, {})).body["result"]).toBe("two");
  });

  test("C1 F4: When a draft of a published workflow takes the authentication away, or has another webhook, then who may call stays as published", async () => {
    const waiting: JsonObject = { id: "paid", type: "WaitForEvent", data: { inputs: { event: "payment.received" } } };
    const hook = await makeHook({ response_mode: "accepted" }, [waiting], [{ source: "hook", target: "paid" }]);
    await user.post(`/api/v1/workflows/${hook.workflowId}/publish`);
    const runId = (await send(hook, {})).body["execution_id"] as string;
    await user.until(runId, ["waiting"]);
    const open = { authentication_required: false, response_mode: "accepted" };
    const nodes = [TRIGGER(open), { ...TRIGGER(open), id: "side" }, waiting];
    const edges = ["hook", "side"].map((source) => ({ source, target: "paid" }));
    const saved = await user.request("PUT", `/api/v1/workflows/${hook.workflowId}`, { name: "Open", flow_data: { nodes, edges } });
    expect([saved.status, saved.body["problems"]]).toEqual([200, []]);
    const hooks = (await user.get<JsonObject[]>(`/api/v1/webhooks?workflow_id=${hook.workflowId}`)).body;
    const side = { ...hook, url: hooks.find((each) => each["node_id"] === "side")?.["webhook_url"] as string, token: "" };
    const event = { event_type: "payment.received" };
    expect([(await send({ ...hook, token: "" }, event)).status, (await send(side, event)).status]).toEqual([401, 404]);
    expect((await user.run(runId))["status"]).toBe("waiting");
    await user.post(`/api/v1/workflows/${hook.workflowId}/publish`);
    expect((await send(side, event)).body["execution_id"]).toBe(runId);
    expect((await send({ ...hook, token: "" }, {})).status).toBe(202);
  });

  test("C1 D6: When it is disabled or deleted, then it takes no calls; enabled or made anew it does", async () => {
    const hook = await makeHook();
    expect((await call(hook, { method: "GET", path: "/info" })).body).toMatchObject({ webhook_id: hook.id, webhook_timeout: 30 });
    await user.post(`/api/v1/webhooks/${hook.id}/disable`);
    expect((await send(hook, {})).status).toBe(404);
    expect((await user.get<JsonObject[]>(`/api/v1/webhooks?workflow_id=${hook.workflowId}&active=true`)).body).toEqual([]);
    await user.post(`/api/v1/webhooks/${hook.id}/enable`);
    expect((await send(hook, {})).status).toBe(200);
    expect((await user.request("DELETE", `/api/v1/webhooks/${hook.id}`)).status).toBe(204);
    expect((await send(hook, {})).status).toBe(401);
    const anew = await user.post("/api/v1/webhooks", { workflow_id: hook.workflowId, node_id: "hook", config: { timeout: 5 } });
    expect(anew.status).toBe(201);
    expect(anew.body["id"]).not.toBe(hook.id);
    expect((await send({ ...hook, url: anew.body["webhook_url"] as string, token: anew.body["security_token"] as string }, {})).status).toBe(200);
    expect((await user.post("/api/v1/webhooks", { workflow_id: hook.workflowId, node_id: "hook" })).status).toBe(409);
  });
});
