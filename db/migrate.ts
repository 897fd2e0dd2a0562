import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import postgres from "postgres";
import { PerdureError } from "#core";
import type { Logger } from "#platform";
import { translateStartup } from "./connection/errors.ts";
import { ensureRoles } from "./roles.ts";

/** One for each database; any constant that nothing else in it uses. */
const MIGRATION_LOCK = 5_031_872;

const FOLDER = fileURLToPath(new URL("./migrations", import.meta.url));

interface Migration {
  name: string;
  hash: string;
  text: string;
}

/**
 * Brings the database up to date: each file of db/migrations once, in the order of names, each in a transaction. Processes that start at the
 * same time wait for the first; the rest find nothing to do.
 * @param options.only - Applies these and no others: the schema that a backup was made of.
 * @throws PerdureError `configuration.invalid` where an applied file has been changed or one of `only` is unknown, or the user may not make or take on the roles;
 *   `database.unavailable` where the database cannot be reached.
 */
export async function migrate(url: string, logger?: Logger, { only }: { only?: readonly Pick<Migration, "name" | "hash">[] } = {}): Promise<void> {
  const sql = postgres(url, { max: 1, max_lifetime: null, fetch_types: false, onnotice: () => {}, connection: { application_name: "perdure migrate" } });
  try {
    await sql`select pg_advisory_lock(${MIGRATION_LOCK})`;
    await ensureRoles(sql);
    await sql`create table if not exists applied_migrations (name text primary key, hash text not null, applied_at timestamptz not null default now())`;
    const applied = new Map((await sql<{ name: string; hash: string }[]>`select name, hash from applied_migrations`).map(({ name, hash }) => [name, hash]));
    for (const migration of wanted(await migrations(), only)) {
      const hash = applied.get(migration.name);
      if (hash === undefined) await apply(sql, migration, logger);
      else if (hash !== migration.hash) {
        throw new PerdureError(
          "configuration.invalid",
          `The migration ${migration.name} was applied to this database with another content; changes belong in a new file.`,
        );
      }
    }
  } catch (error) {
    throw translateStartup(error);
  } finally {
    await sql.end({ timeout: 5 });
  }
}

function wanted(all: readonly Migration[], only: readonly Pick<Migration, "name" | "hash">[] | undefined): readonly Migration[] {
  if (only === undefined) return all;
  const unknown = only.filter(({ name, hash }) => !all.some((each) => each.name === name && each.hash === hash));
  if (unknown.length > 0) {
    const names = unknown.map(({ name }) => name).join(", ");
    throw new PerdureError(
      "configuration.invalid",
      `This version of Perdure does not know these migrations: ${names}. Use the version that they come from, or a later one.`,
    );
  }
  return all.filter(({ name }) => only.some((each) => each.name === name));
}

async function migrations(): Promise<Migration[]> {
  const names = (await readdir(FOLDER)).filter((name) => name.endsWith(".sql")).sort();
  return Promise.all(
    names.map(async (name) => {
      const text = (await readFile(join(FOLDER, name), "utf8")).replaceAll("\r\n", "\n");
      return { name, text, hash: createHash("sha256").update(text).digest("hex") };
    }),
  );
}

async function apply(sql: postgres.Sql, { name, hash, text }: Migration, logger: Logger | undefined): Promise<void> {
  await sql.begin(async (transaction) => {
    await transaction.unsafe(text).simple();
    await transaction`insert into applied_migrations (name, hash) values (${name}, ${hash})`;
  });
  logger?.info({ migration: name }, "database migrated");
}
