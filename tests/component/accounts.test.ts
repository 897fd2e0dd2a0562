import { createHmac, randomUUID } from "node:crypto";
import { Secret, TOTP } from "otpauth";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type AccountsApp, startAccounts } from "#tests/accounts.ts";
import { startSmtp } from "#tests/smtp.ts";

let smtp: Awaited<ReturnType<typeof startSmtp>>;
let api: AccountsApp;

beforeAll(async () => {
  smtp = await startSmtp();
  api = await startAccounts({ SMTP_URL: smtp.url, WEB_URL: "https://app.example.com/", RATE_LIMIT_ACCOUNT_MAILS: "3/h", JWT_REFRESH_GRACE_MS: "1000" });
});

afterAll(async () => {
  await api?.close();
  await smtp?.close();
});

const me = async (token: string) => (await api.call("GET", "/auth/me", { token })).status;

/** The code of an authenticator, some 30-second steps from now. */
function codeOf(secret: string, steps = 0): string {
  return new TOTP({ secret: Secret.fromBase32(secret) }).generate({ timestamp: Date.now() + steps * 30_000 });
}

async function withSecondFactor() {
  const user = await api.signUp();
  const { body } = await api.call<{ secret: string; otpauth_uri: string }>("POST", "/auth/second-factor", {
    token: user.token,
    body: { password: user.password },
  });
  const confirmed = await api.call<{ recovery_codes: string[] }>("POST", "/auth/second-factor/confirm", {
    token: user.token,
    body: { code: codeOf(body.secret, -1) },
  });
  return { ...user, ...body, codes: confirmed.body.recovery_codes };
}

async function firstStep(user: { email: string; password: string }): Promise<string> {
  const { status, body } = await api.signIn(user.email, user.password);
  expect([status, Object.keys(body).toSorted()]).toEqual([202, ["expires_in", "methods", "second_factor_token"]]);
  return body["second_factor_token"] as string;
}

const secondStep = (token: string, code: string) =>
  api.call<Record<string, string>>("POST", "/auth/login/second-factor", { body: { second_factor_token: token, code } });

describe("sessions", () => {
  test("D1: When somebody signs out everywhere, then every refresh and access token of before is refused, and signing in works again", async () => {
    const user = await api.signUp();
    const other = (await api.signIn(user.email, user.password)).body as { access_token: string; refresh_token: string };
    const stranger = await api.signUp();
    expect((await api.call("POST", "/auth/logout-everywhere", { token: user.token })).status).toBe(204);
    expect([await me(user.token), await me(other.access_token), await me(stranger.token)]).toEqual([401, 401, 200]);
    expect([(await api.refresh(user.refreshToken)).status, (await api.refresh(other.refresh_token)).status]).toEqual([401, 401]);
    const again = await api.signIn(user.email, user.password);
    expect([again.status, await me(again.body["access_token"] as string)]).toEqual([200, 200]);
  });

  test("D1: When one session is ended, then its tokens are refused and the others' are not", async () => {
    const user = await api.signUp();
    const other = (await api.signIn(user.email, user.password)).body as { access_token: string; refresh_token: string };
    const { body } = await api.call<{ id: string; method: string; is_current: boolean }[]>("GET", "/auth/sessions", { token: user.token });
    expect(body.map(({ method, is_current }) => [method, is_current])).toEqual([
      ["password", false],
      ["registration", true],
    ]);
    expect((await api.call("DELETE", `/auth/sessions/${body[0]?.id}`, { token: user.token })).status).toBe(204);
    expect([await me(user.token), await me(other.access_token), (await api.refresh(other.refresh_token)).status]).toEqual([200, 401, 401]);
    expect((await api.call("DELETE", `/auth/sessions/${body[0]?.id}`, { token: user.token })).status).toBe(404);
  });

  test("D1: When somebody logs out, then the access token of that session is refused as well", async () => {
    const user = await api.signUp();
    expect((await api.call("POST", "/auth/logout", { body: { refresh_token: user.refreshToken } })).status).toBe(204);
    expect(await me(user.token)).toBe(401);
  });

  test("D1: When two tabs refresh at the same moment, then both get pairs that work; when the old token comes after the grace, then all end", async () => {
    const user = await api.signUp();
    const both = await Promise.all([api.refresh(user.refreshToken), api.refresh(user.refreshToken)]);
    expect(both.map(({ status }) => status)).toEqual([200, 200]);
    for (const { body } of both) expect(await me(body["access_token"] as string)).toBe(200);
    await new Promise((resolve) => setTimeout(resolve, 1_100));
    expect((await api.refresh(user.refreshToken)).status).toBe(401);
    for (const { body } of both) expect((await api.refresh(body["refresh_token"] as string)).status).toBe(401);
  });

  test("D1: When sign-ins are listed, then each attempt is there with its time, address, agent and result, and nobody else's", async () => {
    const user = await api.signUp();
    await api.signIn(user.email, "wrong password");
    await api.call("POST", "/auth/login", { body: { email: user.email, password: user.password }, headers: { "user-agent": "A browser" } });
    const { body } = await api.call<Record<string, string>[]>("GET", "/auth/logins", { token: user.token });
    expect(body.map(({ method, result, user_agent }) => [method, result, user_agent])).toEqual([
      ["password", "succeeded", "A browser"],
      ["password", "failed", ""],
      ["registration", "succeeded", ""],
    ]);
    expect(Math.abs(Date.now() - Date.parse(body[0]?.["at"] ?? ""))).toBeLessThan(60_000);
  });
});

describe("invitations", () => {
  test("F1: When somebody is invited, and again, then each mail brings a token, of which the last one is good", async () => {
    const admin = await api.signUp();
    const email = `${randomUUID()}@example.com`;
    const { body } = await api.call<Record<string, string>>("POST", "/invitations", { token: admin.token, body: { email, role: "editor" } });
    const first = await smtp.next(email, "You are invited to an organization");
    expect([body["mail_sent"], body["token"]]).toEqual([true, first.token]);
    expect(first.text).toContain(`https://app.example.com/accept-invitation#token=${first.token}`);
    const { body: sent } = await api.call<Record<string, string>>("POST", `/invitations/${body["id"]}/send`, { token: admin.token });
    const second = await smtp.next(email, "You are invited to an organization");
    expect([sent["mail_sent"], sent["token"]]).toEqual([true, second.token]);
    const accept = (token: string) => api.call("POST", "/invitations/accept", { body: { token, password: "secure_password" } });
    expect([(await accept(first.token)).status, (await accept(second.token)).status]).toEqual([404, 200]);
  });
});

describe("passwords", () => {
  test("D1: When the password is changed, then other sessions end, this one goes on, and the old password opens nothing", async () => {
    const user = await api.signUp();
    const other = (await api.signIn(user.email, user.password)).body as { access_token: string; refresh_token: string };
    const change = (current: string, next: string) =>
      api.call("POST", "/auth/password/change", { token: user.token, body: { current_password: current, new_password: next } });
    const wrong = await change("wrong password", "another_password");
    expect([wrong.status, wrong.body["code"]]).toEqual([422, "validation.failed"]);
    expect((await change(user.password, "another_password")).status).toBe(204);
    expect([await me(user.token), await me(other.access_token), (await api.refresh(other.refresh_token)).status]).toEqual([200, 401, 401]);
    expect([(await api.signIn(user.email, user.password)).status, (await api.signIn(user.email, "another_password")).status]).toEqual([401, 200]);
    expect((await smtp.next(user.email, "Your account was changed")).text).toContain("password");
  });

  test("D1: When a password is forgotten, then the token of the mail sets a new one, once, and ends all sessions", async () => {
    const user = await api.signUp();
    expect((await api.call("POST", "/auth/password/forgot", { body: { email: user.email.toUpperCase() } })).status).toBe(202);
    const { token, text } = await smtp.next(user.email, "Set a new password");
    expect(text).toContain(`https://app.example.com/reset-password#token=${token}`);
    expect((await api.db.accounts.find(user.userId))?.passwordHash, "nothing has changed yet").toBe(
      (await api.db.accounts.findByEmail(user.email))?.passwordHash,
    );
    const reset = (password: string) => api.call("POST", "/auth/password/reset", { body: { token, password } });
    expect((await reset("short")).status).toBe(422);
    const racing = await Promise.all([reset("first_password"), reset("second_password")]);
    expect(racing.map(({ status }) => status).toSorted()).toEqual([204, 401]);
    const winner = racing[0]?.status === 204 ? "first_password" : "second_password";
    expect((await reset("third_password")).status).toBe(401);
    expect([await me(user.token), (await api.refresh(user.refreshToken)).status]).toEqual([401, 401]);
    expect((await api.signIn(user.email, winner)).status).toBe(200);
    const { body } = await api.signIn(user.email, winner);
    expect((await api.call("GET", "/auth/me", { token: body["access_token"] as string })).body["email_verified"], "the mail was read there").toBe(true);
  });

  test("D1 F4: When a mail that sets a password was sent before the password was changed, then its token sets none; one that is sent afterwards does", async () => {
    const user = await api.signUp();
    const forgot = async () => {
      await api.call("POST", "/auth/password/forgot", { body: { email: user.email } });
      return (await smtp.next(user.email, "Set a new password")).token;
    };
    const reset = async (token: string | undefined) => (await api.call("POST", "/auth/password/reset", { body: { token, password: "by_the_mail" } })).status;
    const before = await forgot();
    const body = { current_password: user.password, new_password: "another_password" };
    expect((await api.call("POST", "/auth/password/change", { token: user.token, body })).status).toBe(204);
    expect([await reset(before), (await api.signIn(user.email, "another_password")).status]).toEqual([401, 200]);
    expect([await reset(await forgot()), (await api.signIn(user.email, "by_the_mail")).status]).toEqual([204, 200]);
  });

  test("D1: When a password is forgotten of an address that has no account, then the answer is the same and nobody gets a mail", async () => {
    const user = await api.signUp();
    const [known, unknown] = await Promise.all(
      [user.email, "nobody@example.com"].map((email) => api.call("POST", "/auth/password/forgot", { body: { email } })),
    );
    const shown = ({ status, body, headers }: NonNullable<typeof known>) => [
      status,
      body,
      [...headers].filter(([name]) => name !== "x-correlation-id" && name !== "x-request-id"),
    ];
    expect(shown(unknown as NonNullable<typeof known>)).toEqual(shown(known as NonNullable<typeof known>));
    await smtp.next(user.email, "Set a new password");
    expect(smtp.mails.filter(({ to }) => to.includes("nobody@example.com"))).toEqual([]);
  });

  test("F4: When mails are asked for again and again, then the limit says so, for an address without an account as well", async () => {
    for (const email of ["flooded@example.com", (await api.signUp()).email]) {
      const statuses = [];
      for (let n = 0; n < 5; n++) statuses.push((await api.call("POST", "/auth/password/forgot", { body: { email } })).status);
      expect(statuses).toEqual([202, 202, 202, 429, 429]);
    }
  });

  test("D1: When a new account is made, then a mail verifies its address, once", async () => {
    const user = await api.signUp();
    const { token, text } = await smtp.next(user.email, "Verify your address");
    expect(text).toContain(`https://app.example.com/verify-email#token=${token}`);
    const verified = async () => (await api.call("GET", "/auth/me", { token: user.token })).body["email_verified"];
    const verify = (value: string) => api.call("POST", "/auth/email/verify", { body: { token: value } });
    expect([await verified(), (await verify("nonsense")).status, await verified()]).toEqual([false, 401, false]);
    expect((await api.call("POST", "/auth/password/reset", { body: { token, password: "another_password" } })).status, "of another purpose").toBe(401);
    expect([(await verify(token)).status, await verified(), (await verify(token)).status]).toEqual([204, true, 401]);
    expect((await api.call("POST", "/auth/email/send-verification", { token: user.token })).status).toBe(202);
  });

  test("D1: When tokens of mails are stored, then only as hashes", async () => {
    const user = await api.signUp();
    const { token } = await smtp.next(user.email, "Verify your address");
    expect(await api.db.accountTokens.find("verify_email", token)).toBeUndefined();
    expect(await api.db.accountTokens.find("verify_email", (await import("node:crypto")).createHash("sha256").update(token).digest("hex"))).toMatchObject({
      userId: user.userId,
    });
  });
});

describe("second factor", () => {
  test("D1: When it is on, then signing in takes a second step, with the code of an authenticator of RFC 6238", async () => {
    const user = await withSecondFactor();
    expect(user.otpauth_uri).toBe(
      `otpauth://totp/Perdure:${encodeURIComponent(user.email)}?issuer=Perdure&secret=${user.secret}&algorithm=SHA1&digits=6&period=30`,
    );
    expect(user.codes).toHaveLength(10);
    expect(new Set(user.codes).size).toBe(10);
    // By hand, so that what is tested is no library's word for itself.
    const counter = Buffer.alloc(8);
    counter.writeBigUInt64BE(BigInt(Math.floor(Date.now() / 30_000)));
    const digest = createHmac("sha1", Secret.fromBase32(user.secret).bytes).update(counter).digest();
    const at = (digest.at(-1) as number) & 15;
    const code = String((digest.readUInt32BE(at) & 0x7fff_ffff) % 1_000_000).padStart(6, "0");
    const { status, body } = await secondStep(await firstStep(user), code);
    expect([status, await me(body["access_token"] as string)]).toEqual([200, 200]);
    expect((await api.call("GET", "/auth/second-factor", { token: user.token })).body).toMatchObject({ enabled: true, recovery_codes_left: 10 });
  });

  test("D1: When a code was used, then it opens nothing again, also in another sign-in, also two at once", async () => {
    const user = await withSecondFactor();
    const tokens = [await firstStep(user), await firstStep(user), await firstStep(user)] as const;
    const code = codeOf(user.secret, 1);
    const statuses = (await Promise.all([secondStep(tokens[0], code), secondStep(tokens[1], code)])).map(({ status }) => status);
    expect(statuses.toSorted()).toEqual([200, 401]);
    expect((await secondStep(tokens[2], code)).status).toBe(401);
    expect((await secondStep(tokens[2], codeOf(user.secret))).status, "one before it").toBe(401);
  });

  test("D1: When the token of a first step was used, or tried too often, then it opens nothing, also with the right code", async () => {
    const user = await withSecondFactor();
    const token = await firstStep(user);
    for (let n = 0; n < 5; n++) expect((await secondStep(token, "000000")).status).toBe(401);
    expect((await secondStep(token, codeOf(user.secret, 1))).status).toBe(401);
    const used = await firstStep(user);
    expect((await secondStep(used, codeOf(user.secret, 1))).status).toBe(200);
    expect((await secondStep(used, user.codes[0] as string)).status).toBe(401);
    expect((await api.call("GET", "/auth/second-factor", { token: user.token })).body["recovery_codes_left"], "not used up by it").toBe(10);
  });

  test("F4: When codes are guessed over many sign-ins, then the account's limit ends it", async () => {
    const user = await withSecondFactor();
    const statuses: number[] = [];
    for (let n = 0; n < 25; n++) statuses.push((await secondStep(await firstStep(user), String(n).padStart(6, "0"))).status);
    expect(statuses.slice(20)).toEqual([429, 429, 429, 429, 429]);
    expect((await secondStep(await firstStep(user), codeOf(user.secret, 1))).status, "the right one too").toBe(429);
  });

  test("D1: When a recovery code is used, then once, in any case and without its hyphens", async () => {
    const user = await withSecondFactor();
    const [code] = user.codes as [string];
    expect((await secondStep(await firstStep(user), code.toUpperCase().replaceAll("-", " "))).status).toBe(200);
    expect((await secondStep(await firstStep(user), code)).status).toBe(401);
    expect((await smtp.next(user.email, "Your account was changed")).text).toBeDefined();
    const renewed = await api.call<{ recovery_codes: string[] }>("POST", "/auth/second-factor/recovery-codes", {
      token: user.token,
      body: { password: user.password },
    });
    expect((await secondStep(await firstStep(user), user.codes[1] as string)).status, "replaced").toBe(401);
    expect((await secondStep(await firstStep(user), renewed.body.recovery_codes[0] as string)).status).toBe(200);
  });

  test("D1: When it is turned on, confirmed or off, then that takes the password and a code, and no other one takes its place", async () => {
    const user = await api.signUp();
    const post = (path: string, body: object) => api.call<Record<string, string>>("POST", `/auth/second-factor${path}`, { token: user.token, body });
    expect((await post("", { password: "wrong password" })).status).toBe(422);
    expect((await post("/confirm", { code: "123456" })).status).toBe(409);
    const { body } = await post("", { password: user.password });
    expect((await api.signIn(user.email, user.password)).status, "not confirmed: nothing has changed").toBe(200);
    expect((await post("/confirm", { code: "000000" })).status).toBe(422);
    expect((await post("/confirm", { code: codeOf(body["secret"] as string) })).status).toBe(200);
    expect((await post("", { password: user.password })).status).toBe(409);
    expect((await secondStep(await firstStep(user), codeOf(body["secret"] as string))).status, "the code that confirmed it").toBe(401);
    const pending = await firstStep(user);
    expect([(await post("/disable", { password: "wrong password" })).status, (await post("/disable", { password: user.password })).status]).toEqual([422, 204]);
    expect((await secondStep(pending, codeOf(body["secret"] as string, 1))).status).toBe(401);
    expect((await api.signIn(user.email, user.password)).status).toBe(200);
  });

  test("D1: When the password is changed between the steps, then the second one opens nothing", async () => {
    const user = await withSecondFactor();
    const pending = await firstStep(user);
    await api.call("POST", "/auth/password/change", { token: user.token, body: { current_password: user.password, new_password: "another_password" } });
    expect((await secondStep(pending, codeOf(user.secret, 1))).status).toBe(401);
  });

  test("D1: When an invitation is accepted with the password of an account that has one, then it is no way around it", async () => {
    const [user, admin] = [await withSecondFactor(), await api.signUp()];
    const { body } = await api.call<{ token: string }>("POST", "/invitations", { token: admin.token, body: { email: user.email, role: "viewer" } });
    const accepted = await api.call("POST", "/invitations/accept", { body: { token: body.token, password: user.password } });
    expect([accepted.status, accepted.body["access_token"]]).toEqual([403, undefined]);
    expect((await api.call("POST", "/invitations/join", { token: user.token, body: { token: body.token } })).status).toBe(200);
  });

  test("F2: When a secret is stored, then sealed, and the audit log tells of it without it", async () => {
    const user = await withSecondFactor();
    const stored = await api.db.secondFactors.find(user.userId);
    expect(stored?.sealed.includes(Buffer.from(Secret.fromBase32(user.secret).bytes))).toBe(false);
    const { body } = await api.call<Record<string, unknown>[]>("GET", "/audit-events", { token: user.token });
    const text = JSON.stringify(body);
    expect(body.map(({ action }) => action)).toEqual(["confirmSecondFactor", "enrolSecondFactor", "register"]);
    for (const secret of [user.secret, ...user.codes, user.password, user.token, user.refreshToken]) expect(text).not.toContain(secret);
  });
});
