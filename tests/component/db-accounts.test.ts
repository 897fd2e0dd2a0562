import { randomUUID } from "node:crypto";
import { type TenantId, uuidv7 } from "#core";
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
  expect(await db.accounts.findByEmail(user.email.toUpperCase())).toEqual({ ...user, passwordHash: "argon", securityEpoch: 0 });
  expect(await db.accounts.find(user.id)).toMatchObject(user);
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

const from = { method: "password" as const, ip: "127.0.0.1", userAgent: "test" };

async function openSession(userId: string, tenantId: TenantId, tokenHash: string, { expiresAt = inAnHour(), securityEpoch = 0 } = {}) {
  const id = uuidv7();
  const opened = await db.userSessions.open({ ...from, id, userId, tenantId, securityEpoch, tokenHash, expiresAt });
  return { id, opened };
}

const rotate = (tokenHash: string, newTokenHash: string, graceMs = 0) =>
  db.userSessions.rotate({ tokenHash, newTokenHash, expiresAt: inAnHour(), graceMs, ip: "::1", userAgent: "later" });

test("D1: When ten calls rotate one refresh token at once and there is no grace, then one succeeds and the session ends", async () => {
  const { user, tenantId } = await account();
  const { id } = await openSession(user.id, tenantId, `${user.id}:0`);
  const results = await Promise.all(Array.from({ length: 10 }, (_, n) => rotate(`${user.id}:0`, `${user.id}:new${n}`)));
  expect(results.map(({ outcome }) => outcome).toSorted()).toEqual([...Array.from({ length: 9 }, () => "reused"), "rotated"]);
  expect(results.find(({ outcome }) => outcome === "rotated")).toEqual({ outcome: "rotated", userId: user.id, tenantId, sessionId: id });
  const winner = results.findIndex(({ outcome }) => outcome === "rotated");
  expect(await rotate(`${user.id}:new${winner}`, `${user.id}:x`)).toEqual({ outcome: "reused" });
});

test("D1: When ten calls rotate one refresh token at once within the grace, then each gets a token that is good, all of one session", async () => {
  const { user, tenantId } = await account();
  const { id } = await openSession(user.id, tenantId, `${user.id}:0`);
  const results = await Promise.all(Array.from({ length: 10 }, (_, n) => rotate(`${user.id}:0`, `${user.id}:new${n}`, 60_000)));
  expect(results).toEqual(Array.from({ length: 10 }, () => ({ outcome: "rotated", userId: user.id, tenantId, sessionId: id })));
  const next = await Promise.all(Array.from({ length: 10 }, (_, n) => rotate(`${user.id}:new${n}`, `${user.id}:next${n}`, 60_000)));
  expect(new Set(next.map(({ outcome }) => outcome))).toEqual(new Set(["rotated"]));
});

test("D1: When an exchanged token is shown again after the grace, or after its successor was exchanged, then the session ends", async () => {
  const late = await account();
  await openSession(late.user.id, late.tenantId, `${late.user.id}:0`);
  expect((await rotate(`${late.user.id}:0`, `${late.user.id}:1`, 50)).outcome).toBe("rotated");
  await new Promise((resolve) => setTimeout(resolve, 80));
  expect((await rotate(`${late.user.id}:0`, `${late.user.id}:thief`, 50)).outcome).toBe("reused");
  expect((await rotate(`${late.user.id}:1`, `${late.user.id}:2`, 50)).outcome, "the victim as well").toBe("reused");

  const { user, tenantId } = await account();
  await openSession(user.id, tenantId, `${user.id}:0`);
  expect((await rotate(`${user.id}:0`, `${user.id}:1`, 60_000)).outcome).toBe("rotated");
  expect((await rotate(`${user.id}:1`, `${user.id}:2`, 60_000)).outcome).toBe("rotated");
  expect((await rotate(`${user.id}:0`, `${user.id}:thief`, 60_000)).outcome).toBe("reused");
  expect((await rotate(`${user.id}:2`, `${user.id}:3`, 60_000)).outcome).toBe("reused");
});

test("D1: When a token was stolen within the grace, then the two who have one are told apart at the next exchange", async () => {
  const { user, tenantId } = await account();
  await openSession(user.id, tenantId, `${user.id}:0`);
  await rotate(`${user.id}:0`, `${user.id}:owner`, 60_000);
  await rotate(`${user.id}:0`, `${user.id}:thief`, 60_000);
  expect((await rotate(`${user.id}:thief`, `${user.id}:thief2`, 0)).outcome).toBe("rotated");
  expect((await rotate(`${user.id}:owner`, `${user.id}:owner2`, 0)).outcome).toBe("reused");
  expect((await rotate(`${user.id}:thief2`, `${user.id}:thief3`, 0)).outcome).toBe("reused");
});

test("D1: When a token is rotated, revoked, expired or unknown, then the outcome says so", async () => {
  const { user, tenantId } = await account();
  const hash = (n: number) => `${user.id}:${n}`;
  await openSession(user.id, tenantId, hash(0));
  for (const n of [0, 1, 2]) expect(await rotate(hash(n), hash(n + 1))).toMatchObject({ outcome: "rotated" });
  expect(await db.userSessions.endByToken(hash(1))).toEqual({ userId: user.id });
  expect(await db.userSessions.endByToken(hash(1))).toBeUndefined();
  expect(await rotate(hash(3), hash(4))).toEqual({ outcome: "reused" });
  await openSession(user.id, tenantId, hash(10), { expiresAt: new Date(Date.now() - 1) });
  expect(await rotate(hash(10), hash(11))).toEqual({ outcome: "expired" });
  expect(await rotate("none", "n")).toEqual({ outcome: "unknown" });
});

test("D1: When sessions are listed and ended, then one's own and no others', and access tokens of an ended one belong to nobody", async () => {
  const [{ user, tenantId }, other] = [await account(), await account()];
  const first = await openSession(user.id, tenantId, `${user.id}:a`);
  const second = await openSession(user.id, tenantId, `${user.id}:b`);
  const foreign = await openSession(other.user.id, other.tenantId, `${other.user.id}:a`);
  await rotate(`${user.id}:b`, `${user.id}:c`);
  const page = await db.userSessions.list(user.id, { limit: 1 });
  expect([page.total, page.rows.map(({ id }) => id)]).toEqual([2, [second.id]]);
  expect(page.rows[0]).toMatchObject({ method: "password", ip: "::1", userAgent: "later" });
  expect((await db.userSessions.list(user.id, { limit: 1, cursor: page.nextCursor as string })).rows.map(({ id }) => id)).toEqual([first.id]);
  expect([await db.userSessions.end(user.id, foreign.id), await db.userSessions.get(user.id, foreign.id)]).toEqual([false, undefined]);
  expect(await db.accounts.membership(user.id, tenantId, second.id)).toMatchObject({ role: "admin" });
  expect(await db.accounts.membership(user.id, tenantId, foreign.id)).toBeUndefined();
  expect(await db.userSessions.end(user.id, second.id)).toBe(true);
  expect(await db.accounts.membership(user.id, tenantId, second.id)).toBeUndefined();
  expect((await rotate(`${user.id}:c`, `${user.id}:d`)).outcome).toBe("reused");
  await db.userSessions.endAll(user.id);
  expect((await db.userSessions.list(user.id, { limit: 10 })).total).toBe(0);
  expect((await db.userSessions.list(other.user.id, { limit: 10 })).total).toBe(1);
});

test("D1: When somebody signs in, then their sessions that ended by time 30 days ago are forgotten, and nobody else's", async () => {
  const [{ user, tenantId }, other] = [await account(), await account()];
  const daysAgo = (days: number) => ({ expiresAt: new Date(Date.now() - days * 86_400_000) });
  await openSession(user.id, tenantId, `${user.id}:old`, daysAgo(31));
  await openSession(other.user.id, other.tenantId, `${other.user.id}:old`, daysAgo(31));
  await openSession(user.id, tenantId, `${user.id}:late`, daysAgo(29));
  await openSession(user.id, tenantId, `${user.id}:now`);
  const both = async () => [(await rotate(`${user.id}:old`, randomUUID())).outcome, (await rotate(`${other.user.id}:old`, randomUUID())).outcome];
  expect(await both()).toEqual(["unknown", "expired"]);
  expect((await rotate(`${user.id}:late`, randomUUID())).outcome).toBe("expired");
});

test("D1: When a sign-in began before all sessions were ended or the password was changed, then it opens none", async () => {
  const { user, tenantId } = await account();
  expect((await openSession(user.id, tenantId, `${user.id}:0`)).opened).toBe(true);
  await db.userSessions.endAll(user.id);
  expect((await openSession(user.id, tenantId, `${user.id}:1`)).opened).toBe(false);
  const { opened, id } = await openSession(user.id, tenantId, `${user.id}:2`, { securityEpoch: 1 });
  expect(opened).toBe(true);
  expect(await db.accounts.changePassword(user.id, { from: "wrong", to: "x" })).toBe(false);
  expect(await db.accounts.changePassword(user.id, { from: "argon", to: "new", except: id })).toBe(true);
  expect((await db.userSessions.list(user.id, { limit: 10 })).rows.map((each) => each.id)).toEqual([id]);
  expect((await openSession(user.id, tenantId, `${user.id}:3`, { securityEpoch: 1 })).opened).toBe(false);
});

test("D1: When ten reset a password with one token at once, then one does, and nothing of the others is left", async () => {
  const { user, tenantId } = await account();
  await openSession(user.id, tenantId, `${user.id}:0`);
  await db.accountTokens.create({ purpose: "reset_password", userId: user.id, tokenHash: `${user.id}:old`, data: {}, expiresAt: inAnHour() });
  await db.accountTokens.create({ purpose: "reset_password", userId: user.id, tokenHash: `${user.id}:r`, data: {}, expiresAt: inAnHour() });
  expect(await db.accountTokens.find("reset_password", `${user.id}:old`), "the newer takes its place").toBeUndefined();
  expect(await db.accounts.verifyEmail(`${user.id}:r`), "of another purpose").toBeUndefined();
  const results = await Promise.all(Array.from({ length: 10 }, (_, n) => db.accounts.resetPassword(`${user.id}:r`, `hash ${n}`)));
  expect(results.filter((each) => each !== undefined)).toHaveLength(1);
  const winner = results.findIndex((each) => each !== undefined);
  const after = await db.accounts.find(user.id);
  expect([after?.passwordHash, after?.emailVerifiedAt !== null]).toEqual([`hash ${winner}`, true]);
  expect((await db.userSessions.list(user.id, { limit: 10 })).total).toBe(0);
});

test("D1 F4: When a password was changed or reset, then no token of before resets it, and what was not changed takes none away", async () => {
  const { user } = await account();
  const other = await account();
  const asked = async (tokenHash: string, userId = user.id) => {
    await db.accountTokens.create({ purpose: "reset_password", userId, tokenHash, data: {}, expiresAt: inAnHour(), keepOthers: true });
    return tokenHash;
  };
  const [first, second, others] = [await asked(`${user.id}:1`), await asked(`${user.id}:2`), await asked(`${other.user.id}:1`, other.user.id)];
  const isGood = async (tokenHash: string) => (await db.accountTokens.find("reset_password", tokenHash)) !== undefined;
  expect(await db.accounts.changePassword(user.id, { from: "wrong", to: "x" })).toBe(false);
  expect([await isGood(first), await isGood(second)]).toEqual([true, true]);
  expect((await db.accounts.resetPassword(first, "reset"))?.user.id).toBe(user.id);
  expect([await isGood(second), await db.accounts.resetPassword(second, "again")]).toEqual([false, undefined]);
  const third = await asked(`${user.id}:3`);
  expect(await db.accounts.changePassword(user.id, { from: "reset", to: "changed" })).toBe(true);
  expect([await isGood(third), await isGood(others)]).toEqual([false, true]);
});

test("D1: When a password is changed while tokens reset it, then one after the other, whichever comes first", async () => {
  const { user } = await account();
  for (let round = 0; round < 10; round++) {
    const tokenHash = `${user.id}:race ${round}`;
    await db.accountTokens.create({ purpose: "reset_password", userId: user.id, tokenHash, data: {}, expiresAt: inAnHour() });
    const from = (await db.accounts.find(user.id))?.passwordHash ?? null;
    const [changed, reset] = await Promise.all([
      db.accounts.changePassword(user.id, { from, to: `changed ${round}` }),
      db.accounts.resetPassword(tokenHash, `reset ${round}`),
    ]);
    expect(changed ? reset : reset?.user.id).toBe(changed ? undefined : user.id);
    expect((await db.accounts.find(user.id))?.passwordHash).toBe(changed ? `changed ${round}` : `reset ${round}`);
  }
});

test("D1: When an address is verified, then once, before the token expires, and only the address it was sent to", async () => {
  const { user } = await account();
  const make = (tokenHash: string, email: string, expiresAt = inAnHour()) =>
    db.accountTokens.create({ purpose: "verify_email", userId: user.id, tokenHash, data: { email }, expiresAt });
  await make(`${user.id}:other`, "another@example.com");
  expect(await db.accounts.verifyEmail(`${user.id}:other`)).toBeUndefined();
  await make(`${user.id}:late`, user.email, new Date(Date.now() - 1));
  expect(await db.accounts.verifyEmail(`${user.id}:late`)).toBeUndefined();
  await make(`${user.id}:good`, user.email);
  expect((await db.accounts.verifyEmail(`${user.id}:good`))?.emailVerifiedAt).toBeInstanceOf(Date);
  expect(await db.accounts.verifyEmail(`${user.id}:good`)).toBeUndefined();
});

test("D1: When a code of the second factor is used by ten at once, then one gets in; so with a recovery code", async () => {
  const { user } = await account();
  const sealed = { keyVersion: 1, sealed: Buffer.from("sealed") };
  expect(await db.secondFactors.enrol(user.id, sealed)).toBe(true);
  expect(await db.secondFactors.useStep(user.id, 5), "not confirmed").toBe(false);
  expect(await db.secondFactors.confirm(user.id, 10, ["a", "b"])).toBe(true);
  expect([await db.secondFactors.confirm(user.id, 11, ["c"]), await db.secondFactors.enrol(user.id, sealed)]).toEqual([false, false]);
  const ten = async (attempt: () => Promise<boolean>) => (await Promise.all(Array.from({ length: 10 }, attempt))).filter(Boolean).length;
  expect(await ten(() => db.secondFactors.useStep(user.id, 11))).toBe(1);
  expect([await db.secondFactors.useStep(user.id, 10), await db.secondFactors.useStep(user.id, 11)]).toEqual([false, false]);
  expect(await ten(() => db.secondFactors.useRecoveryCode(user.id, "a"))).toBe(1);
  expect(await db.secondFactors.find(user.id)).toMatchObject({ recoveryCodesLeft: 1, sealed: Buffer.from("sealed") });
  expect(await db.secondFactors.replaceRecoveryCodes(user.id, ["x", "y", "z"])).toBe(true);
  expect([await db.secondFactors.useRecoveryCode(user.id, "b"), await db.secondFactors.useRecoveryCode(user.id, "x")]).toEqual([false, true]);
  expect([await db.secondFactors.remove(user.id), await db.secondFactors.remove(user.id)]).toEqual([true, false]);
});

test("D1: When one token of a first step is tried by twenty at once, then five of them are looked at", async () => {
  const { user } = await account();
  await db.accountTokens.create({ purpose: "second_factor", userId: user.id, tokenHash: `${user.id}:p`, data: { tenant_id: "t" }, expiresAt: inAnHour() });
  const tried = await Promise.all(Array.from({ length: 20 }, () => db.accountTokens.attempt("second_factor", `${user.id}:p`, 5)));
  expect(tried.filter(Boolean)).toEqual(Array.from({ length: 5 }, () => ({ userId: user.id, data: { tenant_id: "t" } })));
  const used = await Promise.all(Array.from({ length: 5 }, () => db.accountTokens.use("second_factor", `${user.id}:p`)));
  expect(used.filter(Boolean)).toHaveLength(1);
});

test("D1: When somebody signs in with a provider, then the identity is theirs, under its issuer alone", async () => {
  const identity = { issuer: "https://id.example.com", subject: randomUUID(), email: `${randomUUID()}@example.com` };
  const { user } = await db.accounts.register({ email: identity.email, passwordHash: null, name: "A", organizationName: "O", identity });
  expect(await db.accounts.findByIdentity(identity)).toMatchObject({ id: user.id, passwordHash: null, emailVerifiedAt: expect.any(Date) });
  expect(await db.accounts.findByIdentity({ ...identity, issuer: "https://other.example.com" })).toBeUndefined();
});

/** With these identities, at issuers `https://0.example.com` and so on. */
async function withIdentities(passwordHash: string | null, count: number) {
  const { user } = await db.accounts.register({ email: `${randomUUID()}@example.com`, passwordHash, name: "A", organizationName: "O" });
  const ids: string[] = [];
  for (let n = 0; n < count; n++) {
    ids.push((await db.identities.link(user.id, { issuer: `https://${n}.example.com`, subject: randomUUID(), email: n === 0 ? null : user.email }, "user")).id);
  }
  return { user, ids };
}

test("D1: When identities are listed, then one's own, page by page, the newest first, and nobody else's", async () => {
  const { user, ids } = await withIdentities("argon", 3);
  const stranger = await account();
  const first = await db.identities.list(user.id, { limit: 2 });
  const second = await db.identities.list(user.id, { limit: 2, cursor: first.nextCursor as string });
  expect([...first.rows, ...second.rows].map(({ id }) => id)).toEqual(ids.toReversed());
  expect([first.total, second.nextCursor, second.rows[0]]).toEqual([
    3,
    undefined,
    { id: ids[0], issuer: "https://0.example.com", email: null, createdAt: expect.any(Date), lastUsedAt: expect.any(Date) },
  ]);
  expect((await db.identities.list(stranger.user.id, { limit: 2 })).rows).toEqual([]);
  expect(await db.identities.get(stranger.user.id, ids[0] ?? "")).toBeUndefined();
  expect(await db.identities.unlink(stranger.user.id, ids[0] ?? "", () => true)).toBeUndefined();
  expect((await db.identities.get(user.id, ids[0] ?? ""))?.issuer).toBe("https://0.example.com");
});

test("D1: When an identity is linked by two accounts at once, then it is one's, and stays so", async () => {
  const [a, b] = [await account(), await account()];
  const identity = { issuer: "https://id.example.com", subject: randomUUID(), email: null };
  const results = await Promise.allSettled([a, b, a, b].map(({ user }) => db.identities.link(user.id, identity, "user")));
  const owner = (await db.accounts.findByIdentity(identity))?.id;
  expect(results.map((result) => (result.status === "fulfilled" ? "linked" : (result.reason as { code: string }).code))).toEqual(
    [a, b, a, b].map(({ user }) => (user.id === owner ? "linked" : "resource.conflict")),
  );
});

test("D1: When the identities of an account without a password are all unlinked at once, then one is left, every time; with a password none", async () => {
  for (let round = 0; round < 5; round++) {
    const { user, ids } = await withIdentities(null, 3);
    const results = await Promise.allSettled(ids.map((id) => db.identities.unlink(user.id, id, () => true)));
    expect(results.map(({ status }) => status).toSorted()).toEqual(["fulfilled", "fulfilled", "rejected"]);
    for (const result of results) if (result.status === "rejected") expect(result.reason).toMatchObject({ code: "resource.conflict" });
    expect((await db.identities.list(user.id, { limit: 5 })).total).toBe(1);
  }
  const { user, ids } = await withIdentities("argon", 2);
  await Promise.all(ids.map((id) => db.identities.unlink(user.id, id, () => false)));
  expect((await db.identities.list(user.id, { limit: 5 })).total).toBe(0);
});

test("D1: When an identity was unlinked, then the same address alone links it no more to that account, its user can, and another account may have it", async () => {
  const [{ user }, other] = [await account(), await account()];
  const identity = { issuer: "https://id.example.com", subject: randomUUID(), email: user.email };
  const { id } = await db.identities.link(user.id, identity, "address");
  expect((await db.identities.link(user.id, identity, "address")).id, "theirs already").toBe(id);
  await db.identities.unlink(user.id, id, () => true);
  await expect(db.identities.link(user.id, identity, "address")).rejects.toMatchObject({ code: "resource.conflict" });
  expect([await db.accounts.findByIdentity(identity), await db.identities.get(user.id, id)]).toEqual([undefined, undefined]);
  expect(await db.identities.unlink(user.id, id, () => true), "a second time").toBeUndefined();

  const again = await db.identities.link(user.id, identity, "user");
  expect([(await db.accounts.findByIdentity(identity))?.id, again.id === id]).toEqual([user.id, false]);
  await expect(db.identities.link(other.user.id, identity, "user")).rejects.toMatchObject({ code: "resource.conflict" });
  await db.identities.unlink(user.id, again.id, () => true);
  const email = `${randomUUID()}@example.com`;
  const { user: third } = await db.accounts.register({ email, passwordHash: null, name: "A", organizationName: "O", identity: { ...identity, email } });
  expect((await db.accounts.findByIdentity(identity))?.id).toBe(third.id);
  const more = { email: `${randomUUID()}@example.com`, passwordHash: null, name: "A", organizationName: "O" };
  await expect(db.accounts.register({ ...more, identity }), "an identity that has an account").rejects.toMatchObject({ code: "resource.conflict" });
  expect(await db.accounts.findByEmail(more.email)).toBeUndefined();
});

test("D1: When the other identity's provider is none that one can sign in with, then the last one that is stays", async () => {
  const { user, ids } = await withIdentities(null, 2);
  const opensDoor = (issuer: string) => issuer === "https://1.example.com";
  await expect(db.identities.unlink(user.id, ids[1] ?? "", opensDoor)).rejects.toMatchObject({ code: "resource.conflict" });
  expect(await db.identities.unlink(user.id, ids[0] ?? "", opensDoor)).toMatchObject({ id: ids[0] });
});

test("D1: When an identity is unlinked while somebody signs in by it, then no session opens", async () => {
  const { user, membership } = await db.accounts.register({ email: `${randomUUID()}@example.com`, passwordHash: "argon", name: "A", organizationName: "O" });
  const identity = { issuer: "https://id.example.com", subject: randomUUID(), email: user.email };
  const { id } = await db.identities.link(user.id, identity, "user");
  const proven = await db.accounts.findByIdentity(identity);
  await db.identities.unlink(user.id, id, () => true);
  const { opened } = await openSession(user.id, membership.tenantId, randomUUID(), { securityEpoch: proven?.securityEpoch ?? -1 });
  expect([proven?.id, opened, await db.accounts.findByIdentity(identity)]).toEqual([user.id, false, undefined]);
});

test("D1: When sign-ins are listed, then those of the account, the newest first", async () => {
  const { user } = await account();
  for (const succeeded of [false, true]) await db.accounts.recordLogin({ ...from, email: user.email, userId: user.id, succeeded });
  await db.accounts.recordLogin({ ...from, email: user.email, succeeded: false });
  const page = await db.accounts.logins(user.id, { limit: 1 });
  expect([page.total, page.rows[0]]).toMatchObject([2, { succeeded: true, ip: "127.0.0.1", userAgent: "test", method: "password" }]);
  expect((await db.accounts.logins(user.id, { limit: 5, cursor: page.nextCursor as string })).rows).toMatchObject([{ succeeded: false }]);
});
