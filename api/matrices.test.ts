/** What nobody may do, made from the contract: a new route is in every matrix without a change here. */
import { type Access, PERMISSIONS, type RoleName, type RouteName, SCOPES, may, pathsOf, replySchema, routes } from "#contract";
import { type CountingServer, startCountingServer } from "#tests/counting-server.ts";
import { type Fence, fenceLoopback } from "#tests/loopback-only.ts";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Callers, guard } from "./middleware/guard.ts";
import { bodyOf, fill, fillUnknown, idleParameters, namesNamespaced, namesOwned, specimensOf, unknownIdOf, unknownParameters } from "./testing/specimens.ts";
import { type TestApp, createTestApp } from "./testing/test-app.ts";

/** Takes whatever credential it is shown. */
let taker: CountingServer;
let fence: Fence;
beforeAll(async () => {
  fence = fenceLoopback();
  taker = await startCountingServer();
});
afterAll(async () => {
  await taker.close();
  fence.remove();
});

const names = Object.keys(routes) as RouteName[];
const served = names.flatMap((name) => pathsOf(name).map((path) => ({ name, method: routes[name].method.toUpperCase(), path, access: routes[name].access })));
const guarded = served.filter(({ access }) => access.auth === "user");
const owned = guarded.filter(({ name }) => namesOwned(name));

/** What opens nothing. */
const NO_TOKENS: Record<string, string>[] = [
  {},
  { authorization: "Bearer null" },
  { authorization: "Bearer" },
  { authorization: "Basic dXNlcjpwYXNz" },
  { "x-api-key": "pk_" },
  { cookie: "access_token=x; perdure_codec=x" },
];

/** Ways to write a path that a proxy or a router might take for another one. */
function tricks(path: string): string[] {
  const [bare = "", query = ""] = path.split(/(?=\?)/);
  const last = bare.slice(bare.lastIndexOf("/") + 1);
  const hex = last.charCodeAt(0).toString(16);
  const before = bare.slice(0, -last.length);
  return [
    bare.toUpperCase(),
    bare.replace("/api/", "/API/"),
    bare.replace("/api/", "/%61pi/"),
    `${before}%${hex}${last.slice(1)}`,
    `${before}%25${hex}${last.slice(1)}`,
    bare.replaceAll("/", "%2f").replace("%2f", "/"),
    bare.replaceAll("/", "\\").replace("\\", "/"),
    `/${bare}`,
    bare.replaceAll("/", "//"),
    bare.replaceAll("/", "/./"),
    `${bare}/`,
    `${bare}//`,
    `${bare}/.`,
    `${bare}.json`,
    `${bare}.css`,
    `${bare};a=b`,
    `${bare};.css`,
    `${bare}%20`,
    `${bare}%00`,
    `${bare}%0a`,
    `${bare}%2e`,
    `${bare}%2f`,
    `${bare}/..;/`,
    `${bare}/%2e%2e/${last}`,
    `/health/..${bare}`,
    `/health/../..${bare}`,
    `/health/%2e%2e${bare}`,
    `/health%2f..${bare}`,
    `/health;/..${bare}`,
    `/docs/..%2f${bare.slice(1)}`,
    `/docs/%2e%2e${bare}`,
    `${bare}\\`,
    `${bare}?/health`,
    `${bare}#/health`,
    `${bare}?access_token=null`,
  ].map((each) => (each.includes("?") ? each : each + query));
}

/** Headers with which some servers let a request be another one. */
const REWRITES = (path: string, method: string): Record<string, string>[] => [
  { "x-http-method-override": method },
  { "x-http-method": method },
  { "x-method-override": method },
  { "x-original-url": path },
  { "x-rewrite-url": path },
  { "x-forwarded-path": path, "x-forwarded-prefix": path },
  { "x-original-method": method, "x-original-uri": path },
];

const METHODS = ["GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE", "PROPFIND", "get", "Head"];

/** A member of that role; each token is of a session of its own, since some routes end sessions. */
async function memberOf(app: TestApp, role: RoleName): Promise<() => Promise<string>> {
  const { userId } = await app.signUp();
  app.db.setRole(userId, role);
  const [membership] = await app.db.accounts.memberships(userId);
  if (!membership) throw new Error("no membership");
  return () => app.services.tokens.issue({ userId, tenantId: membership.tenantId, role });
}

function untouched({ db }: TestApp): number[] {
  return [db.state.workflows.length, db.state.runs.length, db.state.audit.length, db.state.users.length, db.state.apiKeys.length];
}

describe("the matrices", () => {
  test("F1: When a path has a parameter, then api/testing/specimens.ts says what it names, and nothing that no path has", () => {
    const unknown = names.flatMap((name) => unknownParameters(name).map((key) => `${name}: ${key}`));
    expect(unknown, "say what these parameters name").toEqual([]);
    expect(idleParameters()).toEqual([]);
    expect(owned.length).toBeGreaterThan(50);
  });

  test("F1: When a route does not say who may call it, then it cannot be mounted", () => {
    expect(() => guard(undefined as unknown as Access, {} as Callers)).toThrow();
    expect(() => guard({ auth: "user" } as unknown as Access, {} as Callers)).toThrow("permission");
    for (const { name, access } of guarded) expect(PERMISSIONS, name).toContain((access as { permission: string }).permission);
  });
});

describe("without a token", () => {
  const app = createTestApp();

  test.each(guarded)("F1: When $method $path is called, then it is 401", async ({ name, method, path }) => {
    const answer = await app.call(method, fillUnknown(name, path), bodyOf(name));
    expect([answer.status, answer.body["code"], answer.headers.get("content-type")]).toEqual([401, "auth.required", "application/problem+json"]);
  });

  test.each(guarded)("F1: When $method $path is written in another way, or with what is no token, then nothing is served", async ({ name, method, path }) => {
    const none = untouched(app);
    const plain = fillUnknown(name, path);
    const attempts = [...NO_TOKENS.map((headers) => ({ variant: plain, headers })), ...tricks(plain).map((variant) => ({ variant, headers: {} }))];
    for (const { variant, headers } of attempts) {
      const body = method === "GET" ? {} : { body: "{}" };
      const { status } = await app.app.fetch(new Request(`http://localhost${variant}`, { method, headers, ...body }));
      expect([401, 404, 405], `${variant} ${JSON.stringify(headers)} → ${status}`).toContain(status);
    }
    expect(untouched(app)).toEqual(none);
  });

  test.each(guarded)(
    "F1: When $method $path is asked for with another method or under another request's name, then nothing is served",
    async ({ name, method, path }) => {
      const none = untouched(app);
      const target = fillUnknown(name, path);
      for (const asked of METHODS) {
        const { status } = await app.app.fetch(new Request(`http://localhost${target}`, { method: asked }));
        expect([401, 404, 405], `${asked} ${target} → ${status}`).toContain(status);
      }
      for (const headers of REWRITES(target, method)) {
        for (const asked of ["GET", "POST"]) {
          const { status } = await app.app.fetch(new Request(`http://localhost${target}`, { method: asked, headers }));
          expect([401, 404, 405], `${asked} ${target} ${JSON.stringify(headers)} → ${status}`).toContain(status);
        }
        const health = await app.app.fetch(new Request("http://localhost/health", { headers }));
        expect(await health.json(), JSON.stringify(headers)).toEqual({ status: "healthy", timestamp: expect.any(String), version: "0.0.0" });
      }
      expect(untouched(app)).toEqual(none);
    },
  );
});

describe("what is another's", () => {
  test.each(owned)("F1: When $method $path names what is another tenant's, then it is 404, as for what nobody has", async ({ name, method, path }) => {
    const app = createTestApp();
    const { call, signUp, shutdown } = app;
    const owner = await signUp();
    const ids = await specimensOf(app, owner, name, taker.url);
    const stranger = await signUp();
    const theirs = await specimensOf(app, stranger, name, taker.url);
    const { body: key } = await call<{ key: string }>("POST", "/api/v1/api-keys", { token: stranger.token, body: { name: "all scopes" } });

    const before = JSON.stringify(app.db.state.workflows.map(({ workflow }) => workflow)) + app.db.state.runs.length;
    for (const [target, nobodys] of asks(name, path, ids, theirs)) {
      const missing = await call(method, nobodys, { token: stranger.token, ...bodyOf(name) });
      expect([missing.status, missing.body["code"]], nobodys).toEqual([404, "resource.not_found"]);
      for (const token of [stranger.token, key.key]) {
        const foreign = await call(method, target, { token, ...bodyOf(name) });
        if (foreign.status === 403 && token === key.key) continue;
        expect([foreign.status, foreign.body["code"]], target).toEqual([404, "resource.not_found"]);
        expect({ ...foreign.body, correlation_id: "" }).toEqual({ ...missing.body, correlation_id: "" });
      }
    }
    expect(JSON.stringify(app.db.state.workflows.map(({ workflow }) => workflow)) + app.db.state.runs.length).toBe(before);

    // Streams end at once.
    shutdown.abort();
    const own = await call(method, fill(name, path, ids), { token: owner.token, ...bodyOf(name) });
    if ("socket" in routes[name]) return expect(own.status, "the owner is asked to upgrade").toBe(426);
    expect(own.status, `the owner is served: ${JSON.stringify(own.body)}`).toBeLessThan(400);
    expect(replySchema(routes[name], own.status)?.safeParse(own.body).error, "as the contract states").toBeUndefined();
  });

  const anybody = createTestApp();
  let token: string | undefined;
  const namespaced = guarded.filter(({ name }) => namesNamespaced(name));
  test.each(namespaced)("F1: When $method $path names what another tenant gave that name, then it is as if nobody had", async ({ name, method, path }) => {
    const app = createTestApp();
    const { call, signUp } = app;
    const owner = await signUp();
    const ids = await specimensOf(app, owner, name, taker.url);
    const stranger = await signUp();
    const target = fill(name, path, ids);
    const before = await call("GET", target, { token: owner.token });
    expect(before.status, "the owner has it").toBe(200);
    const missing = await call(method, fillUnknown(name, path), { token: stranger.token, ...bodyOf(name) });
    expect(method === "PUT" ? [200, 201, 404] : [404]).toContain(missing.status);
    const foreign = await call(method, target, { token: stranger.token, ...bodyOf(name) });
    expect(foreign.status).toBe(missing.status);
    expect(await call("GET", target, { token: owner.token }), "the owner's stays").toMatchObject({ status: 200, body: before.body });
    expect((await call(method, target, { token: owner.token, ...bodyOf(name) })).status).toBeLessThan(400);
  });

  test.each(owned)("D7: When an id of $method $path is no id, then it is 404, not a failure", async ({ name, method, path }) => {
    token ??= (await anybody.signUp()).token;
    const { call } = anybody;
    for (const bad of ["1", "..%2f..%2fetc", "%00", "not-an-id", "' or 1=1", "%ff", "0".repeat(5_000), "__proto__", "constructor", "{}", "%7B%22a%22%3A1%7D"]) {
      const answer = await call(
        method,
        fill(name, path, () => bad),
        { ...(token && { token }), ...bodyOf(name) },
      );
      expect(answer.status, bad).toBe(404);
    }
  });

  const lists = guarded.flatMap(({ name, path, method }) => {
    const query = (routes[name] as { request?: { query?: { shape?: object } } }).request?.query?.shape ?? {};
    return method === "GET"
      ? Object.keys(query)
          .filter((parameter) => parameter.endsWith("_id") || parameter === "forked_from")
          .map((parameter) => ({ name, path, parameter }))
      : [];
  });
  test.each(lists)("F1: When $path is filtered by another tenant's $parameter, then it shows nothing of theirs", async ({ name, path, parameter }) => {
    const app = createTestApp();
    const owner = await app.signUp();
    const runId = await app.startRun(owner.token, await app.saveWorkflow(owner.token));
    const foreign = [owner.userId, runId, app.db.state.runs[0]?.workflowId ?? ""];
    const stranger = await app.signUp();
    const ids = await specimensOf(app, stranger, name, taker.url);
    for (const id of foreign) {
      const { status, body } = await app.call<unknown>("GET", `${fill(name, path, ids)}?${parameter}=${id}`, { token: stranger.token });
      expect([200, 404, 422], `${status}`).toContain(status);
      if (status === 200) expect(JSON.stringify(body)).not.toContain(id);
    }
  });
});

/**
 * What a stranger asks for, each with the path that differs from it in what nobody has where it names what is foreign: all of it foreign, and where a path
 * names two things each of them the stranger's own.
 */
function asks(name: RouteName, path: string, foreign: (key: string) => string, own: (key: string) => string): [string, string][] {
  const keys: string[] = [];
  fill(name, path, (key) => (keys.push(key), "x"));
  const all: [string, string] = [fill(name, path, foreign), fillUnknown(name, path)];
  if (keys.length < 2) return [all];
  const keeping = (taken: string, other: (key: string) => string): string => fill(name, path, (key) => (key === taken ? own(key) : other(key)));
  return [all, ...keys.map((taken): [string, string] => [keeping(taken, foreign), keeping(taken, unknownIdOf)])];
}

describe("roles and scopes", () => {
  test.each(["viewer", "operator", "editor", "admin"] as const)(
    "F1: When a %s calls, then exactly the routes of its permissions let it in, and HEAD opens no other",
    async (role) => {
      const app = createTestApp();
      const newToken = await memberOf(app, role);
      for (const { name, method, path, access } of guarded) {
        if (access.auth !== "user") continue;
        const token = await newToken();
        const target = fillUnknown(name, path);
        const { status } = await app.call(method, target, { token, ...bodyOf(name) });
        expect(status === 403, `${role} ${method} ${path} → ${status}`).toBe(!may(role, access.permission));
        expect([401, 405], `${role} ${method} ${path}`).not.toContain(status);
        if (method !== "GET") continue;
        const head = await app.app.fetch(new Request(`http://localhost${target}`, { method: "HEAD", headers: { authorization: `Bearer ${token}` } }));
        expect(head.status, `HEAD ${path}`).toBe(status);
      }
    },
  );

  test.each(SCOPES)("F3: When a key has the scope %s alone, then exactly the routes of that permission let it in", async (scope) => {
    const { call, signUp } = createTestApp();
    const { token } = await signUp();
    const { body } = await call<{ key: string }>("POST", "/api/v1/api-keys", { token, body: { name: "one scope", scopes: [scope] } });
    for (const { name, method, path, access } of guarded) {
      if (access.auth !== "user") continue;
      const { status } = await call(method, fillUnknown(name, path), { token: body.key, ...bodyOf(name) });
      expect(status === 403, `${scope} ${method} ${path} → ${status}`).toBe(access.permission !== scope);
    }
  });
});
