import { PerdureError } from "#core";
import type { Database } from "#db";
import type { Env, Logger } from "#platform";
import { eachOf, type Rounds, startRounds } from "./rounds.ts";
import type { Runs } from "./types.ts";

/** Runs of one round; silent runs beyond it come in the next. */
const RUNS_PER_ROUND = 200;
const AT_ONCE = 8;
/** Results of the node cache that one round takes away. */
const EXPIRED_PER_ROUND = 1_000;

export interface SweeperOptions {
  db: Pick<Database, "runs" | "nodeCache">;
  runs: Pick<Runs, "reconcile">;
  env: Pick<Env, "SWEEP_INTERVAL_MS" | "SWEEP_SILENT_MS">;
  logger: Logger;
}

/**
 * Asks Temporal about runs that have been silent: writes ends that nobody has written, repairs rows, settles runs that were stored but never
 * started, and takes away what the node cache no longer needs. Any number of processes may sweep: each round takes its runs for itself, and asking twice does no harm.
 */
export function createSweeper({ db, runs, env, logger }: SweeperOptions): Rounds {
  return startRounds({
    intervalMs: env.SWEEP_INTERVAL_MS,
    logger,
    name: "sweeping silent runs",
    round: async () => {
      await db.nodeCache.prune(EXPIRED_PER_ROUND);
      const silent = await db.runs.silent(env.SWEEP_SILENT_MS, RUNS_PER_ROUND);
      await eachOf(silent, AT_ONCE, async ({ tenantId, id, status }) => {
        try {
          const run = await runs.reconcile(tenantId, id);
          if (run.status !== status) logger.info({ run_id: id, from: status, to: run.status }, "a silent run was brought up to date");
        } catch (error) {
          if (error instanceof PerdureError && error.retryable) throw error;
          logger.error({ err: error, run_id: id }, "a silent run could not be reconciled");
        }
      });
    },
  });
}
