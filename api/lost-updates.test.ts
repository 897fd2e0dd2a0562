import { describe, expect, test } from "vitest";
import { type TestApp, createTestApp } from "./testing/test-app.ts";

interface Changeable {
  /** Makes one; the path where it is read and changed. */
  make(app: TestApp, token: string): Promise<string>;
  /** Changes that can be asked for one after the other. */
  changes: readonly { method: string; path?: string; body?: unknown }[];
}

const made = async ({ call }: TestApp, token: string, path: string, body: object) =>
  `${path}/${String((await call("POST", path, { token, body })).body["id"])}`;

const THINGS: Readonly<Record<string, Changeable>> = {
  organization: { make: async () => "/api/v1/organization", changes: [{ method: "PATCH", body: { name: "Acme" } }] },
  member: {
    async make(app, token) {
      const { body } = await app.call<{ token: string }>("POST", "/api/v1/invitations", { token, body: { email: "second@example.com", role: "viewer" } });
      const accepted = await app.call("POST", "/api/v1/invitations/accept", { body: { token: body.token, password: "secure_password" } });
      return `/api/v1/members/${String(accepted.body["id"])}`;
    },
    changes: [{ method: "PATCH", body: { role: "operator" } }, { method: "DELETE" }],
  },
  "API key": { make: (app, token) => made(app, token, "/api/v1/api-keys", { name: "k" }), changes: [{ method: "DELETE" }] },
  invitation: {
    make: (app, token) => made(app, token, "/api/v1/invitations", { email: "guest@example.com", role: "viewer" }),
    changes: [{ method: "POST", path: "/send" }, { method: "DELETE" }],
  },
};

describe("lost updates", () => {
  test.each(Object.entries(THINGS))(
    "F1: When the %s was changed since it was read, then If-Match is 412 and nothing changes",
    async (_name, { make, changes }) => {
      const app = createTestApp();
      const { token } = await app.signUp();
      const path = await make(app, token);
      const read = () => app.call("GET", path, { token });
      for (const { method, path: more = "", body } of changes) {
        const change = (etag: string | null) => app.call(method, path + more, { token, body, headers: { "if-match": String(etag) } });
        const before = await read();
        const etag = before.headers.get("etag");
        expect(etag).toMatch(/^"\d+"$/);
        for (const stale of [`"${Number(etag?.slice(1, -1)) + 1}"`, '"0"', "not an ETag"]) {
          const refused = await change(stale);
          expect([method, stale, refused.status, refused.body["code"]]).toEqual([method, stale, 412, "precondition.failed"]);
        }
        expect((await read()).body).toEqual(before.body);
        expect((await read()).headers.get("etag")).toBe(etag);

        const changed = await change(etag);
        expect(changed.status, method).toBeLessThan(300);
        const after = await read();
        if (after.status !== 404) {
          expect(after.headers.get("etag"), "raised").not.toBe(etag);
          if (changed.status === 200) expect(changed.headers.get("etag")).toBe(after.headers.get("etag"));
          expect((await change(etag)).status, "the same state a second time").toBe(412);
        }
      }
    },
  );

  test("F1: When If-Match is left out or *, then no state is asked for", async () => {
    const { call, signUp } = createTestApp();
    const { token } = await signUp();
    const rename = (headers: Record<string, string>) => call("PATCH", "/api/v1/organization", { token, body: { name: "Acme" }, headers });
    expect([(await rename({})).status, (await rename({ "if-match": "*" })).status, (await rename({ "if-match": 'W/"3"' })).status]).toEqual([200, 200, 200]);
  });

  test("F1: When an API key is used, then that is no change of it", async () => {
    const { call, signUp } = createTestApp();
    const { token } = await signUp();
    const { body, headers } = await call<{ id: string; key: string }>("POST", "/api/v1/api-keys", { token, body: { name: "k" } });
    await call("GET", "/api/v1/workflows", { token: body.key });
    expect((await call("GET", `/api/v1/api-keys/${body.id}`, { token })).headers.get("etag")).toBe(headers.get("etag"));
  });
});
