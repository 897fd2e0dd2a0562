import type { HttpLog, LoggedHttpRequest } from "#db";
import { isObject, type JsonObject } from "#core";
import { type MemoryState, pageOf } from "./memory-database.ts";

/** Of the rows of `state.nodes`. What the SQL does is proved against PostgreSQL. */
export function memoryHttpLog(state: Pick<MemoryState, "runs" | "nodes">): HttpLog {
  return {
    async list(tenant, { workflowId, nodeId, from, to }, page) {
      const rows = state.runs
        .filter((run) => run.tenantId === tenant && (workflowId === undefined || run.workflowId === workflowId))
        .flatMap((run) =>
          (state.nodes.get(run.id) ?? []).flatMap((node): LoggedHttpRequest[] => {
            if (node.type !== "HttpRequest" || node.started_at === null || (nodeId !== undefined && node.node_id !== nodeId)) return [];
            const startedAt = new Date(node.started_at);
            if ((from && startedAt < from) || (to && startedAt >= to)) return [];
            const input = isObject(node.input) ? (node.input as JsonObject) : {};
            const output = isObject(node.output) ? (node.output as JsonObject) : {};
            return [
              {
                runId: run.id,
                workflowId: run.workflowId,
                workflowName: run.workflowName,
                nodeId: node.node_id,
                name: node.name,
                iteration: node.iteration,
                status: node.status,
                attempt: node.attempt,
                method: typeof input["method"] === "string" ? input["method"] : null,
                url: typeof input["url"] === "string" ? input["url"] : null,
                answered: typeof output["status"] === "number" ? output["status"] : null,
                error: node.error,
                startedAt,
                completedAt: node.completed_at === null ? null : new Date(node.completed_at),
                durationMs: node.duration_ms,
              },
            ];
          }),
        );
      return pageOf(
        rows.toSorted((a, b) => b.startedAt.getTime() - a.startedAt.getTime()),
        page,
      );
    },
  };
}
