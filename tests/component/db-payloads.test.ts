import { randomBytes, randomUUID } from "node:crypto";
import { defaultPayloadConverter, type Payload } from "@temporalio/common";
import postgres from "postgres";
import { afterAll, beforeAll, expect, test } from "vitest";
import { tenantId } from "#core";
import { type Database, openDatabase } from "#db";
import { createPayloads } from "#payloads";
import { readEnv } from "#platform";
import { createTestDatabase, type TestDatabase } from "#tests/database.ts";
import { testPayloadKeys } from "#tests/payloads.ts";

let database: TestDatabase;
let db: Database;
let admin: postgres.Sql;

beforeAll(async () => {
  database = await createTestDatabase();
  db = await openDatabase({ url: database.url, poolSize: 8 });
  admin = postgres(database.url, { max: 1 });
});

afterAll(async () => {
  await admin?.end();
  await db?.close();
  await database?.drop();
});

const someone = () => tenantId(randomUUID());
const payloadOf = (value: unknown): Payload => defaultPayloadConverter.toPayload(value) as Payload;

test("A10: When a blob is stored, then its bytes come back, the first ones under a name stay, and no other tenant has it", async () => {
  const [a, b] = [someone(), someone()];
  const bytes = randomBytes(3_000_000);
  expect([await db.payloads.useBlob(a, "h"), await db.payloads.getBlob(a, "h")]).toEqual([false, undefined]);
  await db.payloads.putBlob(a, "h", bytes);
  await db.payloads.putBlob(a, "h", Buffer.from("other"));
  expect((await db.payloads.getBlob(a, "h"))?.equals(bytes)).toBe(true);
  expect([await db.payloads.useBlob(a, "h"), await db.payloads.useBlob(b, "h"), await db.payloads.getBlob(b, "h")]).toEqual([true, false, undefined]);
});

test("A10: When a blob is read or named again after an hour, then the row says when, so that what nothing uses can be told from the rest", async () => {
  const tenant = someone();
  const age = async () =>
    (await admin<{ hours: number }[]>`select round(extract(epoch from now() - used_at) / 3600)::int as hours from payload_blobs where tenant_id = ${tenant}`)[0]
      ?.hours;
  const makeOld = () => admin`update payload_blobs set used_at = now() - interval '5 hours' where tenant_id = ${tenant}`;
  await db.payloads.putBlob(tenant, "h", Buffer.from("x"));
  for (const use of [
    () => db.payloads.getBlob(tenant, "h"),
    () => db.payloads.useBlob(tenant, "h"),
    () => db.payloads.putBlob(tenant, "h", Buffer.from("x")),
  ]) {
    await makeOld();
    expect(await age()).toBe(5);
    await use();
    expect(await age()).toBe(0);
  }
});

test("F1 F2: When the application's role reaches for keys or blobs of others, or would change or remove its own, then the database refuses it", async () => {
  const [a, b] = [someone(), someone()];
  await db.payloads.addKey(a, { version: 1, masterId: "m", wrapped: Buffer.from("w") });
  await db.payloads.putBlob(a, "h", Buffer.from("x"));
  const as = (tenant: string, statement: string) =>
    admin.begin(async (sql) => {
      await sql`set local role perdure_app`;
      await sql.unsafe(`set local perdure.tenant = '${tenant}'`);
      return sql.unsafe(statement);
    });
  expect(await as(b, "select 1 from payload_keys union all select 1 from payload_blobs")).toHaveLength(0);
  expect(await as(a, "select 1 from payload_keys union all select 1 from payload_blobs")).toHaveLength(2);
  for (const statement of [
    `insert into payload_blobs (tenant_id, hash, bytes) values ('${a}', 'i', '')`,
    `insert into payload_keys (tenant_id, version, master_id, wrapped) values ('${a}', 2, 'm', '')`,
  ]) {
    await expect(as(b, statement), statement).rejects.toMatchObject({ code: "42501" });
  }
  for (const statement of [
    "update payload_blobs set bytes = ''",
    "update payload_keys set wrapped = ''",
    "delete from payload_blobs",
    "delete from payload_keys",
  ]) {
    await expect(as(a, statement), statement).rejects.toMatchObject({ code: "42501" });
  }
});

test("F3: When two processes make the same version of a key, then one of them does; wrapping anew changes how it is wrapped only", async () => {
  const tenant = someone();
  const key = (wrapped: string) => ({ version: 1, masterId: "m", wrapped: Buffer.from(wrapped) });
  const made = await Promise.all([db.payloads.addKey(tenant, key("one")), db.payloads.addKey(tenant, key("two"))]);
  expect(made.toSorted()).toEqual([false, true]);
  await db.payloads.rewrapKey(tenant, { version: 1, masterId: "n", wrapped: Buffer.from("three") });
  expect(await db.payloads.keys(tenant)).toEqual([{ version: 1, masterId: "n", wrapped: Buffer.from("three") }]);
  const [wrapped] = await db.payloads.keysWrappedByOthers("m");
  expect(wrapped).toMatchObject({ tenantId: tenant, version: 1, masterId: "n" });
  expect([await db.payloads.keysWrappedByOthers("m", wrapped), await db.payloads.keysWrappedByOthers("n")]).toEqual([
    [],
    expect.not.arrayContaining([wrapped]),
  ]);
  expect((await db.payloads.keySamples()).map(({ masterId }) => masterId)).toContain("n");
});

test("A10 F2: When one plan starts a hundred runs in several processes, then it is stored once, sealed, and every process reads it once at most", async () => {
  const env = readEnv({ PAYLOAD_KEYS: testPayloadKeys() });
  const tenant = someone();
  const plan = { steps: Array.from({ length: 300 }, (_nothing, n) => ({ id: `secret_step_${n}`, text: randomBytes(150).toString("base64") })) };
  const sealed: Payload[] = [];
  for (let process = 0; process < 4; process++) {
    const payloads = createPayloads({ store: db.payloads, env });
    for (let run = 0; run < 25; run++) sealed.push(...(await payloads.encode(tenant, [payloadOf(plan)])));
  }
  expect(new Set(sealed.map(({ data }) => Buffer.from(data ?? []).toString())).size).toBe(1);
  const rows = await admin<{ bytes: Buffer }[]>`select bytes from payload_blobs where tenant_id = ${tenant}`;
  expect(rows).toHaveLength(1);
  expect(rows[0]?.bytes.includes("secret_step")).toBe(false);
  const reader = createPayloads({ store: db.payloads, env });
  for (const shown of await reader.show(tenant, sealed)) expect(defaultPayloadConverter.fromPayload(shown)).toEqual(plan);
  await expect(createPayloads({ store: db.payloads, env: readEnv({ PAYLOAD_KEYS: testPayloadKeys() }) }).show(tenant, sealed)).rejects.toMatchObject({
    code: "configuration.invalid",
  });
});
