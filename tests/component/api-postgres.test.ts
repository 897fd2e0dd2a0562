import { randomBytes } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { createParser } from "eventsource-parser";
import { afterAll, beforeAll, describe, expect, inject, test } from "vitest";
import { createMetrics, TRACING_OFF } from "#telemetry";
import { createApp, createNodeRegistry, createPasswords, createSchemaChecks, createTokens, createYamlThreads, readTemplates } from "#api";
import { type Route, type RouteName, pathsOf, replySchema, routes } from "#contract";
import { workflowExport } from "#contract/exchange.ts";
import { type EventKind, type JsonObject, type RunEvent, eventKey, uuidv7 } from "#core";
import { createCredentialVault } from "#credentials";
import { type Database, openDatabase } from "#db";
import { compile } from "#graph";
import { createHttp } from "#integrations/http";
import { createOidc } from "#integrations/oidc";
import { catalogue } from "#nodes";
import { createPayloads } from "#payloads";
import { createLogger, readEnv } from "#platform";
import { type EventReader, connectTemporal, createCheckpoints, createEventReader, createRuns, createScheduleParts } from "#runs";
import { type TestDatabase, createTestDatabase } from "#tests/database.ts";
import { testPayloadKeys } from "#tests/payloads.ts";

const GRAPH = {
  nodes: [
    { id: "start_1", type: "Start", position: { x: 100, y: 200 }, data: { name: "Start Node" } },
    { id: "end_1", type: "End", position: { x: 700, y: 200 }, data: { name: "End Node" } },
  ],
  edges: [{ id: "start_to_end", source: "start_1", target: "end_1", sourceHandle: "output", targetHandle: "input" }],
};

let database: TestDatabase;
let db: Database;
let events: EventReader;
let temporal: Awaited<ReturnType<typeof connectTemporal>>;
let app: ReturnType<typeof createApp>;
const schemas = createSchemaChecks({ timeoutMs: 1_000 });
const yaml = createYamlThreads({ maxBytes: 100_000, maxAliases: 100, timeoutMs: 5_000 });
const http = createHttp({ allow: ["127.0.0.1"], hostsOf: () => Promise.resolve(["127.0.0.1"]) });
const shutdown = new AbortController();

beforeAll(async () => {
  database = await createTestDatabase();
  const logger = createLogger("api", "silent");
  const env = readEnv({
    DATABASE_URL: database.url,
    TEMPORAL_TASK_QUEUE: `test-${randomBytes(6).toString("hex")}`,
    COMMAND_WAIT_MS: "300",
    PAYLOAD_KEYS: testPayloadKeys(),
  });
  db = await openDatabase({ url: database.url, poolSize: 8, logger });
  const payloads = createPayloads({ store: db.payloads, env });
  const { dataConverter } = payloads;
  temporal = await connectTemporal({ address: inject("temporalAddress"), namespace: env.TEMPORAL_NAMESPACE, tls: false, dataConverter, logger });
  events = createEventReader({ log: db.log, runs: db.runs });
  const runs = createRuns({ db, client: temporal.client, env, logger });
  const compileGraph = async (_tenant: unknown, graph: unknown) => compile(graph, catalogue);
  app = createApp({
    db,
    events,
    runs,
    checkpoints: createCheckpoints({
      db,
      runs,
      nodes: { compile: compileGraph, isEffectFree: () => false },
      limits: { givenMaxBytes: env.RUN_GIVEN_MAX_BYTES, inputsMaxBytes: env.RUN_INPUTS_MAX_BYTES },
    }),
    schedules: createScheduleParts({ db, temporal: temporal.client, runs, compile: compileGraph, env, logger }).schedules,
    compile: compileGraph,
    nodes: createNodeRegistry(),
    tokens: createTokens({ secret: randomBytes(32).toString("hex"), accessMinutes: 30 }),
    passwords: createPasswords({ cost: { memoryCost: 64, timeCost: 1, parallelism: 1 } }),
    schemas,
    yaml,
    templates: await readTemplates(),
    payloads,
    credentials: createCredentialVault({ rows: db.credentials, payloads }),
    http,
    mailer: { send: async () => undefined, close: () => undefined },
    oidc: createOidc({ providers: [], http, timeoutMs: 5_000 }),
    settings: env,
    logger,
    health: { postgres: () => db.ping(), temporal: async () => undefined, qdrant: async () => undefined },
    metrics: createMetrics({ process: "api", version: "0.0.0", entities: 0 }),
    tracing: TRACING_OFF,
    installation: { runs: () => db.analytics.installation(), queues: async () => [] },
    shutdown: shutdown.signal,
    version: "0.0.0",
  });
});

afterAll(async () => {
  shutdown.abort();
  await events?.close();
  await schemas.close();
  await yaml.close();
  await http.close();
  await temporal?.connection.close();
  await db?.close();
  await database?.drop();
});

async function call<T = JsonObject>(method: string, path: string, token?: string, body?: unknown, headers: Record<string, string> = {}) {
  const response = await app.request(path, {
    method,
    headers: { ...(token !== undefined && { authorization: `Bearer ${token}` }), ...headers },
    ...(body !== undefined && { body: typeof body === "string" ? body : JSON.stringify(body) }),
  });
  const text = await response.text();
  return { status: response.status, headers: response.headers, body: (response.headers.get("content-type")?.includes("json") ? JSON.parse(text) : text) as T };
}

async function signUp() {
  const email = `user-${randomBytes(6).toString("hex")}@example.com`;
  const { status, body } = await call<{ access_token: string; refresh_token: string; id: string; organization: { id: string } }>(
    "POST",
    "/api/v1/auth/register",
    undefined,
    { email, password: "secure_password" },
  );
  expect(status).toBe(201);
  return { email, token: body.access_token, refreshToken: body.refresh_token, userId: body.id, tenantId: body.organization.id };
}

async function saveWorkflow(token: string, graph: unknown = GRAPH): Promise<string> {
  const saved = await call("POST", "/api/workflows/", token, { name: "A workflow", flow_data: graph });
  expect([saved.status, saved.body["problems"]]).toEqual([201, []]);
  return String(saved.body["id"]);
}

async function startRun(token: string, workflowId: string): Promise<string> {
  const started = await call("POST", `/api/workflows/${workflowId}/execute`, token, { inputs: {} });
  expect(started.status).toBe(201);
  return String(started.body["execution_id"]);
}

async function emit(tenantId: string, runId: string, kind: EventKind, fields: Partial<RunEvent> = {}): Promise<void> {
  await db.log.append([
    {
      tenantId,
      event: {
        run_id: runId,
        key: eventKey(kind, fields.node_id, fields.iteration, 0, randomBytes(4).toString("hex")),
        kind,
        at: new Date().toISOString(),
        ...fields,
      },
    },
  ]);
}

async function openApproval(tenantId: string, runId: string, data: JsonObject = {}): Promise<string> {
  await emit(tenantId, runId, "waiting", { node_id: "ask", iteration: "", data: { wait: "approval", prompt: "Go on?", ...data } });
  const { rows } = await db.approvals.list(tenantId as Parameters<typeof db.approvals.list>[0], {}, { limit: 500 });
  return rows.find((row) => row.runId === runId)?.id ?? "";
}

describe("the documented client session", () => {
  test("D8: When it is followed word by word, then each answer is the documented one", async () => {
    const { email } = await signUp();
    const login = await call<{ access_token: string; expires_in: number; token_type: string }>("POST", "/api/auth/login", undefined, {
      email,
      password: "secure_password",
    });
    expect(login).toMatchObject({ status: 200, body: { token_type: "bearer", expires_in: 1800 } });
    const token = login.body.access_token;
    const workflow = await call("POST", "/api/workflows/", token, { name: "My AI Workflow", description: "Advanced AI processing workflow", flow_data: GRAPH });
    expect(workflow).toMatchObject({ status: 201, body: { name: "My AI Workflow", flow_data: GRAPH, problems: [] } });
    const execution = await call("POST", `/api/workflows/${String(workflow.body["id"])}/execute`, token, {
      inputs: { message: "Analyze this business proposal" },
    });
    expect(execution).toMatchObject({
      status: 201,
      body: { workflow_id: workflow.body["id"], inputs: { message: "Analyze this business proposal" }, started_at: expect.stringMatching(/Z$/) },
    });
    const read = await call("GET", `/api/executions/${String(execution.body["execution_id"])}`, token);
    expect(read).toMatchObject({ status: 200, body: { id: execution.body["execution_id"], status: "queued" } });
    const described = await temporal.client.workflow
      .getHandle(decodeURIComponent(/workflows\/([^/]+)$/.exec(String((read.body["links"] as JsonObject)["temporal_ui"]))?.[1] ?? ""))
      .describe();
    expect(described.type).toBe("runGraph");
  });
});

describe("tenants", () => {
  const served = (Object.keys(routes) as RouteName[])
    .map((name) => ({ name, method: routes[name].method.toUpperCase(), path: pathsOf(name)[0] ?? "" }))
    // What webhooks are called by knows no tenant: `api/surface.test.ts`.
    .filter(({ name, path }) => path.includes("{id}") && (routes[name] as Route).access.auth === "user");
  const bodies: Partial<Record<RouteName, unknown>> = {
    backfillSchedule: { start_at: "2026-01-01T00:00:00Z", end_at: "2026-01-02T00:00:00Z" },
    replaceCredential: { name: "Mine now" },
    setVariable: { value: 1 },
    addWorkflowNode: { type: "Set" },
    replaceWorkflowNode: { type: "Set" },
    addWorkflowEdge: { source: "start_1", target: "end_1", targetHandle: "value" },
    replaceWorkflowEdge: { source: "start_1", target: "end_1" },
    createWorkflowVariable: { name: "region", value: 1 },
    replaceWorkflowVariable: { value: 1 },
    answerApproval: { decision: "approved" },
    forkExecution: { from_node: "start" },
    migrateExecution: { version: 1 },
    sendEvent: { name: "paid" },
    updateMember: { role: "viewer" },
  };
  let mine: {
    workflow: string;
    run: string;
    approval: string;
    bulk: string;
    credential: string;
    member: string;
    invitation: string;
    schedule: string;
    webhook: string;
    delivery: string;
    key: string;
    session: string;
    identity: string;
    tenantId: string;
    token: string;
  };
  let stranger: string;

  beforeAll(async () => {
    const { token, tenantId, userId } = await signUp();
    const workflow = await saveWorkflow(token);
    const run = await startRun(token, workflow);
    const invitation = await call("POST", "/api/v1/invitations", token, { email: "guest@example.com", role: "viewer" });
    const key = await call("POST", "/api/v1/api-keys", token, { name: "a key" });
    const bulk = await call("POST", "/api/v1/bulk-operations", token, { action: "cancel", filter: { ids: [run] } });
    await call("POST", `/api/v1/workflows/${workflow}/variables`, token, { name: "region", value: "eu" });
    const credential = await call("POST", "/api/v1/credentials", token, { name: "Key", type: "http_bearer", data: { token: "t" } });
    const schedule = await call("POST", "/api/v1/schedules", token, { workflow_id: workflow, cron_expression: "0 0 1 1 *" });
    const hooked = { name: "Hooked", flow_data: { nodes: [{ id: "start", type: "WebhookTrigger", data: { response_mode: "accepted" } }], edges: [] } };
    const { body: saved } = await call("POST", "/api/v1/workflows", token, hooked);
    const { body: webhooks } = await call<JsonObject[]>("GET", `/api/v1/webhooks?workflow_id=${String(saved["id"])}`, token);
    const webhook = String(webhooks[0]?.["webhook_id"] ?? webhooks[0]?.["id"]);
    const called = await call("POST", `/api/v1/hooks/${webhook}`, String(webhooks[0]?.["security_token"]), {});
    mine = {
      webhook,
      delivery: String(called.body["delivery_id"]),
      schedule: String(schedule.body["id"]),
      credential: String(credential.body["id"]),
      token,
      tenantId,
      workflow,
      run,
      approval: await openApproval(tenantId, run),
      bulk: String(bulk.body["id"]),
      member: userId,
      invitation: String(invitation.body["id"]),
      key: String(key.body["id"]),
      identity: (await db.identities.link(userId, { issuer: "https://id.example.com", subject: userId, email: null }, "user")).id,
      session: (JSON.parse(Buffer.from(token.split(".")[1] ?? "", "base64url").toString()) as { sid: string }).sid,
    };
    stranger = (await signUp()).token;
  });

  function idFor(path: string): string {
    if (path.includes("/executions/{id}") || path.includes("/runs/{id}")) return mine.run;
    if (path.includes("/identities/{id}")) return mine.identity;
    const ids: Record<string, string> = {
      approvals: mine.approval,
      credentials: mine.credential,
      schedules: mine.schedule,
      webhooks: mine.webhook,
      "bulk-operations": mine.bulk,
      members: mine.member,
      invitations: mine.invitation,
      "api-keys": mine.key,
      auth: mine.session,
    };
    return ids[path.split("/")[3] ?? ""] ?? mine.workflow;
  }

  test.each(served.filter(({ name, method }) => method === "GET" && name !== "streamExecution" && name !== "streamWebhook"))(
    "D7: When $method $path is read, then the answer is as the contract states",
    async ({ name, path }) => {
      const id = idFor(path);
      const { status, body } = await call(
        "GET",
        path
          .replace("{workflow_id}", mine.workflow)
          .replace("{id}", id)
          .replace("{version}", "1")
          .replace("{delivery_id}", mine.delivery)
          .replace("{name}", "region")
          .replace("{node_id}", "start_1")
          .replace("{edge_id}", "start_to_end")
          .replace(/\/diff$/, "/diff?from=1&to=1")
          .replace(/\/comparison$/, `/comparison?with=${mine.run}`),
        mine.token,
      );
      if ((routes[name] as Route).socket) return expect(status).toBe(426);
      const schema = name === "exportWorkflow" ? workflowExport : replySchema(routes[name], status);
      expect(schema).toBeDefined();
      expect(schema?.safeParse(body).error).toBeUndefined();
    },
  );

  test.each(served)("F1: When $method $path names what is another tenant's, then it is 404, as if it were not there", async ({ name, method, path }) => {
    const id = idFor(path);
    expect(id).not.toBe("");
    const at = (each: string): string =>
      path
        .replace("{workflow_id}", mine.workflow)
        .replace("{id}", each)
        .replace("{version}", "1")
        .replace("{delivery_id}", mine.delivery)
        .replace("{name}", "region")
        .replace("{node_id}", "start_1")
        .replace("{edge_id}", "start_to_end")
        .replace(/\/diff$/, "/diff?from=1&to=1");
    const body = method === "GET" ? undefined : (bodies[name] ?? {});
    const foreign = await call(method, at(id), stranger, body);
    const missing = await call(method, at(path.includes("/webhooks/{id}") ? `wh_${"f".repeat(24)}` : uuidv7()), stranger, body);
    expect([foreign.status, { ...foreign.body, correlation_id: "" }]).toEqual([404, { ...missing.body, correlation_id: "" }]);
  });

  test("F1: When all of that has been tried, then the owner's things are as they were", async () => {
    expect((await call("GET", `/api/v1/workflows/${mine.workflow}`, mine.token)).body).toMatchObject({ version: 1, published_version: null });
    expect((await call("GET", `/api/v1/approvals/${mine.approval}`, mine.token)).body).toMatchObject({ status: "pending" });
    expect((await call("GET", `/api/v1/members/${mine.member}`, mine.token)).body).toMatchObject({ role: "admin" });
    expect((await call("GET", `/api/v1/invitations/${mine.invitation}`, mine.token)).body).toMatchObject({ status: "open" });
    expect((await call("GET", `/api/v1/api-keys/${mine.key}`, mine.token)).body).toMatchObject({ revoked_at: null });
    const { rows } = await db.audit.list(mine.tenantId as Parameters<typeof db.audit.list>[0], {}, { limit: 500 });
    expect(rows.every(({ userId }) => userId === mine.member)).toBe(true);
    expect((await call<JsonObject[]>("GET", "/api/v1/executions", mine.token)).body).toHaveLength(2);
    expect((await call("GET", `/api/v1/credentials/${mine.credential}`, mine.token)).body).toMatchObject({ name: "Key", last_test: null });
    expect((await call("GET", `/api/v1/schedules/${mine.schedule}`, mine.token)).body).toMatchObject({ enabled: true, in_sync: true });
    for (const list of ["workflows", "executions", "approvals", "credentials", "schedules", "webhooks"])
      expect((await call("GET", `/api/v1/${list}`, stranger)).body, list).toEqual([]);
  });
});

describe("races", () => {
  test("D1: When ten calls use one refresh token at once, then each gets a pair; once one of them is renewed, the first token is theft", async () => {
    const { refreshToken } = await signUp();
    const refresh = (token: unknown) => call("POST", "/api/v1/auth/refresh", undefined, { refresh_token: token });
    const answers = await Promise.all(Array.from({ length: 10 }, () => refresh(refreshToken)));
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]));
    const renewed = await refresh(answers[0]?.body["refresh_token"]);
    expect([renewed.status, (await refresh(refreshToken)).status, (await refresh(renewed.body["refresh_token"])).status]).toEqual([200, 401, 401]);
  });

  test("D2: When ten calls start a run with one key at once, then there is one run", async () => {
    const { token } = await signUp();
    const id = await saveWorkflow(token);
    const answers = await Promise.all(
      Array.from({ length: 10 }, () => call("POST", `/api/v1/workflows/${id}/execute`, token, { inputs: { a: 1 } }, { "idempotency-key": "order-1" })),
    );
    expect(new Set(answers.map(({ status, body }) => `${status} ${String(body["id"])}`)).size).toBe(1);
    expect((await call("POST", `/api/v1/workflows/${id}/execute`, token, { inputs: { a: 2 } }, { "idempotency-key": "order-1" })).body["code"]).toBe(
      "idempotency.mismatch",
    );
    expect((await call<unknown[]>("GET", `/api/v1/workflows/${id}/executions`, token)).body).toHaveLength(1);
  });

  test("A12 D2: When twenty save over the same state at once, the graph or a field alone, then one succeeds and nineteen get 412", async () => {
    const { token } = await signUp();
    const id = await saveWorkflow(token);
    const race = async (body: (n: number) => JsonObject) => {
      const etag = (await call("GET", `/api/v1/workflows/${id}`, token)).headers.get("etag") ?? "";
      const answers = await Promise.all(Array.from({ length: 20 }, (_, n) => call("PUT", `/api/v1/workflows/${id}`, token, body(n), { "if-match": etag })));
      expect(answers.map(({ status }) => status).toSorted()).toEqual([200, ...Array.from({ length: 19 }, () => 412)]);
      expect(new Set(answers.filter(({ status }) => status === 412).map((answer) => answer.body["code"]))).toEqual(new Set(["precondition.failed"]));
      const won = answers.find(({ status }) => status === 200);
      expect((await call("GET", `/api/v1/workflows/${id}`, token)).headers.get("etag")).toBe(won?.headers.get("etag"));
    };
    await race((note) => ({ flow_data: { ...GRAPH, note } }));
    await race((n) => ({ name: `Renamed by ${n}` }));
    expect((await call("GET", `/api/v1/workflows/${id}`, token)).body["version"]).toBe(2);
  });

  test("D3: When twenty add nodes at once without naming a state, then all of them are there, each a version", async () => {
    const { token } = await signUp();
    const id = await saveWorkflow(token);
    const answers = await Promise.all(Array.from({ length: 20 }, (_, n) => call("POST", `/api/v1/workflows/${id}/nodes`, token, { id: `n${n}`, type: "Set" })));
    expect(answers.map(({ status }) => status)).toEqual(Array.from({ length: 20 }, () => 201));
    const workflow = await call<{ version: number; flow_data: { nodes: { id: string }[] } }>("GET", `/api/v1/workflows/${id}`, token);
    expect([workflow.body.version, new Set(workflow.body.flow_data.nodes.map((node) => node.id)).size]).toEqual([21, 22]);
  });

  test("D2: When workflows are sorted, filtered, deleted and restored, then lists and cursors follow", async () => {
    const { token } = await signUp();
    const ids: string[] = [];
    for (const name of ["b", "a", "C", "a"]) ids.push(String((await call("POST", "/api/v1/workflows", token, { name, flow_data: GRAPH })).body["id"]));
    const list = async (query: string) => {
      const found: string[] = [];
      for (let next: string | undefined = `/api/v1/workflows?limit=1&${query}`; next !== undefined;) {
        const page: Awaited<ReturnType<typeof call<JsonObject[]>>> = await call<JsonObject[]>("GET", next, token);
        found.push(...page.body.map((workflow) => String(workflow["id"])));
        next = /^<([^>]+)>; rel="next"$/.exec(page.headers.get("link") ?? "")?.[1];
      }
      return found.map((id) => ids.indexOf(id));
    };
    expect((await list("sort=name")).filter((at) => at !== 2)).toEqual([1, 3, 0]);
    expect(await list("sort=-name")).toEqual((await list("sort=name")).toReversed());
    expect(await list("sort=created_at")).toEqual([0, 1, 2, 3]);
    await call("PATCH", `/api/v1/workflows/${ids[1]}`, token, { description: "changed" });
    expect(await list("sort=-updated_at")).toEqual([1, 3, 2, 0]);
    await call("POST", `/api/v1/workflows/${ids[2]}/publish`, token, {});
    expect([await list("published=true"), (await list("published=false")).length]).toEqual([[2], 3]);
    await call("DELETE", `/api/v1/workflows/${ids[0]}`, token);
    expect([await list("deleted=true"), (await list("")).includes(0)]).toEqual([[0], false]);
    expect((await call("POST", `/api/v1/workflows/${ids[0]}/restore`, token)).status).toBe(200);
    expect(await list("deleted=true")).toEqual([]);
    const cursor = /cursor=([^&>]+)/.exec((await call("GET", "/api/v1/workflows?limit=1&sort=name", token)).headers.get("link") ?? "")?.[1];
    expect((await call("GET", `/api/v1/workflows?sort=updated_at&cursor=${cursor}`, token)).status).toBe(400);
  });

  test("A9: When twenty answer one approval at once, then one is taken and the others get 409", async () => {
    const { token, tenantId } = await signUp();
    const runId = await startRun(token, await saveWorkflow(token));
    const approval = await openApproval(tenantId, runId, { schema: { type: "object", required: ["ok"] } });
    expect((await call("POST", `/api/v1/approvals/${approval}`, token, { decision: "approved", data: {} })).status).toBe(422);
    const answers = await Promise.all(
      Array.from({ length: 20 }, () => call("POST", `/api/v1/approvals/${approval}`, token, { decision: "approved", data: { ok: 1 } })),
    );
    // No worker is there, so the one answer is kept.
    expect(answers.map(({ status }) => status).toSorted()).toEqual([202, ...Array.from({ length: 19 }, () => 409)]);
    expect(new Set(answers.filter(({ status }) => status === 409).map(({ body }) => body["code"]))).toEqual(new Set(["approval.answered"]));
  });
});

describe("what PostgreSQL is given", () => {
  test("D7: When text could not be stored, then it is refused before, and what can be is stored as it is", async () => {
    const { token } = await signUp();
    const id = await saveWorkflow(token);
    for (const bad of ["\\u0000", "\\ud800", "\\udc00\\ud800"]) {
      expect((await call("POST", `/api/v1/workflows/${id}/execute`, token, `{"inputs":{"a":"${bad}"}}`)).status, bad).toBe(422);
      expect((await call("POST", "/api/v1/auth/login", undefined, `{"email":"a${bad}@b.c","password":"x"}`)).status, bad).toBe(422);
    }
    expect((await call("GET", "/api/v1/workflows?search=%00", token)).status).toBe(422);
    expect((await call("GET", "/api/v1/workflows?tags=%00", token)).status).toBe(422);
    const inputs = { quote: "'; drop table runs; --", percent: "%_\\", emoji: "🦑", nested: { ключ: [1e21, -0.5, null] } };
    const started = await call("POST", `/api/v1/workflows/${id}/execute`, token, { inputs });
    expect((await call("GET", `/api/v1/executions/${String(started.body["id"])}`, token)).body["inputs"]).toEqual(inputs);
  });

  test("D7: When numbers and cursors are beyond all bounds, then it is 4xx, never 500", async () => {
    const { token } = await signUp();
    const id = await saveWorkflow(token);
    const runId = await startRun(token, id);
    const queries = [
      `/api/v1/workflows/${id}/versions/99999999999`,
      `/api/v1/workflows/${id}/versions/1e3`,
      `/api/v1/workflows?cursor=nonsense`,
      `/api/v1/executions?from=999999-01-01`,
      `/api/v1/executions?from=-000001-01-01T00:00:00Z`,
      `/api/v1/executions?to=%2B275760-01-01T00:00:00Z`,
      `/api/v1/executions/${runId}/events?after=99999999999999999999`,
      `/api/v1/executions/${runId}/events?after=3000000000`,
      `/api/v1/executions?limit=1e9`,
    ];
    for (const query of queries) expect((await call("GET", query, token)).status, query).toSatisfy((status: number) => status < 500);
    expect((await call("POST", `/api/v1/workflows/${id}/execute`, token, { version: 99_999_999_999 })).status).toBe(422);
    expect((await call("POST", `/api/v1/workflows/${id}/publish`, token, { version: 2_147_483_647 })).status).toBe(404);
  });

  test("D7: When a cursor names a time that does not exist, then it is 400", async () => {
    const { token } = await signUp();
    for (const time of ["2026-13-45T99:99:99.000000Z", "2026-02-30T00:00:00.000000Z"]) {
      const cursor = Buffer.from(`${time} ${uuidv7()}`).toString("base64url");
      expect((await call("GET", `/api/v1/workflows?cursor=${cursor}`, token)).status, time).toBe(400);
    }
  });

  test("D2: When lists are paged, then every row comes once", async () => {
    const { token } = await signUp();
    for (let index = 0; index < 7; index++)
      await call("POST", "/api/v1/workflows", token, { name: `W ${index}`, tags: index % 2 ? ["odd"] : ["even"], flow_data: GRAPH });
    const names: unknown[] = [];
    let next: string | undefined = "/api/v1/workflows?limit=3";
    while (next !== undefined) {
      const page: Awaited<ReturnType<typeof call<JsonObject[]>>> = await call<JsonObject[]>("GET", next, token);
      names.push(...page.body.map((workflow) => workflow["name"]));
      next = /^<([^>]+)>; rel="next"$/.exec(page.headers.get("link") ?? "")?.[1];
    }
    expect(names).toEqual([6, 5, 4, 3, 2, 1, 0].map((index) => `W ${index}`));
    expect((await call<unknown[]>("GET", "/api/v1/workflows?tags=odd&search=w", token)).body).toHaveLength(3);
  });
});

describe("commands without a worker", () => {
  test("A9: When no worker is there, then a pause is kept, a termination takes effect, and then nothing more is taken", async () => {
    const { token } = await signUp();
    const runId = await startRun(token, await saveWorkflow(token));
    expect((await call("POST", `/api/v1/executions/${runId}/pause`, token)).status).toBe(202);
    expect((await call("GET", `/api/v1/executions/${runId}/result`, token)).status).toBe(202);
    const terminated = await call("POST", `/api/v1/executions/${runId}/terminate`, token, { reason: "enough" });
    expect([terminated.status, terminated.body["status"]]).toEqual([200, "cancelled"]);
    const late = await call("POST", `/api/v1/executions/${runId}/pause`, token);
    expect([late.status, late.body["code"]]).toEqual([409, "run.closed"]);
    expect((await call("GET", `/api/v1/executions/${runId}/result?wait=5`, token)).status).toBe(200);
  });
});

describe("streams", () => {
  test("G1: When clients leave and come back at random while events arrive, then each hears every event once", async () => {
    const { token, tenantId } = await signUp();
    const runId = await startRun(token, await saveWorkflow(token));
    const total = 120;
    const write = (async () => {
      for (let n = 0; n < total; n++) {
        await emit(tenantId, runId, "token_delta", { node_id: "start_1", data: { text: String(n) } });
        if (n % 10 === 0) await sleep(5);
      }
      await call("POST", `/api/v1/executions/${runId}/terminate`, token);
    })();

    async function listen(patience: number): Promise<{ seq: number; kind: string }[]> {
      const heard: { seq: number; kind: string }[] = [];
      for (;;) {
        const response = await app.request(`/api/v1/executions/${runId}/stream`, {
          headers: { authorization: `Bearer ${token}`, "last-event-id": String(heard.at(-1)?.seq ?? 0) },
        });
        if (response.status === 204) return heard;
        const reader = response.body?.getReader();
        const parser = createParser({ onEvent: ({ id, event }) => heard.push({ seq: Number(id), kind: event ?? "" }) });
        const decoder = new TextDecoder();
        const leaveAfter = 1 + Math.floor(Math.random() * patience);
        for (let chunks = 0; chunks < leaveAfter; chunks++) {
          const next = await reader?.read();
          if (!next || next.done) break;
          parser.feed(decoder.decode(next.value, { stream: true }));
        }
        await reader?.cancel();
      }
    }
    const heard = await Promise.all([listen(3), listen(10), listen(1_000)]);
    await write;
    for (const each of heard) {
      expect(each.map(({ seq }) => seq)).toEqual(Array.from({ length: each.length }, (_, index) => index + 1));
      expect(each.filter(({ kind }) => kind === "token_delta")).toHaveLength(total);
      expect(each.at(-1)?.kind).toBe("error");
    }
  });
});
