import type { NodeStatus, RunStatus, TenantId } from "#core";
import type { Run } from "../runs/types.ts";

/** A node that has come to its end, told once by whoever wrote it. */
export interface SettledNode {
  type: string;
  status: NodeStatus;
  /** Null where it never began. */
  duration_ms: number | null;
  /** Of a run that is traced. */
  trace?: SettledNodeTrace;
}

export interface SettledNodeTrace {
  traceparent: string;
  run_id: string;
  node_id: string;
  iteration: string;
  attempt: number;
  /** Code of its failure. */
  error: string | null;
  started_at: string;
  completed_at: string;
}

/** A run that has come to its end, told once by whoever wrote it. */
export interface ClosedRun {
  id: string;
  tenantId: TenantId;
  workflowId: string | null;
  status: RunStatus;
  trigger: string;
  /** Code of its failure. */
  error: string | null;
  createdAt: Date;
  startedAt: Date | null;
  completedAt: Date;
  /** Of a run that is traced. */
  traceparent: string | null;
}

/**
 * Hears what this process was the first to write. It is called after the commit, must not throw, and is not told again: a process that is killed at
 * that moment has told nobody.
 */
export interface RunObserver {
  nodesSettled(nodes: readonly SettledNode[]): void;
  runClosed(run: ClosedRun): void;
}

export const NOBODY: RunObserver = { nodesSettled: () => undefined, runClosed: () => undefined };

/** @param settled what a function of the migrations told, as JSON text */
export function tellSettled(observer: RunObserver, settled: string | null | undefined): void {
  if (typeof settled === "string") observer.nodesSettled(JSON.parse(settled) as SettledNode[]);
}

export function tellClosed(
  observer: RunObserver,
  { id, tenantId, workflowId, status, trigger, error, createdAt, startedAt, completedAt, traceparent }: Run,
): void {
  if (completedAt === null) return;
  observer.runClosed({
    id,
    tenantId,
    workflowId,
    status,
    trigger,
    error: error?.code ?? null,
    createdAt,
    startedAt,
    completedAt,
    traceparent: traceparent ?? null,
  });
}
