import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { routes } from "#contract";
import { type JsonObject, uuidv7 } from "#core";
import { type CountingServer, startCountingServer } from "#tests/counting-server.ts";
import { createTestApp } from "./testing/test-app.ts";

const base = "/api/v1/credentials";
const CANARY = "canary-7f3a9b";
const bearer = { name: "GitHub", type: "http_bearer", data: { token: CANARY, allowed_hosts: "api.example" } };

let provider: CountingServer;
beforeAll(async () => {
  provider = await startCountingServer({
    reply({ headers, path }, response) {
      response.writeHead(path === "/down" ? 500 : headers["authorization"] === `Bearer ${CANARY}` ? 200 : 401).end(`you sent ${headers["authorization"]}`);
    },
  });
});
afterAll(() => provider.close());

async function bench() {
  const app = createTestApp();
  const { token, userId } = await app.signUp();
  const call = (method: string, path: string, body?: unknown, headers: Record<string, string> = {}) =>
    app.call(method, path, { token, headers, ...(body !== undefined && { body }) });
  const create = async (body: unknown = bearer) => String((await call("POST", base, body)).body["id"]);
  return { ...app, token, userId, call, create };
}

test("D6 F5: When a credential changed since its ETag was read, then changing and deleting it is 412, and the audit log tells of each change without a value", async () => {
  const { call, create } = await bench();
  const one = `${base}/${await create({ ...bearer, data: { token: CANARY } })}`;
  const etag = { "if-match": (await call("GET", one)).headers.get("etag") ?? "" };
  expect(etag).toEqual({ "if-match": '"1"' });
  expect((await call("PATCH", one, { description: "d" }, etag)).headers.get("etag")).toBe('"2"');
  expect((await call("PATCH", one, { data: { token: "new" } }, etag)).body["code"]).toBe("precondition.failed");
  expect((await call("PUT", one, { name: "New" }, etag)).status).toBe(412);
  expect((await call("DELETE", one, undefined, etag)).status).toBe(412);
  expect((await call("POST", `${one}/test`, { url: `${provider.url}/` })).status).toBe(200);
  expect((await call("GET", one)).headers.get("etag"), "a test is no change").toBe('"2"');
  expect((await call("DELETE", one, undefined, { "if-match": '"2"' })).status).toBe(204);
  const { body } = await call("GET", "/api/v1/audit-events?resource_type=credential");
  const actions = (body as unknown as JsonObject[]).map(({ action }) => action);
  expect(actions).toEqual(["deleteCredential", "testCredential", "updateCredential", "createCredential"]);
  expect(JSON.stringify(body)).not.toContain(CANARY);
});

describe("what is shown", () => {
  test("D6 F2: When a credential is stored, then answers name its fields and never hold a value", async () => {
    const { call, userId, services, db } = await bench();
    const created = await call("POST", base, bearer);
    expect(created.status).toBe(201);
    expect(created.body).toMatchObject({
      name: "GitHub",
      type: "http_bearer",
      service_type: "http_bearer",
      fields: ["token", "allowed_hosts"],
      created_by: userId,
      last_test: null,
    });
    const one = `${base}/${String(created.body["id"])}`;
    const answers = [
      created,
      await call("GET", one),
      await call("GET", base),
      await call("PATCH", one, { description: "d", data: { allowed_hosts: null, token: CANARY } }),
      await call("PUT", one, { ...bearer, name: "Other" }),
      await call("GET", `${one}/usage`),
      await call("POST", `${one}/test`, { url: "http://api.example:1/" }),
      await call("POST", base, { ...bearer, name: "Bad", data: { token: `${CANARY}\n\nx` } }),
      await call("POST", base, { ...bearer, name: "Bad", data: { token: [CANARY] } }),
    ];
    for (const { body } of answers) expect(JSON.stringify(body)).not.toContain(CANARY);
    expect(answers.map(({ status }) => status)).toEqual([201, 200, 200, 200, 200, 200, 200, 422, 422]);
    const tenant = db.state.memberships[0]?.tenantId;
    const [stored] = tenant ? await services.db.credentials.sealed(tenant, [String(created.body["id"])]) : [];
    expect(stored?.sealed.includes("canary")).toBe(false);
  });

  test("D6: When documented names are used, then they mean the same", async () => {
    const { call } = await bench();
    const { status, body } = await call("POST", base, { name: "Key", service_type: "OpenAI", secret: "sk-1" });
    expect([status, body["type"], body["fields"]]).toEqual([201, "openai", ["api_key"]]);
    await call("POST", "/api/credentials", { name: "Other", service_type: "other", data: { "X-Key": "k" } });
    const names = async (query: string) => ((await call("GET", `${base}${query}`)).body as unknown as JsonObject[]).map((each) => each["name"]);
    expect(await names("")).toEqual(["Other", "Key"]);
    expect(await names("?service_type=OpenAI")).toEqual(["Key"]);
    expect(await names("?search=Oth")).toEqual(["Other"]);
  });

  test("D6: When the types are listed, then each has the JSON schema of its fields, secrets marked as such", async () => {
    const { call } = await bench();
    const types = (await call("GET", `${base}/types`)).body as unknown as { type: string; json_schema: JsonObject }[];
    expect(types.map(({ type }) => type)).toEqual(["openai", "anthropic", "http_basic", "http_bearer", "http_header", "http_query", "generic"]);
    expect(types[0]?.json_schema).toMatchObject({
      required: ["api_key"],
      additionalProperties: false,
      properties: { api_key: { type: "string", writeOnly: true, format: "password" } },
    });
  });
});

describe("changing one", () => {
  test("D6: When some fields are changed, then the others stay, and what a test said is forgotten", async () => {
    const { call, create } = await bench();
    const one = `${base}/${await create({ ...bearer, data: { token: "wrong", test_url: `${provider.url}/me` } })}`;
    expect((await call("POST", `${one}/test`)).body).toMatchObject({ valid: false, verdict: "invalid" });
    expect((await call("GET", one)).body["last_test"]).toMatchObject({ verdict: "invalid" });
    expect((await call("PATCH", one, { secret: CANARY })).body).toMatchObject({ fields: ["token", "test_url"], last_test: null });
    expect((await call("POST", `${one}/test`)).body).toMatchObject({ valid: true, verdict: "valid" });
    expect((await call("PATCH", one, { name: "New name" })).body).toMatchObject({ name: "New name", last_test: { verdict: "valid" } });
    expect((await call("PATCH", one, { data: { token: null } })).status).toBe(422);
    expect((await call("PATCH", one, { data: { test_url: null } })).body["fields"]).toEqual(["token"]);
    expect((await call("PUT", one, { name: "Basic", type: "http_basic" })).status).toBe(422);
    const replaced = await call("PUT", one, { name: "Basic", type: "http_basic", data: { username: "u", password: "p" } });
    expect(replaced.body).toMatchObject({ type: "http_basic", fields: ["username", "password"] });
  });

  test("D6: When a name is taken or there are too many, then it is refused, and other organizations are not concerned", async () => {
    const { call, create, signUp, app } = await bench();
    for (const name of ["A", "B", "C", "D"]) await create({ ...bearer, name });
    expect((await call("POST", base, { ...bearer, name: "A" })).body["code"]).toBe("resource.conflict");
    await create({ ...bearer, name: "E" });
    expect((await call("POST", base, { ...bearer, name: "F" })).status).toBe(422);
    const other = await signUp();
    const headers = { authorization: `Bearer ${other.token}`, "content-type": "application/json" };
    expect((await app.request(base, { method: "POST", headers, body: JSON.stringify({ ...bearer, name: "A" }) })).status).toBe(201);
  });

  test("D6: When one is deleted, then it is gone", async () => {
    const { call, create } = await bench();
    const one = `${base}/${await create()}`;
    expect((await call("DELETE", one)).status).toBe(204);
    expect([(await call("GET", one)).status, (await call("DELETE", one)).status, (await call("POST", `${one}/test`)).status]).toEqual([404, 404, 404]);
    expect((await call("GET", `${base}/${uuidv7()}/usage`)).status).toBe(404);
  });
});

describe("testing one", () => {
  test("F2: When it is tested, then the provider is asked through the guard, and nothing of its answer but the status is told", async () => {
    const { call, create } = await bench();
    const one = `${base}/${await create({ ...bearer, data: { token: CANARY } })}`;
    const valid = await call("POST", `${one}/test`, { url: `${provider.url}/me` });
    expect(valid.body).toMatchObject({ valid: true, verdict: "valid", message: `${new URL(provider.url).host} takes it.` });
    expect((await call("POST", `${one}/test`, { url: `${provider.url}/down` })).body).toMatchObject({ valid: false, verdict: "unknown" });
    const refused = await call("POST", `${one}/test`, { url: "http://169.254.169.254/latest/meta-data" });
    expect([refused.status, refused.body["code"]]).toEqual([422, "outbound.refused"]);
    expect((await call("POST", `${one}/test`)).body).toMatchObject({ code: "validation.failed", errors: [{ path: "url" }] });
    expect(provider.calls.every(({ method }) => method === "GET")).toBe(true);
  });
});

test.each([
  ["admin", 200, 404],
  ["editor", 200, 404],
  ["operator", 403, 403],
  ["viewer", 403, 403],
] as const)("F1: When the role is %s, then reading credentials answers %i and changing one %i", async (role, read, write) => {
  const { db, call, userId } = await bench();
  db.setRole(userId, role);
  const unknown = `${base}/${uuidv7()}`;
  const statuses = await Promise.all([call("GET", base), call("PATCH", unknown, { name: "x" }), call("DELETE", unknown), call("POST", `${unknown}/test`)]);
  expect(statuses.map(({ status }) => status)).toEqual([read, write, write, write]);
});

test("F2: When the organization's key is rotated, then its credentials are sealed with the new one", async () => {
  const { call, create, db, services } = await bench();
  const id = await create();
  const tenant = db.state.memberships[0]?.tenantId;
  if (!tenant) throw new Error("no tenant");
  const rotated = await call("POST", routes.rotatePayloadKey.path, {});
  expect(rotated.status).toBe(201);
  const [row] = await services.db.credentials.sealed(tenant, [id]);
  expect(row?.keyVersion).toBe(rotated.body["version"]);
  expect(row && (await services.credentials.open(tenant, row))).toMatchObject({ token: CANARY });
});

describe("where it may be sent", () => {
  const guarded = [
    ["http_bearer", { token: CANARY, allowed_hosts: "api.example, *.trusted.example" }, "token"],
    ["openai", { api_key: CANARY, base_url: "https://models.example/v1" }, "api_key"],
    ["openai", { api_key: CANARY }, "api_key"],
  ] as const;

  test.each(guarded)(
    "F2: When a change of %s %j would have it sent elsewhere, then it takes the secret, which who changes it may not know",
    async (type, data, secret) => {
      const { call, create } = await bench();
      const one = `${base}/${await create({ name: "Somebody's", type, data })}`;
      const own = new URL(provider.url).host;
      const elsewhere =
        type === "openai" ? [{ base_url: `${provider.url}/v1` }] : [{ allowed_hosts: own }, { allowed_hosts: null }, { allowed_hosts: `api.example,${own}` }];
      for (const change of elsewhere) {
        const refused = await call("PATCH", one, { data: change });
        expect([refused.status, refused.body["errors"]], JSON.stringify(change)).toMatchObject([422, [{ code: "credential.reach", path: `data.${secret}` }]]);
        expect(JSON.stringify(refused.body)).not.toContain(CANARY);
      }
      if (type === "http_bearer") {
        expect((await call("POST", `${one}/test`, { url: `${provider.url}/` })).body["code"]).toBe("outbound.refused");
        for (const narrower of ["api.example", "a.trusted.example"]) {
          expect((await call("PATCH", one, { data: { allowed_hosts: narrower } })).status, narrower).toBe(narrower === "api.example" ? 200 : 422);
        }
      }
      expect((await call("PATCH", one, { data: { ...elsewhere[0], [secret]: "another" } })).status).toBe(200);
    },
  );
});
