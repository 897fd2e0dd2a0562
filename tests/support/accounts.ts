import { randomBytes } from "node:crypto";
import { createApp, createNodeRegistry, createPasswords, createSchemaChecks, createTokens, createYamlThreads, readTemplates } from "#api";
import type { Checkpoints, EventReader, Runs, Schedules } from "#runs";
import type { JsonObject } from "#core";
import { createCredentialVault } from "#credentials";
import { openDatabase } from "#db";
import { compile } from "#graph";
import { createHttp } from "#integrations/http";
import { createMailer } from "#integrations/mail";
import { createOidc } from "#integrations/oidc";
import { catalogue } from "#nodes";
import { createPayloads } from "#payloads";
import { createLogger, readEnv } from "#platform";
import { createMetrics, TRACING_OFF } from "#telemetry";
import { type TestDatabase, createTestDatabase } from "./database.ts";
import { testPayloadKeys } from "./payloads.ts";

export const JWT_SECRET = randomBytes(32).toString("hex");

/** The API over a database of its own, or over `given`, which stays; for what has no runs. */
export async function startAccounts(settings: Readonly<Record<string, string>> = {}, given?: TestDatabase) {
  const database: TestDatabase = given ?? (await createTestDatabase());
  const logger = createLogger("api", "silent");
  const env = readEnv({ DATABASE_URL: database.url, PAYLOAD_KEYS: testPayloadKeys(), ...settings });
  const db = await openDatabase({ url: database.url, poolSize: 8, logger });
  const payloads = createPayloads({ store: db.payloads, env });
  const schemas = createSchemaChecks({ timeoutMs: 1_000, threads: 1 });
  const yaml = createYamlThreads({ maxBytes: 100_000, maxAliases: 100, timeoutMs: 5_000 });
  const http = createHttp({ allow: [] });
  const mailer = createMailer(env, logger);
  const shutdown = new AbortController();
  const app = createApp({
    db,
    ...({} as { runs: Runs; checkpoints: Checkpoints; events: EventReader; schedules: Schedules }),
    compile: async (_tenant, graph) => compile(graph, catalogue),
    nodes: createNodeRegistry(),
    tokens: createTokens({ secret: JWT_SECRET, previousSecrets: env.JWT_PREVIOUS_SECRET_KEYS, accessMinutes: 30 }),
    passwords: createPasswords({ cost: { memoryCost: 64, timeCost: 1, parallelism: 1 } }),
    schemas,
    yaml,
    templates: await readTemplates(),
    payloads,
    credentials: createCredentialVault({ rows: db.credentials, payloads }),
    http,
    mailer,
    oidc: createOidc({ providers: env.OIDC_PROVIDERS, http, timeoutMs: env.OIDC_TIMEOUT_MS }),
    metrics: createMetrics({ process: "api", version: "0.0.0", entities: 2 }),
    tracing: TRACING_OFF,
    installation: { runs: () => db.analytics.installation(), queues: async () => [] },
    settings: env,
    logger,
    health: { postgres: async () => undefined, temporal: async () => undefined, qdrant: async () => undefined },
    shutdown: shutdown.signal,
    version: "0.0.0",
  });

  async function call<T = JsonObject>(
    method: string,
    path: string,
    { body, token, headers = {} }: { body?: unknown; token?: string; headers?: Record<string, string> } = {},
  ) {
    const response = await app.request(path.startsWith("/") ? `/api/v1${path}` : path, {
      method,
      headers: {
        ...(body !== undefined && { "content-type": "application/json" }),
        ...(token !== undefined && { authorization: `Bearer ${token}` }),
        ...headers,
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    return { status: response.status, headers: response.headers, body: (text.startsWith("{") || text.startsWith("[") ? JSON.parse(text) : text) as T };
  }

  let users = 0;
  async function signUp(email = `user-${++users}@example.com`, password = "secure_password") {
    const { body } = await call<{ access_token: string; refresh_token: string; id: string }>("POST", "/auth/register", { body: { email, password } });
    return { token: body.access_token, refreshToken: body.refresh_token, userId: body.id, email, password };
  }

  return {
    app,
    db,
    payloads,
    call,
    signUp,
    signIn: (email: string, password: string) => call<Record<string, string>>("POST", "/auth/login", { body: { email, password } }),
    refresh: (token: string) => call<Record<string, string>>("POST", "/auth/refresh", { body: { refresh_token: token } }),
    async close() {
      shutdown.abort();
      mailer.close();
      await schemas.close();
      await yaml.close();
      await http.close();
      await db.close();
      if (!given) await database.drop();
    },
  };
}

export type AccountsApp = Awaited<ReturnType<typeof startAccounts>>;
