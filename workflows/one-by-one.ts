/**
 * How many promises in a row follow from whatever comes into a workflow until all it leads to has been asked of Temporal, an answered update
 * included: more than there are, eighteen where a child run is started. Each costs some µs in the sandbox (`promise-tracing.ts`).
 */
const TICKS = 32;

export type InTurn = <T>(result: Promise<T>) => Promise<T>;

/**
 * Hands on updates and the results of local activities one by one, in the order in which they come: each only when everything has happened that follows
 * from the one before, or from what else came in the same activation. What comes together is not the same whenever a history is read: local results
 * come by themselves while a run is live and together when it is replayed; what an update found done comes together with it where a worker takes the
 * run up, and before it in every later replay. Without this, consequences would mix and commands come in another order than they did.
 */
export function oneByOne(): InTurn {
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

/** Of the workflow that is running: a module of the bundle that is not preloaded is loaded once for each. */
export const inTurn = oneByOne();
