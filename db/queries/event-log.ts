import { sql } from "drizzle-orm";
import type { Notifications } from "../connection/notifications.ts";
import type { Sessions } from "../connection/sessions.ts";
import { toJsonText } from "../connection/values.ts";
import { NOBODY, type RunObserver, tellSettled } from "../observer.ts";
import type { EventLog } from "../types/index.ts";

const CHANNEL = "perdure_runs";

export function createEventLog(sessions: Sessions, notifications: Notifications, observer: RunObserver = NOBODY): EventLog {
  return {
    async append(facts) {
      if (facts.length === 0) return 0;
      const text = toJsonText(facts.map(({ tenantId, event, receiptKey }) => ({ ...event, tenant_id: tenantId, receipt_key: receiptKey })));
      const [row] = await sessions.once("system", (db) =>
        db.execute<{ appended: number; settled: string | null }>(sql`select appended, settled from record_facts(${text}::jsonb)`),
      );
      tellSettled(observer, row?.settled);
      return row?.appended ?? 0;
    },

    async listen(onRun) {
      const leave = await notifications.listen(CHANNEL, (payload) => {
        for (const runId of payload.split(",")) onRun(runId);
      });
      return { close: async () => leave() };
    },

    async heads(runIds) {
      const rows = await sessions.once("system", (db) =>
        db.execute<{ id: string; last_seq: number }>(sql`select id, last_seq from runs where id in (select unnest(${`{${runIds.join(",")}}`}::uuid[]))`),
      );
      return new Map(rows.map((row) => [row.id, row.last_seq]));
    },
  };
}
