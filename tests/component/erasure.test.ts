import { randomUUID } from "node:crypto";
import postgres from "postgres";
import { afterAll, beforeAll, expect, test } from "vitest";
import { tenantId } from "#core";
import { type Database, openDatabase } from "#db";
import { createTestDatabase, type TestDatabase } from "#tests/database.ts";
import { fillTables } from "#tests/fill-tables.ts";
import { NAMING_USERS, OF_USERS } from "../../db/queries/erasures.ts";

let database: TestDatabase;
let db: Database;
let sql: postgres.Sql;

beforeAll(async () => {
  database = await createTestDatabase();
  db = await openDatabase({ url: database.url, poolSize: 2 });
  sql = postgres(database.url, { max: 1, onnotice: () => {} });
});
afterAll(async () => {
  await db?.close();
  await sql?.end();
  await database?.drop();
});

/** How often tables of no organization name a user, by the columns that may. */
async function naming(user: string): Promise<Record<string, number>> {
  const columns = await sql<{ table: string; column: string }[]>`
    select c.table_name as table, c.column_name as column from information_schema.columns c join information_schema.tables t using (table_schema, table_name)
    where c.table_schema = 'public' and t.table_type = 'BASE TABLE' and c.udt_name = 'uuid'
      and not exists (select from information_schema.columns o where o.table_schema = 'public' and o.table_name = c.table_name and o.column_name = 'tenant_id')`;
  const counts: Record<string, number> = {};
  for (const { table, column } of columns) {
    const [found] = await sql.unsafe<{ rows: number }[]>(`select count(*)::int as rows from "${table}" where "${column}" = '${user}'`);
    if (found && found.rows > 0) counts[table] = found.rows;
  }
  return counts;
}

/** Rows of a tenant by table, as a superuser sees them; a table that names organizations otherwise is to be looked at by whoever adds it. */
async function rowsOf(tenant: string): Promise<Record<string, number>> {
  const columns = await sql<{ table: string; column: string }[]>`
    select c.table_name as table, c.column_name as column from information_schema.columns c join information_schema.tables t using (table_schema, table_name)
    where c.table_schema = 'public' and t.table_type = 'BASE TABLE' and c.udt_name = 'uuid' and (c.column_name = 'tenant_id' or c.column_name like 'organization%'
      or (c.table_name = 'organizations' and c.column_name = 'id')) order by 1`;
  const counts: Record<string, number> = {};
  for (const { table, column } of columns) {
    const [found] = await sql.unsafe<{ rows: number }[]>(`select count(*)::int as rows from "${table}" where "${column}" = '${tenant}'`);
    counts[table] = found?.rows ?? 0;
  }
  return counts;
}

test("K4 F1: When an organization is erased, then no table has a row of it, its keys went first, its members of no other are gone, and the other one is as it was", async () => {
  const [mine, others] = [tenantId(randomUUID()), tenantId(randomUUID())];
  await fillTables(sql, mine);
  await fillTables(sql, others);
  await sql`delete from erasures`;
  // Not kept in backups, and so not filled with the others.
  for (const tenant of [mine, others]) {
    await sql`insert into live_presence (tenant_id, topic, user_id, process, name, expires_at) values (${tenant}, 'organization', ${randomUUID()}, ${randomUUID()}, 'N', now())`;
  }
  const [both] = await sql<{ id: string }[]>`
    with added as (insert into users (id, email, name, password_hash) values (gen_random_uuid(), 'both@example.com', 'B', '') returning id),
    here as (insert into memberships (tenant_id, user_id, role) select ${mine}::uuid, id, 'viewer' from added),
    there as (insert into memberships (tenant_id, user_id, role) select ${others}::uuid, id, 'viewer' from added)
    select id from added`;
  const alone = (await sql<{ user_id: string }[]>`select user_id from memberships where tenant_id = ${mine} and user_id <> ${both?.id as string}`)[0]?.user_id;
  await sql`insert into login_activity (email, user_id, succeeded, ip, user_agent) values ('a', ${alone as string}, true, '', '')`;
  expect(Object.keys(await naming(alone as string)).toSorted()).toEqual([...OF_USERS, "login_activity", "users"].toSorted());
  const before = await rowsOf(others);
  expect(Object.entries(await rowsOf(mine)).filter(([table, rows]) => rows === 0 && table !== "erasures")).toEqual([]);

  await db.erasures.request(mine, alone as string);
  await db.erasures.request(mine, alone as string);
  expect(await db.erasures.take(60_000)).toMatchObject({ tenantId: mine, emptiedMs: null });
  expect(await db.erasures.take(60_000)).toBeUndefined();
  await db.erasures.shut(mine);
  expect(await rowsOf(mine)).toMatchObject({ memberships: 0, refresh_tokens: 0, api_keys: 0, payload_keys: 0, runs: 1 });
  await db.erasures.shut(mine);
  expect(await db.erasures.eraseRows(mine)).toBeGreaterThan(15);
  expect(await db.erasures.eraseRows(mine)).toBe(0);
  await db.erasures.emptied(mine, true);
  expect((await db.erasures.take(60_000))?.emptiedMs).toBeGreaterThanOrEqual(0);
  await db.erasures.finish(mine);

  expect(Object.entries(await rowsOf(mine)).filter(([, rows]) => rows > 0)).toEqual([]);
  expect(await rowsOf(others)).toEqual(before);
  expect(await naming(alone as string)).toEqual({});
  expect(await sql`select id from users where id = ${both?.id as string}`).toHaveLength(1);
});

test("K4: When a table refers to users, then erasing takes its rows away, or leaves whom another organization names by it", async () => {
  const own = await sql<{ table: string }[]>`
    select distinct c.table_name as table from information_schema.columns c join information_schema.tables t using (table_schema, table_name)
    where c.table_schema = 'public' and t.table_type = 'BASE TABLE'
      and not exists (select from information_schema.columns o where o.table_schema = 'public' and o.table_name = c.table_name and o.column_name = 'tenant_id')
      and (c.column_name = 'user_id' or exists (
        select from information_schema.key_column_usage k join information_schema.constraint_column_usage u using (constraint_schema, constraint_name)
        join information_schema.referential_constraints r using (constraint_schema, constraint_name)
        where k.table_name = c.table_name and k.column_name = c.column_name and u.table_name = 'users'))`;
  expect(own.map(({ table }) => table).toSorted()).toEqual([...OF_USERS, "login_activity"].toSorted());

  const restricting = await sql<{ name: string }[]>`
    select k.table_name || '.' || k.column_name as name from information_schema.referential_constraints r
      join information_schema.key_column_usage k using (constraint_schema, constraint_name)
      join information_schema.constraint_column_usage u using (constraint_schema, constraint_name)
      join information_schema.columns o on o.table_schema = k.table_schema and o.table_name = k.table_name and o.column_name = 'tenant_id'
    where u.table_name = 'users' and r.delete_rule <> 'CASCADE'`;
  expect(restricting.map(({ name }) => name).toSorted()).toEqual(NAMING_USERS.map(({ table, column }) => `${table}.${column}`).toSorted());
});
