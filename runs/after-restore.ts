import type { Client } from "@temporalio/client";
import { PerdureError } from "#core";
import type { Database } from "#db";
import type { Env, Logger } from "#platform";
import type { NodeKnowledge } from "./checkpoints/index.ts";
import { createCourses } from "./checkpoints/plans.ts";
import { eachOf } from "./rounds.ts";
import { createSubRuns } from "./sub-runs.ts";
import { createTemporalRuns } from "./temporal.ts";

export interface AfterRestoreOptions {
  db: Pick<Database, "restoring" | "runs" | "workflows" | "variables">;
  client: Client;
  env: Pick<Env, "TEMPORAL_TASK_QUEUE" | "NODE_HEARTBEAT_TIMEOUT_MS" | "SUB_WORKFLOW_MAX_DEPTH" | "PRIORITY_SCOPE">;
  nodes: Pick<NodeKnowledge, "compile">;
  logger: Logger;
  /** When the copy of Temporal began to be made, by the database's clock. */
  since: Date;
}

export interface AfterRestore {
  /** Open runs that Temporal was asked about. */
  asked: number;
  /** Commands that are sent again; a workflow passes over those that it knows. */
  commands: number;
  /** Runs that Temporal did not know and that were started again, under their ids. */
  started: number;
  /** Ids of runs that Temporal does not know and that could not be started; the sweeper closes them as failed, so that they can be retried. */
  lost: string[];
  /** Workflows of runs that had ended, which Temporal had still open. */
  terminated: number;
}

const PER_PAGE = 500;
const AT_ONCE = 8;
/** Clocks, and what was on its way when the copy began. */
const MARGIN_MS = 60_000;
const REASON = "The run had ended before the backup was complete.";

/**
 * Brings a Temporal that was restored to an earlier moment than Postgres up to what Postgres knows (docs/decisions/028). No worker and no api may run
 * meanwhile. Harmless to repeat.
 * @throws PerdureError `temporal.unavailable`, `database.unavailable`.
 */
export async function reconcileAfterRestore({ db, client, env, nodes, logger, since }: AfterRestoreOptions): Promise<AfterRestore> {
  const temporal = createTemporalRuns(client, {
    taskQueue: env.TEMPORAL_TASK_QUEUE,
    heartbeatTimeoutMs: env.NODE_HEARTBEAT_TIMEOUT_MS,
    priorityScope: env.PRIORITY_SCOPE,
  });
  const subRuns = createSubRuns({ db, heartbeatTimeoutMs: env.NODE_HEARTBEAT_TIMEOUT_MS, maxDepth: env.SUB_WORKFLOW_MAX_DEPTH });
  const courses = createCourses(db, nodes);
  const from = new Date(since.getTime() - MARGIN_MS);
  await db.restoring.note(since);
  const report: AfterRestore = { asked: 0, commands: await db.restoring.reopenCommands(from), started: 0, lost: [], terminated: 0 };

  await eachPage(
    (after) => db.restoring.openRuns(after, PER_PAGE),
    async ({ id, tenantId, parentId, started, createdAt }) => {
      report.asked += 1;
      // A child is started by its parent's workflow; what Temporal had never taken nobody was promised.
      if (parentId !== null || (!started && createdAt < from) || (await temporal.state(tenantId, id)).state !== "unknown") return;
      try {
        const origin = await db.runs.origin(tenantId, id);
        if (!origin || origin.run.forkedFrom !== null)
          throw new PerdureError("run.state", "What the run before had handed on to it is stored in Temporal alone.");
        const { run, variables, entries } = origin;
        const { plan } = await courses.before(tenantId, origin);
        const subVersions = await subRuns.pinnedVersions(tenantId, plan);
        const { workflowId, workflowName, version, inputs, trigger, createdBy } = run;
        const request = { workflowId, workflowName, version, plan, inputs, variables, entries, trigger, createdBy };
        await temporal.start(tenantId, id, { ...request, ...(Object.keys(subVersions).length > 0 && { subVersions }) });
        report.started += 1;
      } catch (error) {
        if (!(error instanceof PerdureError) || error.retryable) throw error;
        logger.error({ err: error, run_id: id }, "a run that Temporal does not know could not be started again");
        report.lost.push(id);
      }
    },
  );
  await eachPage(
    (after) => db.restoring.closedRuns(from, after, PER_PAGE),
    async ({ id, tenantId, hasOpenParent }) => {
      // Its parent waits for its word: it goes on to its end, from receipts, and nothing of it is written twice.
      if (hasOpenParent || (await temporal.state(tenantId, id)).state !== "open") return;
      await temporal.terminate(tenantId, id, REASON);
      report.terminated += 1;
    },
  );
  return report;
}

async function eachPage<T extends { id: string }>(read: (after: string | undefined) => Promise<T[]>, work: (row: T) => Promise<void>): Promise<void> {
  for (let after: string | undefined; ;) {
    const page = await read(after);
    await eachOf(page, AT_ONCE, work);
    after = page.at(-1)?.id;
    if (page.length < PER_PAGE) return;
  }
}
