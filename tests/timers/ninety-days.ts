import { randomBytes } from "node:crypto";
import { fileURLToPath } from "node:url";
import { Client, type Connection } from "@temporalio/client";
import { bundleWorkflowCode, DefaultLogger, type InjectedSinks, type NativeConnection, Worker, type WorkflowBundle } from "@temporalio/worker";
import type { History } from "@temporalio/common/lib/proto-utils.js";
import { expect } from "vitest";
import type { JsonObject, RunEvent } from "#core";
import { compile } from "#graph";
import { catalogue } from "#nodes";
import { type Activities, type EventSinks, RUN_GRAPH, type RunGraphInput, type RunGraphResult, temporalWorkflowId } from "#workflows/messages";
import { lastTimerEndsAt, momentOf } from "../support/timers.ts";
import { until } from "../support/until.ts";

const DAY_MS = 86_400_000;
/** Enough local activities to fill a history: each is one event. */
const CALLS_PER_LINK = 4_100;
/** A history of a link's first second is never full. */
const CALL_MS = 20;

export type Interpreter = "unchanged" | "changed" | "carelessly-changed";

/** The workflow code of a worker. */
export function bundle(interpreter: Interpreter): Promise<WorkflowBundle> {
  const file = interpreter === "unchanged" ? "../../workflows/index.ts" : `./${interpreter}-interpreter.ts`;
  return bundleWorkflowCode({ workflowsPath: fileURLToPath(new URL(file, import.meta.url)), logger: new DefaultLogger("ERROR") });
}

/**
 * `nap` waits for 90 days, while beside it one history is filled, 10 days pass, and another history is filled. So the wait is carried over two
 * continue-as-new, the second one days after the first.
 */
const graph = (dayMs: number): JsonObject => ({
  nodes: [
    { id: "start", type: "Start" },
    { id: "nap", type: "Delay", data: { inputs: { duration: (90 * dayMs) / 1000 } } },
    { id: "first", type: "MapReduce", data: { inputs: { items: "{{inputs.items}}", concurrency: 50 } } },
    { id: "first_call", type: "Transform", data: { inputs: { expression: "item" } } },
    { id: "pause", type: "Delay", data: { inputs: { duration: (10 * dayMs) / 1000 } } },
    { id: "second", type: "MapReduce", data: { inputs: { items: "{{inputs.items}}", concurrency: 50 } } },
    { id: "second_call", type: "Transform", data: { inputs: { expression: "item" } } },
    { id: "end", type: "End", data: { inputs: { value: { first: "{{first.length}}", second: "{{second.length}}" } } } },
  ],
  edges: [
    { source: "start", target: "nap" },
    { source: "start", target: "first" },
    { source: "first", target: "first_call", sourceHandle: "body" },
    { source: "first_call", target: "first", targetHandle: "return" },
    { source: "first", target: "pause", sourceHandle: "done" },
    { source: "pause", target: "second" },
    { source: "second", target: "second_call", sourceHandle: "body" },
    { source: "second_call", target: "second", targetHandle: "return" },
    { source: "second", target: "end", sourceHandle: "done" },
    { source: "nap", target: "end" },
  ],
});

export interface Ground {
  connection: Connection;
  native: NativeConnection;
  namespace: string;
  /** What a day is here. */
  dayMs: number;
  /** Whether workers keep the run in memory between its tasks. The time-skipping server would wait for the memory of one that has gone for ever. */
  keepsRuns: boolean;
  /** Called when the run waits for the second time and its first worker has gone and the second one is there. */
  onChanged?(): Promise<void>;
}

export interface Proof {
  /** Of the run's links, the first one first. */
  histories: History[];
  /** How long the wait took by the clock of the workflow, in days. */
  days: number;
  /** The same by the server's own clock: from its first event to its last. */
  serverDays: number;
  /** Until when the log says that it waits, in milliseconds since the epoch. */
  napEndsAt: number;
  result: RunGraphResult;
}

/** Starts the run on one worker, changes the workflow code while it waits, and lets another worker bring it to its end. */
export async function proveNinetyDays({ connection, native, namespace, dayMs, keepsRuns, onChanged }: Ground): Promise<Proof> {
  const compiled = compile(graph(dayMs), catalogue);
  if (!compiled.ok) throw new Error(JSON.stringify(compiled.problems));
  const taskQueue = `timers-${randomBytes(6).toString("hex")}`;
  const facts: RunEvent[] = [];
  const before = await startWorker(native, { namespace, taskQueue, keepsRuns, interpreter: "unchanged" }, facts);
  const { workflow } = new Client({ connection, namespace });
  const runId = `run-${randomBytes(6).toString("hex")}`;
  const workflowId = temporalWorkflowId("tenant", runId);
  const input: RunGraphInput = {
    run_id: runId,
    tenant_id: "tenant",
    workflow_id: null,
    workflow_name: "Ninety days",
    version: null,
    plan: compiled.plan,
    inputs: { items: Array.from({ length: CALLS_PER_LINK }, (_nothing, at) => at) },
    variables: {},
    entries: ["start"],
    trigger: "api",
    heartbeat_timeout_ms: 30_000,
  };
  const handle = await workflow.start<(input: RunGraphInput) => Promise<RunGraphResult>>(RUN_GRAPH, { workflowId, taskQueue, args: [input] });
  const firstLink = handle.firstExecutionRunId;

  await until("the second wait", () => facts.some(({ kind, node_id }) => kind === "waiting" && node_id === "pause"), 120_000);
  await until("the server to know of it", async () => {
    const { events } = await workflow.getHandle(workflowId).fetchHistory();
    return (events ?? []).filter(({ timerStartedEventAttributes: timer }) => timer).length >= 2;
  });
  await before();
  const after = await startWorker(native, { namespace, taskQueue, keepsRuns, interpreter: "changed" }, facts);
  await onChanged?.();
  try {
    const result = await workflow.getHandle<(input: RunGraphInput) => Promise<RunGraphResult>>(workflowId).result();
    const histories: History[] = [];
    for (let link: string | undefined = firstLink; link;) {
      const history: History = await workflow.getHandle(workflowId, link).fetchHistory();
      histories.push(history);
      link = history.events?.at(-1)?.workflowExecutionContinuedAsNewEventAttributes?.newExecutionRunId || undefined;
    }
    const nap = facts.find(({ kind, node_id }) => kind === "node_end" && node_id === "nap");
    const waiting = facts.find(({ kind, node_id }) => kind === "waiting" && node_id === "nap");
    const napEndsAt = Date.parse(String(waiting?.data?.expires_at));
    return { histories, napEndsAt, days: (nap?.data?.duration_ms ?? Number.NaN) / dayMs, serverDays: spanMs(histories) / dayMs, result };
  } finally {
    await after();
  }
}

async function startWorker(
  connection: NativeConnection,
  { namespace, taskQueue, interpreter, keepsRuns }: Pick<Ground, "namespace" | "keepsRuns"> & { taskQueue: string; interpreter: Interpreter },
  facts: RunEvent[],
): Promise<() => Promise<void>> {
  const record = (events: RunEvent[]): void => void facts.push(...events);
  const worker = await Worker.create({
    connection,
    namespace,
    taskQueue,
    workflowBundle: await bundle(interpreter),
    activities: {
      runNode: async (call) => {
        await new Promise((resolve) => setTimeout(resolve, CALL_MS));
        return { value: call.input };
      },
      recordFacts: async ({ events }) => record(events),
    } satisfies Pick<Activities, "runNode" | "recordFacts">,
    sinks: {
      events: { record: { fn: (_info, _tenant: string, events: RunEvent[]) => record(events) }, ending: { fn: () => undefined } },
    } satisfies InjectedSinks<EventSinks>,
    stickyQueueScheduleToStartTimeout: "1s",
    ...(!keepsRuns && { maxCachedWorkflows: 0 }),
  });
  const running = worker.run();
  return async () => {
    worker.shutdown();
    await running;
  };
}

function spanMs(histories: readonly History[]): number {
  return momentOf(histories.at(-1)?.events?.at(-1)) - momentOf(histories[0]?.events?.[0]);
}

/** What must be true of it, wherever it ran. `slackMs`: how exactly the server tells when a timer was set. */
export async function checkNinetyDays({ histories, days, serverDays, napEndsAt, result }: Proof, slackMs = 10): Promise<void> {
  expect(result).toMatchObject({ status: "completed", outputs: { first: CALLS_PER_LINK, second: CALLS_PER_LINK } });
  expect(histories).toHaveLength(3);
  for (const taken of [days, serverDays]) expect(taken).toBeGreaterThanOrEqual(90);
  // A link that is done within one workflow task has no timer: it is cancelled as soon as it is set.
  const ends = histories.map(lastTimerEndsAt);
  expect(ends.at(-1)).toBeGreaterThan(0);
  for (const end of ends.filter(Number.isFinite)) expect(Math.abs(end - napEndsAt), "each link waits until the moment that was told").toBeLessThan(slackMs);
  for (const history of histories) expect(history.events?.length).toBeLessThan(5_000);
  const patches = histories.map(
    (history) => (history.events ?? []).filter(({ markerRecordedEventAttributes: marker }) => marker?.markerName === "core_patch").length,
  );
  expect(patches, "the change holds for the link that began after it").toEqual([0, 0, 1]);

  const [, second] = histories as [History, History];
  await expect(Worker.runReplayHistory({ workflowBundle: await bundle("changed") }, second)).resolves.toBeUndefined();
  await expect(Worker.runReplayHistory({ workflowBundle: await bundle("carelessly-changed") }, second)).rejects.toThrow();
}

export { DAY_MS };
