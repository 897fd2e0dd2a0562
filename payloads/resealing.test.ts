import { createHash, randomUUID } from "node:crypto";
import { expect, test } from "vitest";
import { type TenantId, tenantId } from "#core";
import type { SealedBytes, SealedKind, SealedRow, SealedRows } from "#db";
import { readEnv } from "#platform";
import { createPayloads, type Payloads, reseal } from "./index.ts";
import { open, seal } from "./seal.ts";
import { createMemoryStore } from "./testing/memory-store.ts";
import { unwrap } from "./wrapping.ts";

const MASTER = Buffer.alloc(32, 7);
const env = readEnv({ PAYLOAD_KEYS: `main:${MASTER.toString("base64")}` });
const tenant = tenantId(randomUUID());

/** Credentials in memory, two to a batch. */
function memoryRows(stored: SealedRow[]): SealedRows {
  const isBehind = (row: SealedRow, after: Pick<SealedRow, "keyVersion" | "id">) =>
    row.keyVersion > after.keyVersion || (row.keyVersion === after.keyVersion && row.id > after.id);
  return {
    async older(_tenant: TenantId, kind: SealedKind, keyVersion, after) {
      return stored
        .filter((row) => kind === "credential" && row.keyVersion < keyVersion && (!after || isBehind(row, after)))
        .toSorted((a, b) => a.keyVersion - b.keyVersion || (a.id < b.id ? -1 : 1))
        .slice(0, 2)
        .map((row) => ({ ...row }));
    },
    async replace(_tenant, _kind, changes) {
      return changes.filter(({ id, before, after }) => {
        const row = stored.find((each) => each.id === id && each.sealed.equals(before));
        return row && Object.assign(row, after);
      }).length;
    },
  };
}

async function stock(payloads: Payloads, ids: readonly string[]): Promise<SealedRow[]> {
  const sealed = async (id: string): Promise<SealedRow> => ({ id, ...(await payloads.seal(tenant, { kind: "credential", id }, Buffer.from(`of ${id}`))) });
  return Promise.all(ids.map(sealed));
}

test("F2: When a value is sealed, then it opens under its name alone, which is authenticated as it always was", async () => {
  const store = createMemoryStore();
  const payloads = createPayloads({ store, env });
  const sealed = await payloads.seal(tenant, { kind: "webhook delivery", id: "7" }, Buffer.from("text"));
  expect((await payloads.open(tenant, { kind: "webhook delivery", id: "7" }, sealed)).toString()).toBe("text");
  await expect(payloads.open(tenant, { kind: "webhook", id: "7" }, sealed)).rejects.toMatchObject({ code: "payload.unreadable" });
  const [key] = await store.keys(tenant);
  if (!key) throw new Error("no key");
  const secret = unwrap([{ id: "main", key: MASTER }], tenant, key);
  expect(open(secret, `perdure stored/${tenant}/1/webhook delivery/7`, sealed.sealed).toString()).toBe("text");
});

test("F2: When what older keys sealed is sealed anew, then all of it, over many batches, and a second time there is nothing to do", async () => {
  const payloads = createPayloads({ store: createMemoryStore(), env });
  const stored = await stock(payloads, ["a", "b", "c"]);
  await payloads.rotate(tenant);
  stored.push(...(await stock(payloads, ["d", "e"])));
  const version = await payloads.rotate(tenant);
  stored.push(...(await stock(payloads, ["f"])));
  const rows = memoryRows(stored);
  expect(await reseal({ rows, payloads, tenant })).toEqual({ resealed: 5, unreadable: [] });
  expect(new Set(stored.map(({ keyVersion }) => keyVersion))).toEqual(new Set([version]));
  for (const { id, ...sealed } of stored) expect((await payloads.open(tenant, { kind: "credential", id }, sealed)).toString()).toBe(`of ${id}`);
  const before = createHash("sha256").update(JSON.stringify(stored)).digest("hex");
  expect(await reseal({ rows, payloads, tenant })).toEqual({ resealed: 0, unreadable: [] });
  expect(createHash("sha256").update(JSON.stringify(stored)).digest("hex")).toBe(before);
});

test("F2: When a value is damaged, or was put by another kind, then it is named and left, and those behind it are sealed anew", async () => {
  const payloads = createPayloads({ store: createMemoryStore(), env });
  const stored = await stock(payloads, ["a", "b", "c", "d"]);
  const [, second] = stored as [SealedRow, SealedRow];
  second.sealed = seal(Buffer.alloc(32, 1), "", Buffer.from("x"));
  await payloads.rotate(tenant);
  expect(await reseal({ rows: memoryRows(stored), payloads, tenant })).toEqual({ resealed: 3, unreadable: [{ tenant, kind: "credential", id: "b" }] });
  expect(stored.map(({ keyVersion }) => keyVersion)).toEqual([2, 1, 2, 2]);
});

test("F2: When somebody changes a value between reading and writing, then theirs stays", async () => {
  const payloads = createPayloads({ store: createMemoryStore(), env });
  const stored = await stock(payloads, ["a"]);
  const rows = memoryRows(stored);
  await payloads.rotate(tenant);
  const theirs: SealedBytes = await payloads.seal(tenant, { kind: "credential", id: "a" }, Buffer.from("theirs"));
  const slow: SealedRows = {
    ...rows,
    async replace(...given) {
      Object.assign(stored[0] ?? {}, theirs);
      return rows.replace(...given);
    },
  };
  expect((await reseal({ rows: slow, payloads, tenant })).resealed).toBe(0);
  expect(stored).toEqual([{ id: "a", ...theirs }]);
});

test("F2: When the master key of a data key is missing, then sealing anew stops with that, and changes nothing", async () => {
  const store = createMemoryStore();
  const stored = await stock(createPayloads({ store, env }), ["a"]);
  const before = JSON.stringify(stored);
  const payloads = createPayloads({ store, env: readEnv({ PAYLOAD_KEYS: `other:${MASTER.toString("base64")}` }) });
  await expect(reseal({ rows: memoryRows(stored), payloads, tenant })).rejects.toMatchObject({ code: "configuration.invalid" });
  expect(JSON.stringify(stored)).toBe(before);
});
