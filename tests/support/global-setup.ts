import { join } from "node:path";
import type { TestProject } from "vitest/node";
import { qdrantBinary, silentProgress, startPostgres, startQdrant, startTemporal, temporalBinary } from "../../scripts/infra/index.ts";
import { createTemporaryFolder } from "./temporary-folder.ts";

declare module "vitest" {
  export interface ProvidedContext {
    /** A superuser's URL of the `postgres` database; tests get databases of their own from `createTestDatabase`. */
    postgresAdminUrl: string;
    /** `host:port`; the namespace is `perdure`. */
    temporalAddress: string;
    temporalUiUrl: string;
    qdrantUrl: string;
  }
}

interface Infrastructure {
  postgresAdminUrl: string;
  temporalAddress: string;
  temporalUiUrl: string;
  qdrantUrl: string;
  stop(): Promise<void>;
}

/** One set of servers for all projects of a vitest run: they live in its main process, each project holds them by a count. */
const shared = globalThis as typeof globalThis & { perdureInfrastructure?: { started: Promise<Infrastructure>; holders: number } };

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const held = (shared.perdureInfrastructure ??= { started: startInfrastructure(), holders: 0 });
  held.holders += 1;
  const { stop, ...addresses } = await held.started;
  project.provide("postgresAdminUrl", addresses.postgresAdminUrl);
  project.provide("temporalAddress", addresses.temporalAddress);
  project.provide("temporalUiUrl", addresses.temporalUiUrl);
  project.provide("qdrantUrl", addresses.qdrantUrl);
  return async () => {
    held.holders -= 1;
    if (held.holders > 0) return;
    delete shared.perdureInfrastructure;
    await stop();
  };
}

/** Starts PostgreSQL, Temporal and Qdrant side by side in a temporary folder; all of it goes, also when this process is killed. */
async function startInfrastructure(): Promise<Infrastructure> {
  const { path: folder, remove } = await createTemporaryFolder();
  const step = silentProgress.step("");
  const starts = await Promise.allSettled([
    startPostgres({ folder: join(folder, "postgres"), logFile: join(folder, "postgres.log"), database: "postgres", maxConnections: 200, disposable: true }),
    temporalBinary(step).then((binary) => startTemporal({ binary, folder: join(folder, "temporal"), logFile: join(folder, "temporal.log"), disposable: true })),
    qdrantBinary(step).then((binary) => startQdrant({ binary, folder: join(folder, "qdrant"), logFile: join(folder, "qdrant.log"), disposable: true })),
  ]);
  const stop = async () => {
    await Promise.all(starts.map(async (start) => (start.status === "fulfilled" ? start.value.stop() : undefined)));
    await remove();
  };
  const [postgres, temporal, qdrant] = starts;
  if (postgres.status === "fulfilled" && temporal.status === "fulfilled" && qdrant.status === "fulfilled") {
    return {
      postgresAdminUrl: postgres.value.url,
      temporalAddress: temporal.value.url,
      temporalUiUrl: temporal.value.uiUrl,
      qdrantUrl: qdrant.value.url,
      stop,
    };
  }
  await stop();
  const failures = starts.flatMap((start) => (start.status === "rejected" ? [start.reason as Error] : []));
  throw new AggregateError(failures, `The servers for the tests did not start:\n${failures.map(({ message }) => message).join("\n")}`);
}
