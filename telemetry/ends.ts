import type { ClosedRun, RunObserver, SettledNode, SettledNodeTrace } from "#db";
import type { Metrics } from "./metrics/index.ts";
import { nodeSpanId, runSpanId, runTraceparent } from "./tracing/context.ts";
import type { Tracing } from "./tracing/types.ts";

/** Counts and traces nodes and runs by what was written of their end: once each, with the times of the run itself. */
export function observeEnds({ metrics, tracing }: { metrics: Metrics; tracing: Tracing }): RunObserver {
  return {
    nodesSettled(nodes) {
      for (const node of nodes) {
        metrics.count("node_executions_total", { node_type: node.type, status: node.status });
        if (node.duration_ms !== null && node.status !== "skipped") {
          metrics.observe("node_execution_duration_seconds", { node_type: node.type }, node.duration_ms / 1000);
        }
        if (node.trace && node.status !== "skipped" && tracing.isOn) tellNode(tracing, node, node.trace);
      }
    },
    runClosed(run) {
      const { status, trigger } = run;
      metrics.count("perdure_runs_closed_total", { status, trigger });
      metrics.observe("perdure_run_duration_seconds", { status }, Math.max(0, run.completedAt.getTime() - run.createdAt.getTime()) / 1000);
      if (run.traceparent !== null && tracing.isOn) tellRun(tracing, run, run.traceparent);
    },
  };
}

function tellNode(tracing: Tracing, { type, status }: SettledNode, trace: SettledNodeTrace): void {
  const parent = runTraceparent(trace.traceparent, trace.run_id);
  if (parent === undefined) return;
  tracing.tell({
    name: `node ${type}`,
    id: nodeSpanId(trace),
    parent,
    startedAt: new Date(trace.started_at),
    endedAt: new Date(trace.completed_at),
    error: status === "failed" ? (trace.error ?? "internal") : null,
    attributes: {
      "perdure.run.id": trace.run_id,
      "perdure.node.id": trace.node_id,
      "perdure.node.type": type,
      "perdure.node.status": status,
      "perdure.node.attempt": trace.attempt,
      "perdure.node.iteration": trace.iteration === "" ? undefined : trace.iteration,
    },
  });
}

function tellRun(tracing: Tracing, run: ClosedRun, traceparent: string): void {
  tracing.tell({
    name: "run",
    id: runSpanId(run.id),
    parent: traceparent,
    startedAt: run.createdAt,
    endedAt: run.completedAt,
    error: run.status === "failed" || run.status === "timed_out" ? (run.error ?? run.status) : null,
    attributes: {
      "perdure.run.id": run.id,
      "perdure.organization.id": run.tenantId,
      "perdure.workflow.id": run.workflowId ?? undefined,
      "perdure.run.status": run.status,
      "perdure.run.trigger": run.trigger,
    },
  });
}
