import { RETENTION_KIND_NAMES, type RetentionDays, type RetentionKind } from "#core";
import type { Database } from "#db";
import type { Env, Logger } from "#platform";
import { type Rounds, startRounds } from "./rounds.ts";

/** Runs, or rows of kinds that belong to no run, that one statement takes away. */
const BATCH = 500;
/** Of one kind of one organization in one round; what is left comes in the next. */
const BATCHES_PER_ROUND = 200;

type Defaults = Pick<Env, `RETENTION_${Uppercase<RetentionKind>}_DAYS`>;

/** What holds where an organization has said nothing. */
export function retentionDefaults(env: Defaults): RetentionDays {
  return {
    run_events: env.RETENTION_RUN_EVENTS_DAYS ?? null,
    node_rows: env.RETENTION_NODE_ROWS_DAYS ?? null,
    payloads: env.RETENTION_PAYLOADS_DAYS ?? null,
    webhook_deliveries: env.RETENTION_WEBHOOK_DELIVERIES_DAYS ?? null,
    schedule_firings: env.RETENTION_SCHEDULE_FIRINGS_DAYS ?? null,
    audit: env.RETENTION_AUDIT_DAYS ?? null,
    idempotency_keys: env.RETENTION_IDEMPOTENCY_KEYS_DAYS ?? null,
  };
}

export interface RetentionRoundsOptions {
  db: Pick<Database, "retention">;
  env: Defaults & Pick<Env, "RETENTION_INTERVAL_MS">;
  logger: Logger;
}

/** Takes away what organizations no longer keep. Any number of processes may: each takes its runs for itself. */
export function createRetentionRounds({ db, env, logger }: RetentionRoundsOptions): Rounds {
  return startRounds({
    intervalMs: env.RETENTION_INTERVAL_MS,
    logger,
    name: "taking away what is kept no longer",
    round: () => sweepOnce({ db, env, logger }),
  });
}

export async function sweepOnce({ db, env, logger }: RetentionRoundsOptions): Promise<void> {
  const defaults = retentionDefaults(env);
  for (const { tenantId, days } of await db.retention.organizations()) {
    for (const kind of RETENTION_KIND_NAMES) {
      const after = days[kind] === undefined ? defaults[kind] : days[kind];
      if (after === null) continue;
      let removed = 0;
      for (let batch = 0, more = true; more && batch < BATCHES_PER_ROUND; batch++) {
        const swept = await db.retention.sweep(tenantId, kind, after, BATCH);
        removed += swept.removed;
        more = swept.more;
      }
      if (removed > 0) logger.info({ tenant_id: tenantId, kind, days: after, removed }, "what is kept no longer was taken away");
    }
  }
}
