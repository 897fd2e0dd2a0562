import { createHash, randomBytes, randomUUID } from "node:crypto";
import { Secret, TOTP } from "otpauth";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type AccountsApp, startAccounts } from "#tests/accounts.ts";
import { CLIENT, type Person, startOidcProvider } from "#tests/oidc-provider.ts";
import { startSmtp } from "#tests/smtp.ts";

const PUBLIC_URL = "https://api.example.com";
const callbackOf = (id: string) => `${PUBLIC_URL}/api/v1/auth/oidc/${id}/callback`;
const PAGE = "https://app.example.com/signed-in";

let first: Awaited<ReturnType<typeof startOidcProvider>>;
let second: Awaited<ReturnType<typeof startOidcProvider>>;
let smtp: Awaited<ReturnType<typeof startSmtp>>;
let api: AccountsApp;

beforeAll(async () => {
  [first, second, smtp] = await Promise.all([
    startOidcProvider([callbackOf("first"), callbackOf("impostor")]),
    startOidcProvider([callbackOf("second")], { claimsInIdToken: true }),
    startSmtp(),
  ]);
  const provider = (id: string, issuer: string, more: object = {}) => ({ id, issuer, client_id: CLIENT.id, client_secret: CLIENT.secret, ...more });
  api = await startAccounts({
    PUBLIC_URL,
    SMTP_URL: smtp.url,
    WEB_URL: "https://app.example.com",
    CORS_ORIGINS: "http://localhost:5173",
    OIDC_PROVIDERS: JSON.stringify([
      provider("first", first.issuer, { name: "The first" }),
      provider("second", second.issuer),
      provider("impostor", first.issuer, { client_secret: "wrong" }),
      provider("away", "http://127.0.0.1:9"),
    ]),
  });
});

afterAll(async () => {
  await api?.close();
  await Promise.all([first?.close(), second?.close(), smtp?.close()]);
});

/** Cookies by origin, as a browser keeps them; paths are not looked at. */
class Browser {
  readonly cookies = new Map<string, Map<string, string>>();

  async get(url: string): Promise<Response> {
    const { origin } = new URL(url);
    const jar = this.cookies.get(origin) ?? new Map<string, string>();
    this.cookies.set(origin, jar);
    const headers = { cookie: [...jar].map(([name, value]) => `${name}=${value}`).join("; ") };
    const response = origin === PUBLIC_URL ? await api.app.request(url, { headers }) : await fetch(url, { headers, redirect: "manual" });
    for (const text of response.headers.getSetCookie()) {
      const [, name = "", value = ""] = /^([^=]+)=([^;]*)/.exec(text) ?? [];
      if (/max-age=0|expires=Thu, 01 Jan 1970/i.test(text)) jar.delete(name);
      else jar.set(name, value);
    }
    return response;
  }

  /** Follows redirects until `stop` says so of the next address, or there is none. */
  async follow(url: string, stop: (url: string) => boolean = () => false): Promise<{ url: string; response: Response }> {
    for (let at = url; ;) {
      const response = await this.get(at);
      const location = response.headers.get("location");
      if (location === null) return { url: at, response };
      at = new URL(location, at).href;
      if (stop(at)) return { url: at, response };
    }
  }
}

const newVerifier = () => randomBytes(32).toString("base64url");
const challengeOf = (verifier: string) => createHash("sha256").update(verifier).digest("base64url");

function startUrl(provider: string, verifier: string, returnTo: string | undefined = PAGE): string {
  const query = new URLSearchParams({ code_challenge: challengeOf(verifier), ...(returnTo !== "" && { return_to: returnTo }) });
  return `${PUBLIC_URL}/api/v1/auth/oidc/${provider}/start?${query.toString()}`;
}

const isPage = (url: string) => url.startsWith("https://app.example.com/");
const fragmentOf = (url: string) => new URLSearchParams(new URL(url).hash.slice(1));

/** To the page, with what it is handed. */
async function arrive(person: Person, { provider = "first", verifier = newVerifier(), browser = new Browser() } = {}) {
  (provider === "second" ? second : first).state.person = person;
  const { url } = await browser.follow(startUrl(provider, verifier), isPage);
  return { url, verifier, browser, code: fragmentOf(url).get("code") ?? "" };
}

const exchange = (code: string, verifier: string) =>
  api.call<Record<string, string>>("POST", "/auth/oidc/exchange", { body: { code, code_verifier: verifier } });

async function signIn(person: Person, provider = "first") {
  const { code, verifier } = await arrive(person, { provider });
  return exchange(code, verifier);
}

const newPerson = (more: Partial<Person> = {}): Person => ({
  sub: randomUUID(),
  email: `${randomUUID()}@example.com`,
  email_verified: true,
  name: "Ada",
  ...more,
});
const me = async (token: string | undefined) => (await api.call<Record<string, string>>("GET", "/auth/me", { token: token ?? "" })).body;

async function verifiedAccount() {
  const user = await api.signUp(`${randomUUID()}@example.com`);
  const { token } = await smtp.next(user.email, "Verify your address");
  expect((await api.call("POST", "/auth/email/verify", { body: { token } })).status).toBe(204);
  return user;
}

describe("signing in with a provider", () => {
  test("D1: When somebody comes for the first time, then they get an account of their verified address; the next time the same one, whatever the address", async () => {
    const person = newPerson();
    const { status, body } = await signIn(person);
    expect(status).toBe(200);
    const account = await me(body["access_token"]);
    expect(account).toMatchObject({ email: person.email, email_verified: true, name: "Ada", role: "admin" });
    const again = await me((await signIn({ ...person, email: `${randomUUID()}@example.com` })).body["access_token"]);
    expect([again["id"], again["email"]]).toEqual([account["id"], person.email]);
    expect((await api.refresh(body["refresh_token"] as string)).status).toBe(200);
    const { body: logins } = await api.call<Record<string, string>[]>("GET", "/auth/logins", { token: body["access_token"] as string });
    expect(logins.map(({ method, result }) => [method, result])).toEqual(Array.from({ length: 2 }, () => ["oidc", "succeeded"]));
    expect((await api.call("POST", "/auth/login", { body: { email: person.email, password: "" } })).status, "has no password").toBe(422);
    expect((await api.signIn(person.email as string, "null")).status).toBe(401);
  });

  test("D1: When the ID token says who it is and where, or the provider's userinfo does, then both are understood; providers are listed", async () => {
    expect((await signIn(newPerson(), "second")).status).toBe(200);
    const { body } = await api.call<{ id: string; name: string; start_url: string }[]>("GET", "/auth/oidc");
    expect(body.slice(0, 2)).toEqual([
      { id: "first", name: "The first", start_url: `${PUBLIC_URL}/api/v1/auth/oidc/first/start` },
      { id: "second", name: "second", start_url: `${PUBLIC_URL}/api/v1/auth/oidc/second/start` },
    ]);
  });

  test("D1: When the address has an account, then it is theirs only where both sides have verified it", async () => {
    const user = await verifiedAccount();
    expect((await me((await signIn(newPerson({ email: user.email.toUpperCase() }))).body["access_token"]))["id"]).toBe(user.userId);
    const denied = await signIn(newPerson({ email: user.email, email_verified: false }));
    expect([denied.status, denied.body["code"]]).toEqual([403, "auth.forbidden"]);
    expect((await signIn({ sub: randomUUID() })).status, "no address at all").toBe(403);

    // Somebody registered a foreign address and waits for its owner.
    const squatter = await api.signUp(`${randomUUID()}@example.com`);
    const owner = newPerson({ email: squatter.email });
    const refused = await signIn(owner);
    expect([refused.status, refused.body["code"]]).toEqual([409, "resource.conflict"]);
    await api.call("POST", "/auth/password/forgot", { body: { email: squatter.email } });
    const { token } = await smtp.next(squatter.email, "Set a new password");
    await api.call("POST", "/auth/password/reset", { body: { token, password: "the_owners_own" } });
    expect((await signIn(owner)).status).toBe(200);
    expect((await api.signIn(squatter.email, squatter.password)).status).toBe(401);
    expect((await api.call("GET", "/auth/me", { token: squatter.token })).status).toBe(401);
  });

  test("D1: When the owner of an address takes over an account that somebody else made with it, then that person has no way in any more", async () => {
    const squatter = await api.signUp(`${randomUUID()}@example.com`);
    const { token, password } = squatter;
    const stranger = newPerson();
    const { code, verifier } = await arrive(stranger);
    expect((await api.call("POST", "/auth/identities", { token, body: { code, code_verifier: verifier, password } })).status).toBe(201);
    const { body: key } = await api.call<{ key: string }>("POST", "/api-keys", { token, body: { name: "left behind" } });
    const { body: factor } = await api.call<{ secret: string }>("POST", "/auth/second-factor", { token, body: { password } });
    const confirmation = { code: new TOTP({ secret: Secret.fromBase32(factor.secret) }).generate() };
    expect((await api.call("POST", "/auth/second-factor/confirm", { token, body: confirmation })).status).toBe(200);
    const withKey = () => api.call("GET", "/auth/me", { headers: { "x-api-key": key.key } });
    const other = await api.call<{ key: string }>("POST", "/api-keys", { token, body: { name: "not used yet" } });

    await api.call("POST", "/auth/password/forgot", { body: { email: squatter.email } });
    const { token: mailed } = await smtp.next(squatter.email, "Set a new password");
    expect((await api.call("POST", "/auth/password/reset", { body: { token: mailed, password: "the_owners_own" } })).status).toBe(204);
    const owner = await api.signIn(squatter.email, "the_owners_own");
    expect(owner.status, "no second step, whose code only the other has").toBe(200);
    const seen = await me((await signIn(stranger)).body["access_token"]);
    expect(seen["id"], "an account of their own").not.toBe(squatter.userId);
    expect([(await withKey()).status, (await api.call("GET", "/auth/me", { headers: { "x-api-key": other.body.key } })).status]).toEqual([401, 401]);
    expect(await me(owner.body["access_token"] as string)).toMatchObject({ id: squatter.userId, email_verified: true });
  });

  test("D1: When two providers know somebody by the same subject, then those are two people", async () => {
    const sub = randomUUID();
    const [a, b] = [await signIn(newPerson({ sub })), await signIn(newPerson({ sub }), "second")];
    expect((await me(a.body["access_token"]))["id"]).not.toBe((await me(b.body["access_token"]))["id"]);
  });

  test("D1: When the account has a second factor, then the provider's word is the first step alone", async () => {
    const user = await verifiedAccount();
    const person = newPerson({ email: user.email });
    expect((await signIn(person)).status).toBe(200);
    const { Secret, TOTP } = await import("otpauth");
    const { body } = await api.call<{ secret: string }>("POST", "/auth/second-factor", { token: user.token, body: { password: user.password } });
    const code = (steps: number) => new TOTP({ secret: Secret.fromBase32(body.secret) }).generate({ timestamp: Date.now() + steps * 30_000 });
    await api.call("POST", "/auth/second-factor/confirm", { token: user.token, body: { code: code(-1) } });
    const step = await signIn(person);
    expect([step.status, step.body["access_token"]]).toEqual([202, undefined]);
    const finished = await api.call("POST", "/auth/login/second-factor", {
      body: { second_factor_token: step.body["second_factor_token"], code: code(1) },
    });
    expect(finished.status).toBe(200);
  });

  test("D1: When the answer is asked for without a page, then it is JSON; without state, PKCE and nonce nothing goes to the provider", async () => {
    const [browser, verifier] = [new Browser(), newVerifier()];
    first.state.person = newPerson();
    const begun = await browser.get(startUrl("first", verifier, ""));
    const asked = new URL(begun.headers.get("location") ?? "");
    expect(Object.fromEntries(asked.searchParams)).toMatchObject({
      response_type: "code",
      redirect_uri: callbackOf("first"),
      code_challenge_method: "S256",
      scope: "openid email profile",
    });
    for (const name of ["state", "nonce", "code_challenge"]) expect(asked.searchParams.get(name)?.length, name).toBeGreaterThanOrEqual(43);
    expect(asked.searchParams.get("code_challenge"), "ours for the provider, not the page's").not.toBe(challengeOf(verifier));
    expect(begun.headers.getSetCookie()[0]).toMatch(
      /^perdure_oidc_[0-9a-f]{16}=[^;]+; Path=\/api\/v1\/auth\/oidc; Max-Age=600; HttpOnly; SameSite=Lax; Secure$/,
    );
    const { response } = await browser.follow(asked.href);
    const { code } = (await response.json()) as { code: string };
    expect((await exchange(code, verifier)).status).toBe(200);
  });
});

describe("identities of an account", () => {
  const list = async (token: string) => (await api.call<Record<string, unknown>[]>("GET", "/auth/identities", { token })).body;

  test("D1: When who is signed in comes back from a provider, then they link it instead of signing in, and sign in by it from then on", async () => {
    const user = await api.signUp(`${randomUUID()}@example.com`);
    const person = newPerson();
    const { code, verifier } = await arrive(person);
    const link = (token: string) => api.call("POST", "/auth/identities", { token, body: { code, code_verifier: verifier, password: user.password } });
    const linked = await link(user.token);
    expect([linked.status, linked.body]).toMatchObject([201, { issuer: first.issuer, provider: { id: "first", name: "The first" }, email: person.email }]);
    expect(JSON.stringify(await list(user.token))).not.toContain(person.sub);
    expect((await exchange(code, verifier)).status, "the code is used up").toBe(401);
    expect((await me((await signIn(person)).body["access_token"]))["id"]).toBe(user.userId);
    expect((await smtp.next(user.email, "Your account was changed")).text).toContain("The first");
  });

  test("D1: When an identity is unlinked, then it signs nobody in to the account any more; the last way in stays", async () => {
    const person = newPerson();
    const token = (await signIn(person)).body["access_token"] as string;
    const [only] = await list(token);
    const unlink = () => api.call("DELETE", `/auth/identities/${String(only?.["id"])}`, { token });
    const refused = await unlink();
    expect([refused.status, refused.body["code"]]).toEqual([409, "resource.conflict"]);
    await api.call("POST", "/auth/password/forgot", { body: { email: person.email } });
    const { token: mailed } = await smtp.next(person.email as string, "Set a new password");
    await api.call("POST", "/auth/password/reset", { body: { token: mailed, password: "a_password_now" } });
    const again = (await api.signIn(person.email as string, "a_password_now")).body["access_token"] as string;
    expect((await api.call("DELETE", `/auth/identities/${String(only?.["id"])}`, { token: again })).status).toBe(204);
    expect(await list(again)).toEqual([]);
    const unasked = await signIn(person);
    expect([unasked.status, unasked.body["code"]], "the address alone does not link it again").toEqual([409, "resource.conflict"]);
    // Under another address it is somebody else now.
    const other = await me((await signIn({ ...person, email: `${randomUUID()}@example.com` })).body["access_token"]);
    expect(other["email"]).not.toBe(person.email);
  });
});

describe("attacks on it", () => {
  test("F4: When the page to return to is not ours, then nothing begins", async () => {
    const tricks = [
      "https://evil.example.com/",
      "//evil.example.com/",
      "/\\evil.example.com",
      "https://app.example.com@evil.example.com/",
      "https://app.example.com.evil.example.com/",
      "https://user:pass@app.example.com/",
      "http://app.example.com/",
      "https://app.example.com:8443/",
      "javascript:alert(1)",
      "data:text/html,x",
      "https:evil.example.com",
      "https://evil.example.com#https://app.example.com/",
      "https://evil.example.com\\@app.example.com",
      "null",
      "*",
    ];
    for (const trick of tricks) {
      const answer = await new Browser().get(startUrl("first", newVerifier(), trick));
      expect([trick, answer.status, answer.headers.get("location"), answer.headers.getSetCookie()]).toEqual([trick, 422, null, []]);
    }
    expect((await new Browser().get(startUrl("first", newVerifier(), "http://localhost:5173/back"))).status).toBe(302);
  });

  test("F4: When somebody is sent an attacker's way back, then their browser does not finish it (login CSRF)", async () => {
    first.state.person = newPerson();
    const attacker = new Browser();
    const { url } = await attacker.follow(startUrl("first", newVerifier()), (each) => each.startsWith(callbackOf("first")));
    const victim = new Browser();
    const answer = await victim.get(url);
    expect([answer.status, answer.headers.get("location")]).toEqual([401, null]);
    // Also where the victim has begun a sign-in of their own.
    await victim.get(startUrl("first", newVerifier()));
    expect((await victim.get(url)).status).toBe(401);
    // And where the attacker could plant a cookie of their own making.
    victim.cookies
      .get(PUBLIC_URL)
      ?.set([...(attacker.cookies.get(PUBLIC_URL)?.keys() ?? [])][0] ?? "", "eyJhbGciOiJkaXIiLCJlbmMiOiJBMjU2R0NNIn0..AAAA.AAAA.AAAA");
    expect((await victim.get(url)).status).toBe(401);
    expect((await attacker.get(url)).headers.get("location"), "in the browser that began it").toContain("#code=");
  });

  test("F4: When somebody is handed an attacker's code, then it is worth nothing without the verifier, and nothing a second time", async () => {
    const { code, verifier } = await arrive(newPerson());
    expect((await exchange(code, newVerifier())).status).toBe(401);
    expect((await exchange(code, verifier)).status, "used up by the attempt").toBe(401);
    const good = await arrive(newPerson());
    const both = await Promise.all([exchange(good.code, good.verifier), exchange(good.code, good.verifier)]);
    expect(both.map(({ status }) => status).toSorted()).toEqual([200, 401]);
  });

  test("F4: When the way back is repeated, changed, or belongs to another provider, then it opens nothing", async () => {
    first.state.person = newPerson();
    const browser = new Browser();
    const { url } = await browser.follow(startUrl("first", newVerifier()), (each) => each.startsWith(callbackOf("first")));
    const cookies = new Map(browser.cookies.get(PUBLIC_URL));
    const withCookies = () => {
      const copy = new Browser();
      copy.cookies.set(PUBLIC_URL, new Map(cookies));
      return copy;
    };
    const changed = (change: (query: URLSearchParams) => void, to = url) => {
      const target = new URL(to);
      change(target.searchParams);
      return target.href;
    };
    const outcomes = [
      await withCookies().get(url.replace("/first/", "/second/")),
      await withCookies().get(url.replace("/first/", "/nowhere/")),
      await withCookies().get(changed((query) => query.set("state", "x"))),
      await withCookies().get(changed((query) => query.delete("state"))),
    ];
    expect(outcomes.map(({ status }) => status)).toEqual([401, 404, 401, 401]);
    for (const change of [
      (query: URLSearchParams) => query.set("code", "x"),
      (query: URLSearchParams) => query.delete("code"),
      (query: URLSearchParams) => query.set("iss", "https://evil.example.com"),
      (query: URLSearchParams) => query.append("state", "x"),
      (query: URLSearchParams) => query.set("error", "access_denied"),
    ]) {
      const location = (await withCookies().get(changed(change))).headers.get("location") ?? "";
      expect([location.split("#")[0], fragmentOf(location).get("error"), fragmentOf(location).get("code")]).toEqual([PAGE, "auth.invalid", null]);
    }
    expect((await withCookies().get(url)).headers.get("location")).toContain("#code=");
    expect((await withCookies().get(url)).headers.get("location"), "the provider's code a second time").toContain("#error=");
  });

  test("D1: When the provider refuses, is away, or does not take our secret, then the page or the caller learns it and nobody is signed in", async () => {
    first.state.denies = true;
    const denied = await arrive(newPerson());
    first.state.denies = false;
    expect(denied.url).toBe(`${PAGE}#error=auth.invalid`);
    expect((await arrive(newPerson(), { provider: "impostor" })).url).toBe(`${PAGE}#error=auth.invalid`);
    const away = await new Browser().get(startUrl("away", newVerifier()));
    expect([away.status, ((await away.json()) as { code: string }).code]).toEqual([500, "upstream.failed"]);
    expect((await new Browser().get(startUrl("nobody", newVerifier()))).status).toBe(404);
    expect((await new Browser().get(`${PUBLIC_URL}/api/v1/auth/oidc/first/start`)).status, "without a challenge").toBe(422);
  });
});
