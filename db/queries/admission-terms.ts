import { PerdureError } from "#core";
import { sqlState } from "../connection/errors.ts";
import type { AdmissionTerms } from "../types/index.ts";

/** Raised by queue_run. */
const QUEUE_FULL = "PD429";
/** A queue that is full has room again once a run has ended; nobody knows when. */
const QUEUE_RETRY_AFTER_MS = 5_000;

/** @returns undefined for any other error. */
export function queueFull(cause: unknown): PerdureError | undefined {
  if (sqlState(cause) !== QUEUE_FULL) return undefined;
  const isWorkflows = cause instanceof Error && cause.message === "workflow";
  const message = isWorkflows
    ? "The workflow has as many runs under way and queued as its `concurrency` setting allows."
    : "The organization has as many queued runs as this installation allows.";
  return new PerdureError("rate.limited", message, { retryAfterMs: QUEUE_RETRY_AFTER_MS, cause });
}

/** As queue_run reads them. */
export function groupOf({ request: _request, ...terms }: AdmissionTerms) {
  return {
    key: terms.groupKey,
    workflow_id: terms.workflowId,
    priority: terms.priority,
    max_runs: terms.maxRuns,
    max_queued: terms.maxQueued,
    holds_while_waiting: terms.holdsWhileWaiting,
    is_limited: terms.isLimited,
    organization_max_queued: terms.organizationMaxQueued,
    waiting_ms: terms.waitingMs,
  };
}
