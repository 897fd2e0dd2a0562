import { randomUUID } from "node:crypto";
import postgres from "postgres";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { tenantId, type TenantId } from "#core";
import { type Database, openDatabase } from "#db";
import { createTestDatabase, type TestDatabase } from "#tests/database.ts";

let database: TestDatabase;
let db: Database;
let admin: postgres.Sql;

beforeAll(async () => {
  database = await createTestDatabase();
  db = await openDatabase({ url: database.url, poolSize: 4 });
  admin = postgres(database.url, { max: 1, onnotice: () => {} });
});

afterAll(async () => {
  await db?.close();
  await admin?.end();
  await database?.drop();
});

const tablesWithTenants = () => admin<{ name: string; enabled: boolean; forced: boolean; policies: number }[]>`
  select c.relname as name, c.relrowsecurity as enabled, c.relforcerowsecurity as forced, (select count(*)::int from pg_policy p where p.polrelid = c.oid) as policies
  from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attname = 'tenant_id' and not a.attisdropped
  where c.relkind in ('r', 'p') and c.relnamespace = 'public'::regnamespace order by 1`;

/** One row in every table that has tenants; columns by type, so that a new table is covered without a change here. */
async function fill(tenant: TenantId): Promise<void> {
  await admin`insert into organizations (id, name) values (${tenant}, 'T') on conflict do nothing`;
  await admin`set session_replication_role = replica`;
  for (const { name } of await tablesWithTenants()) {
    const columns = await admin<{ name: string; type: string }[]>`
      select attname as name, format_type(atttypid, null) as type from pg_attribute
      where attrelid = ${name}::regclass and attnum > 0 and not attisdropped and attnotnull and not atthasdef and attidentity = ''`;
    const value = ({ name: column, type }: { name: string; type: string }): string => {
      if (column === "tenant_id") return `'${tenant}'`;
      if (column === "role") return "'admin'";
      if (column === "status" && type === "text")
        return name === "node_executions" ? "'running'" : name === "runs" ? "'running'" : name === "commands" ? "'open'" : "'pending'";
      return (
        { uuid: `'${randomUUID()}'`, integer: "1", boolean: "true", jsonb: "'{}'", "text[]": "'{}'", "timestamp with time zone": "now()" }[type] ??
        `'${randomUUID()}'`
      );
    };
    await admin.unsafe(`insert into ${name} (${columns.map((column) => `"${column.name}"`).join(", ")}) values (${columns.map(value).join(", ")})`);
  }
  await admin`set session_replication_role = origin`;
}

/** Rows that `perdure_app` sees; null where it may not read at all. */
async function seen(table: string, tenant: string | undefined): Promise<number | null> {
  try {
    return await admin.begin(async (sql) => {
      await sql`set local role perdure_app`;
      if (tenant !== undefined) await sql.unsafe(`set local perdure.tenant = '${tenant}'`);
      const [row] = await sql.unsafe<{ rows: number }[]>(`select count(*)::int as rows from ${table}`);
      return row?.rows ?? 0;
    });
  } catch (error) {
    expect((error as { code: string }).code).toBe("42501");
    return null;
  }
}

describe("row-level security", () => {
  test("F1: When a table has a tenant_id column, then row-level security is enabled, forced, and has a policy", async () => {
    const tables = await tablesWithTenants();
    expect(tables.length).toBeGreaterThanOrEqual(10);
    for (const table of tables) expect(table, table.name).toMatchObject({ enabled: true, forced: true });
    expect(tables.filter(({ policies }) => policies === 0)).toEqual([]);
  });

  test("F1: When a tenant reads any table without naming itself, then it sees its own rows and none of another's; without a tenant none", async () => {
    const [a, b] = [tenantId(randomUUID()), tenantId(randomUUID())];
    await fill(a);
    await fill(b);
    const unreadable: string[] = [];
    for (const { name } of await tablesWithTenants()) {
      const [own, none, strange] = [await seen(name, a), await seen(name, undefined), await seen(name, randomUUID())];
      if (own === null) unreadable.push(name);
      else expect({ name, own, none, strange }).toEqual({ name, own: 1, none: 0, strange: 0 });
    }
    expect(unreadable).toEqual(["refresh_tokens", "stream_tickets"]);
  });

  test("F1: When a tenant writes a row of another, then the database refuses it", async () => {
    const [a, b] = [randomUUID(), randomUUID()];
    await expect(
      admin.begin(async (sql) => {
        await sql`set local role perdure_app`;
        await sql.unsafe(`set local perdure.tenant = '${a}'`);
        await sql`insert into idempotency_keys (tenant_id, key, request_hash, run_id) values (${b}, 'k', 'h', ${randomUUID()})`;
      }),
    ).rejects.toMatchObject({ code: "42501" });
  });

  test("F1: When the application's role asks for users, tokens or logins, then it is refused; versions and events it cannot change", async () => {
    const attempts = [
      "select password_hash from users",
      "select email from users",
      "select token_hash from refresh_tokens",
      "select key_hash from api_keys",
      "update api_keys set scopes = '{}'",
      "select token_hash from invitations",
      "update invitations set role = 'admin'",
      "update audit_events set action = ''",
      "delete from audit_events",
      "select 1 from rate_buckets",
      "select 1 from login_activity",
      "update workflow_versions set hash = ''",
      "delete from run_events",
      "update run_events set seq = 0",
      "delete from runs",
      "select append_events('[]')",
    ];
    for (const attempt of attempts) {
      await expect(
        admin.begin(async (sql) => {
          await sql`set local role perdure_app`;
          await sql.unsafe(attempt);
        }),
        attempt,
      ).rejects.toMatchObject({ code: "42501" });
    }
  });

  test("F1: When a query of one tenant names a row of another, then it finds nothing", async () => {
    const [a, b] = await Promise.all(
      ["a", "b"].map(
        async (name) =>
          (await db.accounts.register({ email: `${name}-${randomUUID()}@example.com`, passwordHash: "h", name, organizationName: name })).membership.tenantId,
      ),
    );
    const version = { graph: {}, plan: null, problems: [], hash: "1", createdBy: null };
    const { workflow } = await db.workflows.create(
      a as TenantId,
      { name: "w", description: "", tags: [], settings: {}, isPublic: false, createdBy: null },
      version,
    );
    const other = b as TenantId;
    expect(await db.workflows.get(other, workflow.id)).toBeUndefined();
    expect(await db.workflows.update(other, workflow.id, { name: "x" })).toBeUndefined();
    expect(await db.workflows.publish(other, workflow.id, 1)).toBeUndefined();
    expect(await db.workflows.remove(other, workflow.id)).toBe(false);
    expect((await db.workflows.list(other, {}, { limit: 10 })).rows).toEqual([]);
    expect((await db.workflows.get(a as TenantId, workflow.id))?.workflow.name).toBe("w");
  });

  test("When the process's role cannot take on the narrow roles, then opening the database is refused with what to do", async () => {
    const role = `outsider_${randomUUID().slice(0, 8)}`;
    await admin.unsafe(`create role ${role} login password 'p'`);
    const url = new URL(database.url);
    url.username = role;
    url.password = "p";
    await expect(openDatabase({ url: url.href, poolSize: 2 })).rejects.toMatchObject({ code: "configuration.invalid" });
    await admin.unsafe(`drop role ${role}`);
  });
});
