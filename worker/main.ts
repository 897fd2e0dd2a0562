/** The worker process: builds the services, gives them to the activities, runs workflows and nodes until it is told to stop. */
import { DefaultLogger, makeTelemetryFilterString, type InjectedSinks, NativeConnection, Runtime, Worker } from "@temporalio/worker";
import { createActivities, createLocalCalls, watchAttempts } from "#activities";
import type { RunEvent } from "#core";
import { createCredentialVault } from "#credentials";
import { openDatabase } from "#db";
import { breakHttp, breakModels, createBreakers } from "#integrations/breaker";
import { createHttp, hostsOfOrganizations, outboundOptions } from "#integrations/http";
import { traceHttp } from "#integrations/tracing";
import { createJsonata } from "#integrations/jsonata";
import { createModels } from "#integrations/models";
import { createSandbox } from "#integrations/sandbox";
import { openSecretStores } from "#integrations/secrets";
import { catalogue, isEffectFree } from "#nodes";
import { createPayloads, patientStore } from "#payloads";
import { createLogger, readEnvOrExit } from "#platform";
import {
  connectTemporal,
  createBulkRounds,
  createCheckpoints,
  createCompiler,
  createErasureRounds,
  createEventWriter,
  createQueueRounds,
  createRelay,
  createRetentionRounds,
  createRuns,
  createScheduleParts,
  createSweeper,
} from "#runs";
import { createMetrics, createTracing, observeEnds, openMetrics, poolGauges, readPage } from "#telemetry";
import type { EventSinks, LocalCallSinks } from "#workflows/messages";
import { ourWorkflows } from "./bundle.ts";
import { createCircuitReports } from "./circuits.ts";
import { createCloser } from "./closing.ts";
import { anyFreePort, circuitGauges, packageVersion } from "./observed.ts";
import { createSecrets } from "./secrets.ts";

/** How long a run waits for the worker that has it in memory before any other may take it: what a killed worker costs its runs. */
const STICKY_TIMEOUT = "2s";
const HEARTBEAT_THROTTLE = "500ms";
/** How long what Temporal holds waits to be opened for a database that is away. */
const DATABASE_PATIENCE_MS = 60_000;
const SHUTDOWN_FORCE_MARGIN_MS = 10_000;

const env = readEnvOrExit();
const logger = createLogger("worker", env.LOG_LEVEL);
process.on("uncaughtException", (error) => {
  logger.fatal({ err: error }, error instanceof Error ? error.message : "the worker cannot go on");
  process.exit(1);
});

const version = packageVersion();
const metrics = createMetrics({ process: "worker", version, entities: env.METRICS_ENTITIES });
const tracing = createTracing({ settings: env, service: "perdure-worker", version, logger });
const sdkMetrics = env.WORKER_METRICS_PORT === undefined ? undefined : await anyFreePort();

Runtime.install({
  logger: new DefaultLogger("WARN", ({ level, message, meta }) => logger[level === "ERROR" ? "error" : "warn"]({ ...meta }, message)),
  telemetryOptions: {
    logging: { filter: makeTelemetryFilterString({ core: "WARN", other: "ERROR" }), forward: {} },
    ...(sdkMetrics !== undefined && {
      metrics: { prometheus: { bindAddress: `127.0.0.1:${sdkMetrics}`, countersTotalSuffix: true, unitSuffix: true, useSecondsForDurations: true } },
    }),
  },
  shutdownSignals: ["SIGTERM", "SIGINT"],
});

const db = await openDatabase({
  url: env.DATABASE_URL,
  poolSize: env.DATABASE_POOL_SIZE,
  statementTimeoutMs: env.DATABASE_STATEMENT_TIMEOUT_MS,
  pageMaxBytes: env.PAGE_MAX_BYTES,
  logger,
  observer: observeEnds({ metrics, tracing }),
});
const payloads = createPayloads({ store: patientStore(db.payloads, DATABASE_PATIENCE_MS), env });
await payloads.check();
const { dataConverter } = payloads;
const temporal = await connectTemporal({
  address: env.TEMPORAL_ADDRESS,
  namespace: env.TEMPORAL_NAMESPACE,
  tls: env.TEMPORAL_TLS,
  apiKey: env.TEMPORAL_API_KEY,
  dataConverter,
  logger,
});
const writer = createEventWriter({ log: db.log, logger });
const runs = createRuns({ db, client: temporal.client, env, logger, tracing });
const guarded = createHttp({ ...outboundOptions(env), hostsOf: hostsOfOrganizations(db.organizations) });
const http = traceHttp(guarded, { tracing, metrics, hosts: env.TRACE_OUTBOUND_HOSTS });
const jsonata = createJsonata({ timeoutMs: env.JSONATA_TIMEOUT_MS, memoryMb: env.JSONATA_MEMORY_MB });
const sandbox = createSandbox({
  timeoutMs: env.CODE_TIMEOUT_MS,
  memoryMb: env.CODE_MEMORY_MB,
  maxSourceBytes: env.CODE_SOURCE_MAX_BYTES,
  maxOutputBytes: env.CODE_OUTPUT_MAX_BYTES,
  maxFetches: env.CODE_MAX_FETCHES,
  threads: env.CODE_THREADS,
});
const breakers = createBreakers({
  failures: env.BREAKER_FAILURES,
  openMs: env.BREAKER_OPEN_MS,
  maxTargets: env.BREAKER_MAX_TARGETS,
  onChange: (state) => {
    logger[state.state === "open" ? "warn" : "info"](state, "A circuit breaker changed.");
    circuitReports.changed();
  },
});
const circuitReports = createCircuitReports({ breakers, circuits: db.circuits, intervalMs: env.BREAKER_REPORT_INTERVAL_MS, logger });
const store = openSecretStores(env.SECRET_STORES, {
  environment: env.secret,
  token: env.VAULT_TOKEN,
  namespace: env.VAULT_NAMESPACE,
  cacheMs: env.SECRET_CACHE_MS,
  timeoutMs: env.SECRET_STORE_TIMEOUT_MS,
  fetchOf: (trustedOrigin) => http.guardedFetch("", { trustedOrigin }),
});
const secrets = createSecrets({ env, accounts: db.accounts, store });
const models = createModels({
  guardedFetch: http.guardedFetch,
  openaiApiKey: env.OPENAI_API_KEY,
  openaiBaseUrl: env.OPENAI_BASE_URL,
  mayUseOperators: secrets.areFor,
});
const credentials = createCredentialVault({ rows: db.credentials, payloads });

const compile = createCompiler(db, catalogue);
const schedules = createScheduleParts({ db, temporal: temporal.client, runs, compile, env, logger });
const localCalls = createLocalCalls();
const activities = createActivities({
  localCalls,
  writer,
  log: db.log,
  receipts: db.receipts,
  nodeCache: db.nodeCache,
  openChild: runs.openChild,
  schedules: schedules.firings,
  services: { http: breakHttp(http, breakers), models: breakModels(models, breakers), jsonata, sandbox },
  secrets: secrets.of,
  credentials: credentials.read,
  limits: { outputMaxBytes: env.NODE_OUTPUT_MAX_BYTES },
  restoredAt: await db.restoring.last(),
  logger,
  watch: watchAttempts({ metrics, tracing }),
});

const closer = createCloser({ db, runs, logger });
const connection = await NativeConnection.connect({
  address: env.TEMPORAL_ADDRESS,
  ...(env.TEMPORAL_TLS && { tls: true }),
  ...(env.TEMPORAL_API_KEY && { apiKey: env.TEMPORAL_API_KEY }),
});
const worker = await Worker.create({
  connection,
  namespace: env.TEMPORAL_NAMESPACE,
  taskQueue: env.TEMPORAL_TASK_QUEUE,
  workflowBundle: await ourWorkflows(),
  dataConverter,
  activities: {
    ...activities,
    runNode: async (call: Parameters<typeof activities.runNode>[0]) => {
      await secrets.ready();
      return activities.runNode(call);
    },
  },
  sinks: {
    events: {
      record: { fn: (_info, tenant: string, events: RunEvent[]) => writer.write(tenant, events), callDuringReplay: false },
      ending: {
        fn: (_info, tenant: string, runId: string) => {
          // Who waits for the run waits for its facts.
          void writer.flush();
          closer.ending(tenant, runId);
        },
        callDuringReplay: false,
      },
    },
    localCalls: {
      callOff: { fn: ({ runId }, seq: number) => localCalls.callOff(runId, seq), callDuringReplay: true },
      forget: { fn: ({ runId }, seq: number) => localCalls.forget(runId, seq), callDuringReplay: true },
    },
  } satisfies InjectedSinks<EventSinks & LocalCallSinks>,
  ...(env.WORKER_DEPLOYMENT !== undefined &&
    env.WORKER_BUILD_ID !== undefined && {
      workerDeploymentOptions: {
        version: { deploymentName: env.WORKER_DEPLOYMENT, buildId: env.WORKER_BUILD_ID },
        useWorkerVersioning: true,
        // A run lives months and every build replays what earlier ones did: no build has to stay for its runs.
        defaultVersioningBehavior: "AUTO_UPGRADE" as const,
      },
    }),
  ...(env.WORKER_CACHED_RUNS !== undefined && { maxCachedWorkflows: env.WORKER_CACHED_RUNS }),
  stickyQueueScheduleToStartTimeout: STICKY_TIMEOUT,
  maxHeartbeatThrottleInterval: HEARTBEAT_THROTTLE,
  defaultHeartbeatThrottleInterval: HEARTBEAT_THROTTLE,
  shutdownGraceTime: env.SHUTDOWN_GRACE_MS,
  shutdownForceTime: env.SHUTDOWN_GRACE_MS + SHUTDOWN_FORCE_MARGIN_MS,
});

const sweeper = createSweeper({ db, runs, env, logger });
const relay = createRelay({ db, runs, env, logger });
const erasures = createErasureRounds({ db, client: temporal.client, env, logger });
const retention = createRetentionRounds({ db, env, logger });
const queue = createQueueRounds({ runs, logger });
const checkpoints = createCheckpoints({
  db,
  runs,
  nodes: { compile, isEffectFree },
  limits: { givenMaxBytes: env.RUN_GIVEN_MAX_BYTES, inputsMaxBytes: env.RUN_INPUTS_MAX_BYTES },
});
const bulk = createBulkRounds({ db, runs, checkpoints, env, logger });
const scheduleRounds = schedules.startRounds();

metrics.source(() => poolGauges(db.pool()));
metrics.source(() => circuitGauges(breakers.breakerStates()));
metrics.source(() => ({ perdure_event_queue_facts: [{ labels: {}, value: writer.waiting() }] }));
if (sdkMetrics !== undefined) metrics.append(() => readPage(`http://127.0.0.1:${sdkMetrics}/metrics`));
const isReady = (): boolean => worker.getState() === "RUNNING";
const page = await openMetrics(env.WORKER_METRICS_PORT, { metrics, host: env.METRICS_HOST, token: env.METRICS_TOKEN, isReady, logger });

process.stdout.write(`${JSON.stringify({ ready: true, metrics: page?.url })}\n`);
try {
  await worker.run();
} finally {
  closer.close();
  await circuitReports.close();
  await sweeper.close();
  await relay.close();
  await erasures.close();
  await queue.close();
  await bulk.close();
  await scheduleRounds.close();
  await retention.close();
  await writer.close();
  await jsonata.close();
  await sandbox.close();
  await http.close();
  await connection.close();
  await temporal.connection.close();
  await db.close();
  await tracing.close();
  await page?.close();
}
