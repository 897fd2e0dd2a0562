import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { TenantId } from "#core";
import { type Database, type NewVersion, openDatabase } from "#db";
import { createTestDatabase, type TestDatabase } from "#tests/database.ts";

let database: TestDatabase;
let db: Database;
let tenant: TenantId;

beforeAll(async () => {
  database = await createTestDatabase();
  db = await openDatabase({ url: database.url, poolSize: 4 });
  tenant = (await db.accounts.register({ email: "a@example.com", passwordHash: "h", name: "A", organizationName: "A" })).membership.tenantId;
});

afterAll(async () => {
  await db?.close();
  await database?.drop();
});

const version = (hash: string): NewVersion => ({
  graph: { nodes: [], mark: hash, unknown: { "a-b": [1, null, "x"] } },
  plan: null,
  problems: [],
  hash,
  createdBy: null,
});
const create = (name: string, tags: string[] = [], description = "") =>
  db.workflows.create(tenant, { name, description, tags, settings: { deadline: "1h" }, isPublic: false, createdBy: null }, version("1"));

test("A12: When a graph is saved, then it is a version of its own; the same graph again is none", async () => {
  const { workflow } = await create("versions");
  expect((await db.workflows.update(tenant, workflow.id, { name: "renamed" }, version("1")))?.version.version).toBe(1);
  const second = await db.workflows.update(tenant, workflow.id, {}, version("2"));
  expect(second).toMatchObject({ workflow: { name: "renamed", version: 2 }, version: { version: 2, graph: version("2").graph } });
  expect((await db.workflows.versions(tenant, workflow.id, { limit: 10 }))?.rows.map(({ version: number, hash }) => [number, hash])).toEqual([
    [2, "2"],
    [1, "1"],
  ]);
  expect((await db.workflows.version(tenant, workflow.id, 1))?.graph).toEqual(version("1").graph);
  expect(await db.workflows.version(tenant, workflow.id, 3)).toBeUndefined();
  expect((await db.workflows.get(tenant, workflow.id))?.version.version).toBe(2);
});

test("A12: When the same graph is saved again and compiles to something else by now, then that is a version; else none", async () => {
  const { workflow } = await create("upgrade");
  const plan = { format_version: 1, steps: [{ b: 1, a: [0.1, null] }] } as unknown as NonNullable<NewVersion["plan"]>;
  const save = async (compiled: Partial<NewVersion>) => (await db.workflows.update(tenant, workflow.id, {}, { ...version("1"), ...compiled }))?.version;
  expect(await save({ problems: [{ code: "node.unknown_type" }] })).toMatchObject({ version: 2, problems: [{ code: "node.unknown_type" }] });
  expect(await save({ plan })).toMatchObject({ version: 3, plan, problems: [] });
  expect(await save({ plan: { steps: [{ a: [0.1, null], b: 1 }], format_version: 1 } as unknown as typeof plan })).toMatchObject({ version: 3 });

  const fields = (...keys: string[]) =>
    ({ steps: [{ inputs: { k: "object", fields: keys.map((key) => [key, { k: "lit", v: key }]) } }] }) as unknown as typeof plan;
  expect(await save({ plan: fields("b", "a") })).toMatchObject({ version: 4 });
  expect(await save({ plan: fields("a", "b") }), "keys in another order").toMatchObject({ version: 4 });
});

test("F4: When the rows of a page hold more than may be held at once, then it ends early and the next page goes on; one row comes in any case", async () => {
  const narrow = await openDatabase({ url: database.url, poolSize: 2, pageMaxBytes: 2_500 });
  const mark = randomUUID();
  const graph = { nodes: [], text: "x".repeat(1_000) };
  for (let n = 0; n < 7; n++) {
    const large = n === 3 ? { ...graph, text: "y".repeat(10_000) } : graph;
    await narrow.workflows.create(
      tenant,
      { name: `${mark} ${n}`, description: "", tags: [], settings: {}, isPublic: false, createdBy: null },
      { ...version("1"), graph: large },
    );
  }
  const sizes: number[] = [];
  const seen: string[] = [];
  let cursor: string | undefined;
  do {
    const page = await narrow.workflows.list(tenant, { search: mark }, { limit: 500, ...(cursor !== undefined && { cursor }) });
    sizes.push(page.rows.length);
    seen.push(...page.rows.map(({ name }) => name.slice(-1)));
    expect(page.total).toBe(7);
    cursor = page.nextCursor;
  } while (cursor !== undefined);
  expect([sizes, seen.join("")]).toEqual([[2, 1, 1, 2, 1], "6543210"]);
  await narrow.close();
});

test("A12: When there are many versions, then they come in pages, the newest first", async () => {
  const { workflow } = await create("many");
  for (let n = 2; n <= 7; n++) await db.workflows.update(tenant, workflow.id, {}, version(String(n)));
  const first = await db.workflows.versions(tenant, workflow.id, { limit: 3 });
  const second = await db.workflows.versions(tenant, workflow.id, { limit: 3, cursor: first?.nextCursor ?? "" });
  const third = await db.workflows.versions(tenant, workflow.id, { limit: 3, cursor: second?.nextCursor ?? "" });
  expect([first, second, third].map((page) => page?.rows.map(({ version: number }) => number))).toEqual([[7, 6, 5], [4, 3, 2], [1]]);
  expect([first?.total, third?.nextCursor]).toEqual([7, undefined]);
  for (const wrong of ["x", Buffer.from('["a"]').toString("base64url"), Buffer.from("[1e99]").toString("base64url"), Buffer.from("{}").toString("base64url")]) {
    await expect(db.workflows.versions(tenant, workflow.id, { limit: 3, cursor: wrong })).rejects.toMatchObject({ code: "request.malformed" });
  }
});

test("A12: When two save at once from the same version, then one is told that it was changed meanwhile", async () => {
  const { workflow } = await create("conflict");
  const results = await Promise.allSettled(
    [version("a"), version("b"), version("c")].map((content) => db.workflows.update(tenant, workflow.id, {}, content, 1)),
  );
  expect(results.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
  for (const result of results) if (result.status === "rejected") expect(result.reason).toMatchObject({ code: "precondition.failed" });
  expect((await db.workflows.get(tenant, workflow.id))?.workflow.version).toBe(2);
});

test("A12: When a version is published, then running takes it, unless another is asked for; without one the newest", async () => {
  const { workflow } = await create("publish");
  await db.workflows.update(tenant, workflow.id, {}, version("2"));
  expect((await db.workflows.runnable(tenant, workflow.id))?.version.version).toBe(2);
  expect(await db.workflows.publish(tenant, workflow.id, 1)).toMatchObject({ publishedVersion: 1, version: 2 });
  expect((await db.workflows.runnable(tenant, workflow.id))?.version.version).toBe(1);
  expect((await db.workflows.runnable(tenant, workflow.id, 2))?.version.version).toBe(2);
  expect(await db.workflows.runnable(tenant, workflow.id, 9)).toBeUndefined();
  expect(await db.workflows.publish(tenant, workflow.id, 3)).toBeUndefined();
});

test("D2: When workflows are searched, then text stands for itself and all tags must be there; deleted ones are gone", async () => {
  const mark = randomUUID();
  const a = await create(`${mark} 100% sure`, ["x", "y"]);
  const b = await create(`${mark} 1000 sure`, ["x"], "desc_ription");
  const find = async (filter: { search?: string; tags?: string[] }) => (await db.workflows.list(tenant, filter, { limit: 10 })).rows.map(({ id }) => id);
  expect(await find({ search: `${mark} 100%` })).toEqual([a.workflow.id]);
  expect(await find({ search: mark })).toEqual([b.workflow.id, a.workflow.id]);
  expect(await find({ search: "SC_RIP" })).toEqual([b.workflow.id]);
  expect(await find({ search: mark, tags: ["y", "x"] })).toEqual([a.workflow.id]);
  expect(await find({ tags: ["x'\"{},\\"] })).toEqual([]);
  expect(await db.workflows.remove(tenant, a.workflow.id)).toBe(true);
  expect(await db.workflows.remove(tenant, a.workflow.id)).toBe(false);
  expect(await find({ search: mark })).toEqual([b.workflow.id]);
  expect(await db.workflows.get(tenant, a.workflow.id)).toBeUndefined();
  expect(await db.workflows.runnable(tenant, a.workflow.id)).toBeUndefined();
  expect(await db.workflows.versions(tenant, a.workflow.id, { limit: 10 })).toBeUndefined();
});

test("D2: When workflows are paged by cursor, then each comes once and the total is that of all", async () => {
  const mark = randomUUID();
  const made = (await Promise.all(Array.from({ length: 5 }, () => create(mark)))).map(({ workflow }) => workflow.id);
  const seen: string[] = [];
  let cursor: string | undefined;
  do {
    const page = await db.workflows.list(tenant, { search: mark }, { limit: 2, ...(cursor !== undefined && { cursor }) });
    expect(page.total).toBe(5);
    seen.push(...page.rows.map(({ id }) => id));
    cursor = page.nextCursor;
  } while (cursor);
  expect(seen.toSorted()).toEqual(made.toSorted());
  expect((await db.workflows.list(tenant, { search: mark }, { limit: 2, offset: 4 })).rows).toHaveLength(1);
});

test("D1: When workflows are listed in any order, in whole or in part, then the pages are the list, cut up", async () => {
  const mark = randomUUID();
  for (const name of ["b", "a", "d", "c", "e"]) await create(`${name} ${mark}`);
  const orders = ["name", "-name", "created_at", "-created_at", "updated_at", "-updated_at"] as const;
  for (const order of orders) {
    for (const withoutGraph of [false, true]) {
      const filter = { order, search: mark, ...(withoutGraph && { withoutGraph }) };
      const whole = (await db.workflows.list(tenant, filter, { limit: 10 })).rows;
      expect(whole).toHaveLength(5);
      expect(whole.map(({ graph }) => graph === null)).toEqual(whole.map(() => withoutGraph));
      expect(whole[0]?.createdAt).toBeInstanceOf(Date);
      const pages: string[] = [];
      for (let cursor: string | undefined = ""; cursor !== undefined;) {
        const page = await db.workflows.list(tenant, filter, { limit: 2, ...(cursor !== "" && { cursor }) });
        pages.push(...page.rows.map(({ id }) => id));
        cursor = page.nextCursor;
      }
      expect(pages).toEqual(whole.map(({ id }) => id));
    }
    const all = (await db.workflows.list(tenant, {}, { limit: 1_000 })).total;
    const first = await db.workflows.list(tenant, { order }, { limit: 3 });
    const inOne = (await db.workflows.list(tenant, { order, isPublic: false }, { limit: 1_000 })).rows;
    expect([first.total, first.rows]).toEqual([all, inOne.slice(0, 3)]);
  }
});
