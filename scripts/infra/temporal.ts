import { existsSync, mkdirSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { serverEnvironment } from "./environment.ts";
import { anyFreePort, nextFreePort } from "./ports.ts";
import { type Server, StartError, startServer } from "./process.ts";

export interface TemporalOptions {
  binary: string;
  /** Holds the server's file database; made when missing. */
  folder: string;
  logFile: string;
  port?: number;
  /** Taken when free, else the next free one. Without it any free port. */
  uiPort?: number;
  /** @default "perdure" */
  namespace?: string;
  /** Whom the Web UI's page asks to open sealed payloads: it posts to `<endpoint>/decode`. */
  codecEndpoint?: string;
  /** Data that nobody will miss. @default false */
  disposable?: boolean;
}

export interface TemporalServer extends Server {
  readonly uiPort: number;
  readonly uiUrl: string;
}

const START_TRIES = 5;

/** Registered when the file is made; the application also registers them on servers that are not ours. */
const SEARCH_ATTRIBUTES = {
  PerdureTenant: "Keyword",
  PerdureWorkflow: "Keyword",
  PerdureVersion: "Int",
  PerdureTrigger: "Keyword",
  PerdureSchedule: "Keyword",
};

/**
 * A single-host server: the default poll rates and the clock tolerance between hosts cost up to a second a step, and fairness is off.
 * Measured in docs/decisions; a cluster does not need these.
 */
const DYNAMIC_CONFIG = {
  "history.transferProcessorMaxPollRPS": "2000",
  "history.timerProcessorMaxPollRPS": "2000",
  "history.visibilityProcessorMaxPollRPS": "500",
  "history.timerProcessorMaxTimeShift": '"10ms"',
  "matching.useNewMatcher": "true",
  "matching.enableFairness": "true",
};

/**
 * Starts the Temporal development server with its Web UI on 127.0.0.1 over a file database that survives `kill -9`.
 * `url` of the result is `host:port`, as TEMPORAL_ADDRESS wants it.
 * @throws StartError.
 */
export async function startTemporal(options: TemporalOptions): Promise<TemporalServer> {
  const { namespace = "perdure", disposable = false } = options;
  mkdirSync(options.folder, { recursive: true, mode: 0o700 });
  const file = join(options.folder, "temporal.db");
  const existed = existsSync(file);
  for (let attempt = 1; ; attempt++) {
    const port = await anyFreePort(options.port);
    const uiPort = options.uiPort === undefined ? await anyFreePort() : await nextFreePort(options.uiPort);
    const address = `127.0.0.1:${port}`;
    try {
      const server = await startServer({
        name: "Temporal",
        command: options.binary,
        args: [
          "server",
          "start-dev",
          ...flags({ ip: "127.0.0.1", port, "ui-port": uiPort, "db-filename": file, namespace, "log-format": "json", "log-level": "warn" }),
          ...flags(options.codecEndpoint === undefined ? {} : { "ui-codec-endpoint": options.codecEndpoint }),
          ...flags({ "sqlite-pragma": "journal_mode=wal" }),
          ...flags({ "sqlite-pragma": `synchronous=${disposable ? 0 : 2}` }),
          ...Object.entries(DYNAMIC_CONFIG).flatMap(([key, value]) => ["--dynamic-config-value", `${key}=${value}`]),
          ...Object.entries(SEARCH_ATTRIBUTES).flatMap(([key, value]) => ["--search-attribute", `${key}=${value}`]),
        ],
        env: serverEnvironment({ TEMPORAL_DISABLE_CONFIG_FILE: "1" }),
        cwd: options.folder,
        logFile: options.logFile,
        url: address,
        port,
        stopSignal: disposable ? "SIGKILL" : "SIGTERM",
        answers: async () => (await accepts(uiPort)) && (await serves(address, namespace)),
      });
      return { ...server, uiPort, uiUrl: `http://127.0.0.1:${uiPort}` };
    } catch (error) {
      if (!(error instanceof StartError)) throw error;
      if (/address already in use|can't set .*port/i.test(error.output) && attempt < START_TRIES) continue;
      if (!existed) throw error;
      throw new StartError(
        `${error.message}\nIf ${file} is damaged, restore a backup of it, or move it away to begin with an empty server (runs in progress are then lost). TEMPORAL_ADDRESS names another server instead.`,
        "",
      );
    }
  }
}

function flags(values: Record<string, string | number>): string[] {
  return Object.entries(values).flatMap(([name, value]) => [`--${name}`, `${value}`]);
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: "127.0.0.1" });
    socket.once("connect", () => resolve(socket.destroy() && true));
    socket.once("error", () => resolve(false));
  });
}

/** Whether the server knows the namespace. */
async function serves(address: string, namespace: string): Promise<boolean> {
  const { Connection } = await import("@temporalio/client");
  const connection = await Connection.connect({ address, connectTimeout: 2_000 });
  try {
    await connection.workflowService.describeNamespace({ namespace });
    await connection.workflowService.countWorkflowExecutions({ namespace, query: "PerdureTenant = 'none'" });
    return true;
  } finally {
    await connection.close();
  }
}
