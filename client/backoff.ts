export interface RetryOptions {
  /** Attempts in all, the first included. @default 5 */
  readonly attempts: number;
  /** Before the second attempt, in milliseconds; doubled for each further one. @default 250 */
  readonly initialDelayMs: number;
  /** Longest wait of the client's own choice, in milliseconds. @default 10 000 */
  readonly maxDelayMs: number;
  /** Longest `Retry-After` that is waited for; where a server asks for more, its answer is the error. In milliseconds. @default 60 000 */
  readonly maxRetryAfterMs: number;
}

export const RETRY_DEFAULTS: RetryOptions = { attempts: 5, initialDelayMs: 250, maxDelayMs: 10_000, maxRetryAfterMs: 60_000 };

/** How long to wait after a failed attempt (1, 2 …): between half and all of the doubled delay, and never less than the server asks for. */
export function delayAfter(attempt: number, options: RetryOptions, retryAfterMs = 0, random: () => number = Math.random): number {
  const ceiling = Math.min(options.maxDelayMs, options.initialDelayMs * 2 ** (attempt - 1));
  return Math.max(retryAfterMs, ceiling * (0.5 + random() / 2));
}

/** @throws the signal's reason once it is aborted. */
export function sleep(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => {
      clearTimeout(timer);
      reject(signal?.reason as Error);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", onAbort);
      resolve();
    }, ms);
    if (signal?.aborted) onAbort();
    else signal?.addEventListener("abort", onAbort, { once: true });
  });
}
