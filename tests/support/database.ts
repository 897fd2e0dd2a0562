import { randomBytes } from "node:crypto";
import postgres from "postgres";
import { inject } from "vitest";
import { migrate } from "#db";

export interface TestDatabase {
  /** As DATABASE_URL takes it. */
  url: string;
  /** Removes the database, cutting connections that are still open. */
  drop(): Promise<void>;
}

const TEMPLATE = "perdure_template";
const TEMPLATE_LOCK = 7_301_944;

/** A database of one's own with every migration applied: a copy of a template that the first caller of the vitest run makes. */
export async function createTestDatabase(): Promise<TestDatabase> {
  const adminUrl = inject("postgresAdminUrl");
  const name = `test_${randomBytes(8).toString("hex")}`;
  const admin = postgres(adminUrl, { max: 1, onnotice: () => {} });
  try {
    await admin`select pg_advisory_lock(${TEMPLATE_LOCK})`;
    await prepareTemplate(admin, adminUrl);
    await admin.unsafe(`create database ${name} template ${TEMPLATE}`);
  } finally {
    await admin.end();
  }
  return { url: databaseUrl(adminUrl, name), drop: () => drop(adminUrl, name) };
}

async function prepareTemplate(admin: postgres.Sql, adminUrl: string): Promise<void> {
  const found = await admin`select 1 from pg_database where datname = ${TEMPLATE}`;
  if (found.length > 0) return;
  const building = `${TEMPLATE}_new`;
  await admin.unsafe(`drop database if exists ${building} with (force)`);
  await admin.unsafe(`create database ${building}`);
  await migrate(databaseUrl(adminUrl, building));
  await admin.unsafe(`alter database ${building} rename to ${TEMPLATE}`);
}

async function drop(adminUrl: string, name: string): Promise<void> {
  const admin = postgres(adminUrl, { max: 1, onnotice: () => {} });
  try {
    await admin.unsafe(`drop database if exists ${name} with (force)`);
  } finally {
    await admin.end();
  }
}

function databaseUrl(adminUrl: string, name: string): string {
  const url = new URL(adminUrl);
  url.pathname = `/${name}`;
  return url.href;
}
