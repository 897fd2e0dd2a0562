import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { serverEnvironment } from "./environment.ts";
import { anyFreePort } from "./ports.ts";
import { type Server, StartError, startServer } from "./process.ts";

export interface QdrantOptions {
  binary: string;
  /** Holds the collections; made when missing. */
  folder: string;
  logFile: string;
  port?: number;
  /** Data that nobody will miss: stopping does not wait for it to be flushed. @default false */
  disposable?: boolean;
}

const START_TRIES = 5;

/** Starts Qdrant on 127.0.0.1 without telemetry. @throws StartError. */
export async function startQdrant(options: QdrantOptions): Promise<Server> {
  mkdirSync(options.folder, { recursive: true, mode: 0o700 });
  for (let attempt = 1; ; attempt++) {
    const port = await anyFreePort(options.port);
    const url = `http://127.0.0.1:${port}`;
    try {
      return await startServer({
        name: "Qdrant",
        command: options.binary,
        args: ["--disable-telemetry"],
        env: serverEnvironment({
          QDRANT__SERVICE__HOST: "127.0.0.1",
          QDRANT__SERVICE__HTTP_PORT: `${port}`,
          QDRANT__SERVICE__GRPC_PORT: `${await anyFreePort()}`,
          QDRANT__STORAGE__STORAGE_PATH: join(options.folder, "storage"),
          QDRANT__STORAGE__SNAPSHOTS_PATH: join(options.folder, "snapshots"),
          QDRANT__LOG_LEVEL: "WARN",
        }),
        cwd: options.folder,
        logFile: options.logFile,
        url,
        port,
        stopSignal: options.disposable ? "SIGKILL" : "SIGINT",
        answers: async () => (await fetch(`${url}/readyz`, { signal: AbortSignal.timeout(2_000) })).ok,
      });
    } catch (error) {
      if (!(error instanceof StartError)) throw error;
      if (/address already in use/i.test(error.output) && attempt < START_TRIES) continue;
      throw new StartError(
        `${error.message}\nIf the collections in ${options.folder} are damaged, restore a backup of them or move the folder away. QDRANT_URL names another server instead.`,
        "",
      );
    }
  }
}
