/**
 * How many promises in a row follow from whatever comes into a workflow until all it leads to has been asked of Temporal, an answered update
 * included: more than there are, about ten. Each costs some µs in the sandbox (`promise-tracing.ts`).
 */
const TICKS = 32;

/**
 * Hands on the results of local activities one by one, in the order in which they come: each only when everything has happened that follows from the
 * one before, or from what else came in the same activation. While a run is live each result comes by itself, after what its workflow task began
 * with; when it is replayed, all that came within one workflow task may come together, updates and other results among it. Without this, their
 * consequences would mix and the commands come in another order than they did.
 */
export function oneByOne(): <T>(result: Promise<T>) => Promise<T> {
  const waiting: (() => void)[] = [];
  let isHandingOn = false;

  async function handOn(): Promise<void> {
    isHandingOn = true;
    while (waiting.length > 0) {
      for (let tick = 0; tick < TICKS; tick++) await Promise.resolve();
      waiting.shift()?.();
    }
    isHandingOn = false;
  }

  function arrive(release: () => void): void {
    waiting.push(release);
    if (!isHandingOn) void handOn();
  }

  return (result) =>
    new Promise((resolve, reject) => {
      result.then(
        (value) => arrive(() => resolve(value)),
        (error: unknown) => arrive(() => reject(error as Error)),
      );
    });
}
