import { createHash } from "node:crypto";
import { uuidv7 } from "#core";
import { SignJWT } from "jose";
import { describe, expect, test } from "vitest";
import { createPasswords } from "./security/passwords.ts";
import { createTokens } from "./security/tokens.ts";
import { createTestApp } from "./testing/test-app.ts";

interface Pair {
  access_token: string;
  refresh_token: string;
  token_type: string;
  expires_in: number;
}

const credentials = { email: "user@example.com", password: "secure_password" };

describe("signing up and in", () => {
  test("D1: When somebody registers and logs in as documented, then tokens come with expires_in 1800 and work", async () => {
    const { call } = createTestApp();
    const registered = await call("POST", "/api/auth/register", { body: { ...credentials, name: "A User", organization: "Acme" } });
    expect(registered.status).toBe(201);
    expect(registered.body).toMatchObject({
      email: "user@example.com",
      name: "A User",
      role: "admin",
      organization: { name: "Acme" },
      token_type: "bearer",
      expires_in: 1800,
    });
    expect(registered.body["created_at"]).toMatch(/^\d{4}-\d\d-\d\dT.*Z$/);

    const login = await call<Pair>("POST", "/api/auth/login", { body: credentials });
    expect(login.status).toBe(200);
    expect(Object.keys(login.body).toSorted()).toEqual(["access_token", "expires_in", "refresh_token", "token_type"]);
    expect(login.body).toMatchObject({ token_type: "bearer", expires_in: 1800 });
    const me = await call("GET", "/api/auth/me", { token: login.body.access_token });
    expect([me.status, me.body["email"], me.body["id"]]).toEqual([200, "user@example.com", registered.body["id"]]);
    expect(JSON.stringify([registered.body, me.body])).not.toContain("password");
  });

  test.each(["/api/v1/auth", "/api/auth"])("D8: When the other documented names under %s are used, then they do the same", async (base) => {
    const { call } = createTestApp();
    expect((await call("POST", `${base}/signup`, { body: { ...credentials, full_name: "Full Name" } })).status).toBe(201);
    const { body } = await call<Pair>("POST", `${base}/signin/`, { body: { ...credentials, email: " User@Example.COM " } });
    const profile = await call("GET", `${base}/profile`, { token: body.access_token });
    expect([profile.status, profile.body["name"]]).toEqual([200, "Full Name"]);
  });

  test("D1: When the e-mail address is taken, then it is 409, in whatever case it is written", async () => {
    const { call } = createTestApp();
    await call("POST", "/api/v1/auth/register", { body: credentials });
    expect((await call("POST", "/api/v1/auth/register", { body: { ...credentials, email: "USER@example.com" } })).status).toBe(409);
  });

  test("D1: When registration is wrong in several ways, then all of them are named at once", async () => {
    const { call } = createTestApp();
    const { status, body } = await call("POST", "/api/v1/auth/register", { body: { email: "nobody", password: "short" } });
    expect([status, body["code"]]).toEqual([422, "validation.failed"]);
    expect((body["errors"] as { path: string }[]).map(({ path }) => path).toSorted()).toEqual(["email", "password"]);
  });

  test("D1: When registration is closed, then it is 403", async () => {
    const { call } = createTestApp({}, { REGISTRATION: "closed" });
    expect((await call("POST", "/api/v1/auth/register", { body: credentials })).status).toBe(403);
  });

  test("D1: When the password is wrong or the user unknown, then both get the same 401, and both are recorded", async () => {
    const { call, db } = createTestApp();
    await call("POST", "/api/v1/auth/register", { body: credentials });
    const wrong = await call("POST", "/api/v1/auth/login", { body: { ...credentials, password: "wrong_password" } });
    const unknown = await call("POST", "/api/v1/auth/login", { body: { ...credentials, email: "nobody@example.com" } });
    expect([wrong.status, unknown.status]).toEqual([401, 401]);
    expect({ ...wrong.body, correlation_id: "" }).toEqual({ ...unknown.body, correlation_id: "" });
    expect(db.state.logins.slice(1)).toMatchObject([
      { email: "user@example.com", succeeded: false },
      { email: "nobody@example.com", succeeded: false },
    ]);
  });
});

describe("passwords", () => {
  test("D1: When a password is stored, then it is argon2id with a salt of its own", async () => {
    const passwords = createPasswords();
    const [one, other] = await Promise.all([passwords.hash("secure_password"), passwords.hash("secure_password")]);
    expect(one).toMatch(/^\$argon2id\$v=19\$m=19456,t=2,p=1\$/);
    expect(one).not.toBe(other);
    expect(await passwords.verify("secure_password", one)).toBe(true);
    expect(await passwords.verify("secure_passwore", one)).toBe(false);
  });

  test("F4: When more passwords are to be hashed at once than allowed, then the rest are told to come again, and afterwards all are served", async () => {
    const { call } = createTestApp({ passwords: createPasswords({ maxPending: 4 }) });
    const logins = await Promise.all(Array.from({ length: 20 }, () => call("POST", "/api/v1/auth/login", { body: credentials })));
    const refused = logins.filter(({ status }) => status === 429);
    expect([logins.filter(({ status }) => status === 401).length, refused.length]).toEqual([4, 16]);
    expect([refused[0]?.body["code"], refused[0]?.headers.get("retry-after")]).toEqual(["rate.limited", "1"]);
    expect((await call("POST", "/api/v1/auth/register", { body: credentials })).status).toBe(201);
  });

  test("D1: When there is no such user, then no password is right, and the answer takes as long", async () => {
    const passwords = createPasswords();
    const stored = await passwords.hash("secure_password");
    await passwords.verify("x", undefined);
    const time = async (hash: string | undefined): Promise<number> => {
      const times: number[] = [];
      for (let round = 0; round < 5; round++) {
        const startedAt = performance.now();
        expect(await passwords.verify("not it", hash)).toBe(false);
        times.push(performance.now() - startedAt);
      }
      return Math.min(...times);
    };
    // Without a hash to compare with it would take some thousandth of that.
    const [known, unknown] = [await time(stored), await time(undefined)];
    expect(unknown).toBeGreaterThan(known / 50);
  });
});

describe("refresh tokens", () => {
  test("D1: When a refresh token is used, then a new pair comes, and the old one is spent", async () => {
    const { call, signUp } = createTestApp();
    const { refreshToken } = await signUp();
    const first = await call<Pair>("POST", "/api/v1/auth/refresh", { body: { refresh_token: refreshToken } });
    expect(first.status).toBe(200);
    expect(first.body.refresh_token).not.toBe(refreshToken);
    expect((await call("GET", "/api/v1/auth/me", { token: first.body.access_token })).status).toBe(200);
  });

  test("D1: When a refresh token is used twice, then the whole family is revoked", async () => {
    const { call, signUp } = createTestApp();
    const { refreshToken } = await signUp();
    const first = await call<Pair>("POST", "/api/v1/auth/refresh", { body: { refresh_token: refreshToken } });
    expect((await call("POST", "/api/v1/auth/refresh", { body: { refresh_token: refreshToken } })).status).toBe(401);
    expect((await call("POST", "/api/v1/auth/refresh", { body: { refresh_token: first.body.refresh_token } })).status).toBe(401);
  });

  test("D1: When the documented query parameter carries the token, then it is taken", async () => {
    const { call, signUp } = createTestApp();
    const { refreshToken } = await signUp();
    expect((await call("POST", `/api/auth/refresh?refresh_token=${refreshToken}`)).status).toBe(200);
  });

  test("D1: When somebody logs out, then the refresh token is worth nothing, and no token is told from another", async () => {
    const { call, signUp } = createTestApp();
    const { refreshToken } = await signUp();
    expect((await call("POST", "/api/v1/auth/logout", { body: { refresh_token: refreshToken } })).status).toBe(204);
    expect((await call("POST", "/api/v1/auth/logout", { body: { refresh_token: "unknown" } })).status).toBe(204);
    expect((await call("POST", "/api/v1/auth/refresh", { body: { refresh_token: refreshToken } })).status).toBe(401);
  });

  test("F3: When a refresh token is stored, then only as its hash", async () => {
    const { db, signUp } = createTestApp();
    const { refreshToken } = await signUp();
    expect(Buffer.from(refreshToken, "base64url")).toHaveLength(32);
    expect([...(db.state.sessions[0]?.tokens.keys() ?? [])]).toEqual([createHash("sha256").update(refreshToken).digest("hex")]);
  });
});

describe("access tokens", () => {
  const secret = "a secret of at least 32 characters";
  const key = new TextEncoder().encode(secret);
  const base = (header: { alg?: string; typ?: string } = {}): SignJWT =>
    new SignJWT({ tenant: uuidv7(), role: "admin", sid: uuidv7() })
      .setProtectedHeader({ alg: "HS256", typ: "at+jwt", ...header })
      .setIssuer("perdure")
      .setAudience("perdure-api")
      .setSubject(uuidv7())
      .setIssuedAt()
      .setExpirationTime("5m");
  const tokens = createTokens({ secret, accessMinutes: 30 });

  test("F3: When a token is made as ours are, then it is taken; this is what the others differ from", async () => {
    expect(await tokens.verify(await base().sign(key))).toMatchObject({ role: "admin" });
  });

  test.each<[string, () => Promise<string>]>([
    ["is signed with another secret", () => base().sign(new TextEncoder().encode("another secret of at least 32 chars"))],
    [
      "has expired",
      () =>
        base()
          .setExpirationTime(Math.floor(Date.now() / 1000) - 60)
          .sign(key),
    ],
    ["is from another issuer", () => base().setIssuer("somebody").sign(key)],
    ["is for another audience", () => base().setAudience("another-api").sign(key)],
    ["is of another type", () => base({ typ: "JWT" }).sign(key)],
    ["uses another algorithm", () => base({ alg: "HS384" }).sign(new TextEncoder().encode(secret.repeat(2)))],
    [
      "has no expiry",
      () =>
        new SignJWT({ tenant: uuidv7(), role: "admin", sid: uuidv7() })
          .setProtectedHeader({ alg: "HS256", typ: "at+jwt" })
          .setIssuer("perdure")
          .setAudience("perdure-api")
          .setSubject(uuidv7())
          .setIssuedAt()
          .sign(key),
    ],
    [
      "names no role of ours",
      () =>
        new SignJWT({ tenant: uuidv7(), role: "root", sid: uuidv7() })
          .setProtectedHeader({ alg: "HS256", typ: "at+jwt" })
          .setIssuer("perdure")
          .setAudience("perdure-api")
          .setSubject(uuidv7())
          .setIssuedAt()
          .setExpirationTime("5m")
          .sign(key),
    ],
    [
      "names no tenant",
      () =>
        new SignJWT({ role: "admin" })
          .setProtectedHeader({ alg: "HS256", typ: "at+jwt" })
          .setIssuer("perdure")
          .setAudience("perdure-api")
          .setSubject(uuidv7())
          .setIssuedAt()
          .setExpirationTime("5m")
          .sign(key),
    ],
    ["is not signed at all", async () => `${Buffer.from('{"alg":"none","typ":"at+jwt"}').toString("base64url")}.${(await base().sign(key)).split(".")[1]}.`],
    ["is no token", async () => "nonsense"],
  ])("F3: When a token %s, then it is 401", async (_what, make) => {
    const { call } = createTestApp();
    const answer = await call("GET", "/api/v1/workflows", { token: await make() });
    expect([answer.status, answer.body["code"]]).toEqual([401, "auth.invalid"]);
    expect(answer.headers.get("www-authenticate")).toContain("Bearer");
  });

  test("F3: When the secret is short, then nothing is signed with it", () => {
    expect(() => createTokens({ secret: "short", accessMinutes: 30 })).toThrow("32");
  });
});
