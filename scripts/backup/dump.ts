import { createReadStream, createWriteStream, mkdirSync } from "node:fs";
import { join } from "node:path";
import { Transform, type Writable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { setImmediate } from "node:timers/promises";
import { createGunzip, createGzip } from "node:zlib";
import postgres from "postgres";
import type { TenantId } from "#core";
import { migrate, type PayloadKeyRow } from "#db";
import { describeFile, type Manifest } from "./manifest.ts";
import { checkSeesEverything, keptTables, quoted } from "./tables.ts";

/** Gets one wrapped data key of each master key. @throws an Error where the installation's keys do not open one. */
export type CheckKeys = (wrapped: readonly (PayloadKeyRow & { tenantId: TenantId })[]) => void;

type Dump = Pick<Manifest, "migrations" | "tables" | "sequences">;

const LINE_FEED = 10;

/** Every row of every table, as of one moment, into `<folder>/postgres/<table>.gz` in the text form of COPY. */
export async function dumpDatabase(url: string, folder: string): Promise<Dump> {
  mkdirSync(join(folder, "postgres"), { mode: 0o700 });
  return connected(url, async (sql) => {
    await checkSeesEverything(sql);
    return sql.begin("isolation level repeatable read read only", async (transaction) => {
      const migrations = await transaction<{ name: string; hash: string }[]>`select name, hash from applied_migrations order by name`;
      const tables: Dump["tables"] = [];
      for (const { name, columns } of await keptTables(transaction as unknown as postgres.Sql)) {
        const file = `postgres/${name}.gz`;
        const counter = rowCounter();
        const rows = await transaction.unsafe(`copy ${quoted(name)} (${columns.map(quoted).join(", ")}) to stdout`).readable();
        await pipeline(rows, counter.stream, createGzip(), createWriteStream(join(folder, file), { mode: 0o600 }));
        tables.push({ name, columns, rows: counter.rows(), ...(await describeFile(folder, file)) });
      }
      return { migrations: [...migrations], tables, sequences: await sequencesOf(transaction) };
    });
  });
}

/**
 * Brings the database to the schema of the dump, loads every row in one transaction, and then brings it up to date.
 * @param force - Empties a database that has rows; without it such a one is refused.
 * @throws an Error where the schema is unknown here, the database is newer than the dump, the keys do not fit, or what was loaded is not what was written; nothing is
 *   loaded then.
 */
export async function loadDatabase(
  url: string,
  folder: string,
  dump: Dump,
  { force = false, checkKeys }: { force?: boolean; checkKeys?: CheckKeys | undefined } = {},
): Promise<void> {
  await migrate(url, undefined, { only: dump.migrations });
  await connected(url, async (sql) => {
    await checkSeesEverything(sql);
    const applied = await sql<{ name: string }[]>`select name from applied_migrations order by name`;
    const known = new Set(dump.migrations.map(({ name }) => name));
    const newer = applied.filter(({ name }) => !known.has(name));
    if (newer.length > 0)
      throw new Error(
        `The database is newer than the backup (${newer.map(({ name }) => name).join(", ")}), and --force empties tables without taking a schema back. Name an empty database: another PERDURE_DATA, or DATABASE_URL.`,
      );
    await sql.begin(async (transaction) => {
      const tables = await keptTables(transaction as unknown as postgres.Sql);
      const names = tables.map(({ name }) => quoted(name)).join(", ");
      await transaction.unsafe(`lock table ${names} in access exclusive mode`);
      if (force) await transaction.unsafe(`truncate ${names}`);
      for (const { name } of tables) {
        const found = await transaction.unsafe(`select 1 from ${quoted(name)} limit 1`);
        if (found.length > 0) throw new Error(`The database is not empty: ${name} has rows. Name an empty one, or say --force, which removes them all.`);
      }
      for (const { name, columns, file, rows } of dump.tables) {
        const sink = await transaction.unsafe(`copy ${quoted(name)} (${columns.map(quoted).join(", ")}) from stdin`).writable();
        await feed(join(folder, file), sink);
        const [counted] = await transaction.unsafe<{ rows: string }[]>(`select count(*) as rows from ${quoted(name)}`).catch((cause: unknown) => {
          throw new Error(`PostgreSQL refused rows of ${name}; its log says why. Nothing was restored.`, { cause });
        });
        if (Number(counted?.rows) !== rows) throw new Error(`${name} should have ${rows} rows and has ${counted?.rows ?? 0}. Nothing was restored.`);
      }
      if (checkKeys !== undefined && dump.tables.some(({ name }) => name === "payload_keys")) {
        checkKeys(
          await transaction<(PayloadKeyRow & { tenantId: TenantId })[]>`
            select distinct on (master_id) tenant_id as "tenantId", version, master_id as "masterId", wrapped from payload_keys`,
        );
      }
      for (const { name, last_value: last, is_called: isCalled } of dump.sequences) {
        await transaction`select setval(${quoted(name)}::regclass, ${last}::bigint, ${isCalled})`;
      }
    });
    await sql`analyze`;
  });
  await migrate(url);
}

/**
 * Sends a table's rows. Whether the server took them the next statement tells: the driver never settles a stream of which it refused the end,
 * so nothing waits for that.
 */
async function feed(file: string, sink: Writable): Promise<void> {
  sink.on("error", () => {});
  for await (const chunk of createReadStream(file).pipe(createGunzip())) {
    await new Promise<void>((resolve, reject) => sink.write(chunk, (error) => (error ? reject(error) : resolve())));
  }
  sink.end();
  await setImmediate();
}

/** The moment by the database's clock. */
export async function databaseTime(url: string): Promise<Date> {
  return connected(url, async (sql) => {
    const [row] = await sql<{ now: Date }[]>`select clock_timestamp() as now`;
    return row?.now ?? new Date();
  });
}

async function sequencesOf(sql: postgres.TransactionSql): Promise<Dump["sequences"]> {
  const names = await sql<{ name: string }[]>`
    select relname as name from pg_class where relkind = 'S' and relpersistence = 'p' and relnamespace = current_schema()::regnamespace order by relname`;
  const sequences: Dump["sequences"] = [];
  for (const { name } of names) {
    const [state] = await sql.unsafe<{ last_value: string; is_called: boolean }[]>(`select last_value::text, is_called from ${quoted(name)}`);
    if (state) sequences.push({ name, last_value: state.last_value, is_called: state.is_called });
  }
  return sequences;
}

/** In COPY's text form a line is a row: line feeds within values are escaped. */
function rowCounter(): { stream: Transform; rows(): number } {
  let rows = 0;
  const stream = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      for (let at = chunk.indexOf(LINE_FEED); at !== -1; at = chunk.indexOf(LINE_FEED, at + 1)) rows += 1;
      done(null, chunk);
    },
  });
  return { stream, rows: () => rows };
}

async function connected<T>(url: string, work: (sql: postgres.Sql) => Promise<T>): Promise<T> {
  const sql = postgres(url, { max: 1, max_lifetime: null, onnotice: () => {}, connection: { application_name: "perdure backup", statement_timeout: 0 } });
  try {
    return await work(sql);
  } finally {
    await sql.end({ timeout: 5 });
  }
}
