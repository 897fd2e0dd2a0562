import type postgres from "postgres";

export interface Table {
  name: string;
  /** Those that can be written: generated ones are computed again. */
  columns: string[];
}

/**
 * Every table that is kept, referenced ones before those that refer to them. Not kept: `applied_migrations`, which a restore writes by migrating,
 * and unlogged tables, which a crash would have emptied.
 * @throws an Error where tables refer to each other in a circle.
 */
export async function keptTables(sql: postgres.Sql): Promise<Table[]> {
  const tables = await sql<{ name: string; columns: string[]; needs: string[] }[]>`
    select c.relname as name,
      (select array_agg(a.attname::text order by a.attnum) from pg_attribute a
        where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped and a.attgenerated = '') as columns,
      array(select distinct r.relname::text from pg_constraint f join pg_class r on r.oid = f.confrelid
        where f.conrelid = c.oid and f.contype = 'f' and f.confrelid <> c.oid) as needs
    from pg_class c
    where c.relnamespace = current_schema()::regnamespace and c.relkind = 'r' and c.relpersistence = 'p' and c.relname <> 'applied_migrations'
    order by c.relname`;
  const ordered: Table[] = [];
  const done = new Set<string>();
  while (ordered.length < tables.length) {
    const ready = tables.filter(({ name, needs }) => !done.has(name) && needs.every((needed) => done.has(needed)));
    if (ready.length === 0) throw new Error("Tables refer to each other in a circle; they cannot be loaded one after the other.");
    for (const { name, columns } of ready) {
      ordered.push({ name, columns });
      done.add(name);
    }
  }
  return ordered;
}

/**
 * Row-level security is forced on every table, also for its owner.
 * @throws an Error where the user would see, or could write, only a part of the rows.
 */
export async function checkSeesEverything(sql: postgres.Sql): Promise<void> {
  const [role] = await sql<{ name: string; sees: boolean }[]>`
    select rolname as name, rolsuper or rolbypassrls as sees from pg_roles where rolname = current_user`;
  if (role?.sees) return;
  throw new Error(
    `The database user ${role?.name ?? ""} is held by row-level security and would see only a part of the rows. Use a superuser or one with BYPASSRLS in DATABASE_URL, or the point-in-time recovery of your provider.`,
  );
}

export function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}
