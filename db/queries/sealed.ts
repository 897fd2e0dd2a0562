import { createHash } from "node:crypto";
import { sql } from "drizzle-orm";
import type { TenantId } from "#core";
import type { Sessions } from "../connection/sessions.ts";
import { toJsonText } from "../connection/values.ts";
import { SEALED, type SealedKind } from "../sealed.ts";
import type { SealedRow, SealedRows } from "../types/index.ts";

/** Of one batch: rows, and bytes of which all but the last row are within. */
const BATCH_ROWS = 100;
const BATCH_BYTES = 8 * 1024 * 1024;

export function createSealedRows(sessions: Sessions): SealedRows {
  const namesOf = (kind: SealedKind) => {
    const { table, id, idType, owner, scope } = SEALED[kind];
    return { table: sql.identifier(table), id: sql.identifier(id), idType: sql.raw(idType), owner: sql.identifier(owner), scope };
  };
  const scopeOf = (tenant: TenantId, scope: "tenant" | "system") => (scope === "system" ? "system" : tenant);

  return {
    async older(tenant, kind, keyVersion, after) {
      const { table, id, idType, owner, scope } = namesOf(kind);
      const behind = after && sql`and (key_version, ${id}) > (${after.keyVersion}::integer, ${after.id}::${idType})`;
      const rows = await sessions.once(scopeOf(tenant, scope), (db) =>
        db.execute<{ id: string; key_version: number; sealed: Buffer }>(sql`
          select id::text, key_version, sealed from (
            select ${id} as id, key_version, sealed, sum(octet_length(sealed)) over (order by key_version, ${id}) - octet_length(sealed) as bytes_before
            from (
              select ${id}, key_version, sealed from ${table}
              where ${owner} = ${tenant} and key_version < ${keyVersion}::integer and sealed is not null ${behind ?? sql``}
              order by key_version, ${id} limit ${BATCH_ROWS}
            ) first
          ) measured
          where bytes_before < ${BATCH_BYTES}::bigint order by key_version, measured.id`),
      );
      return rows.map((row): SealedRow => ({ id: row.id, keyVersion: row.key_version, sealed: row.sealed }));
    },

    async replace(tenant, kind, rows) {
      const { table, id, idType, owner, scope } = namesOf(kind);
      const changes = rows.map(({ id: of, before, after: { keyVersion, sealed } }) => ({
        id: of,
        key_version: keyVersion,
        before: createHash("sha256").update(before).digest("base64"),
        sealed: sealed.toString("base64"),
      }));
      const replaced = await sessions.once(scopeOf(tenant, scope), (db) =>
        db.execute(sql`
          update ${table} t set key_version = v.key_version, sealed = decode(v.sealed, 'base64')
          from jsonb_to_recordset(${toJsonText(changes)}::jsonb) as v (id ${idType}, key_version integer, before text, sealed text)
          where t.${owner} = ${tenant} and t.${id} = v.id and sha256(t.sealed) = decode(v.before, 'base64') and t.key_version < v.key_version
          returning t.${id}`),
      );
      return replaced.length;
    },
  };
}
