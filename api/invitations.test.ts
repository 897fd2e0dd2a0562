import { setTimeout } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import type { Mailer } from "#integrations/mail";
import type { Logger } from "#platform";
import type { Services, ApiSettings } from "./services.ts";
import { createTestApp } from "./testing/test-app.ts";

interface New {
  id: string;
  token: string;
  mail_sent: boolean;
  status: string;
  expires_at: string;
}

const rate = (tokens: number) => ({ tokens, perMs: 3_600_000, burst: tokens });

async function setUp(settings: Partial<ApiSettings> = {}, overrides: Partial<Services> = {}) {
  const app = createTestApp(overrides, settings);
  const admin = await app.signUp();
  const before = app.mails.splice(0).length;
  expect(before, "the mail that verifies the admin's own address").toBeLessThanOrEqual(1);
  const invite = (email: string, role = "operator") => app.call<New>("POST", "/api/v1/invitations", { token: admin.token, body: { email, role } });
  const send = (id: string) => app.call<New>("POST", `/api/v1/invitations/${id}/send`, { token: admin.token });
  const accept = (token: string) => app.call("POST", "/api/v1/invitations/accept", { body: { token, password: "secure_password" } });
  const read = async (id: string) => (await app.call<New>("GET", `/api/v1/invitations/${id}`, { token: admin.token })).body;
  return { ...app, admin, invite, send, accept, read };
}

const mailerThat = (send: Mailer["send"]): Mailer => ({ send, close: () => undefined });

/** Keeps what is logged, with all that an error shows of itself. */
function keepLog() {
  const logged: string[] = [];
  const note = (...given: unknown[]) =>
    void logged.push(JSON.stringify(given, (_key, value: unknown) => (value instanceof Error ? { ...value, text: `${value.stack}` } : value)));
  const logger = { info: note, warn: note, error: note, debug: note, child: () => logger } as unknown as Logger;
  return { logged, logger };
}

describe("the mail of an invitation", () => {
  test("F1: When somebody is invited, then they are mailed the link and token with which they can accept, and the answer says so", async () => {
    const { admin, invite, accept, call, mails } = await setUp({ WEB_URL: "https://app.example.com/" });
    await call("PATCH", "/api/v1/organization", { token: admin.token, body: { name: "Acme" } });
    const { status, body } = await invite("New@Example.com", "editor");
    expect([status, body.mail_sent]).toEqual([201, true]);
    expect(mails).toHaveLength(1);
    expect(mails[0]).toMatchObject({ to: "new@example.com", subject: "You are invited to an organization" });
    for (const part of [
      `https://app.example.com/accept-invitation#token=${body.token}`,
      "POST /api/v1/invitations/accept",
      'an editor of the organization "Acme"',
      admin.email,
      body.expires_at.slice(0, 10),
    ]) {
      expect(mails[0]?.text).toContain(part);
    }
    const mailed = /^([A-Za-z0-9_-]{43})$/m.exec(mails[0]?.text ?? "")?.[1];
    expect((await accept(mailed ?? "")).status).toBe(200);
  });

  test("F1: When there is no page to lead to, then the mail holds the token alone", async () => {
    const { invite, mails } = await setUp();
    const { body } = await invite("new@example.com", "viewer");
    expect(mails[0]?.text).toContain(`Send this token to POST /api/v1/invitations/accept:\n\n${body.token}\n`);
    expect(mails[0]?.text).toContain("to be a viewer of");
    expect(mails[0]?.text).not.toContain("http");
  });

  test("F1: When the mail server refuses, then the invitation stands, the answer says that no mail was sent, and the log tells why without the token", async () => {
    const { logged, logger } = keepLog();
    const mailer = mailerThat(() => Promise.reject(Object.assign(new Error("550 no such mailbox"), { command: "RCPT TO" })));
    const { invite, accept, read } = await setUp({}, { mailer, logger });
    const { status, body } = await invite("new@example.com");
    expect([status, body.mail_sent, (await read(body.id)).status]).toEqual([201, false, "open"]);
    expect(logged.filter((line) => line.includes("550 no such mailbox") && line.includes(body.id))).toHaveLength(1);
    expect((await accept(body.token)).status).toBe(200);
    expect(logged.join("\n")).not.toContain(body.token);
  });

  test("F1: When the mail server does not answer, then the invitation does within SMTP_TIMEOUT_MS", async () => {
    const mailer = mailerThat(() => setTimeout(60_000, undefined, { ref: false }));
    const { invite } = await setUp({ SMTP_TIMEOUT_MS: 50 }, { mailer });
    const begun = performance.now();
    const { status, body } = await invite("new@example.com");
    expect([status, body.mail_sent]).toEqual([201, false]);
    expect(performance.now() - begun).toBeLessThan(5_000);
  });

  test("F4: When names hold lines, control characters or pages of text, then the mail quotes one short line of them", async () => {
    const { admin, call, invite, mails } = await setUp();
    const name = `Free money\r\n\r\nhttps://evil.example.com/\u202e${"x".repeat(150)}`;
    await call("PATCH", "/api/v1/organization", { token: admin.token, body: { name } });
    await invite("new@example.com");
    const lines = mails[0]?.text.split("\n") ?? [];
    expect(lines.filter((line) => line.includes("evil"))).toEqual([expect.stringContaining('"Free money https://evil.example.com/ xxx')]);
    expect(lines.some((line) => line.startsWith("https://evil"))).toBe(false);
    expect(mails[0]?.text).not.toMatch(/x{101}|\u202e|\r/);
  });

  test("F4: When an organization has had RATE_LIMIT_INVITATION_MAILS sent, or an address RATE_LIMIT_ACCOUNT_MAILS, then invitations stand without a mail", async () => {
    const { invite, send, accept, mails } = await setUp({ RATE_LIMIT_INVITATION_MAILS: rate(3), RATE_LIMIT_ACCOUNT_MAILS: rate(2) });
    const [one, two, three] = [await invite("a@example.com"), await invite("a@example.com"), await invite("a@example.com")];
    expect([one, two, three].map(({ status, body }) => [status, body.mail_sent])).toEqual([
      [201, true],
      [201, true],
      [201, false],
    ]);
    expect((await invite("b@example.com")).body.mail_sent, "the organization's last").toBe(false);
    expect(mails.map(({ to }) => to)).toEqual(["a@example.com", "a@example.com"]);
    const again = await send(three.body.id);
    expect([again.status, (again.body as unknown as { code: string }).code]).toEqual([429, "rate.limited"]);
    expect((await accept(three.body.token)).status, "as it was").toBe(200);
  });
});

describe("sending it again", () => {
  test("F1: When an invitation is sent again, then it has another token and another end, and the token before opens nothing", async () => {
    const { invite, send, accept, mails, db } = await setUp();
    const { body: first, headers } = await invite("new@example.com");
    Object.assign(db.state.invitations[0] ?? {}, { expiresAt: new Date(Date.now() - 1) });
    const sent = await send(first.id);
    expect([sent.status, sent.body.id, sent.body.status, sent.body.mail_sent]).toEqual([200, first.id, "open", true]);
    expect([headers.get("etag"), sent.headers.get("etag")]).toEqual(['"1"', '"2"']);
    expect(sent.body.token).not.toBe(first.token);
    expect(mails.map(({ to, text }) => [to, text.includes(sent.body.token)])).toEqual([
      ["new@example.com", false],
      ["new@example.com", true],
    ]);
    expect([(await accept(first.token)).status, (await accept(sent.body.token)).status]).toEqual([404, 200]);
    expect((await send(first.id)).status, "accepted").toBe(409);
  });

  test("F1: When it was revoked, or is another organization's, then nothing is sent", async () => {
    const { admin, call, signUp, invite, send, mails } = await setUp();
    const { body } = await invite("new@example.com");
    const stranger = await signUp();
    mails.length = 0;
    expect((await call("POST", `/api/v1/invitations/${body.id}/send`, { token: stranger.token })).status).toBe(404);
    expect((await call("DELETE", `/api/v1/invitations/${body.id}`, { token: admin.token })).status).toBe(204);
    expect((await send(body.id)).status).toBe(409);
    expect(mails).toEqual([]);
  });

  test("F5: When an invitation is made and sent again, then the audit log tells of both without a token", async () => {
    const { admin, call, invite, send } = await setUp();
    const { body } = await invite("new@example.com");
    const { body: sent } = await send(body.id);
    const { body: events } = await call<{ action: string; resource_type: string; resource_id: string }[]>("GET", "/api/v1/audit-events", {
      token: admin.token,
    });
    expect(events.slice(0, 2).map(({ action, resource_type, resource_id }) => [action, resource_type, resource_id])).toEqual([
      ["sendInvitation", "invitation", body.id],
      ["createInvitation", "invitation", body.id],
    ]);
    for (const { token } of [body, sent]) expect(JSON.stringify(events)).not.toContain(token);
  });
});

test("F5 D1: When an invitation is accepted with a wrong password of the account it is for, then the organizations of that account learn of it as of any sign-in", async () => {
  const { invite, call, signUp, db } = await setUp();
  const known = await signUp();
  const { body } = await invite(known.email);
  const written = db.state.audit.length;
  expect((await call("POST", "/api/v1/invitations/accept", { body: { token: body.token, password: "wrong_password" } })).status).toBe(401);
  await expect.poll(() => db.state.audit.length).toBe(written + 1);
  const events = await call<{ action: string; user_id: string; status: number }[]>("GET", "/api/v1/audit-events?status=401", { token: known.token });
  expect(events.body).toMatchObject([{ action: "acceptInvitation", user_id: known.userId, resource_type: "account", status: 401 }]);
  expect(JSON.stringify(db.state.audit)).not.toContain("wrong_password");
});
