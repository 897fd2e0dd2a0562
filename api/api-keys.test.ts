import { PERMISSIONS, SCOPES, may } from "#contract";
import type { TenantId } from "#core";
import { describe, expect, test } from "vitest";
import { createKeyHolders } from "./security/api-keys.ts";
import { createMembers } from "./security/members.ts";
import { createTestApp } from "./testing/test-app.ts";

interface Key {
  id: string;
  key: string;
  prefix: string;
  scopes: string[];
  last_used_at: string | null;
}

function setUp() {
  const app = createTestApp();
  const make = async (token: string, body: object = {}) => app.call<Key>("POST", "/api/v1/api-keys", { token, body: { name: "ci", ...body } });
  return { ...app, make };
}

describe("API keys", () => {
  test("F3: When a key is made, then it is shown once, stored as a hash, and opens as bearer and as X-API-Key", async () => {
    const { call, signUp, make, db } = setUp();
    const { token, userId } = await signUp();
    const { status, body } = await make(token);
    expect([status, body.key.startsWith(body.prefix), body.key.length]).toEqual([201, true, 46]);
    expect(body.scopes).toEqual(SCOPES);
    expect(JSON.stringify(db.state.apiKeys)).not.toContain(body.key);
    for (const path of ["/api/v1/api-keys", `/api/v1/api-keys/${body.id}`]) {
      expect(JSON.stringify((await call("GET", path, { token })).body)).not.toContain(body.key);
    }
    expect((await call("GET", "/api/v1/workflows", { token: body.key })).status).toBe(200);
    const me = await call("GET", "/api/v1/auth/me", { headers: { "x-api-key": body.key } });
    expect([me.status, me.body["id"]]).toEqual([200, userId]);
    const { body: read } = await call<Key>("GET", `/api/v1/api-keys/${body.id}`, { token });
    expect(Date.parse(read.last_used_at ?? "")).toBeGreaterThan(Date.now() - 5_000);
  });

  test("F3: When a key has scopes, then exactly those are open to it", async () => {
    const { call, signUp, make, saveWorkflow } = setUp();
    const { token } = await signUp();
    const workflow = await saveWorkflow(token);
    const { body } = await make(token, { scopes: ["workflow.read"] });
    expect((await call("GET", `/api/v1/workflows/${workflow}`, { token: body.key })).status).toBe(200);
    const write = await call("PATCH", `/api/v1/workflows/${workflow}`, { token: body.key, body: { name: "x" } });
    expect([write.status, write.body["code"]]).toEqual([403, "auth.forbidden"]);
    expect((await call("POST", `/api/v1/workflows/${workflow}/execute`, { token: body.key, body: {} })).status).toBe(403);
  });

  test("F3: When a key would make keys, members or memberships, then it is 403 whatever its scopes, and no scope is for that", async () => {
    const { call, signUp, make } = setUp();
    const { token } = await signUp();
    const { body } = await make(token);
    expect((await call("POST", "/api/v1/api-keys", { token: body.key, body: { name: "more" } })).status).toBe(403);
    expect(PERMISSIONS.filter((permission) => !(SCOPES as readonly string[]).includes(permission))).toEqual([
      "account.write",
      "session.manage",
      "api_key.manage",
      "organization.erase",
      "member.manage",
    ]);
    expect((await make(token, { scopes: ["api_key.manage"] })).status).toBe(422);
  });

  test("F3: When scopes are more than the role may, then it is 422 and each is named; the default is what the role may", async () => {
    const { signUp, make, db } = setUp();
    const { token, userId } = await signUp();
    db.setRole(userId, "operator");
    const tooMuch = await make(token, { scopes: ["run.start", "workflow.write", "organization.write"], expires_at: "2001-01-01T00:00:00Z" });
    expect(tooMuch.status).toBe(422);
    expect((tooMuch.body as unknown as { errors: { path: string }[] }).errors.map(({ path }) => path)).toEqual(["scopes.1", "scopes.2", "expires_at"]);
    const { body } = await make(token);
    expect(body.scopes).toEqual(SCOPES.filter((scope) => may("operator", scope)));
  });

  test("F3: When the creator's role shrinks or they leave, then the key may no more than they", async () => {
    const { signUp, make, db } = setUp();
    const { token, userId } = await signUp();
    const { body } = await make(token);
    let now = Date.now();
    const members = createMembers(db.accounts, () => now);
    const keys = createKeyHolders(db.apiKeys, members, () => now);
    expect((await keys.confirm(body.key)).role).toBe("admin");
    db.setRole(userId, "viewer");
    now += 10_000;
    expect((await keys.confirm(body.key)).role).toBe("viewer");
    db.state.memberships.length = 0;
    now += 10_000;
    await expect(keys.confirm(body.key)).rejects.toMatchObject({ code: "auth.invalid" });
  });

  test("F3: When a key expires, then it is 401 at that moment, also where it is remembered", async () => {
    const { signUp, make, db } = setUp();
    const { token } = await signUp();
    const expires = Date.now() + 5_000;
    const { body } = await make(token, { expires_at: new Date(expires).toISOString() });
    let now = Date.now();
    const keys = createKeyHolders(
      db.apiKeys,
      createMembers(db.accounts, () => now),
      () => now,
    );
    await keys.confirm(body.key);
    now = expires - 1;
    await keys.confirm(body.key);
    now = expires;
    await expect(keys.confirm(body.key)).rejects.toMatchObject({ code: "auth.invalid" });
  });

  test("F3: When a key is revoked, unknown or cut, then it is 401 without a word of why", async () => {
    const { call, signUp, make } = setUp();
    const { token } = await signUp();
    const { body } = await make(token);
    expect((await call("DELETE", `/api/v1/api-keys/${body.id}`, { token })).status).toBe(204);
    const answers = await Promise.all(
      [body.key, body.key.slice(0, -1), "pk_", `pk_${"a".repeat(43)}`, "nothing"].map((key) =>
        call("GET", "/api/v1/workflows", { headers: { "x-api-key": key } }),
      ),
    );
    for (const answer of answers)
      expect([answer.status, answer.body["code"], answer.body["detail"]]).toEqual([401, "auth.invalid", "The API key is not valid."]);
  });

  test("F3: When members look, then each sees their own keys and an admin those of all", async () => {
    const { call, signUp, make, db, services } = setUp();
    const admin = await signUp();
    const other = await signUp();
    const tenantId = db.state.memberships.find((each) => each.userId === admin.userId)?.tenantId;
    Object.assign(db.state.memberships.find((each) => each.userId === other.userId) ?? {}, { tenantId, role: "operator" });
    const token = await services.tokens.issue({ userId: other.userId, tenantId: tenantId as TenantId, role: "operator" });
    const { body: theirs } = await make(admin.token);
    const { body: own } = await make(token);
    const ids = async (who: string) => (await call<Key[]>("GET", "/api/v1/api-keys", { token: who })).body.map(({ id }) => id);
    expect(await ids(admin.token)).toEqual([own.id, theirs.id]);
    expect(await ids(token)).toEqual([own.id]);
    expect((await call("DELETE", `/api/v1/api-keys/${theirs.id}`, { token })).status).toBe(404);
    expect((await call("DELETE", `/api/v1/api-keys/${own.id}`, { token: admin.token })).status).toBe(204);
  });

  test("F3: When an organization has API_KEYS_MAX keys, then a further one is 409 until one is revoked", async () => {
    const { call, signUp, make } = setUp();
    const { token } = await signUp();
    const made = [];
    for (let n = 0; n < 5; n++) made.push((await make(token)).body.id);
    expect((await make(token)).status).toBe(409);
    await call("DELETE", `/api/v1/api-keys/${made[0]}`, { token });
    expect((await make(token)).status).toBe(201);
  });
});
