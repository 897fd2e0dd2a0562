import { randomBytes } from "node:crypto";
import { inject } from "vitest";
import { createTestDatabase } from "./database.ts";
import { testPayloadKeys } from "./payloads.ts";
import { type RunningProcess, startApi, startWorker } from "./processes.ts";
import { TestClient } from "./client.ts";

export interface Perdure {
  base: string;
  databaseUrl: string;
  temporalAddress: string;
  namespace: string;
  /** The environment both processes were given. */
  settings: Record<string, string>;
  api: RunningProcess;
  worker: RunningProcess;
  user: TestClient;
  /** A second process of the kind, in the same installation. */
  startApi(env?: Record<string, string>): Promise<RunningProcess>;
  /** `root`: another source tree than this one. */
  startWorker(env?: Record<string, string>, root?: string): Promise<RunningProcess>;
  stop(): Promise<void>;
}

/**
 * A whole installation of a test's own: an api and a worker as real processes, a database and a task queue nobody else uses, and a user.
 * Outgoing calls to 127.0.0.1 are allowed, since that is where tests keep their outside systems.
 */
export async function startPerdure(
  env: Record<string, string> = {},
  servers: { temporalAddress?: string; databaseUrl?: string; workerArgs?: readonly string[]; root?: string } = {},
): Promise<Perdure> {
  const database = servers.databaseUrl ? { url: servers.databaseUrl, drop: () => Promise.resolve() } : await createTestDatabase();
  const temporalAddress = servers.temporalAddress ?? inject("temporalAddress");
  const settings: Record<string, string> = {
    DATABASE_URL: database.url,
    TEMPORAL_ADDRESS: temporalAddress,
    TEMPORAL_NAMESPACE: "perdure",
    TEMPORAL_TASK_QUEUE: `test-${randomBytes(6).toString("hex")}`,
    QDRANT_URL: inject("qdrantUrl"),
    JWT_SECRET_KEY: randomBytes(32).toString("hex"),
    PAYLOAD_KEYS: testPayloadKeys(),
    PORT: "0",
    OUTBOUND_ALLOW: "127.0.0.1",
    LOG_LEVEL: "info",
    SWEEP_INTERVAL_MS: "1000",
    SWEEP_SILENT_MS: "2000",
    NODE_HEARTBEAT_TIMEOUT_MS: "5000",
    ...env,
  };
  const started: RunningProcess[] = [];
  const keep = async (process: Promise<RunningProcess>): Promise<RunningProcess> => {
    const running = await process;
    started.push(running);
    return running;
  };
  const [api, worker] = await Promise.all([keep(startApi(settings, servers.root)), keep(startWorker(settings, servers.workerArgs, servers.root))]);
  const base = api.url as string;
  return {
    base,
    databaseUrl: database.url,
    temporalAddress,
    namespace: "perdure",
    settings,
    api,
    worker,
    user: await TestClient.register(base),
    startApi: (more = {}) => keep(startApi({ ...settings, PORT: new URL(base).port, ...more })),
    startWorker: (more = {}, root = servers.root) => keep(startWorker({ ...settings, ...more }, servers.workerArgs, root)),
    async stop() {
      await Promise.all(started.map((process) => process.stop()));
      await database.drop();
    },
  };
}
