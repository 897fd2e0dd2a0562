import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type TenantId, tenantId, uuidv7 } from "#core";
import { type Database, type Role, openDatabase } from "#db";
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
  const { user, membership } = await db.accounts.register({ email: `${randomUUID()}@example.com`, passwordHash: "argon", name: "A", organizationName: "Org" });
  return { user, tenant: membership.tenantId };
}

async function invite(
  tenant: Awaited<ReturnType<typeof account>>["tenant"],
  invitedBy: string,
  email: string,
  role: Role = "operator",
  expiresAt = inAnHour(),
) {
  const tokenHash = randomUUID();
  const invitation = await db.invitations.create(tenant, { id: uuidv7(), email, role, tokenHash, invitedBy, expiresAt });
  return { tokenHash, invitation };
}

describe("API keys", () => {
  test("F3: When a key is used, then it says whose it is and when; revoked or expired it is nobody's, and another tenant never sees it", async () => {
    const { user, tenant } = await account();
    const stranger = await account();
    const keyHash = randomUUID();
    const key = { id: uuidv7(), createdBy: user.id, name: "ci", prefix: "pk_12345678", scopes: ["run.start"], expiresAt: inAnHour() };
    const created = await db.apiKeys.create(tenant, { ...key, keyHash }, 10);
    expect(created).toMatchObject({ ...key, lastUsedAt: null, revokedAt: null });
    expect(JSON.stringify(created)).not.toContain(keyHash);
    expect(await db.apiKeys.use(keyHash)).toEqual({ id: key.id, tenantId: tenant, createdBy: user.id, scopes: ["run.start"], expiresAt: key.expiresAt });
    expect((await db.apiKeys.get(tenant, key.id, {}))?.lastUsedAt?.getTime()).toBeGreaterThan(Date.now() - 10_000);
    expect(await db.apiKeys.get(tenant, key.id, { createdBy: stranger.user.id })).toBeUndefined();
    expect(await db.apiKeys.get(stranger.tenant, key.id, {})).toBeUndefined();
    expect(await db.apiKeys.revoke(stranger.tenant, key.id, {})).toBeUndefined();
    const another = (max: number) => db.apiKeys.create(tenant, { ...key, id: uuidv7(), keyHash: randomUUID(), expiresAt: new Date(Date.now() - 1) }, max);
    await expect(another(1)).rejects.toMatchObject({ code: "resource.conflict" });
    const revoked = await db.apiKeys.revoke(tenant, key.id, {});
    expect(revoked?.revokedAt).toBeInstanceOf(Date);
    expect((await db.apiKeys.revoke(tenant, key.id, {}))?.revokedAt).toEqual(revoked?.revokedAt);
    expect(await db.apiKeys.use(keyHash)).toBeUndefined();
    await another(1);
    await db.apiKeys.create(tenant, { ...key, id: uuidv7(), keyHash: "expired", expiresAt: new Date(Date.now() - 1) }, 1);
    expect(await db.apiKeys.use("expired")).toBeUndefined();
  });

  test("F3: When keys are listed, then the newest come first, page by page", async () => {
    const { user, tenant } = await account();
    const ids: string[] = [];
    for (let n = 0; n < 5; n++) {
      ids.unshift(uuidv7());
      await db.apiKeys.create(
        tenant,
        {
          id: ids[0] ?? "",
          createdBy: user.id,
          name: `${n}`,
          prefix: "pk_",
          scopes: [],
          expiresAt: null,
          keyHash: randomUUID(),
        },
        10,
      );
    }
    const first = await db.apiKeys.list(tenant, {}, { limit: 3 });
    const second = await db.apiKeys.list(tenant, { createdBy: user.id }, { limit: 3, cursor: first.nextCursor ?? "" });
    expect([...first.rows, ...second.rows].map(({ id }) => id)).toEqual(ids);
    expect([first.total, second.nextCursor]).toEqual([5, undefined]);
  });
});

describe("members", () => {
  test("F1: When two admins remove or demote each other at the same moment, then one admin is left, every time", async () => {
    for (let round = 0; round < 10; round++) {
      const a = await account();
      const b = await account();
      const { tokenHash } = await invite(a.tenant, a.user.id, b.user.email, "admin");
      await db.invitations.accept(tokenHash, { user: b.user });
      const results = await Promise.allSettled([
        round % 2 === 0 ? db.organizations.removeMember(a.tenant, b.user.id) : db.organizations.setRole(a.tenant, b.user.id, "viewer"),
        db.organizations.removeMember(a.tenant, a.user.id),
      ]);
      expect(results.map(({ status }) => status).toSorted()).toEqual(["fulfilled", "rejected"]);
      for (const result of results) if (result.status === "rejected") expect(result.reason).toMatchObject({ code: "resource.conflict" });
      expect((await db.organizations.members(a.tenant, { limit: 10 })).rows.filter(({ role }) => role === "admin")).toHaveLength(1);
    }
  });

  test("F1: When a member is removed, then their keys and refresh tokens of this organization are revoked, and of no other", async () => {
    const a = await account();
    const b = await account();
    const { tokenHash } = await invite(a.tenant, a.user.id, b.user.email);
    await db.invitations.accept(tokenHash, { user: b.user });
    const key = { createdBy: b.user.id, name: "k", prefix: "pk_", scopes: [], expiresAt: null };
    await db.apiKeys.create(a.tenant, { ...key, id: uuidv7(), keyHash: `${b.user.id} there` }, 10);
    await db.apiKeys.create(b.tenant, { ...key, id: uuidv7(), keyHash: `${b.user.id} home` }, 10);
    for (const tenant of [a.tenant, b.tenant]) await openSession(b.user.id, tenant, `${b.user.id}${tenant}`);
    expect(await db.organizations.removeMember(a.tenant, b.user.id)).toBe(true);
    expect(await db.organizations.removeMember(a.tenant, b.user.id)).toBe(false);
    expect(await db.apiKeys.use(`${b.user.id} there`)).toBeUndefined();
    expect(await db.apiKeys.use(`${b.user.id} home`)).toBeDefined();
    const rotate = (tenant: string) =>
      db.userSessions.rotate({ ...from, tokenHash: `${b.user.id}${tenant}`, newTokenHash: randomUUID(), expiresAt: inAnHour() });
    expect([(await rotate(a.tenant)).outcome, (await rotate(b.tenant)).outcome]).toEqual(["reused", "rotated"]);
  });

  test("F1: When another tenant names a member, then it finds nobody and changes nothing", async () => {
    const [a, b] = [await account(), await account()];
    expect(await db.organizations.member(b.tenant, a.user.id)).toBeUndefined();
    expect(await db.organizations.setRole(b.tenant, a.user.id, "viewer")).toBeUndefined();
    expect(await db.organizations.removeMember(b.tenant, a.user.id)).toBe(false);
    expect(await db.organizations.member(a.tenant, a.user.id)).toMatchObject({ role: "admin", email: a.user.email });
    expect(await db.organizations.update(a.tenant, { name: "New" })).toMatchObject({ id: a.tenant, name: "New", outboundHosts: null });
    expect(await db.organizations.update(a.tenant, { outboundHosts: ["a.example", 'b c"{},'] })).toMatchObject({
      name: "New",
      outboundHosts: ["a.example", 'b c"{},'],
    });
    expect(await db.organizations.update(a.tenant, { outboundHosts: null })).toMatchObject({ name: "New", outboundHosts: null });
    expect(await db.organizations.update(a.tenant, {})).toMatchObject({ name: "New" });
    expect((await db.organizations.get(b.tenant))?.name).toBe("Org");
  });
});

const from = { graceMs: 0, ip: "127.0.0.1", userAgent: "test" };

async function openSession(userId: string, tenant: TenantId, tokenHash: string): Promise<string> {
  const id = uuidv7();
  const { ip, userAgent } = from;
  await db.userSessions.open({ id, userId, tenantId: tenant, securityEpoch: 0, method: "password", ip, userAgent, tokenHash, expiresAt: inAnHour() });
  return id;
}

describe("invitations", () => {
  test("F1: When ten accept one invitation at once, then one becomes a member and nothing of the others is left", async () => {
    const { user, tenant } = await account();
    const email = `${randomUUID()}@example.com`;
    const { tokenHash, invitation } = await invite(tenant, user.id, email);
    expect(await db.invitations.find(tokenHash)).toEqual({ id: invitation.id, email, role: "operator" });
    const results = await Promise.allSettled(
      Array.from({ length: 10 }, (_, n) =>
        db.invitations.accept(tokenHash, { user: { id: uuidv7(), email: `${n}${email}`, name: "N", createdAt: new Date() }, passwordHash: "h" }),
      ),
    );
    expect(results.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
    for (const result of results) if (result.status === "rejected") expect(result.reason).toMatchObject({ code: "resource.not_found" });
    const accounts = await Promise.all(Array.from({ length: 10 }, (_, n) => db.accounts.findByEmail(`${n}${email}`)));
    expect(accounts.filter(Boolean)).toHaveLength(1);
    expect((await db.organizations.members(tenant, { limit: 10 })).total).toBe(2);
    await expect(db.invitations.revoke(tenant, invitation.id)).rejects.toMatchObject({ code: "resource.conflict" });
  });

  test("F1: When an address is invited again, then the invitation before is revoked; an expired one cannot be accepted; members are not invited", async () => {
    const { user, tenant } = await account();
    const guest = await account();
    const first = await invite(tenant, user.id, guest.user.email);
    const second = await invite(tenant, user.id, guest.user.email.toUpperCase(), "viewer");
    expect([await db.invitations.find(first.tokenHash), (await db.invitations.get(tenant, first.invitation.id))?.revokedAt !== null]).toEqual([
      undefined,
      true,
    ]);
    expect(await db.invitations.accept(second.tokenHash, { user: guest.user })).toEqual({ tenantId: tenant, organizationName: "Org", role: "viewer" });
    await expect(invite(tenant, user.id, guest.user.email)).rejects.toMatchObject({ code: "resource.conflict" });
    const expired = await invite(tenant, user.id, `${randomUUID()}@example.com`, "viewer", new Date(Date.now() - 1));
    await expect(db.invitations.accept(expired.tokenHash, { user: guest.user })).rejects.toMatchObject({ code: "resource.not_found" });
    expect((await db.invitations.list(tenant, { limit: 10 })).total).toBe(3);
    expect([await db.invitations.get(guest.tenant, first.invitation.id), await db.invitations.revoke(guest.tenant, expired.invitation.id)]).toEqual([
      undefined,
      false,
    ]);
  });
});

describe("lost updates", () => {
  /** Ten changes of the state that was read: those that came too late are refused. */
  async function race(change: (revision: number) => Promise<unknown>, revision: number) {
    const results = await Promise.allSettled(Array.from({ length: 10 }, () => change(revision)));
    expect(results.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
    for (const result of results) if (result.status === "rejected") expect(result.reason).toMatchObject({ code: "precondition.failed" });
  }

  test("F1: When ten change an organization, a member, a key or an invitation as they read it, then one does, and the rest learn that somebody was faster", async () => {
    const { user, tenant } = await account();
    await race((revision) => db.organizations.update(tenant, { name: randomUUID() }, revision), (await db.organizations.get(tenant))?.revision ?? 0);
    expect((await db.organizations.get(tenant))?.revision).toBe(2);

    const second = await account();
    const { tokenHash } = await invite(tenant, user.id, second.user.email, "admin");
    await db.invitations.accept(tokenHash, { user: second.user });
    await race((revision) => db.organizations.setRole(tenant, second.user.id, "viewer", revision), 1);
    await expect(db.organizations.removeMember(tenant, second.user.id, 1)).rejects.toMatchObject({ code: "precondition.failed" });
    expect(await db.organizations.member(tenant, second.user.id)).toMatchObject({ role: "viewer", revision: 2 });
    expect(await db.organizations.removeMember(tenant, second.user.id, 2)).toBe(true);

    const key = { id: uuidv7(), createdBy: user.id, name: "k", prefix: "pk_", scopes: [], expiresAt: null, keyHash: randomUUID() };
    expect((await db.apiKeys.create(tenant, key, 10)).revision).toBe(1);
    await db.apiKeys.use(key.keyHash);
    await race((revision) => db.apiKeys.revoke(tenant, key.id, {}, revision), 1);
    const revoked = await db.apiKeys.get(tenant, key.id, {});
    expect(await db.apiKeys.revoke(tenant, key.id, {}), "again it changes nothing").toEqual(revoked);
    expect(revoked?.revision).toBe(2);

    const { invitation } = await invite(tenant, user.id, `${randomUUID()}@example.com`);
    await race((revision) => db.invitations.renew(tenant, invitation.id, { tokenHash: randomUUID(), expiresAt: inAnHour() }, revision), 1);
    await race((revision) => db.invitations.revoke(tenant, invitation.id, revision), 2);
    expect((await db.invitations.get(tenant, invitation.id))?.revision).toBe(3);
  });

  test("F1: When an invitation is renewed, then its new token opens and the old one does not; not once it was accepted or revoked, and by no other tenant", async () => {
    const { user, tenant } = await account();
    const guest = await account();
    const { tokenHash, invitation } = await invite(tenant, user.id, guest.user.email, "viewer", new Date(Date.now() - 1));
    const token = { tokenHash: randomUUID(), expiresAt: inAnHour() };
    expect(await db.invitations.renew(guest.tenant, invitation.id, token)).toBeUndefined();
    expect(await db.invitations.renew(tenant, invitation.id, token)).toEqual({ ...invitation, expiresAt: token.expiresAt, revision: 2 });
    expect([await db.invitations.find(tokenHash), (await db.invitations.find(token.tokenHash))?.id]).toEqual([undefined, invitation.id]);
    await db.invitations.accept(token.tokenHash, { user: guest.user });
    await expect(db.invitations.renew(tenant, invitation.id, token)).rejects.toMatchObject({ code: "resource.conflict" });
    const other = await invite(tenant, user.id, `${randomUUID()}@example.com`);
    expect([await db.invitations.revoke(tenant, other.invitation.id), await db.invitations.revoke(tenant, other.invitation.id)]).toEqual([true, true]);
    await expect(db.invitations.renew(tenant, other.invitation.id, token)).rejects.toMatchObject({ code: "resource.conflict" });
  });
});

test("F1: When a refresh token is switched, then only to an organization of the user, and it stays good where it is not", async () => {
  const [a, b] = [await account(), await account()];
  const { tokenHash } = await invite(b.tenant, b.user.id, a.user.email);
  const hash = (n: number) => `${a.user.id}:${n}`;
  const sessionId = await openSession(a.user.id, a.tenant, hash(0));
  const rotate = (n: number, switchTo?: string) =>
    db.userSessions.rotate({
      ...from,
      tokenHash: hash(n),
      newTokenHash: hash(n + 1),
      expiresAt: inAnHour(),
      ...(switchTo !== undefined && { switchTo }),
    });
  expect(await rotate(0, b.tenant)).toEqual({ outcome: "not_a_member" });
  await db.invitations.accept(tokenHash, { user: a.user });
  expect(await rotate(0, b.tenant)).toEqual({ outcome: "rotated", userId: a.user.id, tenantId: tenantId(b.tenant), sessionId });
  expect(await rotate(1)).toMatchObject({ outcome: "rotated", tenantId: b.tenant });
});
