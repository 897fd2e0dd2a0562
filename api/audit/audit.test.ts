import { Secret, TOTP } from "otpauth";
import { type Route, type RouteName, UNAUDITED, auditRuleOf, routes } from "#contract";
import type { JsonObject } from "#core";
import { describe, expect, test } from "vitest";
import { createTestApp } from "../testing/test-app.ts";
import { changes, withoutSecrets } from "./withheld.ts";

interface Event {
  action: string;
  user_id: string;
  api_key_id: string | null;
  resource_type: string;
  resource_id: string | null;
  before: JsonObject | null;
  after: JsonObject | null;
  status: number;
  path: string;
  user_agent: string;
  correlation_id: string;
}

function setUp() {
  const app = createTestApp();
  const audit = async (token: string, query = "") => (await app.call<Event[]>("GET", `/api/v1/audit-events${query}`, { token })).body;
  return { ...app, audit };
}

describe("the audit log", () => {
  test("F5: When a workflow is made, changed and deleted, then each entry says who, what, before and after, and from where", async () => {
    const { call, signUp, saveWorkflow, audit } = setUp();
    const { token, userId } = await signUp();
    const id = await saveWorkflow(token);
    const headers = { "user-agent": "curl/8", "x-correlation-id": "mine" };
    await call("PATCH", `/api/workflows/${id}/`, { token, body: { name: "Renamed", description: "Says hello." }, headers });
    await call("DELETE", `/api/v1/workflows/${id}`, { token });
    const [deleted, changed, created, registered] = await audit(token);
    expect(registered).toMatchObject({ action: "register", user_id: userId, resource_type: "account", resource_id: userId });
    expect(created).toMatchObject({
      action: "createWorkflow",
      resource_type: "workflow",
      resource_id: id,
      before: null,
      after: { name: "A workflow", version: 1 },
    });
    expect(created?.after).not.toHaveProperty("flow_data");
    expect(changed).toMatchObject({
      action: "updateWorkflow",
      user_id: userId,
      api_key_id: null,
      resource_id: id,
      status: 200,
      path: `/api/workflows/${id}`,
      before: { name: "A workflow", description: "" },
      after: { name: "Renamed", description: "Says hello." },
      user_agent: "curl/8",
      correlation_id: "mine",
    });
    expect(Object.keys(changed?.after ?? {})).toEqual(["name", "description"]);
    expect(deleted).toMatchObject({ action: "deleteWorkflow", resource_id: id, before: { name: "Renamed" }, after: null, status: 204 });
  });

  test("F5: When a request fails or only reads, then nothing is written", async () => {
    const { call, signUp, saveWorkflow, audit, db } = setUp();
    const { token, email } = await signUp();
    const id = await saveWorkflow(token);
    const written = (await audit(token)).length;
    await call("PATCH", `/api/v1/workflows/${id}`, { token, body: { name: "" } });
    await call("PATCH", `/api/v1/workflows/${crypto.randomUUID()}`, { token, body: { name: "x" } });
    await call("PATCH", `/api/v1/workflows/${id}`, { token, body: { name: "x" }, headers: { "if-match": '"9"' } });
    await call("POST", "/api/v1/workflows/validate", { token, body: {} });
    await call("GET", `/api/v1/workflows/${id}`, { token });
    await call("POST", "/api/v1/auth/login", { body: { email, password: "secure_password" } });
    expect(db.state.audit).toHaveLength(written);
  });

  test("F5: When members, invitations and keys change, then the entries hold no key and no token", async () => {
    const { call, signUp, audit, db } = setUp();
    const { token, userId } = await signUp();
    const { body: key } = await call<{ key: string; id: string }>("POST", "/api/v1/api-keys", { token, body: { name: "ci" } });
    const { body: invitation } = await call<{ token: string }>("POST", "/api/v1/invitations", { token, body: { email: "b@example.com", role: "viewer" } });
    const { body: second } = await call<{ id: string; access_token: string; refresh_token: string }>("POST", "/api/v1/invitations/accept", {
      body: { token: invitation.token, password: "secure_password" },
    });
    await call("PATCH", `/api/v1/members/${second.id}`, { token, body: { role: "editor" } });
    await call("POST", "/api/v1/workflows", { token: key.key, body: { name: "by key", flow_data: { nodes: [], edges: [] } } });
    const [byKey, changed, accepted] = await audit(token);
    expect(byKey).toMatchObject({ action: "createWorkflow", user_id: userId, api_key_id: key.id });
    expect(changed).toMatchObject({ resource_type: "member", resource_id: second.id, before: { role: "viewer" }, after: { role: "editor" } });
    expect(accepted).toMatchObject({ action: "acceptInvitation", user_id: second.id, after: { email: "b@example.com", role: "viewer" } });
    const all = JSON.stringify(db.state.audit);
    for (const secret of [key.key, invitation.token, second.access_token, second.refresh_token, "secure_password"]) expect(all).not.toContain(secret);
  });

  test("F5: When runs are started and commanded, then what they are given and come to is not written", async () => {
    const { call, signUp, saveWorkflow, audit, db } = setUp();
    const { token } = await signUp();
    const id = await saveWorkflow(token);
    const { body: run } = await call<{ id: string }>("POST", `/api/v1/workflows/${id}/execute`, { token, body: { inputs: { iban: "DE02" } } });
    const [started] = await audit(token);
    expect(started).toMatchObject({ action: "executeWorkflow", resource_type: "execution", resource_id: run.id, after: { id: run.id, workflow_id: id } });
    expect(JSON.stringify(db.state.audit)).not.toContain("DE02");
  });

  test("F5: When a run is waited for, then its start is in the log before its end, once", async () => {
    const { call, signUp, saveWorkflow, audit, services } = setUp();
    const { token } = await signUp();
    const id = await saveWorkflow(token);
    const { waitForEnd } = services.runs;
    let meanwhile: Event[] = [];
    services.runs.waitForEnd = async (...args) => {
      meanwhile = await audit(token, "?action=executeWorkflow");
      return waitForEnd(...args);
    };
    const { body: run } = await call<{ id: string }>("POST", `/api/v1/workflows/${id}/execute`, { token, body: { mode: "wait", timeout: "10ms" } });
    expect(meanwhile).toMatchObject([{ resource_id: run.id, status: 201 }]);
    expect(await audit(token, "?action=executeWorkflow")).toHaveLength(1);
  });

  test("F5: When the log is filtered, paged and exported, then each gives the same entries, and none of another organization", async () => {
    const { app, call, signUp, saveWorkflow, audit } = setUp();
    const [{ token }, stranger] = [await signUp(), await signUp()];
    const id = await saveWorkflow(token);
    for (let n = 0; n < 3; n++) await call("PATCH", `/api/v1/workflows/${id}`, { token, body: { name: `n${n}` } });
    expect((await audit(token, `?resource_id=${id}&action=updateWorkflow`)).map(({ after }) => after?.["name"])).toEqual(["n2", "n1", "n0"]);
    expect(await audit(token, "?resource_type=member")).toEqual([]);
    expect(await audit(token, "?to=2001-01-01T00:00:00Z")).toEqual([]);
    expect((await audit(stranger.token)).map(({ action }) => action)).toEqual(["register"]);
    const first = await call<Event[]>("GET", "/api/v1/audit-events?limit=2", { token });
    const next = /<([^>]+)>/.exec(first.headers.get("link") ?? "")?.[1] ?? "";
    expect([...first.body, ...(await call<Event[]>("GET", next, { token })).body]).toEqual((await audit(token)).slice(0, 4));
    const exported = await app.request("/api/v1/audit-events/export", { headers: { authorization: `Bearer ${token}` } });
    expect(exported.headers.get("content-type")).toBe("application/x-ndjson");
    const lines = (await exported.text()).trimEnd().split("\n");
    expect(lines.map((line) => JSON.parse(line) as Event)).toEqual(await audit(token));
  });

  test("F5: When the entry cannot be written, then the change stands and is answered, and the entry is in the process's log", async () => {
    const logged: unknown[] = [];
    const { call, signUp, saveWorkflow, db, services } = createTestApp();
    const { token } = await signUp();
    const id = await saveWorkflow(token);
    db.audit.record = () => Promise.reject(new Error("away"));
    services.logger.error = (entry: unknown) => logged.push(entry);
    expect((await call("PATCH", `/api/v1/workflows/${id}`, { token, body: { name: "Renamed" } })).body["name"]).toBe("Renamed");
    expect(logged).toMatchObject([{ audit_event: { action: "updateWorkflow", after: { name: "Renamed" } } }]);
  });
});

describe("refusals", () => {
  test("F5 F1: When a member or a key is refused, then the log says who tried what, once a minute for each route, and the answer is 403 as ever", async () => {
    const { call, signUp, saveWorkflow, audit, db } = setUp();
    const admin = await signUp();
    const id = await saveWorkflow(admin.token);
    const { body: key } = await call<{ key: string; id: string }>("POST", "/api/v1/api-keys", {
      token: admin.token,
      body: { name: "k", scopes: ["run.read"] },
    });
    const written = db.state.audit.length;
    for (let n = 0; n < 3; n++) expect((await call("DELETE", `/api/v1/workflows/${id}`, { token: key.key })).status).toBe(403);
    expect((await call("GET", `/api/v1/workflows/${id}`, { headers: { "x-api-key": key.key } })).status).toBe(403);
    expect(db.state.audit).toHaveLength(written + 2);
    expect(await audit(admin.token, "?status=403")).toMatchObject([
      { action: "getWorkflow", api_key_id: key.id, resource_type: "workflow", resource_id: id, before: null, after: null, status: 403 },
      { action: "deleteWorkflow", user_id: admin.userId, api_key_id: key.id, resource_id: id, status: 403 },
    ]);
  });

  test("F5 D1: When somebody signs in with a wrong password, then the organizations of that account learn of it; of an address nobody has, none", async () => {
    const { call, signUp, audit, db } = setUp();
    const { token, email, userId } = await signUp();
    const written = db.state.audit.length;
    const login = (address: string) =>
      call("POST", "/api/v1/auth/login", { body: { email: address, password: "wrong_password" }, headers: { "user-agent": "guesser" } });
    expect([(await login(email)).status, (await login("nobody@example.com")).status]).toEqual([401, 401]);
    await expect.poll(() => db.state.audit.length).toBe(written + 1);
    const [entry] = await audit(token, "?status=401");
    expect(entry).toMatchObject({ action: "login", user_id: userId, resource_type: "account", status: 401, user_agent: "guesser" });
    expect(JSON.stringify(db.state.audit)).not.toContain("wrong_password");
  });

  test("F5 D1: When somebody knows the password and not the code of the second step, then the organizations of that account learn of it", async () => {
    const { call, signUp, audit, db } = setUp();
    const { token, email } = await signUp();
    const { body: factor } = await call("POST", "/api/v1/auth/second-factor", { token, body: { password: "secure_password" } });
    const code = new TOTP({ secret: Secret.fromBase32(String(factor["secret"])) }).generate();
    expect((await call("POST", "/api/v1/auth/second-factor/confirm", { token, body: { code } })).status).toBe(200);
    const written = db.state.audit.length;
    const first = await call("POST", "/api/v1/auth/login", { body: { email, password: "secure_password" } });
    const second_factor_token = first.body["second_factor_token"];
    // The right code was used.
    expect((await call("POST", "/api/v1/auth/login/second-factor", { body: { second_factor_token, code } })).status).toBe(401);
    await expect.poll(() => db.state.audit.length).toBe(written + 1);
    const [entry] = await audit(token, "?status=401");
    expect(entry).toMatchObject({ action: "finishLogin", resource_type: "account", status: 401 });
  });

  test("F5: When the entry of a refusal cannot be written, then the answer is the same", async () => {
    const { call, signUp, db } = createTestApp();
    const { userId, token } = await signUp();
    db.setRole(userId, "viewer");
    db.audit.record = () => Promise.reject(new Error("away"));
    expect((await call("POST", "/api/v1/workflows", { token, body: { name: "x" } })).status).toBe(403);
  });
});

describe("rules of the audit log", () => {
  test("F5: When a route is no GET, then it is written unless it is one of those that change nothing", () => {
    const silent = (Object.keys(routes) as RouteName[]).filter(
      (name) => (routes[name] as Route).method !== "get" && (routes[name] as Route).access.auth !== "webhook" && !auditRuleOf(name),
    );
    expect(silent.toSorted()).toEqual([
      "createStreamTicket",
      "finishLogin",
      "forgotPassword",
      "login",
      "logout",
      "publishMessage",
      "refresh",
      "sendVerification",
      "validateGraph",
      "validateWorkflow",
    ]);
    expect(UNAUDITED.every((name) => name in routes)).toBe(true);
  });

  test("F5: When a thing is replaced, changed or deleted, then there is a route that reads it before", () => {
    for (const name of Object.keys(routes) as RouteName[]) {
      const rule = auditRuleOf(name);
      const { method } = routes[name] as Route;
      if (rule && method !== "post" && name !== "setVariable") expect(rule.before, name).toBeDefined();
    }
    expect(auditRuleOf("revokeApiKey")).toEqual({ resource: "api_key", before: "getApiKey" });
  });
});

describe("what is withheld", () => {
  test("F2 F5: When a value has a secret's name or look, then it is withheld at any depth, and references stay", () => {
    expect(
      withoutSecrets({
        password: "hunter2",
        headers: [{ name: "X-Api-Key", value: "abc" }],
        nested: [{ "X-Api-Key": "abc", apiKey: "{{secrets.KEY}}", note: "use pk_abcdefghijkl or Bearer abcdefgh12" }],
        url: "https://user:pass@host/?token=abc&x=1",
        tokens: 5,
        name: "plain",
      }),
    ).toEqual({
      password: "[withheld]",
      headers: [{ name: "X-Api-Key", value: "[withheld]" }],
      nested: [{ "X-Api-Key": "[withheld]", apiKey: "{{secrets.KEY}}", note: "use [withheld] or [withheld]" }],
      url: "https://user:[withheld]@host/?token=[withheld]&x=1",
      tokens: 5,
      name: "plain",
    });
  });

  test("F5: When a field is longer than AUDIT_FIELD_MAX_BYTES, then its length and hash stand there", () => {
    const { before, after } = changes({ a: "x".repeat(100), b: 1 }, { a: "y", b: 1 }, undefined, 50);
    expect(before).toEqual({ a: { omitted_bytes: 102, sha256: expect.stringMatching(/^[0-9a-f]{64}$/) } });
    expect(after).toEqual({ a: "y" });
  });
});
