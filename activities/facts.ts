import { eventKey, type EventData, type EventKind, type FailureValue, type Json, type RunEvent } from "#core";
import type { EventWriter } from "../runs/types.ts";
import type { NodeCall } from "#workflows/messages";

/** Tokens that come within this time are one fact, in milliseconds. */
const COALESCE_MS = 30;
/** Of what one attempt prints: lines, and characters of each. */
const MAX_LOG_LINES = 100;
const MAX_LOG_LINE_LENGTH = 1024;

export interface EndDetails {
  /** The value comes from the node cache. */
  isCached?: boolean;
  /** The value becomes the node's receipt where it has none, in the statement that tells of its end. */
  receiptKey?: string;
}

interface Telling extends Pick<EndDetails, "receiptKey"> {
  /** Tells facts of one kind apart. */
  detail?: number | "";
  /** The attempt that it belongs to, where it is not this one. */
  of?: number;
}

/** Tells the log what happens to one attempt of a node. Nothing here waits for the log. */
export interface AttemptFacts {
  /** `of`: the attempt that began, where it is not this one. */
  start(input: Json, of?: number): void;
  token(text: string): void;
  /** Kept for the attempt's end, which tells it as `logs`; what is beyond the limits is left out. */
  log(line: string): void;
  /** The node's one end. `attempt` is the one that made the value. */
  completed(output: Json, route: string | undefined, attempt: number, durationMs: number, details?: EndDetails): void;
  cancelled(durationMs: number): void;
  failed(error: FailureValue, durationMs: number): void;
  retry(error: FailureValue, retryInMs: number): void;
}

/**
 * Starts, tokens and retries belong to an attempt; a node ends once. So the key of an end holds no attempt (1 when completed, else 0, as the
 * interpreter has it), and telling it again from a later attempt or from the workflow changes nothing.
 */
export function attemptFacts(writer: EventWriter, call: NodeCall, attempt: number): AttemptFacts {
  const about = { type: call.type, name: call.name };
  const tell = (kind: EventKind, keyAttempt: number, data: EventData, { detail = "", of = attempt, receiptKey }: Telling = {}): void => {
    const event: RunEvent = {
      run_id: call.run_id,
      key: eventKey(kind, call.node_id, call.iteration, keyAttempt, detail),
      kind,
      at: new Date().toISOString(),
      node_id: call.node_id,
      iteration: call.iteration,
      attempt: of,
      data,
    };
    writer.write(call.tenant_id, [event], receiptKey);
  };
  let pending = "";
  let timer: NodeJS.Timeout | undefined;
  let pieces = 0;
  const logs: string[] = [];
  const printed = () => (logs.length > 0 ? { logs } : {});
  const flush = (): void => {
    clearTimeout(timer);
    timer = undefined;
    if (pending === "") return;
    tell("token_delta", attempt, { text: pending }, { detail: ++pieces });
    pending = "";
  };
  return {
    start: (input, of = attempt) => tell("node_start", of, { ...about, input }, { of }),
    token(text) {
      pending += text;
      timer ??= setTimeout(flush, COALESCE_MS);
    },
    log(line) {
      if (logs.length < MAX_LOG_LINES) logs.push(line.slice(0, MAX_LOG_LINE_LENGTH));
    },
    completed(output, route, of, durationMs, { isCached = false, receiptKey } = {}) {
      flush();
      const end = { status: "completed", output, ...(route !== undefined && { route }), ...(isCached && { cached: true }), duration_ms: durationMs } as const;
      tell("node_end", 1, { ...about, ...end, ...printed() }, { of, ...(receiptKey !== undefined && { receiptKey }) });
    },
    cancelled(durationMs) {
      flush();
      tell("node_end", 0, { ...about, status: "cancelled", duration_ms: durationMs });
    },
    failed(error, durationMs) {
      flush();
      tell("node_error", 0, { ...about, error, duration_ms: durationMs, ...printed() });
    },
    retry(error, retryInMs) {
      flush();
      tell("node_retry", attempt, { ...about, error, retry_in_ms: retryInMs, ...printed() });
    },
  };
}
