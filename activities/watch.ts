import { ApplicationFailure, CancelledFailure } from "@temporalio/activity";
import { inLogContext } from "#platform";
import { nodeTraceparent, type Metrics, type Tracing } from "#telemetry";
import type { NodeCall, NodeResult } from "#workflows/messages";
import type { Attempt } from "./run-node.ts";

/** Goes around one attempt of a node. */
export type AttemptWatch = (
  call: NodeCall,
  attempt: Pick<Attempt, "number" | "isLocal" | "scheduledAtMs">,
  work: () => Promise<NodeResult>,
) => Promise<NodeResult>;

/** Counts each attempt, makes it a span below its node, and lets every line that is logged meanwhile say of which run it is. */
export function watchAttempts({ metrics, tracing }: { metrics: Pick<Metrics, "add" | "count">; tracing: Tracing }): AttemptWatch {
  return (call, attempt, work) =>
    inLogContext(contextOf(call), async () => {
      metrics.add("perdure_node_attempts_running", {}, 1);
      try {
        const result = await (call.traceparent === undefined ? work() : traced(tracing, call, attempt, work));
        metrics.count("perdure_node_attempts_total", { node_type: call.type, outcome: "completed" });
        return result;
      } catch (error) {
        metrics.count("perdure_node_attempts_total", { node_type: call.type, outcome: error instanceof CancelledFailure ? "cancelled" : "failed" });
        throw error;
      } finally {
        metrics.add("perdure_node_attempts_running", {}, -1);
      }
    });
}

function contextOf({ run_id, node_id, correlation_id }: NodeCall): Record<string, string> {
  return { run_id, node_id, ...(correlation_id !== undefined && { correlation_id }) };
}

function traced(tracing: Tracing, call: NodeCall, attempt: Parameters<AttemptWatch>[1], work: () => Promise<NodeResult>): Promise<NodeResult> {
  const parent = nodeTraceparent(call.traceparent ?? "", call);
  const attributes = {
    "perdure.run.id": call.run_id,
    "perdure.node.id": call.node_id,
    "perdure.node.type": call.type,
    "perdure.node.attempt": attempt.number,
    "perdure.node.waited_ms": Math.max(0, Math.round(Date.now() - attempt.scheduledAtMs)),
    "perdure.node.is_local": attempt.isLocal,
  };
  return tracing.span({ name: `attempt ${call.type}`, parent, attributes }, async (span) => {
    try {
      return await work();
    } catch (error) {
      span.failed(error instanceof ApplicationFailure ? (error.type ?? "internal") : error instanceof CancelledFailure ? "cancelled" : "internal");
      throw error;
    }
  });
}
