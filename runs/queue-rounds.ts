import type { Logger } from "#platform";
import type { RunsService } from "./create-runs.ts";
import { type Rounds, startRounds } from "./rounds.ts";

/** How often the queue is looked at although nobody said that a slot is free. */
const QUEUE_INTERVAL_MS = 1_000;
/** Each so many rounds the whole queue is read, which the others wait for. */
const THOROUGH_EVERY = 15;

export interface QueueRoundsOptions {
  runs: Pick<RunsService, "serveQueue" | "adoptRuns">;
  logger: Logger;
}

/**
 * Gives slots away that nobody else did: those of runs that wait, and those whose process died before it could. Any number of processes may do
 * so at the same time.
 */
export function createQueueRounds({ runs, logger }: QueueRoundsOptions): Rounds {
  let isAdopted = false;
  let round = 0;
  return startRounds({
    intervalMs: QUEUE_INTERVAL_MS,
    logger,
    name: "serving the queue of runs",
    round: async () => {
      if (!isAdopted) await runs.adoptRuns();
      isAdopted = true;
      await runs.serveQueue(round++ % THOROUGH_EVERY === 0);
    },
  });
}
