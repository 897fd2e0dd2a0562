import { randomUUID } from "node:crypto";
import postgres from "postgres";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type TenantId, tenantId, uuidv7 } from "#core";
import { createCredentialVault } from "#credentials";
import { type Database, openDatabase } from "#db";
import { createPayloads, reseal } from "#payloads";
import { readEnv } from "#platform";
import { createTestDatabase, type TestDatabase } from "#tests/database.ts";
import { testPayloadKeys } from "#tests/payloads.ts";

const CANARY = "canary-7f3a9b";

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

async function organization(): Promise<TenantId> {
  const { membership } = await db.accounts.register({ email: `${randomUUID()}@example.com`, passwordHash: "h", name: "A", organizationName: "O" });
  return membership.tenantId;
}

const row = (name: string) => ({
  id: uuidv7(),
  name,
  type: "http_bearer",
  description: "",
  fields: ["token"],
  createdBy: null,
  keyVersion: 1,
  sealed: Buffer.from([0, 255, 7]),
});

async function workflow(tenant: TenantId, name: string, credentials: string[]) {
  const version = { graph: { nodes: [] }, plan: null, problems: [], hash: randomUUID(), createdBy: null, credentials };
  const fields = { name, description: "", tags: [], settings: {}, isPublic: false, createdBy: null };
  return (await db.workflows.create(tenant, fields, version)).workflow.id;
}

describe("rows", () => {
  test("D6 F1: When credentials are stored, then their own tenant lists and reads them, and no other changes or deletes them", async () => {
    const [tenant, other] = [await organization(), await organization()];
    const [a, b] = [await db.credentials.create(tenant, row("A"), 10), await db.credentials.create(tenant, row("B"), 10)];
    await db.credentials.create(other, row("A"), 10);
    expect((await db.credentials.list(tenant, {}, { limit: 1 })).rows.map(({ name }) => name)).toEqual(["B"]);
    const { nextCursor, total } = await db.credentials.list(tenant, {}, { limit: 1 });
    expect([(await db.credentials.list(tenant, {}, { limit: 1, cursor: nextCursor ?? "" })).rows.map(({ id }) => id), total]).toEqual([[a.id], 2]);
    expect(await db.credentials.get(tenant, b.id)).toEqual(b);
    expect(JSON.stringify(b)).not.toContain("sealed");
    expect(await db.credentials.types(tenant, [a.id, uuidv7()])).toEqual(new Map([[a.id, "http_bearer"]]));
    expect((await db.credentials.sealed(tenant, [a.id])).map(({ sealed }) => [...sealed])).toEqual([[0, 255, 7]]);

    expect([await db.credentials.get(other, a.id), await db.credentials.sealed(other, [a.id]), await db.credentials.usage(other, a.id)]).toEqual([
      undefined,
      [],
      [],
    ]);
    expect(await db.credentials.update(other, a.id, { name: "mine" })).toBeUndefined();
    expect(await db.credentials.remove(other, a.id, { force: true })).toBe(false);
    expect(
      await db.sealed.replace(other, "credential", [{ id: a.id, before: Buffer.from([0, 255, 7]), after: { keyVersion: 2, sealed: Buffer.from([1]) } }]),
    ).toBe(0);
    expect(await db.credentials.get(tenant, a.id)).toEqual(a);
  });

  test("D6: When a name is taken or there are as many as may be, then one more is refused", async () => {
    const tenant = await organization();
    const a = await db.credentials.create(tenant, row("A"), 2);
    await expect(db.credentials.create(tenant, row("A"), 2)).rejects.toMatchObject({ code: "resource.conflict" });
    const b = await db.credentials.create(tenant, row("B"), 2);
    await expect(db.credentials.create(tenant, row("C"), 2)).rejects.toMatchObject({ code: "validation.failed" });
    await expect(db.credentials.update(tenant, b.id, { name: a.name })).rejects.toMatchObject({ code: "resource.conflict" });
  });

  test("F2: When values are replaced, then what a test said of the earlier ones goes, and who read them before is refused", async () => {
    const tenant = await organization();
    const { id } = await db.credentials.create(tenant, row("A"), 2);
    const [first, second] = [Buffer.from([0, 255, 7]), Buffer.from([1])];
    await db.credentials.noteTest(tenant, id, first, { verdict: "valid", message: "ok" });
    expect(await db.credentials.update(tenant, id, { name: "B" })).toMatchObject({ testResult: { verdict: "valid" }, testedAt: expect.any(Date) });
    const values = { type: "generic", fields: ["x"], keyVersion: 1, sealed: second };
    expect(await db.credentials.update(tenant, id, {}, { ...values, before: first })).toMatchObject({
      type: "generic",
      fields: ["x"],
      testResult: null,
      testedAt: null,
    });
    await expect(db.credentials.update(tenant, id, {}, { ...values, before: first })).rejects.toMatchObject({ code: "resource.conflict" });
    await db.credentials.noteTest(tenant, id, first, { verdict: "invalid", message: "late" });
    expect((await db.credentials.get(tenant, id))?.testResult).toBeNull();
  });
});

describe("use", () => {
  test("D6: When workflows use a credential, then they are named, and it is deleted only by force", async () => {
    const tenant = await organization();
    const { id } = await db.credentials.create(tenant, row("A"), 2);
    const [current, published, gone, deleted, busy] = await Promise.all(
      ["Current", "Published", "Gone", "Deleted", "Busy"].map((name) => workflow(tenant, name, [id])),
    );
    if (!current || !published || !gone || !deleted || !busy) throw new Error("not stored");
    const without = () => ({ graph: { nodes: [], more: randomUUID() }, plan: null, problems: [], hash: randomUUID(), createdBy: null });
    await db.workflows.publish(tenant, published, 1);
    for (const each of [published, gone, busy]) await db.workflows.update(tenant, each, {}, without());
    await db.workflows.remove(tenant, deleted);
    await admin`insert into runs (id, tenant_id, workflow_id, workflow_name, version, status, trigger, inputs, variables, entries, last_seq)
      values (${randomUUID()}, ${tenant}, ${busy}, 'Busy', 1, 'running', 'api', '{}', '{}', '{}', 0)`;

    const uses = await db.credentials.usage(tenant, id);
    expect(uses).toEqual([
      { workflowId: busy, workflowName: "Busy", versions: [1], isCurrent: false, isPublished: false, openRuns: 1 },
      { workflowId: current, workflowName: "Current", versions: [1], isCurrent: true, isPublished: false, openRuns: 0 },
      { workflowId: published, workflowName: "Published", versions: [1], isCurrent: false, isPublished: true, openRuns: 0 },
    ]);
    await expect(db.credentials.remove(tenant, id, { force: false })).rejects.toMatchObject({ code: "resource.conflict", findings: { length: 3 } });
    expect(await db.credentials.get(tenant, id)).toBeDefined();
    expect(await db.credentials.remove(tenant, id, { force: true })).toBe(true);
    expect(await db.credentials.get(tenant, id)).toBeUndefined();
  });
});

test("F2: When values are sealed and the key is rotated, then no table has them in clear, and they open as they were", async () => {
  const tenant = await organization();
  const payloads = createPayloads({ store: db.payloads, env: readEnv({ PAYLOAD_KEYS: testPayloadKeys() }) });
  const vault = createCredentialVault({ rows: db.credentials, payloads });
  const id = uuidv7();
  await db.credentials.create(tenant, { ...row("Sealed"), id, ...(await vault.seal(tenant, id, { token: CANARY })) }, 10);
  const version = await payloads.rotate(tenant);
  const again = () => reseal({ rows: db.sealed, payloads, tenant });
  expect([await again(), await again()]).toEqual([
    { resealed: 1, unreadable: [] },
    { resealed: 0, unreadable: [] },
  ]);
  const [stored] = await db.credentials.sealed(tenant, [id]);
  expect(stored?.keyVersion).toBe(version);
  expect([...(await vault.read(tenant, [id])).values()]).toEqual([{ id, type: "http_bearer", values: { token: CANARY } }]);
  expect(await vault.read(tenantId(randomUUID()), [id])).toEqual(new Map());
  const text = JSON.stringify(await admin`select to_jsonb(c) as row, encode(sealed, 'escape') as escaped from credentials c`);
  expect(text).not.toContain(CANARY);
  expect(text).not.toContain(Buffer.from(CANARY).toString("hex"));
});

test("F1: When the role of what has no tenant asks for credentials, then it may not", async () => {
  await expect(admin.begin(async (sql) => [await sql`set local role perdure_system`, await sql`select * from credentials`])).rejects.toThrow(
    "permission denied",
  );
});
