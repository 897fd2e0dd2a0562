import { PerdureError, type FailureCode } from "#core";
import { networkFailure } from "../http/index.ts";

/** What a call tells about the other side: it works, it does not, or nothing. */
export type Outcome = "well" | "ill" | "unknown";

/** Failures of the other side or of the way there. */
const ILL: ReadonlySet<FailureCode> = new Set(["upstream.failed", "network.unreachable", "network.timed_out", "vector_store.unavailable"]);
/** Answers: somebody is there and works, if only to refuse. */
const WELL: ReadonlySet<FailureCode> = new Set(["upstream.rejected", "upstream.rate_limited", "credential.rejected", "output.too_large"]);

/** By HTTP status: a refusal, also for too many requests, is an answer. */
export function judgeStatus(status: number): Outcome {
  return status >= 500 ? "ill" : "well";
}

/** A call that was cancelled tells nothing; one whose time was up does. */
export function judgeError(error: unknown, signal: AbortSignal | undefined): Outcome {
  const reason: unknown = signal?.aborted ? signal.reason : error;
  if (isTimeout(reason)) return "ill";
  if (signal?.aborted && !(reason instanceof PerdureError)) return "unknown";
  const failure = reason instanceof PerdureError ? reason : asNetworkFailure(reason);
  if (!failure) return "unknown";
  if (WELL.has(failure.code)) return "well";
  return failure.retryable && ILL.has(failure.code) ? "ill" : "unknown";
}

function isTimeout(error: unknown): boolean {
  return error instanceof Error && error.name === "TimeoutError";
}

/** What `fetch` throws when there was no answer. */
function asNetworkFailure(error: unknown): PerdureError | undefined {
  return error instanceof TypeError && error.cause instanceof Error ? networkFailure(error, "the host") : undefined;
}
