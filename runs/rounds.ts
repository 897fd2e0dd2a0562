import { PerdureError } from "#core";
import type { Logger } from "#platform";

export interface Rounds {
  /** Waits for the round that is under way. */
  close(): Promise<void>;
}

/** Part of the interval by which rounds of several processes are kept from falling together. */
const JITTER = 0.2;

/** Repeats a piece of work, one round after another, until closed; a round that fails is logged and the next one comes all the same. */
export function startRounds({ intervalMs, logger, name, round }: { intervalMs: number; logger: Logger; name: string; round: () => Promise<void> }): Rounds {
  let timer: NodeJS.Timeout | undefined;
  let closed = false;
  let current = Promise.resolve();

  function next(): void {
    timer = setTimeout(
      () => {
        current = round()
          .catch((error: unknown) => {
            const isAway = error instanceof PerdureError && error.retryable;
            logger[isAway ? "warn" : "error"]({ err: error }, `${name} failed; the next round comes`);
          })
          .finally(() => {
            if (!closed) next();
          });
      },
      intervalMs * (1 + (Math.random() - 0.5) * JITTER),
    );
  }

  next();
  return {
    async close() {
      closed = true;
      clearTimeout(timer);
      await current;
    },
  };
}

/** Works on all of them, so many at a time; the first error is thrown after what has begun has ended. */
export async function eachOf<T>(items: readonly T[], concurrency: number, work: (item: T) => Promise<unknown>): Promise<void> {
  const rest = [...items];
  const results = await Promise.allSettled(
    Array.from({ length: Math.min(concurrency, rest.length) }, async () => {
      for (let item = rest.shift(); item !== undefined; item = rest.shift()) await work(item);
    }),
  );
  const failed = results.find((result) => result.status === "rejected");
  if (failed) throw failed.reason;
}
