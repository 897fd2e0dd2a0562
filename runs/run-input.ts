import type { TenantId } from "#core";
import type { RunGraphArguments } from "#workflows/messages";
import type { StartRun } from "./types.ts";

/** The server takes 400 bytes of what a codec makes of it; the rest is room for sealing. */
const SUMMARY_MAX_BYTES = 320;

/** What `runGraph` is started with, beside the plan, for a run as it was asked for. */
export function runGraphInput(tenant: TenantId, runId: string, request: StartRun, heartbeatTimeoutMs: number): RunGraphArguments[0] {
  return {
    run_id: runId,
    tenant_id: tenant,
    workflow_id: request.workflowId,
    workflow_name: request.workflowName,
    version: request.version,
    inputs: request.inputs,
    variables: request.variables,
    entries: request.entries,
    trigger: request.trigger,
    heartbeat_timeout_ms: heartbeatTimeoutMs,
    ...(request.given && { given: request.given }),
    ...(request.recordedOnly && { recorded_only: true }),
    ...(request.subVersions && { sub_versions: request.subVersions }),
    ...(request.scheduleId !== undefined && { schedule_id: request.scheduleId }),
    // Told of the end as a parent is, of which it is none: what it runs counts its depth from here.
    ...(request.startedBy !== undefined && { parent: { run_id: request.startedBy, node_id: "", iteration: "", depth: 0 } }),
    ...(request.traceparent !== undefined && { traceparent: request.traceparent }),
    ...(request.correlationId !== undefined && { correlation_id: request.correlationId }),
  };
}

/** "name v3", cut to what the server takes without splitting a character. */
export function summaryOf({ workflowName, version }: Pick<StartRun, "workflowName" | "version">): string {
  const suffix = version === null ? "" : ` v${version}`;
  let name = workflowName;
  while (Buffer.byteLength(name + suffix) > SUMMARY_MAX_BYTES) name = [...name].slice(0, -1).join("");
  return name + suffix;
}
