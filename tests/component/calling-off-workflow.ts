import { CancellationScope, isCancellation, proxyLocalActivities } from "@temporalio/workflow";

interface Calls {
  takes(ms: number): Promise<string>;
  fails(): Promise<string>;
}

const local = proxyLocalActivities<Calls>({ startToCloseTimeout: "10s", localRetryThreshold: "1s", retry: { maximumAttempts: 1 } });
const patient = proxyLocalActivities<Calls>({ startToCloseTimeout: "10s", localRetryThreshold: "1s", retry: { initialInterval: "5s" } });

/** Calls off one call when another has ended, while it is about to end as well; so often. Returns how many ended first and how many were called off. */
export async function races(times: number, ms: number): Promise<{ ended: number; calledOff: number }> {
  const counts = { ended: 0, calledOff: 0 };
  for (let turn = 0; turn < times; turn++) {
    const scope = new CancellationScope();
    const other = scope.run(() => local.takes(ms + 2 ** (turn % 8)));
    other.catch(() => undefined);
    await local.takes(ms);
    scope.cancel();
    try {
      await other;
      counts.ended++;
    } catch (error) {
      if (!isCancellation(error)) throw error;
      counts.calledOff++;
    }
  }
  return counts;
}

/** Calls off what takes long, and what waits for its next attempt. Returns of each how it ended. */
export async function callsOff(): Promise<string[]> {
  return [await calledOff(() => local.takes(8_000)), await calledOff(() => patient.fails())];
}

async function calledOff(work: () => Promise<string>): Promise<string> {
  const scope = new CancellationScope();
  const done = scope.run(work).catch((error: unknown) => (isCancellation(error) ? "called off" : String(error)));
  // A timer would not end before the workflow task does, which waits for its local activities.
  await local.takes(100);
  scope.cancel();
  return done;
}
