import type { Database } from "#db";
import type { Logger } from "#platform";

/** How often old entries are looked for. */
const ROUND_MS = 60 * 60_000;
/** Of one statement, so that none holds many rows for long. */
const BATCH = 5_000;
const DAY_MS = 86_400_000;

/**
 * Deletes entries of the audit log that are older than `retentionDays`; none where there is no such number. Several workers may do it at once.
 * @returns `close`, which waits for a round that is under way.
 */
export function keepAuditLog({
  audit,
  retentionDays,
  logger,
  roundMs = ROUND_MS,
  batch = BATCH,
}: {
  audit: Pick<Database["audit"], "forget">;
  retentionDays: number | undefined;
  logger: Logger;
  roundMs?: number;
  batch?: number;
}): { close(): Promise<void> } {
  if (retentionDays === undefined) return { close: () => Promise.resolve() };
  let closed = false;
  const round = async (): Promise<void> => {
    const before = new Date(Date.now() - retentionDays * DAY_MS);
    try {
      while (!closed && (await audit.forget(before, batch)) === batch);
    } catch (error) {
      logger.warn({ err: error }, "old entries of the audit log could not be deleted");
    }
  };
  let running = round();
  const timer = setInterval(() => {
    running = running.then(round);
  }, roundMs);
  timer.unref();
  return {
    async close() {
      closed = true;
      clearInterval(timer);
      await running;
    },
  };
}
