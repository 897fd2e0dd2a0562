import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { JsonObject, TenantId } from "#core";
import { type AccountsApp, startAccounts } from "#tests/accounts.ts";
import { startSmtp } from "#tests/smtp.ts";

let smtp: Awaited<ReturnType<typeof startSmtp>>;
let api: AccountsApp;
let founder: Account;

beforeAll(async () => {
  smtp = await startSmtp();
  api = await startAccounts({ SMTP_URL: smtp.url });
  founder = await signUp();
});
afterAll(async () => {
  await api?.close();
  await smtp?.close();
});

type Account = Awaited<ReturnType<AccountsApp["signUp"]>>;
type Role = "admin" | "editor" | "viewer";

const signUp = () => api.signUp(`${randomUUID()}@example.com`);

async function invite(by: string, email: string, role: Role): Promise<string> {
  return (await api.call("POST", "/invitations", { token: by, body: { email, role } })).body["token"] as string;
}

/** Makes somebody a member: their account's token in that organization, and a key of theirs there. */
async function join(by: string, who: Account, role: Role) {
  const accepted = await api.call("POST", "/invitations/accept", { body: { token: await invite(by, who.email, role), password: who.password } });
  const token = accepted.body["access_token"] as string;
  const { body } = await api.call("POST", "/api-keys", { token, body: { name: "theirs", scopes: ["workflow.read"] } });
  return { token, key: body["key"] as string };
}

async function claim({ email }: Account) {
  await api.call("POST", "/auth/password/forgot", { body: { email } });
  const { token } = await smtp.next(email, "Set a new password");
  expect((await api.call("POST", "/auth/password/reset", { body: { token, password: "the_owners_own" } })).status).toBe(204);
  const { text } = await smtp.next(email, "Your account was changed");
  const signedIn = await api.signIn(email, "the_owners_own");
  return { text, token: signedIn.body["access_token"] as string };
}

const members = async (token: string) =>
  (await api.call<JsonObject[]>("GET", "/members", { token })).body
    .map(({ id, role }) => ({ id, role }))
    .toSorted((a, b) => (String(a.id) < String(b.id) ? -1 : 1));
const works = async (token: string) => (await api.call("GET", "/workflows", { token })).status === 200;

describe("F1 D1: an account that somebody else made with the owner's address", () => {
  test("When the owner shows that the address is theirs, then nobody who was let into its organization before is in it, and the log and a mail say so", async () => {
    const [squatter, accomplice, viewer, late] = [await signUp(), await signUp(), await signUp(), await signUp()];
    const admin = await join(squatter.token, accomplice, "admin");
    const reader = await join(admin.token, viewer, "viewer");
    const pending = await invite(admin.token, late.email, "admin");
    expect((await api.call("PATCH", `/members/${squatter.userId}`, { token: admin.token, body: { role: "viewer" } })).status).toBe(200);

    const owner = await claim(squatter);
    expect(await members(owner.token)).toEqual([{ id: squatter.userId, role: "admin" }]);
    expect(await Promise.all([admin.token, admin.key, reader.token, reader.key].map(works))).toEqual([false, false, false, false]);
    expect((await api.call("POST", "/invitations/accept", { body: { token: pending, password: late.password } })).status).toBe(404);
    expect(await works(accomplice.token), "in their own organization").toBe(true);
    expect(owner.text).toContain("2 other members");
    const { body } = await api.call<JsonObject[]>("GET", "/audit-events?action=removeMember", { token: owner.token });
    expect(body.map((each) => [each["user_id"], each["resource_id"], each["before"]])).toEqual(
      expect.arrayContaining([
        [squatter.userId, accomplice.userId, { id: accomplice.userId, role: "admin" }],
        [squatter.userId, viewer.userId, { id: viewer.userId, role: "viewer" }],
      ]),
    );
    expect(body).toHaveLength(2);
  });

  test("When the account is a member of another's organization, then that keeps its members, without those whom the account has invited and who have not come", async () => {
    const [host, squatter, guest] = [await signUp(), await signUp(), await signUp()];
    const inside = await join(host.token, squatter, "admin");
    const pending = await invite(inside.token, guest.email, "admin");
    await claim(squatter);
    expect((await members(host.token)).map(({ role }) => role)).toEqual(["admin", "admin"]);
    expect((await api.call("POST", "/invitations/accept", { body: { token: pending, password: guest.password } })).status).toBe(404);
  });

  test("When the account was the first of the installation, then its team stays: whoever installed it has made it", async () => {
    const colleague = await join(founder.token, await signUp(), "editor");
    const owner = await claim(founder);
    expect(await members(owner.token)).toHaveLength(2);
    expect(await Promise.all([colleague.token, colleague.key].map(works))).toEqual([true, true]);
  });

  test("When the address was verified before, then a new password takes nobody's place away", async () => {
    const [owner, colleague] = [await signUp(), await signUp()];
    const { token } = await smtp.next(owner.email, "Verify your address");
    expect((await api.call("POST", "/auth/email/verify", { body: { token } })).status).toBe(204);
    const { key } = await join(owner.token, colleague, "editor");
    const again = await claim(owner);
    expect([(await members(again.token)).length, await works(key)]).toEqual([2, true]);
  });

  test("When an accomplice removes the account while its owner claims it, then the organization has an admin in any case", async () => {
    for (let round = 0; round < 5; round++) {
      const [squatter, accomplice] = [await signUp(), await signUp()];
      const admin = await join(squatter.token, accomplice, "admin");
      const tenantId = (await api.db.accounts.memberships(squatter.userId))[0]?.tenantId as TenantId;
      await api.call("POST", "/auth/password/forgot", { body: { email: squatter.email } });
      const { token } = await smtp.next(squatter.email, "Set a new password");
      const [reset] = await Promise.all([
        api.call("POST", "/auth/password/reset", { body: { token, password: "the_owners_own" } }),
        api.call("DELETE", `/members/${squatter.userId}`, { token: admin.token }),
      ]);
      expect(reset.status).toBe(204);
      const roles = await Promise.all([squatter, accomplice].map(({ userId }) => api.db.accounts.membership(userId, tenantId)));
      expect(roles.flatMap((each) => (each ? [each.role] : []))).toEqual(["admin"]);
    }
  });
});
