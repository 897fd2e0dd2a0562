import { sql } from "drizzle-orm";
import type { TenantId } from "#core";
import type { Sessions } from "../connection/sessions.ts";
import type { Restoring } from "../types/index.ts";

export function createRestoring(sessions: Sessions): Restoring {
  return {
    async openRuns(after, limit) {
      const rows = await sessions.once("system", (db) =>
        db.execute<{ id: string; tenant_id: TenantId; parent_id: string | null; started: boolean; created_at: string }>(sql`
          select r.id, r.tenant_id, r.parent_id, (r.acknowledged_at is not null or r.status <> 'queued') as started, r.created_at from runs r
          where r.completed_at is null and (${after ?? null}::uuid is null or r.id > ${after ?? null}::uuid)
            and not exists (select from run_slots s where s.run_id = r.id and s.admitted_at is null)
          order by r.id limit ${limit}`),
      );
      return rows.map((row) => ({ id: row.id, tenantId: row.tenant_id, parentId: row.parent_id, started: row.started, createdAt: new Date(row.created_at) }));
    },

    async closedRuns(since, after, limit) {
      const rows = await sessions.once("system", (db) =>
        db.execute<{ id: string; tenant_id: TenantId; parent_open: boolean }>(sql`
          select r.id, r.tenant_id, coalesce(p.completed_at is null and p.id is not null, false) as parent_open
          from runs r left join runs p on p.id = r.parent_id and p.tenant_id = r.tenant_id
          where r.completed_at is not null and r.last_event_at >= ${since.toISOString()}::timestamptz and (${after ?? null}::uuid is null or r.id > ${after ?? null}::uuid)
          order by r.id limit ${limit}`),
      );
      return rows.map((row) => ({ id: row.id, tenantId: row.tenant_id, hasOpenParent: row.parent_open }));
    },

    async reopenCommands(since) {
      const tenants = await sessions.once("system", (db) => db.execute<{ id: TenantId }>(sql`select id from organizations order by id`));
      let reopened = 0;
      for (const { id: tenant } of tenants) {
        const rows = await sessions.once(tenant, (db) =>
          db.execute(sql`
            with reopened as (
              update commands c set status = 'open', outcome = null, settled_at = null, relayed_at = null
              from runs r
              where c.tenant_id = ${tenant} and r.tenant_id = ${tenant} and r.id = c.run_id and r.completed_at is null
                and c.status = 'applied' and c.settled_at >= ${since.toISOString()}::timestamptz
              returning c.id, c.run_id, c.command
            ), asked as (
              update approvals a set status = 'pending', decision = null, answer = null, comment = null, answered_by = null, answered_at = null
              from reopened o
              where a.tenant_id = ${tenant} and o.command ->> 'kind' = 'answer' and a.run_id = o.run_id and a.node_id = o.command ->> 'node_id'
                and a.iteration = o.command ->> 'iteration' and a.status = 'answered'
            )
            select id from reopened`),
        );
        reopened += rows.length;
      }
      return reopened;
    },

    async note(takenAt) {
      await sessions.once("system", (db) => db.execute(sql`insert into restores (taken_at) values (${takenAt.toISOString()}::timestamptz)`));
    },

    async last() {
      const [row] = await sessions.once("system", (db) => db.execute<{ at: string | null }>(sql`select max(at) as at from restores`));
      return row?.at ? new Date(row.at) : undefined;
    },
  };
}
