import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { TenantId } from "#core";
import { type Database, openDatabase } from "#db";
import { readEnv } from "#platform";
import { createTestDatabase, type TestDatabase } from "#tests/database.ts";
import { createSecrets } from "../../worker/secrets.ts";

let database: TestDatabase;
let db: Database;

beforeAll(async () => {
  database = await createTestDatabase();
  db = await openDatabase({ url: database.url, poolSize: 2 });
});

afterAll(async () => {
  await db?.close();
  await database?.drop();
});

async function organization(): Promise<TenantId> {
  const { membership } = await db.accounts.register({ email: `${randomUUID()}@example.com`, passwordHash: "h", name: "A", organizationName: "O" });
  return membership.tenantId;
}

function secrets(settings: Record<string, string> = {}) {
  const env = readEnv({ PERDURE_SECRET_TOKEN: "t", ...settings });
  const made = createSecrets({ env, accounts: db.accounts, store: { get: async (name) => env.secret(name) } });
  return { ready: made.ready, areFor: made.areFor, of: async (tenant: TenantId, name: string) => (await made.of(tenant, [name])).get(name) };
}

test("F6 F1: When nothing is said, then the organization that was made first reads the environment's secrets, and nobody who came later", async () => {
  const byDefault = secrets();
  await byDefault.ready();
  const [first, later] = [await organization(), await organization()];
  expect([await byDefault.of(first, "TOKEN"), await byDefault.of(later, "TOKEN")]).toEqual([undefined, undefined]);
  await byDefault.ready();
  expect([await byDefault.of(first, "TOKEN"), await byDefault.of(later, "TOKEN"), await byDefault.of(first, "OTHER")]).toEqual(["t", undefined, undefined]);

  const listed = secrets({ SECRETS_ORGANIZATIONS: `${later.toUpperCase()}, ${randomUUID()}` });
  await listed.ready();
  expect([await listed.of(first, "TOKEN"), await listed.of(later, "TOKEN")]).toEqual([undefined, "t"]);

  const everybody = secrets({ SECRETS_ORGANIZATIONS: "*" });
  await everybody.ready();
  expect([await everybody.of(first, "TOKEN"), await everybody.of(later, "TOKEN")]).toEqual(["t", "t"]);
});

test("F6: When SECRETS_ORGANIZATIONS names what can be no organization, then the process says so and does not start", () => {
  expect(() => readEnv({ SECRETS_ORGANIZATIONS: "all" })).toThrow("SECRETS_ORGANIZATIONS");
});
