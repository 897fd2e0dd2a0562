import { type FailureValue, PerdureError, type RunStatus, toFailureValue } from "#core";
import type { BulkAction, BulkClaim, Database } from "#db";
import type { Env, Logger } from "#platform";
import type { Checkpoints } from "./checkpoints/index.ts";
import { eachOf, type Rounds, startRounds } from "./rounds.ts";
import type { Runs } from "./types.ts";

/** How often jobs that are due are looked for. */
const ROUND_MS = 500;
const ITEMS_PER_CLAIM = 50;
const CLAIMS_PER_ROUND = 20;
const AT_ONCE = 4;
/** A run that cannot be dealt with for want of a server is left to a later round so often. */
const ATTEMPTS_MAX = 100;

/** What of an operation says more than which runs are meant. */
export interface BulkOptions {
  /** Of `retry`, `fork`, `migrate`. */
  version?: number | "current";
  /** Of `fork`. */
  from_node?: string;
  /** Of `cancel`, `terminate`. */
  reason?: string;
}

/** In which an action finds a run that it can do something about. */
export const BULK_STATUSES: Readonly<Record<BulkAction, readonly RunStatus[]>> = {
  retry: ["failed", "cancelled", "timed_out"],
  fork: ["queued", "running", "waiting", "paused", "completed", "failed", "cancelled", "timed_out"],
  cancel: ["queued", "running", "waiting", "paused"],
  terminate: ["queued", "running", "waiting", "paused"],
  migrate: ["queued", "running", "waiting", "paused"],
};

export interface BulkRoundsOptions {
  db: Pick<Database, "bulk">;
  runs: Pick<Runs, "command">;
  checkpoints: Pick<Checkpoints, "retry" | "fork" | "migrate">;
  /** `BULK_LEASE_MS`: after which runs of a process that died go to another. */
  env: Pick<Env, "BULK_LEASE_MS">;
  logger: Logger;
  /** @default ROUND_MS */
  intervalMs?: number;
}

/**
 * Works off operations on many runs, a row for each. Safe in any number of processes, and to be killed: a run is taken up by one process at a
 * time, and what is done to it twice has happened once – a retry or fork carries an idempotency key of the job and the run, commands to a run
 * that has already taken them change nothing.
 */
export function createBulkRounds({ db, runs, checkpoints, env, logger, intervalMs = ROUND_MS }: BulkRoundsOptions): Rounds {
  async function act({ tenantId, job }: BulkClaim, runId: string): Promise<string | undefined> {
    const { version, from_node: fromNode, reason } = job.options as BulkOptions;
    const by = job.createdBy;
    const chosen = version === undefined ? {} : { version };
    switch (job.action) {
      case "retry":
        return (await checkpoints.retry(tenantId, runId, chosen, { by, idempotency: keyOf(job.id, runId) })).run.id;
      case "fork":
        return (await checkpoints.fork(tenantId, runId, { fromNode: fromNode ?? "", ...chosen }, { by, idempotency: keyOf(job.id, runId) })).run.id;
      case "migrate":
        await checkpoints.migrate(tenantId, runId, typeof version === "number" ? version : 0, by);
        return undefined;
      case "cancel":
      case "terminate":
        await runs.command(tenantId, runId, { kind: job.action, ...(reason !== undefined && { reason }) }, by, 1);
        return undefined;
    }
  }

  async function settle(claim: BulkClaim, { runId, attempts }: BulkClaim["items"][number]): Promise<void> {
    const { tenantId, job } = claim;
    try {
      const resultRunId = await act(claim, runId);
      await db.bulk.settle(tenantId, job.id, runId, { status: "done", ...(resultRunId !== undefined && { resultRunId }) });
    } catch (error) {
      if (isAway(error) && attempts < ATTEMPTS_MAX) {
        logger.warn({ err: error, job_id: job.id, run_id: runId }, "a run of a bulk operation is left to a later round");
        return;
      }
      if (attempts > 1 && hasHappened(job.action, error)) return db.bulk.settle(tenantId, job.id, runId, { status: "done" });
      const value: FailureValue = toFailureValue(error);
      if (value.code === "internal") logger.error({ err: error, job_id: job.id, run_id: runId }, "a run of a bulk operation failed unexpectedly");
      await db.bulk.settle(tenantId, job.id, runId, { status: "failed", error: value });
    }
  }

  return startRounds({
    intervalMs,
    logger,
    name: "working off bulk operations",
    round: async () => {
      for (let claims = 0; claims < CLAIMS_PER_ROUND; claims++) {
        const claim = await db.bulk.claim({ roundMs: intervalMs, limit: ITEMS_PER_CLAIM, leaseMs: env.BULK_LEASE_MS });
        if (!claim) return;
        await eachOf(claim.items, AT_ONCE, (item) => settle(claim, item));
      }
    },
  });
}

function isAway(error: unknown): boolean {
  return error instanceof PerdureError && (error.code === "temporal.unavailable" || error.code === "database.unavailable" || error.code === "run.not_started");
}

/** A process that died after it had ended the run finds it ended or ending. */
function hasHappened(action: BulkAction, error: unknown): boolean {
  return (action === "cancel" || action === "terminate") && error instanceof PerdureError && (error.code === "run.closed" || error.code === "run.state");
}

/** A key that no header can hold, since blanks at its beginning are taken off: nobody else's request can name the same run. */
function keyOf(jobId: string, runId: string): { key: string; requestHash: string } {
  return { key: ` bulk ${jobId} ${runId}`, requestHash: jobId };
}
