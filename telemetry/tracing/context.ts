import { createHash } from "node:crypto";

/** A place in a trace, as the W3C header `traceparent` says it. */
export interface TraceContext {
  /** 32 hexadecimal digits. */
  traceId: string;
  /** 16 hexadecimal digits. */
  spanId: string;
  isSampled: boolean;
}

const TRACEPARENT = /^(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/;
const SAMPLED = 1;

/** Undefined for what is no valid `traceparent`. */
export function parseTraceparent(text: string | undefined | null): TraceContext | undefined {
  const [, traceId, spanId, flags] = TRACEPARENT.exec(text ?? "") ?? [];
  if (traceId === undefined || spanId === undefined || flags === undefined) return undefined;
  return { traceId, spanId, isSampled: (Number.parseInt(flags, 16) & SAMPLED) === SAMPLED };
}

export function formatTraceparent({ traceId, spanId, isSampled }: TraceContext): string {
  return `00-${traceId}-${spanId}-${isSampled ? "01" : "00"}`;
}

/**
 * Spans of runs and nodes have ids that follow from what they are of, so that a process that makes a call, one that opens a child run and one that
 * writes the end months later agree on them without asking each other.
 */
export function runSpanId(runId: string): string {
  return digest(`run:${runId}`);
}

export function nodeSpanId({ run_id, node_id, iteration }: { run_id: string; node_id: string; iteration: string }): string {
  return digest(`node:${run_id}:${iteration}:${node_id}`);
}

/** What a run's own work hangs below. @param traceparent the run's, of what asked for it */
export function runTraceparent(traceparent: string, runId: string): string | undefined {
  const asked = parseTraceparent(traceparent);
  return asked && formatTraceparent({ ...asked, spanId: runSpanId(runId) });
}

/** What a node's attempts and child runs hang below. @param traceparent the run's, of what asked for it */
export function nodeTraceparent(traceparent: string, node: { run_id: string; node_id: string; iteration: string }): string | undefined {
  const asked = parseTraceparent(traceparent);
  return asked && formatTraceparent({ ...asked, spanId: nodeSpanId(node) });
}

function digest(text: string): string {
  const id = createHash("sha256").update(text).digest("hex").slice(0, 16);
  return /^0+$/.test(id) ? "1".padStart(16, "0") : id;
}
