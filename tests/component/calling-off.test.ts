import { fileURLToPath } from "node:url";
import { ApplicationFailure, Context } from "@temporalio/activity";
import { Client, Connection } from "@temporalio/client";
import { DefaultLogger, NativeConnection, Runtime, Worker } from "@temporalio/worker";
import { afterAll, beforeAll, expect, inject, test } from "vitest";
import { createLocalCalls, unlessCalledOff } from "#activities";
import { uuidv7 } from "#core";
import { bundleWorkflows } from "../../worker/bundle.ts";

const taskQueue = `calling-off-${uuidv7()}`;
const RUNS = 10;
const TURNS = 40;
let connection: Connection;
let native: NativeConnection;
let client: Client;
let stop: (() => Promise<void>) | undefined;

const pause = (ms: number, signal: AbortSignal): Promise<void> =>
  new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      reject(signal.reason as Error);
    });
  });

beforeAll(async () => {
  Runtime.install({ logger: new DefaultLogger("ERROR") });
  const address = inject("temporalAddress");
  connection = await Connection.connect({ address });
  native = await NativeConnection.connect({ address });
  client = new Client({ connection });
  const calls = createLocalCalls();
  const workflowBundle = await bundleWorkflows(fileURLToPath(new URL("./calling-off-workflow.ts", import.meta.url)));
  const worker = await Worker.create({
    connection: native,
    taskQueue,
    workflowBundle,
    activities: {
      takes: (ms: number) => unlessCalledOff(calls, (calledOff) => pause(ms, calledOff).then(() => "done")),
      fails: () => unlessCalledOff(calls, () => Promise.reject(ApplicationFailure.retryable(`attempt ${Context.current().info.attempt}`))),
    },
    sinks: {
      localCalls: {
        callOff: { fn: ({ runId }: { runId: string }, seq: number) => calls.callOff(runId, seq), callDuringReplay: true },
        forget: { fn: ({ runId }: { runId: string }, seq: number) => calls.forget(runId, seq), callDuringReplay: true },
      },
    },
  });
  const running = worker.run();
  stop = async () => {
    worker.shutdown();
    await running;
  };
});
afterAll(async () => {
  await stop?.();
  await native?.close();
  await connection?.close();
});

const histories = async (ids: string[]) => Promise.all(ids.map((id) => client.workflow.getHandle(id).fetchHistory()));

test("A10: When local activities are called off at the moment they end, then no workflow task fails, and each ended or was called off", async () => {
  const ids = Array.from({ length: RUNS }, () => uuidv7());
  const counts = await Promise.all(
    ids.map((workflowId, run) =>
      client.workflow.execute<(times: number, ms: number) => Promise<Record<string, number>>>("races", { taskQueue, workflowId, args: [TURNS, run] }),
    ),
  );
  for (const { ended = 0, calledOff = 0 } of counts) expect(ended + calledOff).toBe(TURNS);
  expect(counts.reduce((sum, { calledOff = 0 }) => sum + calledOff, 0)).toBeGreaterThan(0);
  const all = await histories(ids);
  expect(all.flatMap(({ events }) => events ?? []).filter((event) => event.workflowTaskFailedEventAttributes)).toEqual([]);
  for (const [index, history] of all.entries()) await Worker.runReplayHistory({ workflowBundle: await bundle(), replayName: "races" }, history, ids[index]);
}, 60_000);

test("A10: When a local activity takes long or waits for its next attempt, then it ends as called off at once", async () => {
  const startedAt = performance.now();
  const workflowId = uuidv7();
  expect(await client.workflow.execute("callsOff", { taskQueue, workflowId })).toEqual(["called off", "called off"]);
  expect(performance.now() - startedAt).toBeLessThan(5_000);
});

const bundle = () => bundleWorkflows(fileURLToPath(new URL("./calling-off-workflow.ts", import.meta.url)));
