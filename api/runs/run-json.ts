import type { z } from "@hono/zod-openapi";
import type { run as runSchema, runResult } from "#contract/executions.ts";
import { temporalWorkflowId } from "#workflows/messages";
import type { Run } from "#runs";
import type { ApiSettings } from "../services.ts";

export type RunJson = z.input<typeof runSchema>;

export function runJson(run: Run, settings: Pick<ApiSettings, "PUBLIC_URL" | "TEMPORAL_NAMESPACE" | "TEMPORAL_UI_URL">): RunJson {
  const list = `${(settings.PUBLIC_URL ?? "").replace(/\/+$/, "")}/api/v1/executions`;
  const self = `${list}/${run.id}`;
  return {
    id: run.id,
    execution_id: run.id,
    workflow_id: run.workflowId,
    workflow_name: run.workflowName,
    version: run.version,
    status: run.status,
    inputs: run.inputs,
    outputs: run.outputs,
    error: run.error,
    error_message: run.error?.message ?? null,
    trigger: run.trigger,
    waiting_for: run.slot?.state === "queued" ? [{ kind: "slot", node_id: "", iteration: "", position: run.slot.position }, ...run.waitingFor] : run.waitingFor,
    parent_id: run.parentId,
    forked_from: run.forkedFrom,
    created_by: run.createdBy,
    created_at: run.createdAt.toISOString(),
    started_at: run.startedAt?.toISOString() ?? null,
    completed_at: run.completedAt?.toISOString() ?? null,
    links: {
      self,
      stream: `${self}/stream`,
      forks: `${list}?forked_from=${run.id}`,
      ...(run.forkedFrom !== null && { comparison: `${self}/comparison` }),
      temporal_ui: `${settings.TEMPORAL_UI_URL.replace(/\/+$/, "")}/namespaces/${encodeURIComponent(settings.TEMPORAL_NAMESPACE)}/workflows/${encodeURIComponent(temporalWorkflowId(run.tenantId, run.id))}`,
    },
  };
}

export function runResultJson(run: Run): z.input<typeof runResult> {
  return { id: run.id, execution_id: run.id, status: run.status, outputs: run.outputs, error: run.error, completed_at: run.completedAt?.toISOString() ?? null };
}
