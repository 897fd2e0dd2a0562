import { eventKey, isClosed, type NodeStatus, PerdureError, type RunEvent, type TenantId } from "#core";
import type { Database } from "#db";
import type { NodeSnapshot, RunSnapshot, WaitSnapshot } from "#workflows/messages";
import { type Ending, TERMINATED_BY_US } from "./ending.ts";
import { eachOf } from "./rounds.ts";
import type { TemporalRuns } from "./temporal.ts";
import type { Run } from "./types.ts";

/** Facts may still be on their way from another process's writer (≤ 10 ms): the counts are looked at again after these pauses. */
const LATE_FACTS_MS = [0, 3, 5, 8, 16, 24, 32, 48, 64];
/** Where the ending carries no counts, facts on their way are given this long. */
const FACTS_WITHOUT_COUNTS_MS = 40;
/** Where rows are missing and no worker is there to say what they were, a run that has ended stays open for so long: closed rows are never corrected. */
const WORKER_BACK_WITHIN_MS = 10 * 60_000;
/** Child runs that are ended at the same time, where their parent is gone. */
const CHILDREN_AT_ONCE = 8;

export interface Closing {
  /**
   * Writes the end of a run, once its node rows agree with what Temporal says or have been repaired. Harmless to repeat. The run comes back still
   * open where rows are missing and no worker answers: ask again.
   */
  close(tenant: TenantId, runId: string, ending: Ending): Promise<Run>;
  /** As `repairOpen`, with the facts of iterations that have ended. */
  gatherOpen(tenant: TenantId, runId: string): Promise<void>;
  /** Brings the rows of an open run in line with what its workflow says of itself. */
  repairOpen(tenant: TenantId, runId: string): Promise<void>;
}

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

export function createClosing({
  db,
  temporal,
  reconcile,
  onClosed,
}: {
  db: Pick<Database, "runs" | "approvals" | "log">;
  temporal: TemporalRuns;
  /** Writes the ends of child runs that were ended with their parent; a word that is lost the sweeper finds. */
  reconcile?: (tenant: TenantId, runId: string) => void;
  onClosed?: (run: Run) => void;
}): Closing {
  async function closeWhereComplete(tenant: TenantId, runId: string, ending: Ending): Promise<Run | undefined> {
    if (!ending.counts) {
      await pause(FACTS_WITHOUT_COUNTS_MS);
      return undefined;
    }
    for (const ms of LATE_FACTS_MS) {
      if (ms > 0) await pause(ms);
      const { closed, run } = await db.runs.closeIfComplete(tenant, runId, ending, ending.counts);
      if (closed) return run;
    }
    return undefined;
  }

  return {
    async close(tenant, runId, ending) {
      // It may have ended before the one who asked for the move heard of it.
      if (ending.version !== undefined) await db.runs.setVersion(tenant, runId, ending.version);
      let run = await closeWhereComplete(tenant, runId, ending);
      if (!run) {
        const known = await db.runs.get(tenant, runId);
        if (!known) throw new PerdureError("resource.not_found", "There is no such run.");
        if (isClosed(known.status)) return known;
        await tellAgain(tenant, runId);
        const snapshot = await temporal.snapshot(tenant, runId);
        if (snapshot) await db.runs.repair(tenant, runId, snapshot.nodes);
        else if (!ending.isAbrupt && Date.now() - ending.at.getTime() < WORKER_BACK_WITHIN_MS) return known;
        // Any other end the child's own workflow has told its parent. Before it is written: once it is, nobody comes back to tell.
        if (ending.isAbrupt && known.parentId !== null) {
          await temporal.childClosed(tenant, known.parentId, { run_id: runId, status: ending.status, ...(ending.error && { error: ending.error }) });
        }
        const children = leavesChildren(ending) ? await endChildren(tenant, runId, ending) : [];
        run = await db.runs.close(tenant, runId, ending);
        for (const id of children) reconcile?.(tenant, id);
      }
      onClosed?.(run);
      return run;
    },

    async gatherOpen(tenant, runId) {
      await tellAgain(tenant, runId);
      await repairOpen(tenant, runId);
    },
    repairOpen,
  };

  /**
   * Child runs live on without their parent: nobody would take what they come to, nor resume those that it had paused. They end as it did when it was
   * asked to end at once, else in order. Before its own end is written, as with its parent.
   */
  async function endChildren(tenant: TenantId, runId: string, { isAbrupt, status }: Ending): Promise<string[]> {
    const how = isAbrupt && status === "cancelled" ? "terminate" : "cancel";
    const children = await db.runs.openChildren(tenant, runId);
    await eachOf(children, CHILDREN_AT_ONCE, (id) => temporal.endChild(tenant, id, how, `${TERMINATED_BY_US} the end of its parent ${runId}`));
    return how === "terminate" ? children : [];
  }

  async function repairOpen(tenant: TenantId, runId: string): Promise<void> {
    const snapshot = await temporal.snapshot(tenant, runId);
    if (!snapshot || isClosed(snapshot.status)) return;
    await db.runs.repair(tenant, runId, snapshot.nodes);
    const facts = [...(await missingWaits(tenant, runId, snapshot)), ...(await missingStatus(tenant, runId, snapshot))];
    await db.log.append(facts.map((event) => ({ tenantId: tenant, event })));
  }

  /**
   * Facts of iterations that have ended are in no snapshot: the workflow tells them again, the log takes those it has missed, and rows that a worker
   * which died had ended otherwise are corrected.
   */
  async function tellAgain(tenant: TenantId, runId: string): Promise<void> {
    for (let after: number | undefined = 0; after !== undefined;) {
      const told = await temporal.toldFacts(tenant, runId, after);
      const facts = told?.facts ?? [];
      await db.log.append(facts.map((event) => ({ tenantId: tenant, event })));
      await db.runs.repair(tenant, runId, facts.flatMap(endedNode));
      after = told?.next;
    }
  }

  async function missingWaits(tenant: TenantId, runId: string, { waits, nodes }: RunSnapshot): Promise<RunEvent[]> {
    const run = await db.runs.get(tenant, runId);
    if (!run || isClosed(run.status)) return [];
    const isShown = ({ node_id, iteration, kind }: WaitSnapshot) =>
      run.waitingFor.some(
        (shown) =>
          shown.node_id === node_id &&
          shown.iteration === iteration &&
          shown.kind === kind &&
          (shown.approval_id !== undefined || (kind !== "approval" && kind !== "input")),
      );
    return waits
      .filter((wait) => !isShown(wait))
      .map(({ kind, node_id, iteration, since, prompt, data, schema, assignees, expires_at }) => {
        const node = nodes.find((known) => known.node_id === node_id && known.iteration === iteration);
        return {
          run_id: runId,
          key: eventKey("waiting", node_id, iteration, 0, "repair"),
          kind: "waiting",
          at: since,
          node_id,
          iteration,
          data: { wait: kind, type: node?.type, name: node?.name, prompt, data, schema, assignees, expires_at },
        };
      });
  }

  async function missingStatus(tenant: TenantId, runId: string, { status }: RunSnapshot): Promise<RunEvent[]> {
    const run = await db.runs.get(tenant, runId);
    if (!run || isClosed(run.status) || run.status === status || (status !== "paused" && status !== "waiting" && status !== "running")) return [];
    const at = new Date().toISOString();
    if (status === "running" && run.status === "queued") return [{ run_id: runId, key: eventKey("run_start"), kind: "run_start", at }];
    const kind = status === "running" ? "resumed" : status;
    return [{ run_id: runId, key: eventKey(kind, "", "", 0, `repair:${at}`), kind, at }];
  }
}

/** Without a word of its own, or by a defect of ours: any other run has awaited its children. */
function leavesChildren({ isAbrupt, error }: Ending): boolean {
  return isAbrupt === true || error?.code === "internal";
}

/** The node that a fact has ended, as a snapshot would show it. */
function endedNode({ kind, node_id: nodeId, iteration = "", at, data }: RunEvent): NodeSnapshot[] {
  if (nodeId === undefined || (kind !== "node_end" && kind !== "node_error")) return [];
  const { type = "", name = "", route, output, error } = data ?? {};
  const status = kind === "node_error" ? "failed" : ((data?.status ?? "completed") as NodeStatus);
  const said = { ...(route !== undefined && { route }), ...(output !== undefined && { output }), ...(error !== undefined && { error }) };
  return [{ node_id: nodeId, iteration, type, name, status, completed_at: at, ...said }];
}
