import { readdir } from "node:fs/promises";
import { randomBytes, randomUUID } from "node:crypto";
import { createServer, connect, type Socket } from "node:net";
import type { AddressInfo } from "node:net";
import postgres from "postgres";
import { afterAll, beforeAll, describe, expect, inject, test } from "vitest";
import type { TenantId } from "#core";
import { type Database, migrate, openDatabase } from "#db";
import { createTestDatabase, type TestDatabase } from "#tests/database.ts";

/** Between us and PostgreSQL: counts how often the direction changes, and can cut every connection. */
async function startProxy(target: URL) {
  const open = new Set<Socket>();
  const state = { turns: 0, accepting: true };
  const server = createServer((client) => {
    if (!state.accepting) return client.destroy();
    const upstream = connect(Number(target.port), target.hostname);
    let direction = "";
    const pipe = (from: Socket, to: Socket, name: string) => {
      open.add(from);
      from.on("data", (data) => {
        if (name === "down" && direction !== "down") state.turns++;
        direction = name;
        to.write(data);
      });
      from.on("error", () => to.destroy());
      from.on("close", () => {
        open.delete(from);
        to.destroy();
      });
    };
    pipe(client, upstream, "up");
    pipe(upstream, client, "down");
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const url = new URL(target);
  url.hostname = "127.0.0.1";
  url.port = String((server.address() as AddressInfo).port);
  return {
    url: url.href,
    state,
    cut: () => {
      for (const socket of open) socket.destroy();
    },
    close: () => {
      for (const socket of open) socket.destroy();
      return new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}

let database: TestDatabase;
let proxy: Awaited<ReturnType<typeof startProxy>>;
let db: Database;
let tenant: TenantId;

beforeAll(async () => {
  database = await createTestDatabase();
  proxy = await startProxy(new URL(database.url));
  db = await openDatabase({ url: proxy.url, poolSize: 2 });
  tenant = (await db.accounts.register({ email: "a@example.com", passwordHash: "h", name: "A", organizationName: "A" })).membership.tenantId;
});

afterAll(async () => {
  await db?.close();
  await proxy?.close();
  await database?.drop();
});

const version = { graph: {}, plan: null, problems: [], hash: "1", createdBy: null };
const fields = { name: "w", description: "", tags: [], settings: {}, isPublic: false, createdBy: null };

describe("connections", () => {
  test("When a statement runs for a tenant, then role, tenant, statement and commit are one round trip", async () => {
    const { workflow } = await db.workflows.create(tenant, fields, version);
    const runnable = () => db.workflows.runnable(tenant, workflow.id);
    for (let n = 0; n < 4; n++) await runnable();
    const before = proxy.state.turns;
    for (let n = 0; n < 20; n++) await runnable();
    expect(proxy.state.turns - before).toBeLessThanOrEqual(22);
  });

  test("When statements fail at any stage, then nothing stays behind and the connections go on working", async () => {
    const { workflow } = await db.workflows.create(tenant, fields, version);
    const bad = [
      () => db.workflows.version(tenant, workflow.id, 2 ** 40),
      () => db.workflows.get(tenant, "no uuid"),
      () => db.runs.events(tenant, workflow.id, 2 ** 40, 1),
      () => db.workflows.update(tenant, workflow.id, { name: "half" }, { ...version, hash: "2", createdBy: "no uuid" }),
      () => db.workflows.get("'; reset role; --" as TenantId, workflow.id),
    ];
    for (let round = 0; round < 3; round++) for (const attempt of bad) await expect(attempt()).rejects.toThrow();
    const found = await Promise.all(Array.from({ length: 10 }, () => db.workflows.get(tenant, workflow.id)));
    expect(new Set(found.map((value) => value?.workflow.name))).toEqual(new Set(["w"]));
    const admin = postgres(database.url, { max: 1 });
    const [{ busy } = { busy: -1 }] = await admin<
      { busy: number }[]
    >`select count(*)::int as busy from pg_stat_activity where datname = current_database() and state like 'idle in transaction%'`;
    await admin.end();
    expect(busy).toBe(0);
  });

  test("When an error of a statement is shown, then it has no parameters of the statement in it", async () => {
    const error = await db.workflows.update(tenant, "no-uuid-but-secret", { name: "s3cret" }).catch((reason: Error) => reason);
    expect((error as Error).message).not.toContain("s3cret");
  });

  test("When the database goes away, then queries fail as unavailable, and work again as soon as it is back", async () => {
    const { workflow } = await db.workflows.create(tenant, fields, version);
    for (let round = 0; round < 5; round++) {
      proxy.state.accepting = false;
      const flying = Array.from({ length: 6 }, () =>
        db.workflows.get(tenant, workflow.id).then(
          () => "ok",
          (error: { code: string }) => error.code,
        ),
      );
      proxy.cut();
      for (const outcome of await Promise.all(flying)) expect(["ok", "database.unavailable"]).toContain(outcome);
      await expect(db.ping()).rejects.toMatchObject({ code: "database.unavailable" });
      proxy.state.accepting = true;
      expect((await db.workflows.get(tenant, workflow.id))?.workflow.id).toBe(workflow.id);
    }
  });

  test("When the connection that listens is lost, then calls come again once it is back", async () => {
    const heard: string[] = [];
    const listening = await db.log.listen((id) => heard.push(id));
    const run = async () =>
      (
        await db.runs.insert(tenant, randomUUID(), {
          workflowId: null,
          workflowName: "w",
          version: null,
          plan: {} as never,
          inputs: {},
          variables: {},
          entries: [],
          trigger: "api",
          createdBy: null,
        })
      ).run.id;
    const tell = (id: string) =>
      db.log.append([{ tenantId: tenant, event: { run_id: id, key: randomUUID(), kind: "token_delta", at: new Date().toISOString() } }]);
    const first = await run();
    await tell(first);
    await expect.poll(() => heard).toContain(first);
    proxy.cut();
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    const second = await run();
    await tell(second);
    await expect.poll(() => heard).toContain(second);
    await listening.close();
  });

  test("When nothing answers, then opening fails as unavailable", async () => {
    await expect(openDatabase({ url: "postgres://postgres@127.0.0.1:1/none", poolSize: 2 })).rejects.toMatchObject({ code: "database.unavailable" });
  });
});

describe("migrations", () => {
  async function emptyDatabase(): Promise<{ url: string; drop: () => Promise<void> }> {
    const admin = postgres(inject("postgresAdminUrl"), { max: 1, onnotice: () => {} });
    const name = `migrate_${randomBytes(6).toString("hex")}`;
    await admin.unsafe(`create database ${name}`);
    await admin.end();
    const url = new URL(inject("postgresAdminUrl"));
    url.pathname = `/${name}`;
    return {
      url: url.href,
      drop: async () => {
        const again = postgres(inject("postgresAdminUrl"), { max: 1 });
        await again.unsafe(`drop database ${name} with (force)`);
        await again.end();
      },
    };
  }

  test("K4: When several processes migrate several databases of one cluster at once, then each file is applied once everywhere; again changes nothing", async () => {
    const databases = await Promise.all([emptyDatabase(), emptyDatabase(), emptyDatabase()]);
    await Promise.all(databases.flatMap(({ url }) => [migrate(url), migrate(url), migrate(url)]));
    for (const { url, drop } of databases) {
      const sql = postgres(url, { max: 1 });
      const applied = () => sql<{ name: string; hash: string; applied_at: Date }[]>`select name, hash, applied_at from applied_migrations order by name`;
      const before = [...(await applied())];
      const files = (await readdir(new URL("../../db/migrations/", import.meta.url))).filter((name) => name.endsWith(".sql")).sort();
      expect(files.length).toBeGreaterThanOrEqual(4);
      expect(before.map(({ name }) => name)).toEqual(files);
      await migrate(url);
      expect([...(await applied())]).toEqual(before);
      await sql`update applied_migrations set hash = 'other' where name = '0001_tenancy.sql'`;
      await expect(migrate(url)).rejects.toMatchObject({ code: "configuration.invalid" });
      await sql.end();
      await drop();
    }
  });

  test("K4: When the user of DATABASE_URL owns the database but is no superuser, then it can migrate and serve", async () => {
    const { url, drop } = await emptyDatabase();
    const admin = postgres(url, { max: 1, onnotice: () => {} });
    const role = `owner_${randomBytes(6).toString("hex")}`;
    await admin.unsafe(`create role ${role} login createrole password 'p'`);
    await admin.unsafe(`grant perdure_app, perdure_system to ${role}`);
    await admin.unsafe(`alter database ${new URL(url).pathname.slice(1)} owner to ${role}; grant all on schema public to ${role}`);
    const own = new URL(url);
    own.username = role;
    own.password = "p";
    await migrate(own.href);
    const opened = await openDatabase({ url: own.href, poolSize: 2 });
    const { membership } = await opened.accounts.register({ email: "x@example.com", passwordHash: "h", name: "X", organizationName: "X" });
    const { workflow } = await opened.workflows.create(membership.tenantId, fields, version);
    expect((await opened.workflows.get(membership.tenantId, workflow.id))?.workflow.id).toBe(workflow.id);
    expect(await opened.workflows.get(randomUUID() as TenantId, workflow.id)).toBeUndefined();
    await opened.close();
    await admin.end();
    await drop();
    const cleanup = postgres(inject("postgresAdminUrl"), { max: 1 });
    await cleanup.unsafe(`drop role ${role}`);
    await cleanup.end();
  });
});

describe("limits of statements", () => {
  test("F4: When a statement takes longer than DATABASE_STATEMENT_TIMEOUT_MS, then the server ends it, the caller learns that, and the connection goes on", async () => {
    const impatient = await openDatabase({ url: database.url, poolSize: 1, statementTimeoutMs: 300 });
    const admin = postgres(database.url, { max: 1, onnotice: () => {} });
    try {
      const released = admin.begin(async (sql) => {
        await sql`lock table workflows in access exclusive mode`;
        const startedAt = Date.now();
        await expect(impatient.workflows.list(tenant, {}, { limit: 1 })).rejects.toMatchObject({ code: "database.unavailable" });
        expect(Date.now() - startedAt).toBeGreaterThanOrEqual(290);
        await expect(impatient.ping()).resolves.toBeUndefined();
      });
      await released;
      expect((await impatient.workflows.list(tenant, {}, { limit: 1 })).rows.length).toBeLessThanOrEqual(1);
    } finally {
      await admin.end();
      await impatient.close();
    }
  });
});
