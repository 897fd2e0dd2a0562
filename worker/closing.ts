import { tenantId } from "#core";
import type { Database } from "#db";
import type { Logger } from "#platform";
import type { Runs } from "#runs";

/** Ends are gathered for so long: the api, where a client waits for the run, closes it first, and many ends cost one look. */
const GATHER_MS = 60;
/** How long Temporal may take to close a run that has said it ends; after that it is the sweeper's. */
const CLOSE_WITHIN_MS = 10_000;

export interface Closer {
  /** The run's workflow has said that it ends. */
  ending(tenant: string, runId: string): void;
  close(): void;
}

/** Writes the end of runs for which nobody waits. What it misses, the sweeper finds. */
export function createCloser({ db, runs, logger }: { db: Pick<Database, "runs">; runs: Pick<Runs, "waitForEnd">; logger: Logger }): Closer {
  let gathered = new Map<string, string>();
  let timer: NodeJS.Timeout | undefined;

  async function look(): Promise<void> {
    const tenants = gathered;
    gathered = new Map();
    timer = undefined;
    const open = await db.runs.stillOpen([...tenants.keys()]);
    await Promise.allSettled(
      open.map((runId) =>
        runs
          .waitForEnd(tenantId(tenants.get(runId) as string), runId, CLOSE_WITHIN_MS)
          .catch((error: unknown) => logger.warn({ err: error, run_id: runId }, "the end of a run was not written")),
      ),
    );
  }

  return {
    ending(tenant, runId) {
      gathered.set(runId, tenant);
      timer ??= setTimeout(() => look().catch((error: unknown) => logger.warn({ err: error }, "ends of runs were not written; the sweeper will")), GATHER_MS);
    },
    close: () => clearTimeout(timer),
  };
}
