import { and, eq, sql } from "drizzle-orm";
import { PerdureError, type Json, type TenantId } from "#core";
import { sqlState, UNIQUE_VIOLATION } from "../connection/errors.ts";
import type { Sessions, Statements } from "../connection/sessions.ts";
import { commands } from "../schema/index.ts";
import type { Commands } from "../types/index.ts";
import { freeCall, storeFeedingCall } from "./webhook-runs.ts";

export function createCommands(sessions: Sessions): Commands {
  return {
    async insert(tenant, { id, runId, command, by, at, exclusiveKey, call }) {
      const stored = (db: Statements, key: string | undefined) =>
        db.insert(commands).values({ id, tenantId: tenant, runId, command, by, at, status: "open", exclusiveKey: key ?? null });
      if (call) {
        return sessions.transaction(tenant, async (db) => {
          await storeFeedingCall(db, tenant, { runId, commandId: id }, call);
          await stored(db, call.key);
        });
      }
      try {
        await sessions.once(tenant, (db) => stored(db, exclusiveKey));
      } catch (error) {
        if (exclusiveKey !== undefined && sqlState(error) === UNIQUE_VIOLATION)
          throw new PerdureError("approval.answered", "This has been answered already.", { cause: error });
        throw error;
      }
    },

    async settle(tenant, id, status, outcome) {
      await sessions.onceAll(tenant, (db) => [
        db
          .update(commands)
          .set({ status, outcome, settledAt: sql`now()` })
          .where(and(eq(commands.tenantId, tenant), eq(commands.id, id), eq(commands.status, "open"))),
        ...(status === "refused" ? [freeCall(db, tenant, id)] : []),
      ]);
    },

    async open(olderThanMs, limit) {
      const long = sql`now() - make_interval(secs => ${olderThanMs / 1000}::double precision)`;
      const rows = await sessions.once("system", (db) =>
        db.execute<{ id: string; tenant_id: TenantId; run_id: string; command: string; by: string; at: string }>(sql`
          update commands set relayed_at = now() where id in (
            select c.id from commands c where c.status = 'open' and greatest(c.at, c.relayed_at) < ${long}
            order by c.at limit ${limit} for no key update skip locked)
          returning id, tenant_id, run_id, command, by, at`),
      );
      return rows
        .map((row) => ({
          id: row.id,
          tenantId: row.tenant_id,
          runId: row.run_id,
          command: JSON.parse(row.command) as Json,
          by: row.by,
          at: new Date(row.at),
          status: "open" as const,
          outcome: null,
        }))
        .sort((a, b) => a.at.getTime() - b.at.getTime());
    },
  };
}
