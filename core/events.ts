import type { FailureValue } from "./errors.ts";
import type { Json } from "./json.ts";

export const RUN_STATUSES = ["queued", "running", "waiting", "paused", "completed", "failed", "cancelled", "timed_out"] as const;
export type RunStatus = (typeof RUN_STATUSES)[number];

export const NODE_STATUSES = ["pending", "running", "retrying", "waiting", "completed", "failed", "skipped", "cancelled"] as const;
export type NodeStatus = (typeof NODE_STATUSES)[number];

const CLOSED: ReadonlySet<string> = new Set(["completed", "failed", "cancelled", "timed_out"]);
export function isClosed(status: RunStatus): boolean {
  return CLOSED.has(status);
}

/** Kinds of the run log, the `event:` of a stream. A skipped or cancelled node ends with `node_end` and that status. */
export const EVENT_KINDS = [
  "run_queued",
  "run_start",
  "node_start",
  "token_delta",
  "tool_call",
  "node_retry",
  "node_end",
  "node_error",
  "waiting",
  "resumed",
  "paused",
  "command",
  "workflow_complete",
  "error",
] as const;
export type EventKind = (typeof EVENT_KINDS)[number];

/** Kinds that close a stream: exactly one of them ends every run's log. */
export const CLOSING_KINDS: ReadonlySet<EventKind> = new Set(["workflow_complete", "error"]);

/**
 * A fact about a run. `key` names the fact, not the telling of it (`node:iteration:attempt:kind`, with a counter where one attempt has many
 * of a kind): writing it twice changes nothing. Postgres numbers facts in the order they arrive.
 */
export interface RunEvent {
  run_id: string;
  key: string;
  kind: EventKind;
  /** ISO 8601, UTC. */
  at: string;
  node_id?: string;
  /** `"2.5"`: item 5 of the inner loop in item 2 of the outer; `""` outside loops. */
  iteration?: string;
  attempt?: number;
  data?: EventData;
}

export interface EventData {
  type?: string;
  name?: string;
  status?: NodeStatus | RunStatus;
  route?: string;
  input?: Json;
  output?: Json;
  error?: FailureValue;
  /** Text of a `token_delta`. */
  text?: string;
  duration_ms?: number;
  /** Milliseconds until the next attempt, of a `node_retry`. */
  retry_in_ms?: number;
  /** What an attempt printed, of a `node_end`, `node_error` or `node_retry`. */
  logs?: string[];
  result?: Json;
  /** Of an end that stands over one the log told before: that of a worker that died before Temporal had it. */
  corrects?: true;
  [extra: string]: unknown;
}

/** The key of a fact. `detail` tells several of one kind in one attempt apart. */
export function eventKey(kind: EventKind, nodeId = "", iteration = "", attempt = 0, detail: string | number = ""): string {
  return `${nodeId}:${iteration}:${attempt}:${kind}${detail === "" ? "" : `:${detail}`}`;
}
