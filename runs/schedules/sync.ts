import { PerdureError, type TenantId } from "#core";
import type { Database, Schedule } from "#db";
import type { Logger } from "#platform";
import type { TemporalSchedules } from "./temporal.ts";

/** A row that changes while it is brought over is brought over again, so often. */
const MOST_ROUNDS = 5;

export type SyncOutcome = "same" | "repaired" | "gone";

export interface ScheduleSync {
  /**
   * Brings Temporal in line with the row as it is by then. Two at once do no harm: whoever finds the row changed after its turn takes another.
   * @throws PerdureError `temporal.unavailable`; `validation.failed` where Temporal refuses the schedule, which the row then says.
   */
  bring(tenant: TenantId, id: string): Promise<Schedule | undefined>;
  /** As `bring`, of a row that may be in line: Temporal is asked first, and moments that passed while it had no such schedule are made up for. */
  compare(tenant: TenantId, id: string): Promise<SyncOutcome>;
}

export function createSync({ db, temporal, logger }: { db: Pick<Database, "schedules">; temporal: TemporalSchedules; logger: Logger }): ScheduleSync {
  async function apply(schedule: Schedule, missingSince: Date): Promise<void> {
    if (isWanted(schedule, new Date())) await temporal.put(schedule, missingSince);
    else await temporal.remove(schedule.tenantId, schedule.id);
  }

  /** Where Temporal has none, moments are fired since the row's last change; since the last look, where `compared` says that it was there by then. */
  async function bring(tenant: TenantId, id: string, compared?: Schedule): Promise<Schedule | undefined> {
    for (let round = 1; ; round++) {
      const schedule = await db.schedules.find(tenant, id);
      if (!schedule) return undefined;
      try {
        const wasThere = compared?.revision === schedule.revision ? compared.checkedAt : null;
        await apply(schedule, wasThere ?? schedule.changedAt);
      } catch (error) {
        if (error instanceof PerdureError && !error.retryable) await db.schedules.synced(tenant, id, schedule.revision, messageOf(error));
        throw error;
      }
      await db.schedules.synced(tenant, id, schedule.revision);
      const after = await db.schedules.find(tenant, id);
      if (after === undefined || after.revision === schedule.revision || round === MOST_ROUNDS) return after;
    }
  }

  return {
    bring: (tenant, id) => bring(tenant, id),

    async compare(tenant, id) {
      const schedule = await db.schedules.find(tenant, id);
      if (!schedule) return "gone";
      if (schedule.revision !== schedule.syncedRevision) {
        await bring(tenant, id);
        return "repaired";
      }
      const standing = await temporal.describe(schedule);
      const isWantedNow = isWanted(schedule, new Date());
      if (isWantedNow ? standing?.isSame === true : standing === undefined || !mustGo(schedule)) {
        await db.schedules.synced(tenant, id, schedule.revision);
        return "same";
      }
      logger.warn({ schedule_id: id, was_there: standing !== undefined }, "a schedule in Temporal was not as it should be, and is put right");
      await bring(tenant, id, schedule);
      return "repaired";
    },
  };
}

/** Whether Temporal must have it. One that is over it lets go by itself some time, and it must not come again. */
export function isWanted(schedule: Schedule, now: Date): boolean {
  return !mustGo(schedule) && !isOver(schedule, now);
}

function mustGo({ deletedAt, definition: { type } }: Schedule): boolean {
  return deletedAt !== null || type === "manual";
}

/** It will not fire again. */
export function isOver({ definition, executions }: Schedule, now: Date): boolean {
  const { type, max_executions: most, end_at: endAt, scheduled_time: at, catchup_window_seconds: window } = definition;
  if (most > 0 && executions >= most) return true;
  const since = now.getTime() - window * 1000;
  if (endAt !== undefined && Date.parse(endAt) < since) return true;
  return type === "once" && at !== undefined && (executions > 0 ? Date.parse(at) <= now.getTime() : Date.parse(at) < since);
}

function messageOf(error: PerdureError): string {
  return error.findings.length > 0 ? error.findings.map(({ message }) => message).join("; ") : error.message;
}
