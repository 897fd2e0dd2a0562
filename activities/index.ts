/** All that workflows may ask for. `worker/` gives the services; workflows import the types only. */
import { Context } from "@temporalio/activity";
import { tenantId, toFailureValue } from "#core";
import { nodeDefinition, type ActivityServices, type NodeDefinition } from "#nodes";
import type { Logger } from "#platform";
import type { RunsService, ScheduleFirings } from "#runs";
import { type Activities, receiptKey } from "#workflows/messages";
import type { EventLog, NodeCache, Receipts } from "../db/types/index.ts";
import type { EventWriter } from "../runs/types.ts";
import { databaseReason } from "./database-reason.ts";
import { databaseUnavailable, toApplicationFailure } from "./failure.ts";
import { type LocalCalls, orAborted, unlessCalledOff } from "./local-calls.ts";
import { readReceipt } from "./receipt.ts";
import type { AttemptWatch } from "./watch.ts";
import { runNode, type Attempt, type RunNodeDeps } from "./run-node.ts";

export { createLocalCalls, unlessCalledOff } from "./local-calls.ts";
export { watchAttempts } from "./watch.ts";

export interface ActivityDeps {
  writer: EventWriter;
  log: EventLog;
  receipts: Receipts;
  nodeCache: NodeCache;
  openChild: RunsService["openChild"];
  schedules: Pick<ScheduleFirings, "fire" | "end" | "status">;
  services: ActivityServices;
  secrets: RunNodeDeps["secrets"];
  credentials: RunNodeDeps["credentials"];
  limits: {
    /** Of a node's output, as JSON. */
    outputMaxBytes: number;
  };
  restoredAt?: RunNodeDeps["restoredAt"];
  logger: Logger;
  /** @default no local activity is ever called off */
  localCalls?: LocalCalls;
  /** @default nothing is traced or counted */
  watch?: AttemptWatch;
  /** @default the catalogue of `nodes/` */
  definitionOf?(type: string): NodeDefinition | undefined;
}

export function createActivities(deps: ActivityDeps): Activities {
  const forNodes = { ...deps, definitionOf: deps.definitionOf ?? nodeDefinition };
  const { localCalls } = deps;
  return {
    runNode: (call) =>
      unlessCalledOff(localCalls, (calledOff) => {
        const attempt = currentAttempt(calledOff);
        const work = () => runNode(forNodes, call, attempt);
        return deps.watch ? deps.watch(call, attempt, work) : work();
      }),
    recordFacts: ({ tenant_id, events }) =>
      unlessCalledOff(localCalls, async (calledOff) => {
        try {
          // What the workflow told before through its sink comes into the log before.
          await orAborted(calledOff, deps.writer.flush());
          await orAborted(calledOff, deps.log.append(events.map((event) => ({ tenantId: tenant_id, event }))));
        } catch (error) {
          calledOff.throwIfAborted();
          deps.logger.warn({ reason: databaseReason(error) }, "Facts could not be written; trying again.");
          throw toApplicationFailure(databaseUnavailable());
        }
      }),
    openChild: (call) => orFailure(deps.openChild(call)),
    async askToBeCancelled() {
      const { client, info } = Context.current();
      await client.workflow.getHandle(info.workflowExecution?.workflowId ?? "").cancel();
    },
    fireSchedule: (call) => orFailure(deps.schedules.fire(call)),
    endScheduledRun: (call) => orFailure(deps.schedules.end(call)),
    scheduledRunStatus: (call) => orFailure(deps.schedules.status(call)),
    receiptsOf: ({ tenant_id, run_id, nodes }) =>
      orFailure(
        Promise.all(
          nodes.map(async ({ node_id, iteration }) => {
            const kept = await deps.receipts.find(tenantId(tenant_id), receiptKey({ run_id, node_id, iteration }));
            return kept?.result === undefined ? null : { value: readReceipt(kept.result, 1).value };
          }),
        ),
      ),
  };
}

/** What may come right is tried again by Temporal; the rest is the workflow's to know. */
async function orFailure<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    const value = toFailureValue(error);
    throw value.retryable ? toApplicationFailure(databaseUnavailable()) : toApplicationFailure({ value, retryInMs: undefined }, false);
  }
}

function currentAttempt(calledOff: AbortSignal): Attempt {
  const context = Context.current();
  return {
    number: context.info.attempt,
    isLocal: context.info.isLocal,
    heartbeat: () => context.heartbeat(),
    undisputedMs: (context.info.heartbeatTimeoutMs ?? 0) / 2,
    scheduledAtMs: context.info.currentAttemptScheduledTimestampMs,
    cancellation: context.info.isLocal ? either(context.cancellationSignal, calledOff) : context.cancellationSignal,
    cancelRequested: () => calledOff.aborted || (context.cancellationDetails?.cancelRequested ?? false),
  };
}

/** Both signals live as long as the attempt: nothing has to be let go. */
function either(one: AbortSignal, other: AbortSignal): AbortSignal {
  const controller = new AbortController();
  for (const signal of [one, other]) {
    if (signal.aborted) controller.abort(signal.reason);
    signal.addEventListener("abort", () => controller.abort(signal.reason), { once: true });
  }
  return controller.signal;
}
