import { and, eq, sql } from "drizzle-orm";
import { PerdureError, type Json } from "#core";
import type { Sessions } from "../connection/sessions.ts";
import { toJsonText } from "../connection/values.ts";
import { receipts } from "../schema/index.ts";
import type { Receipts } from "../types/index.ts";

export function createReceipts(sessions: Sessions): Receipts {
  return {
    async find(tenant, key) {
      const [found] = await sessions.once(tenant, (db) =>
        db
          .select({
            stored: sql<boolean>`${receipts.result} is not null`,
            result: receipts.result,
            failure: receipts.failure,
            failedAttempts: receipts.failedAttempts,
          })
          .from(receipts)
          .where(and(eq(receipts.tenantId, tenant), eq(receipts.key, key))),
      );
      return found && { result: found.stored ? (found.result as Json) : undefined, failure: found.failure ?? undefined, failedAttempts: found.failedAttempts };
    },

    async results(tenant, keys) {
      if (keys.length === 0) return new Map();
      const rows = await sessions.once(tenant, (db) =>
        db.execute<{ key: string; result: string }>(sql`
          select key, result from receipts
          where tenant_id = ${tenant} and result is not null and key in (select jsonb_array_elements_text(${JSON.stringify(keys)}::jsonb))`),
      );
      return new Map(rows.map(({ key, result }) => [key, JSON.parse(result) as Json]));
    },

    async store(tenant, runId, key, result) {
      const [stored] = await sessions.once(tenant, (db) =>
        db.execute<{ result: string }>(sql`
          insert into receipts as r (tenant_id, key, run_id, result) values (${tenant}, ${key}, ${runId}, ${toJsonText(result)}::jsonb)
          on conflict (tenant_id, key) do update set result = coalesce(r.result, excluded.result)
          returning result`),
      );
      if (!stored) throw new PerdureError("internal", "The receipt was not stored.");
      return JSON.parse(stored.result) as Json;
    },

    async storeFailure(tenant, runId, key, failure) {
      await sessions.once(tenant, (db) =>
        db.execute(sql`
          insert into receipts as r (tenant_id, key, run_id, failure) values (${tenant}, ${key}, ${runId}, ${toJsonText(failure as unknown as Json)}::jsonb)
          on conflict (tenant_id, key) do update set failure = coalesce(r.failure, excluded.failure)`),
      );
    },

    async countFailure(tenant, runId, key, attempt, after) {
      const [counted] = await sessions.once(tenant, (db) =>
        db.execute<{ failures: number }>(sql`
          insert into receipts as r (tenant_id, key, run_id, failed_attempts) values (${tenant}, ${key}, ${runId}, array[${attempt}::integer])
          on conflict (tenant_id, key) do update set
            failed_attempts = case when ${attempt}::integer = any(r.failed_attempts) then r.failed_attempts else r.failed_attempts || ${attempt}::integer end
          returning (select count(*)::integer from unnest(failed_attempts) as each where each > ${after}::integer) as failures`),
      );
      return counted?.failures ?? 1;
    },
  };
}
