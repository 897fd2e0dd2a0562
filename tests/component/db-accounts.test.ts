import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Database, openDatabase } from "#db";
import { createTestDatabase, type TestDatabase } from "#tests/database.ts";

let database: TestDatabase;
let db: Database;

beforeAll(async () => {
  database = await createTestDatabase();
  db = await openDatabase({ url: database.url, poolSize: 10 });
});

afterAll(async () => {
  await db?.close();
  await database?.drop();
});

const inAnHour = () => new Date(Date.now() + 3600_000);

async function account() {
  const { user, membership } = await db.accounts.register({ email: `${randomUUID()}@Example.com`, passwordHash: "argon", name: "A", organizationName: "Org" });
  return { user, tenantId: membership.tenantId };
}

test("D1: When somebody registers, then they are the administrator of an organization of their own and found by e-mail in any case", async () => {
  const { user, tenantId } = await account();
  expect(await db.accounts.findByEmail(user.email.toUpperCase())).toEqual({ ...user, passwordHash: "argon" });
  expect(await db.accounts.find(user.id)).toEqual(user);
  expect(await db.accounts.memberships(user.id)).toEqual([{ tenantId, organizationName: "Org", role: "admin" }]);
  expect(await db.accounts.find(randomUUID())).toBeUndefined();
});

test("F6: When organizations are made, then the first stays the first", async () => {
  const first = await db.accounts.firstOrganization();
  expect(first).toBeDefined();
  await account();
  expect(await db.accounts.firstOrganization()).toBe(first);
});

test("D1: When an e-mail is taken, also by a registration at the same moment, then one succeeds and nothing of the others is left", async () => {
  const email = `${randomUUID()}@example.com`;
  const results = await Promise.allSettled(
    [email, email.toUpperCase(), email].map((address) => db.accounts.register({ email: address, passwordHash: "h", name: "A", organizationName: "O" })),
  );
  expect(results.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
  for (const result of results) if (result.status === "rejected") expect(result.reason).toMatchObject({ code: "resource.conflict" });
});

test("D1: When ten calls rotate one refresh token at once, then one succeeds and the family is revoked", async () => {
  const { user, tenantId } = await account();
  await db.accounts.createRefreshToken({ userId: user.id, tenantId, tokenHash: `${user.id}:0`, expiresAt: inAnHour() });
  const results = await Promise.all(
    Array.from({ length: 10 }, (_, n) =>
      db.accounts.rotateRefreshToken({ tokenHash: `${user.id}:0`, newTokenHash: `${user.id}:new${n}`, expiresAt: inAnHour() }),
    ),
  );
  expect(results.map(({ outcome }) => outcome).toSorted()).toEqual([...Array.from({ length: 9 }, () => "reused"), "rotated"]);
  expect(results.find(({ outcome }) => outcome === "rotated")).toEqual({ outcome: "rotated", userId: user.id, tenantId });
  const winner = results.findIndex(({ outcome }) => outcome === "rotated");
  expect(await db.accounts.rotateRefreshToken({ tokenHash: `${user.id}:new${winner}`, newTokenHash: `${user.id}:x`, expiresAt: inAnHour() })).toEqual({
    outcome: "reused",
  });
});

test("D1: When a token is rotated, revoked, expired or unknown, then the outcome says so", async () => {
  const { user, tenantId } = await account();
  const hash = (n: number) => `${user.id}:${n}`;
  await db.accounts.createRefreshToken({ userId: user.id, tenantId, tokenHash: hash(0), expiresAt: inAnHour() });
  for (const n of [0, 1, 2]) {
    expect(await db.accounts.rotateRefreshToken({ tokenHash: hash(n), newTokenHash: hash(n + 1), expiresAt: inAnHour() })).toMatchObject({
      outcome: "rotated",
    });
  }
  await db.accounts.revokeRefreshFamily(hash(1));
  expect(await db.accounts.rotateRefreshToken({ tokenHash: hash(3), newTokenHash: hash(4), expiresAt: inAnHour() })).toEqual({ outcome: "reused" });
  await db.accounts.createRefreshToken({ userId: user.id, tenantId, tokenHash: hash(10), expiresAt: new Date(Date.now() - 1) });
  expect(await db.accounts.rotateRefreshToken({ tokenHash: hash(10), newTokenHash: hash(11), expiresAt: inAnHour() })).toEqual({ outcome: "expired" });
  expect(await db.accounts.rotateRefreshToken({ tokenHash: "none", newTokenHash: "n", expiresAt: inAnHour() })).toEqual({ outcome: "unknown" });
  await db.accounts.recordLogin({ email: user.email, userId: user.id, succeeded: true, ip: "127.0.0.1", userAgent: "test" });
  await db.accounts.recordLogin({ email: "nobody@example.com", succeeded: false, ip: "::1", userAgent: "" });
});
