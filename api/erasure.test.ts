import { expect, test } from "vitest";
import { isScope, ROLES } from "#contract";
import { createTestApp } from "./testing/test-app.ts";

test("K4 F1: When an organization is to be erased, then only an admin may who wrote its name, and no API key", async () => {
  const { call, signUp, db } = createTestApp();
  for (const role of ROLES) {
    const { token } = await signUp();
    db.setRole(db.state.users.at(-1)?.id as string, role);
    const name = (await call("GET", "/api/v1/organization", { token })).body["name"] as string;
    for (const query of ["", "?confirm=", `?confirm=${encodeURIComponent(`${name} `)}`]) {
      expect([role, (await call("DELETE", `/api/v1/organization${query}`, { token })).status]).toEqual([role, role === "admin" ? 422 : 403]);
    }
    expect(db.state.erasures.size).toBe(0);
    const answer = await call("DELETE", `/api/v1/organization?confirm=${encodeURIComponent(name)}`, { token });
    expect([role, answer.status, db.state.erasures.size]).toEqual(role === "admin" ? [role, 202, 1] : [role, 403, 0]);
    db.state.erasures.clear();
  }
  expect(isScope("organization.erase")).toBe(false);
});
