import { connect } from "node:net";
import postgres from "postgres";
import { MissingBinaryError, qdrantBinary, type Server, startPostgres, startQdrant, startTemporal, type Step, temporalBinary } from "../infra/index.ts";
import type { DataFolder } from "./data-folder.ts";

/** Where the servers of an installation are. */
export interface Addresses {
  databaseUrl: string;
  temporalAddress: string;
  temporalUiUrl: string | undefined;
  /** Undefined where there is none; all but vector nodes works. */
  qdrantUrl: string | undefined;
}

export type ServerPart = "postgres" | "temporal" | "qdrant";

export interface ServerKind {
  title: string;
  /** Environment variable that names a server of the user's own. */
  variable: "DATABASE_URL" | "TEMPORAL_ADDRESS" | "QDRANT_URL";
  /** Starts it here; undefined where that is impossible and not needed. */
  start(folder: DataFolder, step: Step, previous?: Server): Promise<(Server & { uiUrl?: string }) | undefined>;
  /** @throws an Error when a server of the user's own does not answer. */
  check(address: string): Promise<void>;
  /** How its address is shown: never with a password. */
  show(address: string): string;
}

const CHECK_MS = 5_000;
/** Of the api. */
export const DEFAULT_PORT = 8000;

export const SERVERS: Record<ServerPart, ServerKind> = {
  postgres: {
    title: "PostgreSQL",
    variable: "DATABASE_URL",
    start: (folder, step, previous) =>
      startPostgres({
        folder: folder.of("postgres"),
        logFile: folder.logOf("postgres"),
        port: previous?.port ?? folder.read("postgres")?.port,
        note: step.note,
      }),
    async check(address) {
      const sql = postgres(address, { max: 1, connect_timeout: CHECK_MS / 1000, onnotice: () => {} });
      try {
        await sql`select 1`;
      } finally {
        await sql.end({ timeout: 1 });
      }
    },
    show(address) {
      const url = new URL(address);
      return `${url.host}${url.pathname}`;
    },
  },
  temporal: {
    title: "Temporal",
    variable: "TEMPORAL_ADDRESS",
    async start(folder, step, previous) {
      const wished = Number(process.env.TEMPORAL_UI_PORT || 8233);
      const binary = await temporalBinary(step);
      step.update("starting");
      const server = await startTemporal({
        binary,
        folder: folder.of("temporal"),
        logFile: folder.logOf("temporal"),
        port: previous?.port ?? folder.read("temporal")?.port,
        uiPort: uiPortOf(previous) ?? wished,
        namespace: process.env.TEMPORAL_NAMESPACE || undefined,
        codecEndpoint: `${process.env.PUBLIC_URL || `http://127.0.0.1:${process.env.PORT || DEFAULT_PORT}`}/api/v1/codec`,
      });
      if (previous === undefined && server.uiPort !== wished)
        step.note(`port ${wished} is in use, so the Web UI is on ${server.uiPort} (TEMPORAL_UI_PORT changes it)`);
      return server;
    },
    async check(address) {
      const [host = "", port = "7233"] = address.split(":");
      await new Promise<void>((resolve, reject) => {
        const socket = connect({ host, port: Number(port), timeout: CHECK_MS });
        const fail = (reason: string) => {
          socket.destroy();
          reject(new Error(reason));
        };
        socket.once("connect", () => {
          socket.destroy();
          resolve();
        });
        socket.once("timeout", () => fail(`no answer within ${CHECK_MS / 1000} s`));
        socket.once("error", (error) => fail(error.message));
      });
    },
    show: (address) => address,
  },
  qdrant: {
    title: "Qdrant",
    variable: "QDRANT_URL",
    async start(folder, step, previous) {
      try {
        return await startQdrant({
          binary: await qdrantBinary(step),
          folder: folder.of("qdrant"),
          logFile: folder.logOf("qdrant"),
          port: previous?.port ?? folder.read("qdrant")?.port,
        });
      } catch (error) {
        if (!(error instanceof MissingBinaryError)) throw error;
        step.note(error.message);
        return undefined;
      }
    },
    async check(address) {
      const answer = await fetch(new URL("/readyz", address), {
        signal: AbortSignal.timeout(CHECK_MS),
        headers: process.env.QDRANT_API_KEY ? { "api-key": process.env.QDRANT_API_KEY } : {},
      });
      if (!answer.ok) throw new Error(`HTTP ${answer.status}`);
    },
    show: (address) => address,
  },
};

function uiPortOf(server: (Server & { uiPort?: number }) | undefined): number | undefined {
  return server?.uiPort;
}
