import { describe, expect, test } from "vitest";
import { createTestApp } from "./testing/test-app.ts";

interface Pair {
  access_token: string;
  refresh_token: string;
}
interface Accepted extends Pair {
  id: string;
  role: string;
  organization: { id: string; name: string };
}

function setUp(settings = {}) {
  const app = createTestApp({}, settings);
  const invite = async (token: string, email: string, role = "operator") =>
    app.call<{ id: string; token: string; status: string }>("POST", "/api/v1/invitations", { token, body: { email, role } });
  const accept = (token: string, password = "secure_password", name?: string) =>
    app.call<Accepted>("POST", "/api/v1/invitations/accept", { body: { token, password, ...(name && { name }) } });
  return { ...app, invite, accept };
}

describe("invitations", () => {
  test("F1: When a new person accepts, then they are a member with the role and have no organization of their own, also where registration is closed", async () => {
    const { call, signUp, invite, accept, services } = setUp();
    const admin = await signUp();
    const { body: invitation } = await invite(admin.token, "New@Example.com", "editor");
    Object.assign(services.settings, { REGISTRATION: "closed" });
    const { status, body } = await accept(invitation.token, "another_password", "New");
    expect([status, body.role]).toEqual([200, "editor"]);
    expect((await call<{ id: string }[]>("GET", "/api/v1/organizations", { token: body.access_token })).body).toEqual([
      { id: body.organization.id, name: body.organization.name, role: "editor" },
    ]);
    const members = await call<{ email: string; role: string }[]>("GET", "/api/v1/members", { token: admin.token });
    expect(members.body.map(({ email, role }) => [email, role])).toEqual([
      ["new@example.com", "editor"],
      [admin.email, "admin"],
    ]);
    expect((await call("POST", "/api/v1/auth/login", { body: { email: "new@example.com", password: "another_password" } })).status).toBe(200);
    const { body: read } = await call("GET", `/api/v1/invitations/${invitation.id}`, { token: admin.token });
    expect([read["status"], read["accepted_by"], JSON.stringify(read).includes(invitation.token)]).toEqual(["accepted", body.id, false]);
  });

  test("F1: When a token is used twice, revoked, replaced, expired or made up, then it is the same 404", async () => {
    const { call, signUp, invite, accept, db } = setUp();
    const { token } = await signUp();
    const used = (await invite(token, "used@example.com")).body;
    await accept(used.token);
    const revoked = (await invite(token, "revoked@example.com")).body;
    expect((await call("DELETE", `/api/v1/invitations/${revoked.id}`, { token })).status).toBe(204);
    const replaced = (await invite(token, "replaced@example.com")).body;
    await invite(token, "replaced@example.com");
    const expired = (await invite(token, "expired@example.com")).body;
    Object.assign(db.state.invitations.at(-1) ?? {}, { expiresAt: new Date() });
    for (const each of [used.token, revoked.token, replaced.token, expired.token, "made-up"]) {
      const { status, body } = await accept(each);
      expect([status, (body as unknown as { detail: string }).detail]).toEqual([404, "There is no such invitation."]);
    }
    expect((await call("DELETE", `/api/v1/invitations/${used.id}`, { token })).status).toBe(409);
    const { body } = await call<{ status: string }[]>("GET", "/api/v1/invitations", { token });
    expect(body.map(({ status }) => status)).toEqual(["expired", "open", "revoked", "revoked", "accepted"]);
    expect(JSON.stringify(db.state.invitations)).not.toContain(used.token);
  });

  test("F1: When somebody with an account accepts, then their own password is asked for, and they belong to both", async () => {
    const { call, signUp, invite, accept, db } = setUp();
    const admin = await signUp();
    const other = await signUp();
    const { body: invitation } = await invite(admin.token, other.email);
    expect((await accept(invitation.token, "not_their_password")).status).toBe(401);
    expect(db.state.logins.at(-1)).toMatchObject({ email: other.email, succeeded: false });
    const { body } = await accept(invitation.token);
    expect([body.id, body.role]).toEqual([other.userId, "operator"]);
    expect((await call<unknown[]>("GET", "/api/v1/organizations", { token: body.access_token })).body).toHaveLength(2);
    expect((await invite(admin.token, other.email)).status).toBe(409);
  });

  test("F1: When who is signed in joins, then only with an invitation of their own address", async () => {
    const { call, signUp, invite } = setUp();
    const admin = await signUp();
    const [invited, thief] = [await signUp(), await signUp()];
    const { body: invitation } = await invite(admin.token, invited.email, "viewer");
    const join = (token: string) => call("POST", "/api/v1/invitations/join", { token, body: { token: invitation.token } });
    expect((await join(thief.token)).status).toBe(404);
    const joined = await join(invited.token);
    expect([joined.status, joined.body["role"]]).toEqual([200, "viewer"]);
    expect((await join(invited.token)).status).toBe(404);
  });
});

describe("members", () => {
  async function two() {
    const app = setUp();
    const admin = await app.signUp();
    const { body: invitation } = await app.invite(admin.token, "second@example.com");
    const { body: second } = await app.accept(invitation.token);
    return { ...app, admin, second };
  }

  test("F1: When a role changes, then it is told at once; the last admin can neither be changed nor removed", async () => {
    const { call, admin, second } = await two();
    const at = (id: string) => `/api/v1/members/${id}`;
    for (const attempt of [
      call("PATCH", at(admin.userId), { token: admin.token, body: { role: "viewer" } }),
      call("DELETE", at(admin.userId), { token: admin.token }),
    ]) {
      const { status, body } = await attempt;
      expect([status, body["code"]]).toEqual([409, "resource.conflict"]);
    }
    const changed = await call("PATCH", at(second.id), { token: admin.token, body: { role: "admin" } });
    expect([changed.status, changed.body["role"]]).toEqual([200, "admin"]);
    expect((await call("PATCH", at(admin.userId), { token: admin.token, body: { role: "viewer" } })).status).toBe(200);
    expect((await call("PATCH", at(second.id), { token: admin.token, body: { role: "owner" } })).status).toBe(422);
  });

  test("F1: When a member is removed, then their refresh token and their keys are worth nothing", async () => {
    const { call, admin, second } = await two();
    const { body: key } = await call<{ key: string }>("POST", "/api/v1/api-keys", { token: second.access_token, body: { name: "k" } });
    expect((await call("DELETE", `/api/v1/members/${second.id}`, { token: admin.token })).status).toBe(204);
    expect((await call("DELETE", `/api/v1/members/${second.id}`, { token: admin.token })).status).toBe(404);
    expect((await call("POST", "/api/v1/auth/refresh", { body: { refresh_token: second.refresh_token } })).status).toBe(401);
    expect((await call("GET", "/api/v1/workflows", { token: key.key })).status).toBe(401);
  });
});

describe("several organizations", () => {
  test("F1: When somebody signs in or refreshes with organization_id, then they act there, with the role they have there", async () => {
    const { call, signUp, invite, accept, saveWorkflow } = setUp();
    const admin = await signUp();
    const other = await signUp();
    const workflow = await saveWorkflow(admin.token);
    const { organization } = (await accept((await invite(admin.token, other.email, "viewer")).body.token)).body;
    const login = (organization_id?: string) =>
      call<Pair>("POST", "/api/v1/auth/login", { body: { email: other.email, password: "secure_password", ...(organization_id && { organization_id }) } });
    const home = (await login()).body;
    expect((await call("GET", `/api/v1/workflows/${workflow}`, { token: home.access_token })).status).toBe(404);
    const there = (await login(organization.id)).body;
    expect((await call("GET", `/api/v1/workflows/${workflow}`, { token: there.access_token })).status).toBe(200);
    expect((await call("DELETE", `/api/v1/workflows/${workflow}`, { token: there.access_token })).status).toBe(403);

    const switched = await call<Pair>("POST", "/api/v1/auth/refresh", { body: { refresh_token: home.refresh_token, organization_id: organization.id } });
    const me = await call<Accepted>("GET", "/api/v1/auth/me", { token: switched.body.access_token });
    expect([me.body.organization.id, me.body.role]).toEqual([organization.id, "viewer"]);
    const again = await call<Pair>("POST", "/api/v1/auth/refresh", { body: { refresh_token: switched.body.refresh_token } });
    expect((await call<Accepted>("GET", "/api/v1/auth/me", { token: again.body.access_token })).body.organization.id).toBe(organization.id);
  });

  test("F1: When the organization is one they do not belong to, then it is 404 and the refresh token stays good", async () => {
    const { call, signUp, db } = setUp();
    const [one, two] = [await signUp(), await signUp()];
    const organization_id = db.state.memberships.find(({ userId }) => userId === two.userId)?.tenantId;
    expect((await call("POST", "/api/v1/auth/login", { body: { email: one.email, password: "secure_password", organization_id } })).status).toBe(404);
    expect((await call("POST", "/api/v1/auth/refresh", { body: { refresh_token: one.refreshToken, organization_id } })).status).toBe(404);
    expect((await call("POST", "/api/v1/auth/refresh", { body: { refresh_token: one.refreshToken } })).status).toBe(200);
  });

  test("F1: When an organization is renamed, then all see the name", async () => {
    const { call, signUp } = setUp();
    const { token } = await signUp();
    expect((await call("PATCH", "/api/v1/organization", { token, body: { name: " Acme " } })).body["name"]).toBe("Acme");
    expect((await call("GET", "/api/v1/organization", { token })).body["name"]).toBe("Acme");
    expect((await call("PATCH", "/api/v1/organization", { token, body: { name: "" } })).status).toBe(422);
  });
});

describe("outbound_hosts", () => {
  test("F4: When an admin names the hosts that nodes may reach, then they stand in the organization and the change in the audit log; null lifts it", async () => {
    const { call, signUp } = setUp();
    const { token } = await signUp();
    const change = (body: object) => call("PATCH", "/api/v1/organization", { token, body });
    expect((await call("GET", "/api/v1/organization", { token })).body).toMatchObject({ outbound_hosts: null });
    const set = await change({ outbound_hosts: ["API.example.com", "*.corp.example:8443", "10.0.0.7"] });
    expect([set.status, set.body["outbound_hosts"]]).toEqual([200, ["api.example.com", "*.corp.example:8443", "10.0.0.7"]]);
    expect((await change({ name: "Other" })).body).toMatchObject({ name: "Other", outbound_hosts: ["api.example.com", "*.corp.example:8443", "10.0.0.7"] });
    expect((await change({ outbound_hosts: [] })).body["outbound_hosts"]).toEqual([]);
    expect((await change({ outbound_hosts: null })).body).toMatchObject({ name: "Other", outbound_hosts: null });
    const { body: audit } = await call<{ before: object; after: object }[]>("GET", "/api/v1/audit-events?action=updateOrganization", { token });
    expect(audit.map(({ before, after }) => [before, after]).at(-1)).toEqual([
      { outbound_hosts: null },
      { outbound_hosts: ["api.example.com", "*.corp.example:8443", "10.0.0.7"] },
    ]);
  });

  test("F4: When the list holds what is no host, or more than OUTBOUND_HOSTS_MAX, then every problem is told and nothing changes", async () => {
    const { call, signUp } = setUp({ OUTBOUND_HOSTS_MAX: 4 });
    const { token } = await signUp();
    const { status, body } = await call<{ errors: { path: string }[] }>("PATCH", "/api/v1/organization", {
      token,
      body: { outbound_hosts: ["ok.example", "10.0.0.0/8", "http://x", "a b", "host:99999"] },
    });
    expect([status, body.errors.map(({ path }) => path)]).toEqual([
      422,
      ["outbound_hosts.1", "outbound_hosts.2", "outbound_hosts.3", "outbound_hosts.4", "outbound_hosts"],
    ]);
    expect((await call("GET", "/api/v1/organization", { token })).body).toMatchObject({ outbound_hosts: null });
  });
});
