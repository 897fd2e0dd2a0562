import { defaultPayloadConverter } from "@temporalio/common";
import { describe, expect, test } from "vitest";
import { createTestApp } from "./testing/test-app.ts";

const plain = (value: unknown) => {
  const { metadata, data } = defaultPayloadConverter.toPayload(value) as { metadata: Record<string, Uint8Array>; data: Uint8Array };
  const text = (bytes: Uint8Array) => Buffer.from(bytes).toString("base64");
  return { metadata: Object.fromEntries(Object.entries(metadata).map(([name, bytes]) => [name, text(bytes)])), data: text(data) };
};
interface Payloads {
  payloads: { metadata: Record<string, string>; data: string }[];
}

describe("the codec endpoint", () => {
  test("K3: When payloads are sealed and opened again, then they are as they were, and the ones that were never sealed too", async () => {
    const { call, signUp } = createTestApp();
    const { token } = await signUp();
    const given = [plain({ city: "Oslo" }), plain(null), plain("x".repeat(5_000))];
    const sealed = await call<Payloads>("POST", "/api/v1/codec/encode", { token, body: { payloads: given } });
    expect([sealed.status, sealed.body.payloads.length]).toEqual([200, 3]);
    expect(JSON.stringify(sealed.body)).not.toContain(given[0]?.data);
    const opened = await call<Payloads>("POST", "/api/v1/codec/decode", { token, body: { payloads: [...sealed.body.payloads, plain(1)] } });
    expect(opened.body.payloads).toEqual([...given, plain(1)]);
  });

  test("F1: When a payload of another organization is among them, then nothing is opened", async () => {
    const { call, signUp } = createTestApp();
    const [owner, stranger] = [await signUp(), await signUp()];
    const own = await call<Payloads>("POST", "/api/v1/codec/encode", { token: stranger.token, body: { payloads: [plain("mine")] } });
    const foreign = await call<Payloads>("POST", "/api/v1/codec/encode", { token: owner.token, body: { payloads: [plain("theirs")] } });
    const answer = await call("POST", "/api/v1/codec/decode", { token: stranger.token, body: { payloads: [...own.body.payloads, ...foreign.body.payloads] } });
    expect([answer.status, answer.body["code"]]).toEqual([403, "auth.forbidden"]);
    expect(answer.body["payloads"]).toBeUndefined();
  });

  test("D7: When what is sent is no list of payloads, or of another namespace, then it is 422", async () => {
    const { call, signUp } = createTestApp();
    const { token } = await signUp();
    for (const body of [{ payloads: 1 }, { payloads: [{ data: "not base64 !" }] }, { payloads: [{ metadata: { encoding: 1 } }] }]) {
      expect((await call("POST", "/api/v1/codec/decode", { token, body })).status, JSON.stringify(body)).toBe(422);
    }
    const answer = await call("POST", "/api/v1/codec/decode", { token, body: { payloads: [] }, headers: { "x-namespace": "default" } });
    expect([answer.status, answer.body["code"]]).toEqual([422, "validation.failed"]);
  });

  test("F4: When a page that is not Temporal's Web UI asks, then it gets no CORS, and the cookie does not count", async () => {
    const { app, call, signUp } = createTestApp();
    const { email } = await signUp();
    const login = await call("POST", "/api/v1/auth/login", { body: { email, password: "secure_password" } });
    const cookie = (login.headers.get("set-cookie") ?? "").split(";")[0] ?? "";
    const ask = (headers: Record<string, string>, path = "/api/v1/codec/decode", body = '{"payloads":[]}') =>
      app.request(path, { method: "POST", headers: { "content-type": "application/json", cookie, ...headers }, body });
    expect((await ask({ origin: "http://127.0.0.1:8233" })).status).toBe(200);
    expect((await ask({})).status, "no page at all").toBe(200);
    const evil = await ask({ origin: "http://127.0.0.1:9999" });
    expect([evil.status, evil.headers.get("access-control-allow-origin")]).toEqual([401, null]);
    expect((await ask({ origin: "http://127.0.0.1:8233" }, "/api/v1/workflows", "{}")).status, "elsewhere").toBe(401);
    expect((await ask({ origin: "http://127.0.0.1:8233" }, "/api/v1/codec/keys/rotate", "{}")).status, "the key").toBe(401);
  });

  test("F3: When an admin rotates the key, then it is counted; an editor may not", async () => {
    const { call, signUp, db, services } = createTestApp();
    const [admin, editor] = [await signUp(), await signUp()];
    expect(await call("POST", "/api/v1/codec/keys/rotate", { token: admin.token })).toMatchObject({ status: 201, body: { version: 2 } });
    db.setRole(editor.userId, "editor");
    const [membership] = await services.db.accounts.memberships(editor.userId);
    if (!membership) throw new Error("no membership");
    const token = await services.tokens.issue({ userId: editor.userId, tenantId: membership.tenantId, role: "editor" });
    expect((await call("POST", "/api/v1/codec/keys/rotate", { token })).status).toBe(403);
  });
});
