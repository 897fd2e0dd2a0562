import { randomBytes, randomUUID } from "node:crypto";
import type postgres from "postgres";
import { keptTables } from "../../scripts/backup/tables.ts";

/** A text that formats of dumps trip over. */
const NASTY = "a\tb\nc\\N\r\u2028 'x' \"y\" ☃";

/** One row of a tenant in every table that is kept, with columns by type, so that a new table is covered without a change here. */
export async function fillTables(sql: postgres.Sql, tenant: string): Promise<void> {
  for (const [row, { name }] of (await keptTables(sql)).entries()) {
    const columns = await sql<{ name: string; type: string }[]>`
      select attname as name, format_type(atttypid, null) as type from pg_attribute
      where attrelid = ${name}::regclass and attnum > 0 and not attisdropped and attgenerated = '' and attidentity = ''`;
    const checks = await sql<
      { text: string }[]
    >`select pg_get_constraintdef(oid) as text from pg_constraint where conrelid = ${name}::regclass and contype = 'c'`;
    const references = await sql<{ column: string; table: string; key: string }[]>`
      select a.attname as column, f.confrelid::regclass::text as table, k.attname as key from pg_constraint f
      join pg_attribute a on a.attrelid = f.conrelid and a.attnum = f.conkey[1] join pg_attribute k on k.attrelid = f.confrelid and k.attnum = f.confkey[1]
      where f.conrelid = ${name}::regclass and f.contype = 'f'`;
    const referred = new Map<string, string>();
    for (const { column, table, key } of references) {
      const [found] = await sql.unsafe<{ value: string }[]>(`select "${key}"::text as value from ${table} order by ctid desc limit 1`);
      referred.set(column, found?.value ?? "");
    }
    const valueOf = ({ name: column, type }: { name: string; type: string }): string | null => {
      const allowed = checks.map(({ text }) => new RegExp(`\\(+${column} = ANY \\(ARRAY\\['([^']+)'`).exec(text)?.[1]).find((found) => found !== undefined);
      if (column === "tenant_id" || (name === "organizations" && column === "id")) return `'${tenant}'`;
      if (referred.has(column)) return `'${referred.get(column)}'`;
      if (allowed !== undefined) return `'${allowed}'`;
      // Such a run is live, such a schedule enabled.
      if ((name === "runs" && column === "completed_at") || (name === "schedules" && column === "paused_at")) return null;
      if (type === "bytea") return `decode('${randomBytes(300).toString("hex")}', 'hex')`;
      if (type === "jsonb" || type === "json") return `'${JSON.stringify({ text: NASTY.replaceAll("'", "") })}'`;
      const text = `${NASTY.replaceAll("'", "''")}${randomUUID()}`;
      const known: Record<string, string> = {
        uuid: `'${randomUUID()}'`,
        "uuid[]": `array['${randomUUID()}']::uuid[]`,
        integer: `${row + 1}`,
        bigint: `${row + 1}`,
        smallint: `${row + 1}`,
        "double precision": "0.1",
        boolean: "true",
        text: `'${text}'`,
        "text[]": `array['${text}', null]`,
        "integer[]": "array[1,2]",
        "timestamp with time zone": "clock_timestamp()",
      };
      if (known[type] === undefined) throw new Error(`no value of type ${type} for ${name}.${column}`);
      return known[type];
    };
    const given = columns.flatMap((column) => {
      const value = valueOf(column);
      return value === null ? [] : [{ column: `"${column.name}"`, value }];
    });
    await sql.unsafe(`insert into "${name}" (${given.map(({ column }) => column).join(", ")}) values (${given.map(({ value }) => value).join(", ")})`);
  }
}
