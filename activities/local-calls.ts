import { ApplicationFailure, CancelledFailure, Context } from "@temporalio/activity";
import { CALLED_OFF } from "#workflows/messages";

/** How long a call-off waits for its call to begin. It comes just before: both follow from one activation of the workflow. */
const KEPT_MS = 60_000;

/** Local activities of this process that their workflows have called off (`workflows/calling-off.ts`), by run of Temporal and sequence number. */
export interface LocalCalls {
  callOff(runId: string, seq: number): void;
  forget(runId: string, seq: number): void;
  /** Calls `stop` when the call is called off, at once where it is already. Returns what ends the listening. */
  listen(runId: string, activityId: string, stop: () => void): () => void;
}

export function createLocalCalls(): LocalCalls {
  const running = new Map<string, () => void>();
  const calledOff = new Map<string, NodeJS.Timeout>();

  function forget(key: string): void {
    clearTimeout(calledOff.get(key));
    calledOff.delete(key);
  }

  return {
    callOff(runId, seq) {
      const key = `${runId}/${seq}`;
      forget(key);
      const timer = setTimeout(() => calledOff.delete(key), KEPT_MS);
      timer.unref();
      calledOff.set(key, timer);
      running.get(key)?.();
    },
    forget: (runId, seq) => forget(`${runId}/${seq}`),
    listen(runId, activityId, stop) {
      const key = `${runId}/${activityId}`;
      running.set(key, stop);
      if (calledOff.has(key)) stop();
      return () => {
        if (running.get(key) === stop) running.delete(key);
      };
    },
  };
}

/** Does the work of a local activity with a signal that aborts when its workflow calls it off; then it fails with `CALLED_OFF`. Another activity's never does. */
export async function unlessCalledOff<T>(calls: LocalCalls | undefined, work: (calledOff: AbortSignal) => Promise<T>): Promise<T> {
  const controller = new AbortController();
  if (!calls) return work(controller.signal);
  const { isLocal, workflowExecution, activityId } = Context.current().info;
  const stop = (): void => controller.abort(new CancelledFailure("The call was called off."));
  const leave = isLocal && workflowExecution ? calls.listen(workflowExecution.runId, activityId, stop) : undefined;
  try {
    return await work(controller.signal);
  } catch (error) {
    if (!controller.signal.aborted || !(error instanceof CancelledFailure)) throw error;
    throw ApplicationFailure.nonRetryable("The call was called off.", CALLED_OFF);
  } finally {
    leave?.();
  }
}

/** @throws the reason, as soon as the signal aborts; the work goes on. */
export function orAborted<T>(signal: AbortSignal, work: Promise<T>): Promise<T> {
  signal.throwIfAborted();
  return new Promise((resolve, reject) => {
    const abort = (): void => reject(signal.reason as Error);
    signal.addEventListener("abort", abort, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener("abort", abort));
  });
}
