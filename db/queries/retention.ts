import { sql } from "drizzle-orm";
import { RETENTION_KIND_NAMES, type RetentionDays, type TenantId } from "#core";
import type { Sessions } from "../connection/sessions.ts";
import { toJsonText } from "../connection/values.ts";
import type { Retention, StorageSize } from "../types/index.ts";
import { KEPT, SWEEPABLE } from "./sweepable.ts";

export function createRetention(sessions: Sessions): Retention {
  return {
    async get(tenant) {
      const [found] = await sessions.once(tenant, (db) => db.execute<{ days: string }>(sql`select days from retention_settings where tenant_id = ${tenant}`));
      return found ? (JSON.parse(found.days) as Partial<RetentionDays>) : {};
    },

    async set(tenant, days) {
      const text = toJsonText(days);
      await sessions.once(tenant, (db) =>
        db.execute(sql`
          insert into retention_settings (tenant_id, days) values (${tenant}, ${text}::jsonb) on conflict (tenant_id) do update set days = excluded.days`),
      );
    },

    async organizations() {
      const rows = await sessions.once("system", (db) =>
        db.execute<{ id: TenantId; days: string | null }>(
          sql`select o.id, s.days from organizations o left join retention_settings s on s.tenant_id = o.id order by o.id`,
        ),
      );
      return rows.map(({ id, days }) => ({ tenantId: id, days: days === null ? {} : (JSON.parse(days) as Partial<RetentionDays>) }));
    },

    async sweep(tenant, kind, days, limit) {
      const [row] = await sessions.once("system", (db) => db.execute<{ removed: number; more: boolean }>(SWEEPABLE[kind].sweep(tenant, days, limit)));
      return { removed: row?.removed ?? 0, more: row?.more ?? false };
    },

    async storage(tenant) {
      const measured = [
        ...RETENTION_KIND_NAMES.map((kind) => ({ kind, size: SWEEPABLE[kind].size(tenant) })),
        ...Object.entries(KEPT).map(([kind, size]) => ({ kind, size: size(tenant) })),
      ];
      const sizes: StorageSize[] = [];
      for (const { kind, size } of measured) {
        const [row] = await sessions.once(tenant, (db) => db.execute<{ rows: number; bytes: number }>(size));
        sizes.push({ kind, rows: row?.rows ?? 0, bytes: row?.bytes ?? 0 });
      }
      return sizes;
    },
  };
}
