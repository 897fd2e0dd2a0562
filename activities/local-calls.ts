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
