import { Hono } from "hono";
import { describe, expect, test } from "vitest";
import type { ApiEnv } from "../context.ts";
import { createTestApp } from "../testing/test-app.ts";
import { locate, networkOf } from "./addresses.ts";

const perHour = (burst: number) => ({ tokens: burst, perMs: 3_600_000, burst });

describe("limits of routes", () => {
  test("F4: When a member has used up their limit, then it is 429 with Retry-After and RateLimit-*, and others go on", async () => {
    const { call, signUp } = createTestApp({}, { RATE_LIMIT_USER: perHour(2) });
    const [a, b] = [await signUp(), await signUp()];
    const get = (token: string) => call("GET", "/api/v1/workflows", { token });
    const first = await get(a.token);
    expect(["limit", "remaining", "reset", "policy"].map((name) => first.headers.get(`ratelimit-${name}`))).toEqual([
      "2",
      "1",
      "1800",
      '2;w=3600;burst=2;name="user"',
    ]);
    await get(a.token);
    const refused = await get(a.token);
    expect([refused.status, refused.body["code"], refused.headers.get("retry-after"), refused.headers.get("ratelimit-remaining")]).toEqual([
      429,
      "rate.limited",
      "1800",
      "0",
    ]);
    expect((await get(b.token)).status).toBe(200);
    expect((await call("GET", "/health")).status).toBe(200);
  });

  test("F4: When a key has used up its limit, then its maker and other keys go on", async () => {
    const { call, signUp } = createTestApp({}, { RATE_LIMIT_API_KEY: perHour(1) });
    const { token } = await signUp();
    const make = async () => (await call<{ key: string }>("POST", "/api/v1/api-keys", { token, body: { name: "k" } })).body.key;
    const [one, two] = [await make(), await make()];
    const statuses = [];
    for (const key of [one, one, two, token]) statuses.push((await call("GET", "/api/v1/workflows", { token: key })).status);
    expect(statuses).toEqual([200, 429, 200, 200]);
  });

  test("F4: When a group of routes has a limit, then only its routes count, under every name, and the tightest limit is told", async () => {
    const { call, signUp, saveWorkflow } = createTestApp({}, { RATE_LIMIT_STARTS: perHour(2), RATE_LIMIT_READS: perHour(1), RATE_LIMIT_USER: perHour(100) });
    const { token } = await signUp();
    const id = await saveWorkflow(token);
    const statuses = [];
    for (const base of ["/api/v1", "/api", "/api"]) statuses.push((await call("POST", `${base}/workflows/${id}/execute`, { token, body: {} })).status);
    expect(statuses).toEqual([201, 201, 429]);
    const read = await call("GET", `/api/v1/workflows/${id}`, { token });
    expect([read.status, read.headers.get("ratelimit-policy")]).toEqual([200, '1;w=3600;burst=1;name="reads"']);
    expect((await call("GET", `/api/v1/workflows`, { token })).status).toBe(429);
    expect((await call("PATCH", `/api/v1/workflows/${id}`, { token, body: { name: "n" } })).status).toBe(200);
  });

  test("F4: When an address asks too much, then it is 429 on all routes but health, before anybody looks at its token", async () => {
    const { call } = createTestApp({}, { RATE_LIMIT_ADDRESS: perHour(2) });
    const statuses = [];
    for (const path of ["/api/v1/workflows", "/api/v1/auth/me", "/api/v1/workflows", "/health"]) statuses.push((await call("GET", path)).status);
    expect(statuses).toEqual([401, 401, 429, 200]);
  });

  test("F4 D1: When passwords are guessed, then wrong ones count and right ones do not, also those sent at the same moment", async () => {
    const { call, signUp } = createTestApp({}, { RATE_LIMIT_SIGN_IN_FAILURES: perHour(3) });
    const { email } = await signUp();
    const login = (password: string) => call("POST", "/api/v1/auth/login", { body: { email, password } });
    for (let n = 0; n < 5; n++) expect((await login("secure_password")).status).toBe(200);
    const guesses = await Promise.all(Array.from({ length: 10 }, () => login("wrong_password")));
    expect(guesses.map(({ status }) => status).toSorted()).toEqual([401, 401, 401, 429, 429, 429, 429, 429, 429, 429]);
    expect((await login("secure_password")).status).toBe(429);
    expect((await call("GET", "/api/v1/auth/me", { token: "pk_guess" })).status).toBe(429);
  });

  test("F4 D1: When one account is guessed at, then that account is closed for a while and others are not", async () => {
    const { call, signUp } = createTestApp({}, { RATE_LIMIT_ACCOUNT_FAILURES: perHour(2) });
    const [one, two] = [await signUp(), await signUp()];
    const login = async (email: string, password = "secure_password") => (await call("POST", "/api/v1/auth/login", { body: { email, password } })).status;
    expect([await login(one.email), await login(one.email, "wrong"), await login(one.email.toUpperCase(), "wrong")]).toEqual([200, 401, 401]);
    expect([await login(one.email), await login(two.email)]).toEqual([429, 200]);
  });

  test("F4: When refresh tokens or API keys are guessed, then those guesses count as well", async () => {
    const { call, signUp } = createTestApp({}, { RATE_LIMIT_SIGN_IN_FAILURES: perHour(2) });
    const { token } = await signUp();
    expect((await call("POST", "/api/v1/auth/refresh", { body: { refresh_token: "guess" } })).status).toBe(401);
    expect((await call("GET", "/api/v1/workflows", { token: "pk_guess" })).status).toBe(401);
    const refused = await call("GET", "/api/v1/workflows", { headers: { "x-api-key": "pk_guess" } });
    expect([refused.status, Number(refused.headers.get("retry-after"))]).toEqual([429, expect.closeTo(1800, -2)]);
    expect((await call("GET", "/api/v1/workflows", { token })).status).toBe(200);
  });
});

describe("addresses", () => {
  const where = async (peer: string, forwarded: string | undefined, trusted: string[]) => {
    const app = new Hono<ApiEnv>();
    app.use(locate(trusted));
    app.get("/", (c) => c.text(c.get("address")));
    const env = { incoming: { socket: { remoteAddress: peer } } };
    return (await app.request("/", { headers: forwarded === undefined ? {} : { "x-forwarded-for": forwarded } }, env)).text();
  };

  test.each([
    ["10.0.0.1", "1.2.3.4", [], "10.0.0.1"],
    ["10.0.0.1", "1.2.3.4", ["10.0.0.0/8"], "1.2.3.4"],
    ["::ffff:10.0.0.1", "9.9.9.9, 1.2.3.4, 10.0.0.7", ["10.0.0.0/8"], "1.2.3.4"],
    ["10.0.0.1", "9.9.9.9, not an address, 10.0.0.7", ["10.0.0.0/8"], "10.0.0.7"],
    ["10.0.0.1", undefined, ["10.0.0.1"], "10.0.0.1"],
    ["8.8.8.8", "1.2.3.4", ["10.0.0.0/8", "::1"], "8.8.8.8"],
    ["::1", "2001:db8::7", ["::1"], "2001:db8::7"],
    ["", "1.2.3.4", ["10.0.0.0/8"], ""],
  ])("F4: When %s forwards for %s and %j are trusted, then the client is %s", async (peer, forwarded, trusted, client) => {
    expect(await where(peer, forwarded, trusted)).toBe(client);
  });

  test("F4: When an address is IPv6, then its network counts as one; IPv4 is itself, however written", () => {
    expect([networkOf("2001:db8:1:2:3:4:5:6"), networkOf("2001:db8:1:2::1"), networkOf("::ffff:1.2.3.4"), networkOf("1.2.3.4"), networkOf("")]).toEqual([
      "2001:db8:1:2::",
      "2001:db8:1:2::",
      "1.2.3.4",
      "1.2.3.4",
      "",
    ]);
  });
});
