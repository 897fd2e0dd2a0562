/** All that workflows may ask for. `worker/` gives the services; workflows import the types only. */
import { Context } from "@temporalio/activity";
import { nodeDefinition, type ActivityServices, type NodeDefinition } from "#nodes";
import type { Logger } from "#platform";
import type { Activities } from "#workflows/messages";
import type { EventLog, Receipts } from "../db/types.ts";
import type { EventWriter } from "../runs/types.ts";
import { databaseReason } from "./database-reason.ts";
import { databaseUnavailable, toApplicationFailure } from "./failure.ts";
import { runNode, type Attempt } from "./run-node.ts";

export interface ActivityDeps {
  writer: EventWriter;
  log: EventLog;
  receipts: Receipts;
  services: ActivityServices;
  /** Value of `{{secrets.NAME}}` for a tenant. */
  secret(tenantId: string, name: string): string | undefined;
  limits: {
    /** Of a node's output, as JSON. */
    outputMaxBytes: number;
  };
  logger: Logger;
  /** @default the catalogue of `nodes/` */
  definitionOf?(type: string): NodeDefinition | undefined;
}

export function createActivities(deps: ActivityDeps): Activities {
  const forNodes = { ...deps, definitionOf: deps.definitionOf ?? nodeDefinition };
  return {
    runNode: (call) => runNode(forNodes, call, currentAttempt()),
    recordFacts: async ({ tenant_id, events }) => {
      try {
        // What the workflow told before through its sink comes into the log before.
        await deps.writer.flush();
        await deps.log.append(events.map((event) => ({ tenantId: tenant_id, event })));
      } catch (error) {
        deps.logger.warn({ reason: databaseReason(error) }, "Facts could not be written; trying again.");
        throw toApplicationFailure(databaseUnavailable());
      }
    },
  };
}

function currentAttempt(): Attempt {
  const context = Context.current();
  return {
    number: context.info.attempt,
    isLocal: context.info.isLocal,
    heartbeat: () => context.heartbeat(),
    undisputedMs: (context.info.heartbeatTimeoutMs ?? 0) / 2,
    scheduledAtMs: context.info.currentAttemptScheduledTimestampMs,
    cancellation: context.cancellationSignal,
    cancelRequested: () => context.cancellationDetails?.cancelRequested ?? false,
  };
}
