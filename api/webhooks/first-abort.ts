/**
 * A signal that is aborted with the first of others, until it is released: one of them may live as long as the process, and nothing may stay at it.
 */
export function firstAbort(signals: readonly AbortSignal[]): { signal: AbortSignal; release(): void } {
  const controller = new AbortController();
  const stop = (): void => controller.abort();
  for (const signal of signals) {
    if (signal.aborted) stop();
    signal.addEventListener("abort", stop, { once: true });
  }
  return {
    signal: controller.signal,
    release() {
      for (const signal of signals) signal.removeEventListener("abort", stop);
    },
  };
}
