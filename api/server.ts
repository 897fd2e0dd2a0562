/** The api process: reads the environment, builds the services, serves until it is told to stop. */
import { setMaxListeners } from "node:events";
import { readFileSync } from "node:fs";
import type { Server } from "node:http";
import type { AddressInfo } from "node:net";
import { createAdaptorServer } from "@hono/node-server";
import { PerdureError } from "#core";
import { createCredentialVault } from "#credentials";
import { migrate, openDatabase } from "#db";
import { createHttp, hostsOfOrganizations, outboundOptions } from "#integrations/http";
import { createMailer } from "#integrations/mail";
import { createOidc } from "#integrations/oidc";
import { traceHttp } from "#integrations/tracing";
import { catalogue, isEffectFree } from "#nodes";
import { createPayloads } from "#payloads";
import { type Env, type Logger, createLogger, readEnvOrExit } from "#platform";
import { connectTemporal, createCheckpoints, createCompiler, createEventReader, createQueueRounds, createRelay, createRuns, createScheduleParts } from "#runs";
import { createMetrics, createTracing, observeEnds, openMetrics, poolGauges } from "#telemetry";
import { createApi } from "./app.ts";
import { createInstallation, queueGauges, runGauges } from "./installation.ts";
import { isHandshake, serveUpgrades } from "./live/index.ts";
import { createHealthProbes } from "./health-probes.ts";
import { createNodeRegistry } from "./node-registry.ts";
import { createSchemaChecks } from "./schema-checks.ts";
import { createPasswords } from "./security/passwords.ts";
import { createTokens } from "./security/tokens.ts";
import { readTemplates } from "./templates.ts";
import { createYamlThreads } from "./yaml/index.ts";

/** Longer than the idle time of the usual load balancers, so that it is they who close a connection. */
const KEEP_ALIVE_MS = 65_000;
/** How often requests that take too long to arrive are looked for, so much longer may one take. */
const REQUEST_CHECK_MS = 5_000;
/** How often a server that stops looks for connections with nothing left to do. */
const IDLE_SWEEP_MS = 50;

interface Api {
  url: string;
  /** Where the metrics have a port of their own. */
  metricsUrl: string | undefined;
  /** Stops accepting, lets streams and waits end, closes what was opened. */
  close(): Promise<void>;
}

async function start(env: Env, logger: Logger): Promise<Api> {
  if (env.JWT_SECRET_KEY === undefined) {
    throw new PerdureError(
      "configuration.invalid",
      "JWT_SECRET_KEY is not set. It signs access tokens: give all api processes the same secret of at least 32 characters.",
    );
  }
  await migrate(env.DATABASE_URL);
  const version = packageVersion();
  const metrics = createMetrics({ process: "api", version, entities: env.METRICS_ENTITIES });
  const tracing = createTracing({ settings: env, service: "perdure-api", version, logger });
  const observer = observeEnds({ metrics, tracing });
  const db = await openDatabase({
    url: env.DATABASE_URL,
    poolSize: env.DATABASE_POOL_SIZE,
    statementTimeoutMs: env.DATABASE_STATEMENT_TIMEOUT_MS,
    pageMaxBytes: env.PAGE_MAX_BYTES,
    logger,
    observer,
  });
  const payloads = createPayloads({ store: db.payloads, env });
  await payloads.check();
  const temporal = await connectTemporal({
    address: env.TEMPORAL_ADDRESS,
    namespace: env.TEMPORAL_NAMESPACE,
    tls: env.TEMPORAL_TLS,
    apiKey: env.TEMPORAL_API_KEY,
    dataConverter: payloads.dataConverter,
    logger,
  });
  const runs = createRuns({ db, client: temporal.client, env, logger, tracing });
  const events = createEventReader({ log: db.log, runs: db.runs });
  const relay = createRelay({ db, runs, env, logger });
  const queue = createQueueRounds({ runs, logger });
  const schemas = createSchemaChecks({ timeoutMs: env.SCHEMA_CHECK_TIMEOUT_MS });
  const yaml = createYamlThreads({ maxBytes: env.YAML_MAX_BYTES, maxAliases: env.YAML_MAX_ALIASES, timeoutMs: env.YAML_TIMEOUT_MS });
  const compileGraph = createCompiler(db, catalogue);
  const guarded = createHttp({ ...outboundOptions(env), hostsOf: hostsOfOrganizations(db.organizations) });
  const http = traceHttp(guarded, { tracing, metrics, hosts: env.TRACE_OUTBOUND_HOSTS });
  const installation = createInstallation({ db, temporal: temporal.client, namespace: env.TEMPORAL_NAMESPACE, taskQueue: env.TEMPORAL_TASK_QUEUE });
  metrics.source(() => runGauges(installation));
  metrics.source(() => queueGauges(installation));
  metrics.source(() => poolGauges(db.pool()));
  const mailer = createMailer(env, logger);
  const shutdown = new AbortController();
  // One listener for each open stream and each waiting request.
  setMaxListeners(0, shutdown.signal);

  const { app, live } = createApi({
    db,
    runs,
    checkpoints: createCheckpoints({
      db,
      runs,
      nodes: { compile: compileGraph, isEffectFree, checkInputs: (schema, inputs) => schemas.check(schema, inputs, "inputs") },
      limits: { givenMaxBytes: env.RUN_GIVEN_MAX_BYTES, inputsMaxBytes: env.RUN_INPUTS_MAX_BYTES },
    }),
    schedules: createScheduleParts({ db, temporal: temporal.client, runs, compile: compileGraph, env, logger }).schedules,
    events,
    compile: compileGraph,
    nodes: createNodeRegistry(),
    tokens: createTokens({ secret: env.JWT_SECRET_KEY, previousSecrets: env.JWT_PREVIOUS_SECRET_KEYS, accessMinutes: env.JWT_ACCESS_TOKEN_EXPIRE_MINUTES }),
    passwords: createPasswords({ maxPending: env.PASSWORD_HASHES_MAX }),
    schemas,
    yaml,
    templates: await readTemplates(),
    payloads,
    credentials: createCredentialVault({ rows: db.credentials, payloads }),
    http,
    mailer,
    oidc: createOidc({ providers: env.OIDC_PROVIDERS, http, timeoutMs: env.OIDC_TIMEOUT_MS }),
    settings: env,
    logger,
    health: createHealthProbes({
      db,
      temporal: temporal.client,
      namespace: env.TEMPORAL_NAMESPACE,
      qdrantUrl: env.QDRANT_URL,
      qdrantApiKey: env.QDRANT_API_KEY,
      fetchOf: (trustedOrigin) => http.guardedFetch("", { trustedOrigin }),
    }),
    metrics,
    tracing,
    installation,
    shutdown: shutdown.signal,
    version,
  });
  const server = createAdaptorServer({
    fetch: app.fetch,
    serverOptions: {
      keepAliveTimeout: KEEP_ALIVE_MS,
      headersTimeout: env.REQUEST_HEADERS_TIMEOUT_MS,
      requestTimeout: env.REQUEST_TIMEOUT_MS,
      maxHeaderSize: env.REQUEST_MAX_HEADER_BYTES,
      shouldUpgradeCallback: isHandshake,
      connectionsCheckingInterval: Math.min(REQUEST_CHECK_MS, env.REQUEST_HEADERS_TIMEOUT_MS),
    },
  }) as Server;
  serveUpgrades(server, app.fetch, logger);
  const url = await listen(server, env);
  const page = await openMetrics(env.API_METRICS_PORT, { metrics, host: env.METRICS_HOST, token: env.METRICS_TOKEN, logger });

  return {
    url,
    metricsUrl: page?.url,
    async close() {
      shutdown.abort();
      await drain(server, env.SHUTDOWN_GRACE_MS);
      await live.close();
      await relay.close();
      await queue.close();
      await events.close();
      await schemas.close();
      await yaml.close();
      mailer.close();
      await http.close();
      await temporal.connection.close();
      await db.close();
      await tracing.close();
      await page?.close();
    },
  };
}

function listen(server: Server, { HOST, PORT }: Env): Promise<string> {
  return new Promise((resolve, reject) => {
    server.once("error", (error: NodeJS.ErrnoException) => {
      reject(
        error.code === "EADDRINUSE"
          ? new PerdureError("configuration.invalid", `Port ${PORT} on ${HOST} is in use; set PORT to another one.`, { cause: error })
          : error,
      );
    });
    server.listen(PORT, HOST, () => {
      const { address, family, port } = server.address() as AddressInfo;
      const reachable = address === "0.0.0.0" || address === "::" ? "127.0.0.1" : address;
      resolve(`http://${family === "IPv6" && reachable === address ? `[${address}]` : reachable}:${port}`);
    });
  });
}

/** Resolves when every request has been answered; those that take longer than `graceMs` are cut. */
function drain(server: Server, graceMs: number): Promise<void> {
  return new Promise((resolve) => {
    const cut = setTimeout(() => server.closeAllConnections(), graceMs);
    // A connection that is kept alive becomes idle only once its last answer has gone.
    const sweep = setInterval(() => server.closeIdleConnections(), IDLE_SWEEP_MS);
    server.close(() => {
      clearTimeout(cut);
      clearInterval(sweep);
      resolve();
    });
  });
}

function packageVersion(): string {
  return (JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8")) as { version: string }).version;
}

async function main(): Promise<void> {
  const env = readEnvOrExit();
  const logger = createLogger("api", env.LOG_LEVEL);
  let isStopping = false;
  try {
    const api = await start(env, logger);
    const stop = (signal: NodeJS.Signals): void => {
      // A terminal and a supervisor both tell; the time it takes is bounded by SHUTDOWN_GRACE_MS.
      if (isStopping) return;
      isStopping = true;
      logger.info({ signal }, "shutting down");
      api.close().then(
        () => process.exit(0),
        (error: unknown) => {
          logger.error({ err: error }, "the shutdown was not clean");
          process.exit(1);
        },
      );
    };
    process.on("SIGTERM", stop);
    process.on("SIGINT", stop);
    process.stdout.write(`${JSON.stringify({ listening: api.url, metrics: api.metricsUrl })}\n`);
  } catch (error) {
    logger.fatal({ err: error }, error instanceof Error ? error.message : "the api could not start");
    process.exit(1);
  }
}

await main();
