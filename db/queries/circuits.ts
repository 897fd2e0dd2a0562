import { and, eq, sql } from "drizzle-orm";
import type { Sessions } from "../connection/sessions.ts";
import { toJsonText } from "../connection/values.ts";
import { circuits } from "../schema/index.ts";
import type { Circuits } from "../types/index.ts";

export function createCircuits(sessions: Sessions): Circuits {
  return {
    async list(tenant) {
      const rows = await sessions.once(tenant, (db) =>
        db
          .select({ worker: circuits.worker, kind: circuits.kind, name: circuits.name, circuit: circuits.circuit })
          .from(circuits)
          .where(and(eq(circuits.tenantId, tenant), sql`${circuits.expiresAt} > now()`))
          .orderBy(circuits.kind, circuits.name, circuits.worker),
      );
      return rows.map(({ circuit, ...row }) => ({ ...row, ...circuit }));
    },

    async count() {
      const rows = await sessions.once("system", (db) =>
        db.execute<{ state: string; number: number }>(
          sql`select circuit ->> 'state' as state, count(*)::int as number from circuits where expires_at > now() group by 1`,
        ),
      );
      const of = (state: string): number => rows.find((row) => row.state === state)?.number ?? 0;
      return { open: of("open"), half_open: of("half_open") };
    },

    async report(worker, reported, validMs) {
      const rows = reported.map(({ tenantId, kind, name, ...circuit }) => ({ tenant_id: tenantId, kind, name, circuit }));
      await sessions.once("system", (db) =>
        db.execute(sql`
          with told as (
            select * from jsonb_to_recordset(${toJsonText(rows)}::jsonb) as t (tenant_id uuid, kind text, name text, circuit jsonb)
          ), gone as (
            delete from circuits c where c.expires_at < now() and c.worker <> ${worker}::uuid
              or c.worker = ${worker}::uuid and not exists (select 1 from told t where (t.tenant_id, t.kind, t.name) = (c.tenant_id, c.kind, c.name))
          )
          insert into circuits (tenant_id, worker, kind, name, circuit, expires_at)
          select tenant_id, ${worker}::uuid, kind, name, circuit, now() + ${validMs}::double precision * interval '1 millisecond' from told
          on conflict (tenant_id, worker, kind, name) do update set circuit = excluded.circuit, expires_at = excluded.expires_at`),
      );
    },
  };
}
