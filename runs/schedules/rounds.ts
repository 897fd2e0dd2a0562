import { PerdureError } from "#core";
import type { Database } from "#db";
import type { Env, Logger } from "#platform";
import { eachOf, type Rounds, startRounds } from "../rounds.ts";
import type { ScheduleSync } from "./sync.ts";
import type { TemporalSchedules } from "./temporal.ts";

const AT_ONCE = 4;
const SCHEDULES_PER_ROUND = 200;
/** How often changes that Temporal has not got are looked for. */
const ROUND_MS = 2_000;
/** The process that made the change is still at it. */
const UNSYNCED_AFTER_MS = 2_000;

export interface ScheduleRoundsOptions {
  db: Pick<Database, "schedules" | "organizations">;
  sync: ScheduleSync;
  temporal: TemporalSchedules;
  env: Pick<Env, "SCHEDULE_CHECK_INTERVAL_MS">;
  logger: Logger;
  /** @default ROUND_MS */
  intervalMs?: number;
}

/**
 * Keeps Temporal's schedules what the table says: changes that a crash kept back, what was taken away, changed or added in Temporal by hand, what a
 * restored database no longer knows. Any number of processes may do so; each round takes its rows for itself.
 */
export function createScheduleRounds({ db, sync, temporal, env, logger, intervalMs = ROUND_MS }: ScheduleRoundsOptions): Rounds {
  const everyMs = env.SCHEDULE_CHECK_INTERVAL_MS;
  let lookedAt = 0;

  async function compareDue(): Promise<void> {
    const due = await db.schedules.due(everyMs, UNSYNCED_AFTER_MS, SCHEDULES_PER_ROUND);
    await eachOf(due, AT_ONCE, async ({ tenantId: tenant, id }) => {
      try {
        const outcome = await sync.compare(tenant, id);
        if (outcome === "repaired") logger.info({ schedule_id: id }, "a schedule was brought in line");
      } catch (error) {
        if (error instanceof PerdureError && error.retryable) throw error;
        logger.error({ err: error, schedule_id: id }, "a schedule could not be brought in line");
      }
    });
  }

  /** What has no row, of organizations that this database knows, on our task queue: other installations may share the namespace. */
  async function removeExtra(): Promise<void> {
    for await (const { tenant, id } of temporal.mine()) {
      const known = await db.schedules.find(tenant, id);
      if (known ? known.deletedAt === null : (await db.organizations.get(tenant)) === undefined || !(await temporal.isOurs(tenant, id))) continue;
      await temporal.remove(tenant, id);
      logger.warn({ schedule_id: id }, "a schedule in Temporal that nobody has asked for was taken away");
    }
  }

  return startRounds({
    intervalMs: Math.min(intervalMs, everyMs),
    logger,
    name: "comparing schedules with Temporal",
    round: async () => {
      await compareDue();
      if (Date.now() - lookedAt < everyMs) return;
      lookedAt = Date.now();
      await removeExtra();
    },
  });
}
