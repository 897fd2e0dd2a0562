import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { ApplicationFailure, CancelledFailure, type Client, isGrpcDeadlineError, WorkflowFailedError } from "@temporalio/client";
import { decodeArrayFromPayloads } from "@temporalio/common/lib/internal-non-workflow/index.js";
import proto from "@temporalio/proto";
import { historyToJSON } from "@temporalio/common/lib/proto-utils.js";
import type { Json } from "#core";
import {
  FACTS_QUERY,
  type NodeCall,
  type NodeResult,
  type RunGraphFailure,
  type RunGraphResult,
  type RunSnapshot,
  SNAPSHOT_QUERY,
  temporalWorkflowId,
  type ToldFacts,
} from "#workflows/messages";
import type { TestClient } from "../support/client.ts";
import { opened } from "../support/sealed.ts";
import { keyOf, type NodeRecord, type RunRecord } from "./records.ts";

const NON_DETERMINISTIC = proto.temporal.api.enums.v1.WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_NON_DETERMINISTIC_ERROR;

const QUERY_TRIES = 3;

export interface HistoryReport {
  faults: string[];
  /** By Idempotency-Key: when Temporal took the result, in milliseconds since the epoch. Of regular activities alone: a local one has no such moment. */
  acknowledged: Map<string, number>;
  /** Workflow ids of the children that the run started. */
  children: string[];
  /** When Temporal took a workflow task from a worker that was silent, or whose attempt at it failed, in milliseconds since the epoch. */
  lostTasks: number[];
  /** By Idempotency-Key, of regular activities: when an attempt began after one whose worker had been silent. */
  silenced: Map<string, number>;
}

/**
 * Holds what Postgres shows of a run against Temporal's history of it: its end, its counts, the result of each activity, and what the workflow says of
 * itself when it is replayed. With `CHAOS_KEEP` set, histories with faults are kept in that folder, opened, as `tests/replay` reads them.
 */
export async function checkHistory(
  client: Client,
  user: TestClient,
  run: RunRecord,
  rows: readonly NodeRecord[],
  /** Whether the row may be left of a workflow task that was lost: the call was made, but what counts in the end did not come so far. */
  mayBeLeft: (row: NodeRecord) => boolean,
): Promise<HistoryReport> {
  const faults: string[] = [];
  const handle = client.workflow.getHandle(temporalWorkflowId(run.tenant_id, run.id));
  const byKey = new Map(rows.map((row) => [keyOf(row), row]));

  const end = await endOf(() => handle.result() as Promise<RunGraphResult>);
  if (end.status !== run.status) faults.push(`is ${run.status}, its history says ${end.status}`);
  if (!isDeepStrictEqual(run.outputs, end.outputs ?? null)) faults.push("has other outputs than its history");
  if (end.status === "cancelled" ? run.error?.code !== "run.cancelled" : !isDeepStrictEqual(run.error, end.error ?? null))
    faults.push(`has the error ${JSON.stringify(run.error)}, its history ${JSON.stringify(end.error)}`);
  const { acknowledged, children, lostTasks, silenced } = await checkEvents();
  const counts = countsOf(rows);
  const left = countsOf(lostTasks.length > 0 ? rows.filter(mayBeLeft) : []);
  const isCounted = (status: string): boolean => {
    const surplus = (counts[status] ?? 0) - (end.counts?.[status] ?? 0);
    return surplus >= 0 && surplus <= (left[status] ?? 0);
  };
  if (end.counts && !Object.keys({ ...counts, ...end.counts }).every(isCounted))
    faults.push(`has rows ${JSON.stringify(counts)}, its history counts ${JSON.stringify(end.counts)}`);

  await checkReplay().catch((error: Error) =>
    faults.push(`cannot be replayed: ${error.message}${error.cause instanceof Error ? `: ${error.cause.message}` : ""}`),
  );
  if (faults.length > 0) await keepHistory();
  return { faults, acknowledged, children, lostTasks, silenced };

  async function checkEvents(): Promise<Omit<HistoryReport, "faults">> {
    const taken = new Map<string, number>();
    const started: string[] = [];
    const lost: number[] = [];
    const anew = new Map<string, number>();
    const scheduled = new Map<string, string>();
    const { events = [] } = await handle.fetchHistory();
    for (const event of events ?? []) {
      const at = Number(event.eventTime?.seconds ?? 0) * 1_000 + (event.eventTime?.nanos ?? 0) / 1e6;
      if (event.workflowTaskTimedOutEventAttributes) lost.push(at);
      const failed = event.workflowTaskFailedEventAttributes;
      if (failed) {
        lost.push(at);
        if (failed.cause === NON_DETERMINISTIC)
          faults.push(`event ${String(event.eventId)}: a worker found that it could not go on where another had been: ${failed.failure?.message ?? ""}`);
      }
      const begun = event.activityTaskStartedEventAttributes;
      const begunKey = scheduled.get(String(begun?.scheduledEventId));
      if (begun?.lastFailure?.timeoutFailureInfo && begunKey !== undefined) anew.set(begunKey, at);
      const asked = event.activityTaskScheduledEventAttributes;
      if (asked?.activityType?.name === "runNode") {
        const [call] = (await decode(asked.input?.payloads)) as [NodeCall];
        const key = keyOf(call);
        if ([...scheduled.values()].includes(key)) faults.push(`${key} was scheduled twice`);
        scheduled.set(String(event.eventId), key);
      }
      const done = event.activityTaskCompletedEventAttributes;
      const key = scheduled.get(String(done?.scheduledEventId));
      if (done && key !== undefined) {
        const [result] = (await decode(done.result?.payloads)) as [NodeResult];
        taken.set(key, at);
        const row = byKey.get(key);
        if (row?.status !== "completed" || !isDeepStrictEqual(row.output, result.value))
          faults.push(`${key} is ${row?.status}, its history has another result`);
      }
      const child = event.startChildWorkflowExecutionInitiatedEventAttributes;
      if (child) started.push(child.workflowId ?? "");
    }
    return { acknowledged: taken, children: started, lostTasks: lost, silenced: anew };
  }

  /** Queries of a closed workflow replay its history. */
  async function checkReplay(): Promise<void> {
    const snapshot = await answered(() => handle.query<RunSnapshot>(SNAPSHOT_QUERY));
    for (const node of snapshot.nodes) {
      const row = byKey.get(keyOf({ run_id: run.id, ...node }));
      if (row?.status !== node.status) faults.push(`${node.iteration}:${node.node_id} is ${row?.status}, replayed ${node.status}`);
      else if (node.output !== undefined && node.status === "completed" && !isDeepStrictEqual(row.output, node.output))
        faults.push(`${node.iteration}:${node.node_id} has another output than replayed`);
    }
    for (let after: number | undefined = 0; after !== undefined;) {
      const from: number = after;
      const told: ToldFacts = await answered(() => handle.query<ToldFacts, [number]>(FACTS_QUERY, from));
      for (const { kind, node_id = "", iteration = "", data } of told.facts) {
        if (kind !== "node_end" && kind !== "node_error") continue;
        const row = byKey.get(keyOf({ run_id: run.id, node_id, iteration }));
        const status = kind === "node_error" ? "failed" : data?.status;
        if (row?.status !== status) faults.push(`${iteration}:${node_id} is ${row?.status}, the workflow told ${status}`);
        else if (status === "completed" && !isDeepStrictEqual(row?.output, data?.output ?? null))
          faults.push(`${iteration}:${node_id} has another output than was told`);
      }
      after = told.next;
    }
  }

  /** Workers that are busy for so long that a query runs out of time are asked again. */
  async function answered<T>(query: () => Promise<T>): Promise<T> {
    for (let tries = 1; ; tries++) {
      try {
        return await query();
      } catch (error) {
        if (!isGrpcDeadlineError((error as Error).cause) || tries >= QUERY_TRIES) throw error;
      }
    }
  }

  async function keepHistory(): Promise<void> {
    const folder = process.env["CHAOS_KEEP"];
    if (folder === undefined) return;
    await mkdir(folder, { recursive: true });
    await writeFile(join(folder, `${run.id}.json`), JSON.stringify(await opened(JSON.parse(historyToJSON(await handle.fetchHistory())) as Json, user)));
  }

  function decode(payloads: Parameters<typeof decodeArrayFromPayloads>[1]): Promise<unknown[]> {
    return decodeArrayFromPayloads(client.options.loadedDataConverter, payloads, {
      type: "workflow",
      namespace: client.options.namespace,
      workflowId: handle.workflowId,
    });
  }
}

async function endOf(
  result: () => Promise<RunGraphResult>,
): Promise<{ status: string; outputs?: Json; error?: RunGraphFailure["error"]; counts?: Record<string, number> }> {
  try {
    const { status, outputs, counts } = await result();
    return { status, outputs, counts };
  } catch (error) {
    const cause = error instanceof WorkflowFailedError ? error.cause : undefined;
    // Temporal's word of a cancelled run carries neither a failure nor counts.
    if (cause instanceof CancelledFailure) return { status: "cancelled" };
    if (!(cause instanceof ApplicationFailure)) throw error;
    const [{ error: failure, counts }] = cause.details as [RunGraphFailure];
    return { status: "failed", error: failure, counts };
  }
}

const countsOf = (rows: readonly NodeRecord[]): Record<string, number> =>
  Object.fromEntries([...Map.groupBy(rows, ({ status }) => status)].map(([status, each]) => [status, each.length]));
