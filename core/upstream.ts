import { PerdureError } from "./errors.ts";

/** Headers by lower-case name. */
type Headers = Readonly<Record<string, string | undefined>>;

/** No server's `retry-after` holds a node longer than this, in milliseconds: one hour. */
const LONGEST_RETRY_AFTER_MS = 3_600_000;

/**
 * Milliseconds asked for by `retry-after-ms` or `retry-after` (seconds or an HTTP date, RFC 9110 10.2.3), at most an hour; undefined without a
 * usable one.
 */
export function retryAfterMs(headers: Headers, now: number): number | undefined {
  const exact = Number(headers["retry-after-ms"] ?? Number.NaN);
  if (Number.isFinite(exact) && exact >= 0) return Math.min(Math.round(exact), LONGEST_RETRY_AFTER_MS);
  const text = headers["retry-after"]?.trim();
  if (!text) return undefined;
  const ms = /^\d+(\.\d+)?$/.test(text) ? Number(text) * 1000 : Date.parse(text) - now;
  return Number.isNaN(ms) ? undefined : Math.min(Math.max(0, Math.round(ms)), LONGEST_RETRY_AFTER_MS);
}

/** The failure that an HTTP status of 400 or more stands for. `said` begins the message: who answered, and what it said. */
export function upstreamFailure(status: number, said: string, headers: Headers, now: number): PerdureError {
  const wait = retryAfterMs(headers, now);
  if (status === 401 || status === 403) return new PerdureError("credential.rejected", said);
  if (status === 429) return new PerdureError("upstream.rate_limited", said, { retryAfterMs: wait });
  if (status === 408 || status === 425 || status >= 500) return new PerdureError("upstream.failed", said, { retryAfterMs: wait });
  return new PerdureError("upstream.rejected", said);
}
