import { describe, expect, test } from "vitest";
import type { Role } from "#db";
import { createTestApp } from "../testing/test-app.ts";
import { createMembers } from "./members.ts";

async function member() {
  const app = createTestApp();
  const { userId, token } = await app.signUp();
  const [membership] = await app.db.accounts.memberships(userId);
  if (!membership) throw new Error("no membership");
  return { ...app, token, principal: { userId, tenantId: membership.tenantId, role: "admin" as const } };
}

describe("members", () => {
  test("F1: When a member is removed or gets another role, then their token says nothing else after ten seconds", async () => {
    const { db, principal } = await member();
    let now = 0;
    const members = createMembers(db.accounts, () => now);
    const role = async (): Promise<Role> => (await members.confirm(principal)).role;
    expect(await role()).toBe("admin");
    db.setRole(principal.userId, "viewer");
    now = 9_999;
    expect(await role()).toBe("admin");
    now = 10_000;
    expect(await role()).toBe("viewer");
    db.state.memberships.length = 0;
    now = 20_000;
    await expect(role()).rejects.toMatchObject({ code: "auth.invalid" });
  });

  test("F1: When a token names somebody who is no member, then it is 401", async () => {
    const { call, services, principal } = await member();
    for (const other of [{ userId: crypto.randomUUID() }, { tenantId: crypto.randomUUID() as typeof principal.tenantId }]) {
      const token = await services.tokens.issue({ ...principal, ...other });
      expect((await call("GET", "/api/v1/workflows", { token })).status).toBe(401);
    }
  });

  test("D1: When a session ends, then its token says nothing after ten seconds, and at once where the process is told", async () => {
    const { db, principal } = await member();
    const sessionId = db.state.sessions[0]?.id ?? "";
    let now = 0;
    const members = createMembers(db.accounts, () => now);
    const confirm = () => members.confirm({ ...principal, sessionId });
    await confirm();
    await db.userSessions.endAll(principal.userId);
    expect((await confirm()).role).toBe("admin");
    now = 10_000;
    await expect(confirm()).rejects.toMatchObject({ code: "auth.invalid" });
    for (const session of db.state.sessions) session.endReason = null;
    await confirm();
    await db.userSessions.endAll(principal.userId);
    members.forget(principal.userId);
    await expect(confirm()).rejects.toMatchObject({ code: "auth.invalid" });
  });

  test("D1: When a session ends while it is being looked up, then what was found is not kept", async () => {
    const { db, principal } = await member();
    const sessionId = db.state.sessions[0]?.id ?? "";
    let release = (): void => undefined;
    const held = new Promise<void>((resolve) => (release = resolve));
    const slow: typeof db.accounts.membership = async (...given) => {
      const found = await db.accounts.membership(...given);
      await held;
      return found;
    };
    const members = createMembers({ membership: slow }, () => 0);
    const first = members.confirm({ ...principal, sessionId });
    await db.userSessions.endAll(principal.userId);
    members.forget(principal.userId);
    release();
    expect((await first).role).toBe("admin");
    await expect(members.confirm({ ...principal, sessionId })).rejects.toMatchObject({ code: "auth.invalid" });
  });
});
