import { PerdureError } from "#core";
import type { Attempt } from "./run-node.ts";

/** How long a handler that was told to stop may take to do so, in milliseconds. What it still achieves by then counts. */
const STOPPING_MS = 2_000;

/** One timer per attempt: an activity learns of a cancel only as the answer to a heartbeat. A short attempt sends none: each is a write on the server. */
export async function whileHeartbeating<T>(attempt: Attempt, intervalMs: number, work: () => Promise<T>): Promise<T> {
  if (attempt.isLocal) return work();
  const timer = setInterval(() => attempt.heartbeat(), intervalMs);
  try {
    return await work();
  } finally {
    clearInterval(timer);
  }
}

/**
 * Runs `work` with a signal that aborts when time is up or the attempt is cancelled, and does not wait for a handler that ignores it.
 * The signal is a plain one: Node keeps what `AbortSignal.any` makes for as long as anybody listens to it, and with it all that the attempt held.
 * @throws PerdureError `network.timed_out`; the cancellation's reason.
 */
export async function withinTime<T>(timeoutMs: number, cancellation: AbortSignal, name: string, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  cancellation.throwIfAborted();
  const late = new PerdureError("network.timed_out", `${name} did not finish within ${timeoutMs} ms.`);
  const controller = new AbortController();
  const { signal } = controller;
  const cancel = (): void => controller.abort(cancellation.reason);
  const timer = setTimeout(() => controller.abort(late), timeoutMs);
  let stopping: NodeJS.Timeout | undefined;
  const stopped = new Promise<never>((_resolve, reject) => {
    signal.addEventListener("abort", () => (stopping = setTimeout(() => reject(signal.reason as Error), STOPPING_MS)), { once: true });
  });
  cancellation.addEventListener("abort", cancel, { once: true });
  try {
    return await Promise.race([work(signal), stopped]);
  } catch (error) {
    throw signal.reason === late && !cancellation.aborted ? late : error;
  } finally {
    clearTimeout(timer);
    clearTimeout(stopping);
    cancellation.removeEventListener("abort", cancel);
  }
}
