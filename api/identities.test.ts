import { createHash, randomBytes } from "node:crypto";
import { describe, expect, test } from "vitest";
import type { Oidc } from "#integrations/oidc";
import { createSignInCodes } from "./security/sign-in-codes.ts";
import { createTestApp } from "./testing/test-app.ts";

interface Shown {
  id: string;
  issuer: string;
  provider: { id: string; name: string } | null;
  email: string | null;
  linked_at: string;
}

const CORP = { id: "corp", name: "Corp", issuer: "https://id.example.com" };
const oidc: Oidc = {
  providers: () => [CORP, { id: "other", name: "other", issuer: "https://other.example.com/" }],
  begin: () => Promise.reject(new Error("not in this test")),
  finish: () => Promise.reject(new Error("not in this test")),
};

async function setUp() {
  const app = createTestApp({ oidc });
  const user = await app.signUp();
  app.mails.length = 0;
  const codes = createSignInCodes(app.db.accountTokens);
  const list = async (token = user.token) => (await app.call<Shown[]>("GET", "/api/v1/auth/identities", { token })).body;
  const link = (issuer = CORP.issuer, subject = "sub-1") => app.db.identities.link(user.userId, { issuer, subject, email: "ada@corp.example" }, "user");
  const unlink = (id: string, token = user.token) => app.call("DELETE", `/api/v1/auth/identities/${id}`, { token });
  /** A code as a provider's page comes back with it. */
  async function codeOf(subject: string, { issuer = CORP.issuer, email }: { issuer?: string; email?: string } = {}) {
    const verifier = randomBytes(32).toString("base64url");
    const code = await codes.issue({ issuer, subject, email, name: undefined }, createHash("sha256").update(verifier).digest("base64url"));
    return { code, code_verifier: verifier };
  }
  const post = (body: object, token = user.token) => app.call<Shown>("POST", "/api/v1/auth/identities", { token, body });
  const withoutPassword = () => Object.assign(app.db.state.users.find(({ id }) => id === user.userId) ?? {}, { passwordHash: null });
  return { ...app, user, list, link, unlink, codeOf, post, withoutPassword };
}

describe("identities at providers", () => {
  test("D1: When identities are listed, then one's own, with their provider and without what it knows them by", async () => {
    const { list, link, signUp, call, user } = await setUp();
    const [first] = [await link(CORP.issuer, "secret-subject"), await link("https://other.example.com", "x"), await link("https://gone.example.com", "y")];
    const shown = await list();
    expect(shown.map(({ issuer, provider, email }) => [issuer, provider, email])).toEqual([
      ["https://gone.example.com", null, "ada@corp.example"],
      ["https://other.example.com", { id: "other", name: "other" }, "ada@corp.example"],
      [CORP.issuer, { id: "corp", name: "Corp" }, "ada@corp.example"],
    ]);
    expect(JSON.stringify(shown)).not.toContain("secret-subject");
    expect((await call<Shown>("GET", `/api/v1/auth/identities/${first.id}`, { token: user.token })).body).toEqual(shown[2]);
    const stranger = await signUp();
    expect(await list(stranger.token)).toEqual([]);
    expect((await call("GET", `/api/v1/auth/identities/${first.id}`, { token: stranger.token })).status).toBe(404);
  });

  test("D1: When an identity is unlinked, then it is gone, its owner is told, and nobody else can do it", async () => {
    const { list, link, unlink, signUp, mails, user } = await setUp();
    const { id } = await link();
    const stranger = await signUp();
    mails.length = 0;
    expect([(await unlink(id, stranger.token)).status, await list()]).toMatchObject([404, [{ id }]]);
    expect([(await unlink(id)).status, (await unlink(id)).status, await list()]).toEqual([204, 404, []]);
    expect(mails).toEqual([expect.objectContaining({ to: user.email, subject: "Your account was changed", text: expect.stringContaining("Corp") as string })]);
  });

  test("D1: When an account has no password, then its last identity that opens the door stays (409)", async () => {
    const { list, link, unlink, withoutPassword } = await setUp();
    withoutPassword();
    const [one, gone] = [await link(), await link("https://gone.example.com")];
    const refused = await unlink(one.id);
    expect([refused.status, refused.body["code"]], "the other one's provider is none of ours any more").toEqual([409, "resource.conflict"]);
    expect(await list()).toHaveLength(2);
    expect((await unlink(gone.id)).status).toBe(204);
    expect((await unlink(one.id)).status).toBe(409);
    const two = await link("https://other.example.com");
    expect([(await unlink(one.id)).status, (await unlink(two.id)).status]).toEqual([204, 409]);
  });

  test("D1: When an identity is unlinked while somebody signs in by it, then that comes to nothing", async () => {
    const { link, unlink, db, user } = await setUp();
    const before = (await db.accounts.find(user.userId))?.securityEpoch;
    await unlink((await link()).id);
    expect((await db.accounts.find(user.userId))?.securityEpoch).toBe(Number(before) + 1);
  });
});

describe("linking one", () => {
  test("D1: When who is signed in brings the code of a provider and their password, then the identity is theirs, once", async () => {
    const { codeOf, post, list, mails, user, db } = await setUp();
    const code = await codeOf("sub-2", { email: "ada@corp.example" });
    const linked = await post({ ...code, password: "secure_password" });
    expect([linked.status, linked.body]).toMatchObject([201, { issuer: CORP.issuer, provider: { id: "corp", name: "Corp" }, email: "ada@corp.example" }]);
    expect(await list()).toEqual([linked.body]);
    expect((await db.accounts.findByIdentity({ issuer: CORP.issuer, subject: "sub-2" }))?.id).toBe(user.userId);
    expect(mails.map(({ to, text }) => [to, text.includes("Corp")])).toEqual([[user.email, true]]);
    const again = await post({ ...code, password: "secure_password" });
    expect([again.status, again.body], "the code is used up").toMatchObject([422, { errors: [{ path: "code" }] }]);
    expect((await post({ ...(await codeOf("sub-2")), password: "secure_password" })).body).toEqual(linked.body);
  });

  test("F4: When the password is wrong, then nothing is linked and the code stays good; with another verifier it is used up", async () => {
    const { codeOf, post, list } = await setUp();
    const code = await codeOf("sub-3");
    const wrong = await post({ ...code, password: "wrong_password" });
    expect([wrong.status, wrong.body, await list()]).toMatchObject([422, { errors: [{ path: "password" }] }, []]);
    expect((await post({ ...code, password: "secure_password" })).body.email, "none that is verified").toBeNull();
    const stolen = await codeOf("sub-4");
    const { code_verifier: another } = await codeOf("sub-5");
    for (const code_verifier of [another, stolen.code_verifier]) {
      expect((await post({ ...stolen, code_verifier, password: "secure_password" })).status).toBe(422);
    }
    expect(await list()).toHaveLength(1);
  });

  test("F4: When the identity is another account's, or the account has no password, then it is 409 and nothing changes", async () => {
    const { codeOf, post, list, link, signUp, withoutPassword } = await setUp();
    await link(CORP.issuer, "taken");
    const stranger = await signUp();
    expect((await post({ ...(await codeOf("taken")), password: "secure_password" }, stranger.token)).status).toBe(409);
    expect(await list(stranger.token)).toEqual([]);
    withoutPassword();
    expect((await post({ ...(await codeOf("new")), password: "secure_password" })).status).toBe(409);
    expect(await list()).toHaveLength(1);
  });

  test("F5: When identities are linked and unlinked, then the audit log says which, and holds neither code nor password", async () => {
    const { codeOf, post, unlink, call, user } = await setUp();
    const code = await codeOf("secret-subject");
    const { body } = await post({ ...code, password: "secure_password" });
    await unlink(body.id);
    const { body: events } = await call<Record<string, unknown>[]>("GET", "/api/v1/audit-events", { token: user.token });
    expect(events.slice(0, 2)).toMatchObject([
      { action: "unlinkIdentity", resource_type: "identity", resource_id: body.id, before: { issuer: CORP.issuer }, after: null },
      { action: "linkIdentity", resource_type: "identity", resource_id: body.id, before: null, after: { issuer: CORP.issuer } },
    ]);
    for (const secret of [code.code, code.code_verifier, "secure_password", "secret-subject"]) expect(JSON.stringify(events)).not.toContain(secret);
  });

  test("F3: When an API key asks, then it is refused: identities are a person's", async () => {
    const { call, user } = await setUp();
    const { body } = await call<{ key: string }>("POST", "/api/v1/api-keys", { token: user.token, body: { name: "k" } });
    expect((await call("GET", "/api/v1/auth/identities", { token: body.key })).status).toBe(403);
  });
});
