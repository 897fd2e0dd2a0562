/** The one bridge from our failures to Temporal's: `type` is the code, `details` hold the value that the run keeps. */
import { ApplicationFailure } from "@temporalio/activity";
import { PerdureError, toFailureValue, type FailureValue } from "#core";
import type { StepPolicy } from "#graph";

/** How the failure of one attempt goes on. */
export interface Verdict {
  value: FailureValue;
  /** Milliseconds until the next attempt; undefined when there is none. */
  retryInMs: number | undefined;
}

/** How soon an attempt is made again that our own database stopped, in milliseconds. It costs none of the node's attempts. */
export const DATABASE_RETRY_MS = 2_000;

/** Whether counting the attempt can change anything: not where no retry helps, nor where there is only one attempt. */
export function canRetry(error: unknown, policy: StepPolicy): boolean {
  const { code, retryable } = toFailureValue(error);
  return retryable && !policy.non_retryable.includes(code) && policy.maximum_attempts > 1;
}

/** @param failures of the handler so far, this one included. */
export function judge(error: unknown, failures: number, policy: StepPolicy): Verdict {
  const value = toFailureValue(error);
  if (!canRetry(error, policy) || failures >= policy.maximum_attempts) return { value, retryInMs: undefined };
  const asked = error instanceof PerdureError ? error.retryAfterMs : undefined;
  return { value, retryInMs: asked ?? backoffMs(failures, policy) };
}

/** Exponential from the first interval, up to the longest. */
export function backoffMs(failures: number, policy: StepPolicy): number {
  const interval = policy.initial_interval_ms * policy.backoff_coefficient ** Math.max(0, failures - 1);
  return Math.round(Math.min(interval, policy.maximum_interval_ms));
}

/**
 * What is thrown at Temporal. `details[0]` is the value; `details[1].told` says whether the log holds the node's end, which it does not where
 * another attempt was meant to follow and the deadline came first, or where a later attempt may have begun.
 */
export function toApplicationFailure({ value, retryInMs }: Verdict, told = retryInMs === undefined): ApplicationFailure {
  const final = retryInMs === undefined;
  return ApplicationFailure.create({
    message: value.message,
    type: value.code,
    nonRetryable: final,
    details: [value, { told }],
    ...(!final && { nextRetryDelay: Math.max(1, retryInMs) }),
  });
}

/** Our own database did not take or give what an attempt needs. */
export function databaseUnavailable(): Verdict {
  return { value: new PerdureError("database.unavailable", "The database cannot be reached at the moment.").toValue(), retryInMs: DATABASE_RETRY_MS };
}
