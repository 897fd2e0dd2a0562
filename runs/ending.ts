import { ApplicationFailure, CancelledFailure, TerminatedFailure, TimeoutFailure, WorkflowFailedError } from "@temporalio/client";
import { isFailureCode, isObject, type FailureValue, type Json, type NodeStatus, type RunStatus } from "#core";
import type { RunGraphResult } from "#workflows/messages";

/** How a run ended, as Temporal tells it. */
export interface Ending {
  status: RunStatus;
  outputs?: Json;
  error?: FailureValue;
  at: Date;
  /** Its workflow had no say: terminated, or closed by Temporal itself. */
  isAbrupt?: boolean;
  /** How many node rows of each status there must be, where the workflow could still say so. */
  counts?: Partial<Record<NodeStatus, number>>;
  /** By which version, where the run was moved to it. */
  version?: number;
}

/** Begins the reason of a termination that was asked for through us. */
export const TERMINATED_BY_US = "Terminated by";

const failed = (code: FailureValue["code"], message: string): FailureValue => ({ code, message, retryable: false });

export function endingOfResult(result: RunGraphResult, at: Date): Ending {
  return { status: "completed", outputs: result?.outputs ?? null, at, ...(isObject(result?.counts) && { counts: result.counts }), ...versionOf(result) };
}

/** @returns undefined when the error says nothing of how the run ended. */
export function endingOfFailure(error: unknown, at: Date): Ending | undefined {
  if (!(error instanceof WorkflowFailedError)) return undefined;
  const { cause } = error;
  if (cause instanceof ApplicationFailure) {
    const [details] = cause.details ?? [];
    const told = isObject(details) && isObject(details["error"]) ? (details["error"] as unknown as FailureValue) : undefined;
    const value = told ?? failed(isFailureCode(cause.type ?? "") ? (cause.type as string) : "internal", "The run failed.");
    return { status: value.code === "run.timed_out" ? "timed_out" : "failed", error: value, at, ...countsOf(details), ...versionOf(details) };
  }
  if (cause instanceof CancelledFailure) {
    return { status: "cancelled", error: failed("run.cancelled", "The run was cancelled."), at, ...countsOf(cause.details?.[0]) };
  }
  if (cause instanceof TerminatedFailure) {
    const byUs = cause.message.startsWith(TERMINATED_BY_US);
    return {
      status: byUs ? "cancelled" : "failed",
      error: failed("run.cancelled", byUs ? "The run was terminated." : "The run was terminated in Temporal."),
      at,
      isAbrupt: true,
    };
  }
  if (cause instanceof TimeoutFailure)
    return { status: "timed_out", error: failed("run.timed_out", "The run reached its time limit in Temporal."), at, isAbrupt: true };
  return { status: "failed", error: failed("internal", "The run failed."), at };
}

function versionOf(told: unknown): Pick<Ending, "version"> {
  const version = isObject(told) ? told["version"] : undefined;
  return typeof version === "number" ? { version } : {};
}

function countsOf(details: unknown): Pick<Ending, "counts"> {
  const counts = isObject(details) ? details["counts"] : undefined;
  return isObject(counts) && Object.keys(counts).length > 0 ? { counts: counts as Ending["counts"] } : {};
}
