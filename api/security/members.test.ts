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
});
