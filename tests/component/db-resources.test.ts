import { randomUUID } from "node:crypto";
import postgres from "postgres";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Json, type TenantId, tenantId, uuidv7 } from "#core";
import { type Database, openDatabase } from "#db";
import { createTestDatabase, type TestDatabase } from "#tests/database.ts";

const LIMITS = { max: 10, maxBytes: 500 };

let database: TestDatabase;
let db: Database;
let admin: postgres.Sql;

beforeAll(async () => {
  database = await createTestDatabase();
  db = await openDatabase({ url: database.url, poolSize: 8 });
  admin = postgres(database.url, { max: 1, onnotice: () => {} });
});
afterAll(async () => {
  await db?.close();
  await admin?.end();
  await database?.drop();
});

const organization = (): TenantId => tenantId(randomUUID());

async function workflow(tenant: TenantId): Promise<string> {
  const version = { graph: { nodes: [] }, plan: null, problems: [], hash: randomUUID(), createdBy: null };
  const fields = { name: "w", description: "", tags: [], settings: {}, isPublic: false, createdBy: null };
  return (await db.workflows.create(tenant, fields, version)).workflow.id;
}

const variable = (name: string, value: Json) => ({ name, value, createdBy: null });

/** Twenty at once: how many were taken, and by what the others were refused. */
async function race(attempt: (n: number) => Promise<unknown>) {
  const results = await Promise.allSettled(Array.from({ length: 20 }, (_, n) => attempt(n)));
  const codes = results.flatMap((result) => (result.status === "rejected" ? [(result.reason as { code: string }).code] : []));
  return { taken: 20 - codes.length, codes: [...new Set(codes)] };
}

describe("changes from one state, twenty at once", () => {
  const ONE_WINS = { taken: 1, codes: ["precondition.failed"] };

  test("D6: When they set a variable, then one wins and the others are told", async () => {
    const tenant = organization();
    await db.variables.set(tenant, null, variable("a", 0), LIMITS);
    expect(await race((n) => db.variables.set(tenant, null, variable("a", n), LIMITS, { expectedRevision: 1 }))).toEqual(ONE_WINS);
    expect(await race(() => db.variables.set(tenant, null, variable("new", 1), LIMITS, { mustBeNew: true }))).toEqual({
      taken: 1,
      codes: ["resource.conflict"],
    });
    expect((await db.variables.get(tenant, null, "a"))?.revision).toBe(2);
  });

  test("D6: When they change or delete a credential, then one wins and the others are told", async () => {
    const tenant = organization();
    const id = uuidv7();
    const row = { id, name: "c", type: "http_bearer", description: "", fields: ["token"], createdBy: null, keyVersion: 1, sealed: Buffer.from([1]) };
    await db.credentials.create(tenant, row, 10);
    expect(await race((n) => db.credentials.update(tenant, id, { description: `${n}` }, undefined, 1))).toEqual(ONE_WINS);
    await expect(db.credentials.remove(tenant, id, { force: true, expectedRevision: 1 })).rejects.toMatchObject({ code: "precondition.failed" });
    expect(await db.credentials.remove(tenant, id, { force: false, expectedRevision: 2 })).toBe(true);
  });

  test("D5: When they register or change a node type, then one wins and the others are told", async () => {
    const tenant = organization();
    const node = (n: number) => ({ name: "weather", definition: { n }, createdBy: null });
    expect(await race((n) => db.customNodes.register(tenant, node(n), 10))).toEqual({ taken: 1, codes: ["resource.conflict"] });
    expect(await race((n) => db.customNodes.update(tenant, "weather", node(n + 100), 1))).toEqual(ONE_WINS);
    expect(await db.customNodes.get(tenant, "weather")).toMatchObject({ version: 2, revision: 2 });
  });

  test("D2: When they publish or delete a workflow, then one wins and the others are told", async () => {
    const tenant = organization();
    const id = await workflow(tenant);
    expect(await race(() => db.workflows.publish(tenant, id, 1, 1))).toEqual(ONE_WINS);
    await expect(db.workflows.remove(tenant, id, 1)).rejects.toMatchObject({ code: "precondition.failed" });
    expect(await db.workflows.remove(tenant, id, 2)).toBe(true);
    expect(await db.workflows.restore(tenant, id)).toMatchObject({ workflow: { revision: 4, deletedAt: null } });
  });
});

describe("variables", () => {
  test.each<[string, Json]>([
    ["null", null],
    ["a text", "null"],
    ["a number", -0.5],
    ["an object", { a: [1, { b: "ä" }], __proto__: 1 }],
    ["a flag", false],
  ])("F6: When a value is %s, then it is read as it was set", async (_what, value) => {
    const tenant = organization();
    await db.variables.set(tenant, null, variable("v", value), LIMITS);
    expect((await db.variables.get(tenant, null, "v"))?.value).toEqual(value);
    expect(await db.variables.forRun(tenant, null)).toEqual({ v: value });
  });

  test("F6: When a workflow has one of the same name, then a run of it reads that, and others the organization's", async () => {
    const tenant = organization();
    const [one, other] = [await workflow(tenant), await workflow(tenant)];
    await db.variables.set(tenant, one, variable("a", "one"), LIMITS);
    await db.variables.set(tenant, null, variable("a", "org"), LIMITS);
    await db.variables.set(tenant, null, variable("b", "org"), LIMITS);
    expect(await db.variables.forRun(tenant, one)).toEqual({ a: "one", b: "org" });
    expect(await db.variables.forRun(tenant, other)).toEqual({ a: "org", b: "org" });
    expect(await db.variables.forRun(tenant, null)).toEqual({ a: "org", b: "org" });
    expect(await db.variables.forRun(organization(), one)).toEqual({});
  });

  test("F1 F6: When the workflow is another's, unknown or deleted, then it has no variables and takes none", async () => {
    const [tenant, stranger] = [organization(), organization()];
    const id = await workflow(tenant);
    await db.variables.set(tenant, id, variable("a", 1), LIMITS);
    for (const [who, which] of [
      [stranger, id],
      [tenant, uuidv7()],
    ] as const) {
      expect(await db.variables.list(who, which, {}, { limit: 5 })).toBeUndefined();
      expect(await db.variables.get(who, which, "a")).toBeUndefined();
      expect(await db.variables.set(who, which, variable("b", 1), LIMITS)).toBeUndefined();
      expect(await db.variables.remove(who, which, "a")).toBe(false);
    }
    await db.workflows.remove(tenant, id);
    expect(await db.variables.get(tenant, id, "a")).toBeUndefined();
    await db.workflows.restore(tenant, id);
    expect((await db.variables.get(tenant, id, "a"))?.value).toBe(1);
  });

  test("D6: When twenty are made at once, then no more are stored than VARIABLES_MAX and VARIABLES_MAX_BYTES allow", async () => {
    const tenant = organization();
    expect(await race((n) => db.variables.set(tenant, null, variable(`v${n}`, n), LIMITS))).toEqual({ taken: 10, codes: ["validation.failed"] });
    const other = organization();
    const large = await race((n) => db.variables.set(other, null, variable(`v${n}`, "x".repeat(200)), LIMITS));
    expect(large).toEqual({ taken: 2, codes: ["request.too_large"] });
    expect((await db.variables.list(other, null, {}, { limit: 50 }))?.rows).toHaveLength(2);
  });

  test("D6: When they are listed, then by name, in pages", async () => {
    const tenant = organization();
    for (const name of ["c", "a", "b"]) await db.variables.set(tenant, null, variable(name, name), LIMITS);
    const first = await db.variables.list(tenant, null, {}, { limit: 2 });
    const second = await db.variables.list(tenant, null, {}, { limit: 2, cursor: first?.nextCursor ?? "" });
    expect([first, second].map((page) => page?.rows.map(({ name }) => name))).toEqual([["a", "b"], ["c"]]);
    expect([first?.total, second?.nextCursor]).toEqual([3, undefined]);
    for (const cursor of ["x", Buffer.from('["-name","a","b"]').toString("base64url")]) {
      await expect(db.variables.list(tenant, null, {}, { limit: 2, cursor })).rejects.toMatchObject({ code: "request.malformed" });
    }
  });
});

describe("node types", () => {
  test("D5: When one is changed, deleted and registered again, then its versions go on and none is ever changed", async () => {
    const tenant = organization();
    const node = (n: number) => ({ name: "weather", definition: { n }, createdBy: null });
    await db.customNodes.register(tenant, node(1), 1);
    expect((await db.customNodes.update(tenant, "weather", node(1)))?.version).toBe(1);
    expect((await db.customNodes.update(tenant, "weather", node(2)))?.version).toBe(2);
    await expect(db.customNodes.register(tenant, { ...node(1), name: "other" }, 1)).rejects.toMatchObject({ code: "validation.failed" });
    expect(await db.customNodes.remove(tenant, "weather")).toBe(true);
    expect([await db.customNodes.get(tenant, "weather"), await db.customNodes.list(tenant), await db.customNodes.named(tenant, ["weather"])]).toEqual([
      undefined,
      [],
      [],
    ]);
    expect((await db.customNodes.register(tenant, node(3), 1)).version).toBe(3);
    const first = await db.customNodes.versions(tenant, "weather", { limit: 2 });
    const second = await db.customNodes.versions(tenant, "weather", { limit: 2, cursor: first?.nextCursor ?? "" });
    expect([first, second].map((page) => page?.rows.map(({ version, definition }) => [version, definition]))).toEqual([
      [
        [3, { n: 3 }],
        [2, { n: 2 }],
      ],
      [[1, { n: 1 }]],
    ]);
    await expect(
      admin.begin(async (sql) => {
        await sql.unsafe(`set local role perdure_app; set local perdure.tenant = '${tenant}'`);
        await sql`update custom_node_versions set definition = '{}'`;
      }),
    ).rejects.toMatchObject({ code: "42501" });
  });

  test("F1 D5: When another organization asks, then there is none", async () => {
    const [tenant, stranger] = [organization(), organization()];
    await db.customNodes.register(tenant, { name: "weather", definition: {}, createdBy: null }, 10);
    expect(await db.customNodes.get(stranger, "weather")).toBeUndefined();
    expect(await db.customNodes.update(stranger, "weather", { definition: { a: 1 }, createdBy: null })).toBeUndefined();
    expect(await db.customNodes.versions(stranger, "weather", { limit: 5 })).toBeUndefined();
    expect(await db.customNodes.remove(stranger, "weather")).toBe(false);
    expect((await db.customNodes.register(stranger, { name: "weather", definition: { own: true }, createdBy: null }, 10)).version).toBe(1);
  });
});
