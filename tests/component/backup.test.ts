import { randomBytes, randomUUID } from "node:crypto";
import { appendFileSync, chmodSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import postgres from "postgres";
import { afterAll, beforeAll, beforeEach, afterEach, expect, test } from "vitest";
import { migrate, openDatabase } from "#db";
import { tenantId } from "#core";
import { createTestDatabase, type TestDatabase } from "#tests/database.ts";
import { fillTables } from "#tests/fill-tables.ts";
import { createTemporaryFolder, type TemporaryFolder } from "#tests/temporary-folder.ts";
import { backUp, loadStores, type Manifest, readManifest } from "../../scripts/backup/index.ts";

const TENANT = tenantId(randomUUID());

let source: TestDatabase;
let target: TestDatabase;
let folder: TemporaryFolder;

beforeAll(async () => {
  source = await createTestDatabase();
  await using(source.url, async (sql) => {
    await fillTables(sql, TENANT);
    await fillTables(sql, randomUUID());
  });
});
afterAll(() => source?.drop());
beforeEach(async () => {
  target = await createTestDatabase();
  folder = await createTemporaryFolder();
});
afterEach(async () => {
  await target?.drop();
  await folder?.remove();
});

const into = (name = "backup") => join(folder.path, name);
const load = (manifest: Manifest, force = false) => loadStores(into(), manifest, { databaseUrl: target.url, force });

async function using<T>(url: string, work: (sql: postgres.Sql) => Promise<T>): Promise<T> {
  const sql = postgres(url, { max: 1, onnotice: () => {} });
  try {
    return await work(sql);
  } finally {
    await sql.end();
  }
}

/** Every row of every table as text, and where its sequences stand. */
async function contents(url: string): Promise<Record<string, unknown>> {
  return using(url, async (sql) => {
    const tables = await sql<{ name: string }[]>`
      select relname as name from pg_class where relnamespace = 'public'::regnamespace and relkind = 'r' and relpersistence = 'p' and relname <> 'applied_migrations' order by 1`;
    const all: Record<string, unknown> = {};
    for (const { name } of tables) all[name] = (await sql.unsafe<{ row: string }[]>(`select t::text as row from "${name}" t order by 1`)).map(({ row }) => row);
    all["sequences"] = (await sql<{ name: string; last: string }[]>`select sequencename as name, last_value as last from pg_sequences order by 1`).map(
      (row) => ({ ...row }),
    );
    return all;
  });
}

test("K4: When a database is backed up and restored elsewhere, then every row of every table and every sequence is the same, and the narrow roles read as before", async () => {
  const before = await contents(source.url);
  const manifest = await backUp(into(), { databaseUrl: source.url });
  expect(manifest.tables.filter(({ rows }) => rows !== 2)).toEqual([]);
  await load(await readManifest(into()));
  const after = await contents(target.url);
  expect(Object.keys(before).length).toBeGreaterThan(20);
  expect(after).toEqual(before);
  for (const { file } of manifest.tables) expect(statSync(join(into(), file)).mode & 0o077).toBe(0);

  const db = await openDatabase({ url: target.url, poolSize: 2 });
  try {
    expect(await db.organizations.get(TENANT)).toMatchObject({ id: TENANT });
  } finally {
    await db.close();
  }
  await using(target.url, async (sql) => {
    const [row] = await sql<{ id: string }[]>`insert into login_activity (email, succeeded, ip, user_agent) values ('x', true, '', '') returning id`;
    expect(Number(row?.id)).toBe(3);
  });
});

test("K4: When the database has rows, then a restore is refused, unless it is forced and replaces them", async () => {
  const manifest = await backUp(into(), { databaseUrl: source.url });
  await using(target.url, (sql) => sql`insert into organizations (id, name) values (${randomUUID()}, 'Other')`);
  await expect(load(manifest)).rejects.toThrow("organizations has rows");
  await load(manifest, true);
  expect(await contents(target.url)).toEqual(await contents(source.url));
});

test("K4: When a file of the backup was changed or the backup was interrupted, then it is refused and says which", async () => {
  const manifest = await backUp(into(), { databaseUrl: source.url });
  appendFileSync(join(into(), "postgres/runs.gz"), "x");
  await expect(readManifest(into())).rejects.toThrow("postgres/runs.gz");
  await expect(readManifest(folder.path)).rejects.toThrow("not a backup");
  await expect(backUp(into(), { databaseUrl: source.url })).rejects.toThrow("not empty");
  const path = join(into(), "manifest.json");
  writeFileSync(path, readFileSync(path, "utf8").replace(`"format_version": ${manifest.format_version}`, '"format_version": 99'));
  await expect(readManifest(into())).rejects.toThrow("format");
});

test("K4: When the backup is of a schema that this version does not know, then nothing is loaded", async () => {
  const manifest = await backUp(into(), { databaseUrl: source.url });
  await expect(load({ ...manifest, migrations: [...manifest.migrations, { name: "9999_future.sql", hash: "" }] })).rejects.toThrow("9999_future.sql");
  await expect(load({ ...manifest, migrations: manifest.migrations.slice(0, -1) })).rejects.toThrow("newer than the backup");
  expect((await contents(target.url))["organizations"]).toEqual([]);
});

test("K4: When the backup is of an earlier schema, then it is loaded into that schema and brought up to date", async () => {
  const empty = await using(target.url, async (sql) => {
    const name = `older_${randomBytes(6).toString("hex")}`;
    await sql.unsafe(`create database ${name}`);
    return new URL(`/${name}`, target.url).href;
  });
  try {
    const manifest = await backUp(into(), { databaseUrl: source.url });
    const first = manifest.migrations.slice(0, 2);
    await migrate(empty, undefined, { only: first });
    await using(empty, (sql) => sql`insert into organizations (id, name) values (${TENANT}, 'Old')`);
    const older = await backUp(into("older"), { databaseUrl: empty });
    expect(older.migrations).toEqual(first);
    await using(empty, (sql) => sql.unsafe("drop schema public cascade; create schema public"));
    await loadStores(into("older"), older, { databaseUrl: empty, force: false });
    await using(empty, async (sql) => {
      expect(await sql`select name, concurrency_limit from organizations`).toMatchObject([{ name: "Old", concurrency_limit: null }]);
      expect(await sql`select name from applied_migrations`).toHaveLength(manifest.migrations.length);
    });
  } finally {
    await using(target.url, (sql) => sql.unsafe(`drop database ${new URL(empty).pathname.slice(1)} with (force)`));
  }
});

test("K4: When the installation's keys are others than those that seal the backup, then nothing of it is in the database", async () => {
  const manifest = await backUp(into(), { databaseUrl: source.url });
  let asked = 0;
  const checkKeys = (wrapped: readonly { masterId: string }[]) => {
    asked = wrapped.length;
    throw new Error("other keys");
  };
  await expect(loadStores(into(), manifest, { databaseUrl: target.url, force: false, checkKeys })).rejects.toThrow("other keys");
  expect(asked).toBe(2);
  expect((await contents(target.url))["organizations"]).toEqual([]);
});

test("K4: When Temporal's file can be read by others, then its copy cannot", async () => {
  const temporalFile = join(folder.path, "temporal.db");
  const database = new DatabaseSync(temporalFile);
  database.exec("create table t (x)");
  database.close();
  chmodSync(temporalFile, 0o644);
  const { temporal } = await backUp(into(), { databaseUrl: source.url, temporalFile });
  expect(statSync(join(into(), temporal?.file ?? "")).mode & 0o077).toBe(0);
});

test("K4: When a row does not arrive, then nothing of the backup is in the database", async () => {
  const manifest = await backUp(into(), { databaseUrl: source.url });
  const last = manifest.tables.at(-1)?.name;
  await expect(load({ ...manifest, tables: manifest.tables.map((table) => (table.name === last ? { ...table, rows: 3 } : table)) })).rejects.toThrow(
    "should have 3 rows",
  );
  expect((await contents(target.url))["organizations"]).toEqual([]);
});

test("K4: When rows refer to what is not in the backup, then PostgreSQL's refusal is told and nothing is loaded", async () => {
  const manifest = await backUp(into(), { databaseUrl: source.url });
  await expect(load({ ...manifest, tables: manifest.tables.filter(({ name }) => name !== "users") })).rejects.toThrow("refused rows of");
  expect((await contents(target.url))["organizations"]).toEqual([]);
});

test("K4: When the user is held by row-level security, then a backup is refused instead of being made of a part", async () => {
  const role = `narrow_${randomBytes(6).toString("hex")}`;
  const narrow = new URL(source.url);
  narrow.username = role;
  narrow.password = "narrow";
  await using(source.url, (sql) => sql.unsafe(`create role ${role} login password 'narrow'; grant select on all tables in schema public to ${role}`));
  try {
    await expect(backUp(into(), { databaseUrl: narrow.href })).rejects.toThrow("row-level security");
  } finally {
    await using(source.url, (sql) => sql.unsafe(`drop owned by ${role}; drop role ${role}`));
  }
});
