/**
 * How many promises in a row follow from one result until all it leads to has been asked of Temporal: more than there are, about ten. Each costs some 70 µs
 * in the sandbox, where several results come at once; a hundred of them made a replay of a wide map longer than a workflow task may take.
 */
const TICKS = 16;

/**
 * Hands on the results of local activities one by one, in the order in which they come: the next only when everything that follows from the one before has
 * happened. While a run is live each result comes by itself, but when it is replayed all that came within one workflow task come together; without
 * this, their consequences would mix and the commands come in another order than they did.
 */
export function oneByOne(): <T>(result: Promise<T>) => Promise<T> {
  const waiting: (() => void)[] = [];
  let isHandingOn = false;

  async function handOn(): Promise<void> {
    isHandingOn = true;
    // What comes together arrives within the same round.
    await Promise.resolve();
    for (let next = waiting.shift(); next; next = waiting.shift()) {
      next();
      if (waiting.length > 0) for (let tick = 0; tick < TICKS; tick++) await Promise.resolve();
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
