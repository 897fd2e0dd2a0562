import { createHash, randomBytes, randomUUID } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import postgres from "postgres";
import { expect, inject, test } from "vitest";
import { migrate, openDatabase } from "#db";
import { createTestDatabase } from "#tests/database.ts";

const FOLDER = new URL("../../db/migrations/", import.meta.url);
const SESSIONS = "0015_accounts";

/** As the migration before left a database, with people signed in. */
async function databaseBefore(): Promise<{ url: string; sql: postgres.Sql; drop: () => Promise<void> }> {
  // Makes the roles, which belong to the cluster.
  await (await createTestDatabase()).drop();
  const name = `test_${randomBytes(8).toString("hex")}`;
  const admin = postgres(inject("postgresAdminUrl"), { max: 1, onnotice: () => {} });
  await admin.unsafe(`create database ${name}`);
  const url = new URL(inject("postgresAdminUrl"));
  url.pathname = `/${name}`;
  const sql = postgres(url.href, { max: 1, onnotice: () => {} });
  await sql`create table applied_migrations (name text primary key, hash text not null, applied_at timestamptz not null default now())`;
  for (const file of (await readdir(FOLDER)).filter((each) => each.endsWith(".sql")).toSorted()) {
    if (file >= SESSIONS) continue;
    const text = await readFile(new URL(file, FOLDER), "utf8");
    await sql.begin((transaction) => transaction.unsafe(text));
    await sql`insert into applied_migrations (name, hash) values (${file}, ${createHash("sha256").update(text).digest("hex")})`;
  }
  return {
    url: url.href,
    sql,
    async drop() {
      await sql.end();
      await admin.unsafe(`drop database ${name} with (force)`);
      await admin.end();
    },
  };
}

test("D1: When a database is brought up to date, then those who are signed in stay so, and used tokens are theft as before", async () => {
  const { url, sql, drop } = await databaseBefore();
  try {
    const [user, tenant, live, revoked] = [randomUUID(), randomUUID(), randomUUID(), randomUUID()];
    await sql`insert into users (id, email, name, password_hash) values (${user}, 'a@example.com', 'A', 'h')`;
    await sql`insert into organizations (id, name) values (${tenant}, 'O')`;
    await sql`insert into memberships (tenant_id, user_id, role) values (${tenant}, ${user}, 'admin')`;
    const token = (family: string, hash: string, age: number, rotated: boolean, isRevoked = false) => sql`
      insert into refresh_tokens (id, tenant_id, user_id, family_id, token_hash, created_at, expires_at, rotated_at, revoked_at)
      values (${randomUUID()}, ${tenant}, ${user}, ${family}, ${hash}, now() - ${age} * interval '1 minute', now() + interval '1 day',
        ${rotated ? new Date() : null}, ${isRevoked ? new Date() : null})`;
    await token(live, "live 0", 90, true);
    await token(live, "live 1", 60, true);
    await token(live, "live 2", 30, false);
    await token(revoked, "revoked 0", 30, false, true);
    await migrate(url);
    const db = await openDatabase({ url, poolSize: 2 });
    try {
      const rotate = async (tokenHash: string, newTokenHash: string) =>
        (await db.userSessions.rotate({ tokenHash, newTokenHash, expiresAt: new Date(Date.now() + 60_000), graceMs: 10_000, ip: "", userAgent: "" })).outcome;
      expect((await db.userSessions.list(user, { limit: 10 })).rows).toMatchObject([{ id: live, method: "password" }]);
      expect(await rotate("revoked 0", "x")).toBe("reused");
      expect(await rotate("live 2", "live 3")).toBe("rotated");
      expect(await rotate("live 1", "y")).toBe("reused");
      expect(await rotate("live 3", "z")).toBe("reused");
    } finally {
      await db.close();
    }
  } finally {
    await drop();
  }
});
