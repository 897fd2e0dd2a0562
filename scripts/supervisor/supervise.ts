import { setTimeout as sleep } from "node:timers/promises";
import { describeExit, type Server } from "../infra/index.ts";

export interface Supervised {
  readonly current: Server;
  /** Stops it for good. */
  stop(): Promise<void>;
}

export interface SuperviseOptions {
  name: string;
  first: Server;
  /** Starts it again, at the same address. */
  restart(previous: Server): Promise<Server>;
  say(line: string): void;
  /** @default 500 */
  firstDelayMs?: number;
  /** @default 15000 */
  maxDelayMs?: number;
}

/** A part that ran this long begins anew with the shortest delay. */
const STEADY_MS = 60_000;

/** Starts a part again whenever it ends by itself, with delays that double, and says so. */
export function supervise({ name, first, restart, say, firstDelayMs = 500, maxDelayMs = 15_000 }: SuperviseOptions): Supervised {
  let current = first;
  let startedAt = Date.now();
  let delayMs = firstDelayMs;
  const stopping = new AbortController();

  const watching = (async () => {
    while (!stopping.signal.aborted) {
      const exit = await Promise.race([current.exited, aborted(stopping.signal)]);
      if (exit === undefined || stopping.signal.aborted) return;
      if (Date.now() - startedAt > STEADY_MS) delayMs = firstDelayMs;
      say(`${name} ended (${describeExit(exit)}), starting it again`);
      for (let down = true; down && !stopping.signal.aborted;) {
        const beganAt = Date.now();
        await sleep(delayMs, undefined, { signal: stopping.signal }).catch(() => {});
        delayMs = Math.min(delayMs * 2, maxDelayMs);
        if (stopping.signal.aborted) return;
        try {
          current = await restart(current);
          startedAt = Date.now();
          down = false;
          say(`${name} is back after ${((Date.now() - beganAt) / 1000).toFixed(1)} s (process ${current.pid})`);
        } catch (error) {
          say(`${name} did not start: ${(error as Error).message}\n  trying again in ${(delayMs / 1000).toFixed(1)} s`);
        }
      }
    }
  })();

  return {
    get current() {
      return current;
    },
    async stop() {
      stopping.abort();
      await watching;
      await current.stop();
    },
  };
}

function aborted(signal: AbortSignal): Promise<undefined> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve(undefined);
    else signal.addEventListener("abort", () => resolve(undefined), { once: true });
  });
}
