import { type TenantId, isClosed } from "#core";
import type { Logger } from "#platform";
import type { Run, Runs } from "#runs";

/** A run younger than this is left to tell its own story. */
const SILENT_AFTER_MS = 2_000;
/** Temporal is asked about one run at most this often, however many look at it. */
const ASK_AGAIN_AFTER_MS = 5_000;
/** A reader waits no longer than this for the answer and gets the row as it stands. */
const READER_WAITS_MS = 1_000;
/** Runs remembered. */
const REMEMBERED = 10_000;

export interface Reconciler {
  /** The run as Temporal has it, where its row may be behind; else the row itself. Never throws. */
  freshen(run: Run): Promise<Run>;
  /** Asks in the background. */
  nudge(tenantId: TenantId, runId: string): void;
}

/** Every read of a run that has been silent asks Temporal for the truth, within bounds (architecture.md 2, point 4). */
export function createReconciler(runs: Pick<Runs, "reconcile">, logger: Logger, now: () => number = Date.now): Reconciler {
  const askedAt = new Map<string, number>();

  function mayAsk(runId: string): boolean {
    const at = now();
    if (at - (askedAt.get(runId) ?? -Infinity) < ASK_AGAIN_AFTER_MS) return false;
    askedAt.delete(runId);
    askedAt.set(runId, at);
    if (askedAt.size > REMEMBERED) askedAt.delete(askedAt.keys().next().value ?? "");
    return true;
  }

  async function ask(tenantId: TenantId, runId: string): Promise<Run | undefined> {
    try {
      return await runs.reconcile(tenantId, runId);
    } catch (error) {
      logger.warn({ err: error, run_id: runId }, "run could not be reconciled");
      return undefined;
    }
  }

  return {
    async freshen(run) {
      if (isClosed(run.status) || now() - run.createdAt.getTime() < SILENT_AFTER_MS || !mayAsk(run.id)) return run;
      let timer: NodeJS.Timeout | undefined;
      const patience = new Promise<undefined>((resolve) => {
        timer = setTimeout(resolve, READER_WAITS_MS, undefined);
      });
      try {
        return (await Promise.race([ask(run.tenantId, run.id), patience])) ?? run;
      } finally {
        clearTimeout(timer);
      }
    },
    nudge(tenantId, runId) {
      if (mayAsk(runId)) void ask(tenantId, runId);
    },
  };
}
