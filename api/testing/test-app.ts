import { type Finding, type JsonObject, isObject, uuidv7 } from "#core";
import type { CompileResult, Plan } from "#graph";
import { createCredentialVault } from "#credentials";
import { createHttp } from "#integrations/http";
import type { Mail } from "#integrations/mail";
import { createOidc } from "#integrations/oidc";
import { createPayloads } from "#payloads";
import { createLogger, readEnv } from "#platform";
import { createScheduleParts } from "#runs";
import { createMetrics, TRACING_OFF } from "#telemetry";
import { createApp } from "../app.ts";
import { createSchemaChecks } from "../schema-checks.ts";
import { createPasswords } from "../security/passwords.ts";
import { type TokenHolder, type Tokens, createTokens } from "../security/tokens.ts";
import type { ApiSettings, Services } from "../services.ts";
import { readTemplates } from "../templates.ts";
import { createYamlThreads } from "../yaml/index.ts";
import { createMemoryCheckpoints } from "./memory-checkpoints.ts";
import { type MemoryDatabase, createMemoryDatabase } from "./memory-database.ts";
import { createMemoryRuns } from "./memory-runs.ts";
import { createMemoryTemporalSchedules } from "./memory-schedules.ts";

export const SETTINGS: ApiSettings = {
  CONCURRENCY_WAITING_MS: 60_000,
  ANALYTICS_MAX_ROWS: 100,
  API_KEYS_MAX: 5,
  AUDIT_FIELD_MAX_BYTES: 1_000,
  AUDIT_REFUSAL_INTERVAL_MS: 60_000,
  BULK_MAX_RUNS: 3,
  CREDENTIALS_MAX: 5,
  CUSTOM_NODES_MAX: 3,
  CUSTOM_NODE_MAX_BYTES: 4_000,
  CREDENTIAL_MAX_BYTES: 2_000,
  CREDENTIAL_TEST_TIMEOUT_MS: 2_000,
  OPENAI_BASE_URL: undefined,
  CORS_ORIGINS: [],
  EMAIL_TOKEN_EXPIRE_HOURS: 48,
  HEALTH_DETAILED: "public",
  HTTP_TEST_TIMEOUT_MS: 1_000,
  INVITATION_EXPIRE_DAYS: 7,
  JWT_REFRESH_GRACE_MS: 0,
  JWT_REFRESH_TOKEN_EXPIRE_DAYS: 7,
  LIVE_CONNECTIONS_MAX: 50,
  LIVE_CONNECTIONS_ORGANIZATION_MAX: 40,
  LIVE_CONNECTIONS_USER_MAX: 30,
  LIVE_ANONYMOUS_MAX: 2,
  LIVE_ANONYMOUS_MS: 300,
  LIVE_TOPICS_MAX: 5,
  LIVE_MESSAGE_MAX_BYTES: 2_048,
  LIVE_MESSAGE_RATE: { tokens: 1_000, perMs: 1_000, burst: 1_000 },
  LIVE_PAYLOAD_MAX_BYTES: 1_000,
  LIVE_QUEUE_MAX_BYTES: 16_384,
  LIVE_SLOW_READER_MS: 1_000,
  LIVE_PING_INTERVAL_MS: 20_000,
  LIVE_RECHECK_INTERVAL_MS: 15_000,
  LIVE_PRESENCE_MS: 30_000,
  LIVE_RESUME_RUNS_MAX: 10,
  METRICS_TOKEN: undefined,
  NODE_OUTPUT_MAX_BYTES: 10_000,
  ORGANIZATION_CONCURRENCY_LIMIT: 20,
  OIDC_FLOW_EXPIRE_MINUTES: 10,
  PASSWORD_RESET_EXPIRE_MINUTES: 30,
  OTEL_PROPAGATORS: "tracecontext",
  OUTBOUND_HOSTS_MAX: 3,
  PUBLIC_URL: undefined,
  RATE_LIMIT_ACCOUNT_FAILURES: undefined,
  RATE_LIMIT_ACCOUNT_MAILS: undefined,
  RATE_LIMIT_INVITATION_MAILS: undefined,
  RATE_LIMIT_ADDRESS: undefined,
  RATE_LIMIT_API_KEY: undefined,
  RATE_LIMIT_LIVE_MESSAGES: undefined,
  RATE_LIMIT_READS: undefined,
  RATE_LIMIT_SECOND_FACTOR_FAILURES: undefined,
  RATE_LIMIT_SIGN_IN_FAILURES: undefined,
  RATE_LIMIT_STARTS: undefined,
  RATE_LIMIT_USER: undefined,
  RATE_LIMIT_WRITES: undefined,
  REGISTRATION: "open",
  REQUEST_MAX_BODY_BYTES: 100_000,
  RUN_INPUTS_MAX_BYTES: 10_000,
  RUN_WAIT_MAX_MS: 2_000,
  SECOND_FACTOR_EXPIRE_MINUTES: 5,
  SECOND_FACTOR_ISSUER: "Perdure",
  SMTP_TIMEOUT_MS: 1_000,
  STREAM_REAUTHORIZE_INTERVAL_MS: 15_000,
  TEMPORAL_NAMESPACE: "perdure",
  TEMPORAL_UI_URL: "http://127.0.0.1:8233",
  TRUSTED_PROXIES: [],
  VARIABLES_MAX: 5,
  VARIABLES_MAX_BYTES: 2_000,
  VARIABLE_MAX_BYTES: 1_000,
  WEB_URL: undefined,
  WEBHOOK_BASE_URL: undefined,
  WEBHOOK_BODY_MAX_BYTES: 4 * 1024 * 1024,
  WEBHOOK_LOGGED_MAX_BYTES: 16 * 1024,
};

/** Cheap enough for tests; the parameters that are used for real are the defaults. */
export const FAST_PASSWORDS = createPasswords({ cost: { memoryCost: 64, timeCost: 1, parallelism: 1 } });

/** With a master key. */
const ENV = readEnv({ PAYLOAD_KEYS: `test:${Buffer.alloc(32, 1).toString("base64")}` });

/** One for all apps of a test file; its threads do not keep the process alive. */
const SCHEMAS = createSchemaChecks({ timeoutMs: 1_000, threads: 1 });

/** Reaches what a test serves on this machine, and nothing else: no test may send a request outside, nor ask a name server. */
const HTTP = createHttp({
  allow: ["127.0.0.1"],
  hostsOf: () => Promise.resolve(["127.0.0.1", "api.example"]),
  resolve: () => Promise.reject(Object.assign(new Error("tests know no names"), { code: "ENOTFOUND" })),
});

const YAML = createYamlThreads({ maxBytes: 100_000, maxAliases: 20, timeoutMs: 5_000 });
const TEMPLATES = await readTemplates();

export const GRAPH = {
  nodes: [
    { id: "start", type: "Start" },
    { id: "end", type: "End" },
  ],
  edges: [{ source: "start", target: "end" }],
};

export function planOf(inputsSchema?: JsonObject): Plan {
  return {
    format_version: 1,
    settings: { execution: "standard", max_parallel: 16 },
    entries: { manual: ["start"], triggers: ["start"] },
    steps: [],
    edges: [],
    ...(inputsSchema && { inputs_schema: inputsSchema }),
  };
}

/** Stands for the compiler: nodes of type `Broken` are problems, each of them, and a graph without nodes has no entry. */
export function compileForTest(graph: unknown): CompileResult {
  const nodes = isObject(graph) && Array.isArray(graph["nodes"]) ? (graph["nodes"] as JsonObject[]) : [];
  const problems: Finding[] = nodes
    .filter((node) => node["type"] === "Broken")
    .map((node) => ({ code: "node.unknown_type", message: "There is no node type Broken.", node_id: String(node["id"]) }));
  if (nodes.length === 0) problems.push({ code: "graph.no_entry", message: "Nothing begins the run." });
  if (problems.length > 0) return { ok: false, problems, warnings: [] };
  const schema = nodes.map((node) => node["data"]).find((data) => isObject(data) && isObject(data["schema"])) as JsonObject | undefined;
  return { ok: true, plan: planOf(schema?.["schema"] as JsonObject | undefined), warnings: [] };
}

/** As the real one; without a session it opens one. */
interface TestTokens extends Tokens {
  issue(holder: Omit<TokenHolder, "sessionId"> & { sessionId?: string }): Promise<string>;
}

function openSession({ state }: MemoryDatabase, { userId }: { userId: string }): string {
  const id = uuidv7();
  const now = new Date();
  const times = { createdAt: now, lastUsedAt: now, generationAt: now, expiresAt: new Date(now.getTime() + 3_600_000) };
  state.sessions.push({ id, userId, method: "password", ip: "", userAgent: "", ...times, generation: 0, endReason: null, tokens: new Map() });
  return id;
}

export type TestApp = ReturnType<typeof createTestApp>;

/** The whole api in process over memory. */
export function createTestApp(overrides: Partial<Services> = {}, settings: Partial<ApiSettings> = {}) {
  const db = createMemoryDatabase();
  const runs = createMemoryRuns(db);
  const checkpoints = createMemoryCheckpoints(db, runs);
  const shutdown = new AbortController();
  const payloads = createPayloads({ store: db.payloads, env: ENV });
  const real = createTokens({ secret: "a secret of at least 32 characters", accessMinutes: 30 });
  const tokens: TestTokens = { ...real, issue: (holder) => real.issue({ ...holder, sessionId: holder.sessionId ?? openSession(db, holder) }) };
  const mails: Mail[] = [];
  const services: Services & { tokens: TestTokens } = {
    db,
    runs,
    checkpoints,
    schedules: createScheduleParts({
      db,
      temporal: createMemoryTemporalSchedules(),
      runs,
      compile: (_tenant, graph) => Promise.resolve(compileForTest(graph)),
      env: { ...ENV, SCHEDULES_MAX: 3, RUN_INPUTS_MAX_BYTES: SETTINGS.RUN_INPUTS_MAX_BYTES },
      logger: createLogger("api", "silent"),
    }).schedules,
    events: runs,
    compile: (_tenant, graph) => Promise.resolve(compileForTest(graph)),
    nodes: { list: () => [], categories: () => [], get: () => undefined },
    tokens,
    passwords: FAST_PASSWORDS,
    schemas: SCHEMAS,
    yaml: YAML,
    templates: TEMPLATES,
    payloads,
    credentials: createCredentialVault({ rows: db.credentials, payloads }),
    http: HTTP,
    mailer: { send: async (mail) => void mails.push(mail), close: () => undefined },
    oidc: createOidc({ providers: [], http: HTTP, timeoutMs: 5_000 }),
    settings: { ...SETTINGS, ...settings },
    logger: createLogger("api", "silent"),
    health: { postgres: async () => undefined, temporal: async () => undefined, qdrant: async () => undefined },
    metrics: createMetrics({ process: "api", version: "0.0.0", entities: 2 }),
    tracing: TRACING_OFF,
    installation: {
      runs: () => db.analytics.installation(),
      queues: async () => [
        { type: "workflow", backlog: 0, oldestMs: 0, pollers: 1 },
        { type: "activity", backlog: 0, oldestMs: 0, pollers: 1 },
      ],
    },
    shutdown: shutdown.signal,
    version: "0.0.0",
    ...(overrides as Partial<Services & { tokens: TestTokens }>),
  };
  const app = createApp(services);

  async function call<T = JsonObject>(
    method: string,
    path: string,
    { body, token, headers = {} }: { body?: unknown; token?: string; headers?: Record<string, string> } = {},
  ) {
    const response = await app.request(path, {
      method,
      headers: {
        ...(body !== undefined && { "content-type": "application/json" }),
        ...(token !== undefined && { authorization: `Bearer ${token}` }),
        ...headers,
      },
      ...(body !== undefined && { body: typeof body === "string" ? body : JSON.stringify(body) }),
    });
    const text = await response.text();
    const isJson = /[/+]json\b/.test(response.headers.get("content-type") ?? "");
    return { status: response.status, headers: response.headers, body: (isJson ? JSON.parse(text) : text) as T };
  }

  let users = 0;
  /** A new user, admin of an organization of their own. */
  async function signUp(email = `user-${++users}@example.com`) {
    const { body } = await call<{ access_token: string; refresh_token: string; id: string }>("POST", "/api/v1/auth/register", {
      body: { email, password: "secure_password" },
    });
    return { token: body.access_token, refreshToken: body.refresh_token, userId: body.id, email };
  }

  async function saveWorkflow(token: string, flowData: unknown = GRAPH): Promise<string> {
    const { body } = await call<{ id: string }>("POST", "/api/v1/workflows", { token, body: { name: "A workflow", flow_data: flowData } });
    return body.id;
  }

  async function startRun(token: string, workflowId: string): Promise<string> {
    const { body } = await call<{ id: string }>("POST", `/api/v1/workflows/${workflowId}/execute`, { token, body: { inputs: {} } });
    return body.id;
  }

  return { app, db, mails, runs, checkpoints, services, shutdown, call, signUp, saveWorkflow, startRun };
}
