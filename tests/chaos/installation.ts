import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { migrate } from "#db";
import { type Server, silentProgress, startPostgres, startTemporal, temporalBinary } from "../../scripts/infra/index.ts";
import { TestClient } from "../support/client.ts";
import { testPayloadKeys } from "../support/payloads.ts";
import { type RunningProcess, startApi, startWorker } from "../support/processes.ts";
import { createTemporaryFolder } from "../support/temporary-folder.ts";

/** A time in which something was away; milliseconds since the epoch, `until` open while it is. */
export interface Outage {
  what: "worker" | "api" | "temporal" | "postgres";
  at: number;
  until: number;
}

export interface Installation {
  databaseUrl: string;
  temporalAddress: string;
  namespace: string;
  /** The environment of its processes. */
  settings: Record<string, string>;
  user: TestClient;
  outages: Outage[];
  /** Of the apis, also of those that are being started again. */
  bases: readonly string[];
  /** Kills one of these without notice; it is started again after a moment. */
  kill(what: Outage["what"], which: number): Promise<void>;
  /** Everything that was killed is back. */
  whole(): Promise<void>;
  stop(): Promise<void>;
}

/** What the supervisor waits for before it starts something again, in milliseconds. */
const RESTART_AFTER_MS = 500;
/** How long a database or Temporal is away, in milliseconds. */
const SERVER_AWAY_MS = 3_000;

/** Servers of its own, that may be killed, and several apis and workers, each started again as the supervisor does. */
export async function startInstallation({ apis, workers }: { apis: number; workers: number }): Promise<Installation> {
  const folder = await createTemporaryFolder();
  const namespace = "perdure";
  const database = (port?: number) =>
    startPostgres({ folder: join(folder.path, "postgres"), logFile: join(folder.path, "postgres.log"), ...(port !== undefined && { port }) });
  const binary = await temporalBinary(silentProgress.step(""));
  const orchestrator = (port?: number) =>
    startTemporal({ binary, folder: join(folder.path, "temporal"), logFile: join(folder.path, "temporal.log"), ...(port !== undefined && { port }) });
  const servers: { postgres: Server; temporal: Server } = await startBoth(database, orchestrator);
  await migrate(servers.postgres.url);
  const settings: Record<string, string> = {
    DATABASE_URL: servers.postgres.url,
    TEMPORAL_ADDRESS: servers.temporal.url,
    TEMPORAL_NAMESPACE: namespace,
    JWT_SECRET_KEY: randomBytes(32).toString("hex"),
    PAYLOAD_KEYS: testPayloadKeys(),
    JWT_ACCESS_TOKEN_EXPIRE_MINUTES: "120",
    PORT: "0",
    OUTBOUND_ALLOW: "127.0.0.1",
    LOG_LEVEL: "error",
    SWEEP_INTERVAL_MS: "1000",
    SWEEP_SILENT_MS: "2000",
    NODE_HEARTBEAT_TIMEOUT_MS: "5000",
  };
  const running: { api: RunningProcess[]; worker: RunningProcess[] } = {
    api: await Promise.all(Array.from({ length: apis }, () => startApi(settings))),
    worker: await Promise.all(Array.from({ length: workers }, () => startWorker(settings))),
  };
  const bases = running.api.map(({ url }) => url as string);
  const user = await TestClient.register(bases[0] as string);
  const outages: Outage[] = [];
  const returning = new Set<Promise<unknown>>();

  async function killProcess(kind: "worker" | "api", which: number): Promise<void> {
    const process = running[kind][which] as RunningProcess;
    const outage: Outage = { what: kind, at: Date.now(), until: Infinity };
    outages.push(outage);
    process.kill9();
    await process.exited;
    const back = (async () => {
      await pause(RESTART_AFTER_MS);
      running[kind][which] =
        kind === "api"
          ? await untilStarted(() => startApi({ ...settings, PORT: new URL(bases[which] as string).port }))
          : await untilStarted(() => startWorker(settings));
      outage.until = Date.now();
    })();
    returning.add(back);
    void back.finally(() => returning.delete(back));
  }

  async function killServer(kind: "temporal" | "postgres"): Promise<void> {
    const server = servers[kind];
    const outage: Outage = { what: kind, at: Date.now(), until: Infinity };
    outages.push(outage);
    process.kill(-server.pid, "SIGKILL");
    await server.exited;
    await pause(SERVER_AWAY_MS);
    if (kind === "temporal") servers.temporal = await orchestrator(server.port);
    else servers.postgres = await database(server.port);
    outage.until = Date.now();
  }

  return {
    databaseUrl: servers.postgres.url,
    temporalAddress: servers.temporal.url,
    namespace,
    settings,
    user,
    outages,
    bases,
    kill: (what, which) => (what === "api" || what === "worker" ? killProcess(what, which) : killServer(what)),
    async whole() {
      while (returning.size > 0) await Promise.all(returning);
    },
    async stop() {
      await Promise.allSettled(returning);
      await Promise.all([...running.api, ...running.worker].map((process) => process.stop()));
      await Promise.all([servers.postgres.stop(), servers.temporal.stop()]);
      await folder.remove();
    },
  };
}

async function startBoth(database: () => Promise<Server>, orchestrator: () => Promise<Server>): Promise<{ postgres: Server; temporal: Server }> {
  const [postgres, temporal] = await Promise.all([database(), orchestrator()]);
  return { postgres, temporal };
}

/** As the supervisor does: a part that ends while a server is away is started again, with pauses. */
async function untilStarted(start: () => Promise<RunningProcess>): Promise<RunningProcess> {
  for (let left = 5; ; left--) {
    try {
      return await start();
    } catch (error) {
      if (left === 0) throw error;
      await pause(RESTART_AFTER_MS * 2);
    }
  }
}
