import { sql } from "drizzle-orm";
import type { RunStatus } from "#core";
import type { Sessions } from "../connection/sessions.ts";
import type { Analytics } from "../types.ts";

export function createAnalytics(sessions: Sessions): Analytics {
  return {
    async installation() {
      const [open, [queue]] = await sessions.onceAll<[{ status: RunStatus; count: number }[], { queued: number; oldest_ms: number }[]]>("system", (db) => [
        db.execute<{ status: RunStatus; count: number }>(
          sql`select status, count(*)::integer as count from runs where completed_at is null group by status order by status`,
        ),
        db.execute<{ queued: number; oldest_ms: number }>(sql`
          select count(*)::integer as queued, coalesce(extract(epoch from now() - min(r.created_at)) * 1000, 0)::float8 as oldest_ms
          from run_slots s join runs r on r.id = s.run_id and r.completed_at is null where s.admitted_at is null and s.request is not null`),
      ]);
      return { open, queued: queue?.queued ?? 0, oldestQueuedMs: queue?.oldest_ms ?? 0 };
    },
  };
}
