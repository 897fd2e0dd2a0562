import { randomUUID } from "node:crypto";
import { describe, expect, test } from "vitest";
import { tenantId, uuidv7 } from "#core";
import { CREDENTIAL_TYPES, credentialType } from "#nodes";
import { createPayloads } from "#payloads";
import { readEnv } from "#platform";
import { createMemoryCredentials } from "../api/testing/memory-credentials.ts";
import { createMemoryStore } from "../payloads/testing/memory-store.ts";
import { checkValues, createCredentialVault, probeCredential } from "./index.ts";

const env = readEnv({ PAYLOAD_KEYS: `test:${Buffer.alloc(32, 1).toString("base64")}` });

describe("what a credential may hold", () => {
  test.each([
    ["openai", { api_key: " sk-1\n" }, { api_key: "sk-1" }],
    ["OpenAI", { api_key: "sk-1", base_url: "https://models.example/v1/" }, { api_key: "sk-1", base_url: "https://models.example/v1" }],
    ["bearer", { token: "t", test_url: null }, { token: "t" }],
    ["basic_auth", { username: "u", password: " p " }, { username: "u", password: " p " }],
    ["generic", { "X-Key": "k" }, { "X-Key": "k" }],
  ])("F2: When %s is given %j, then it is taken", (type, data, values) => {
    expect(checkValues(type, data, 1_000).values).toEqual(values);
  });

  test.each([
    ["nothing_known", { api_key: "k" }, "type"],
    ["openai", {}, "data.api_key"],
    ["openai", { api_key: "k", more: "m" }, "data"],
    ["openai", { api_key: 5 }, "data.api_key"],
    ["openai", { api_key: "k", base_url: "file:///etc/passwd" }, "data.base_url"],
    ["openai", { api_key: "k", base_url: "https://u:p@models.example" }, "data.base_url"],
    ["http_bearer", { token: "a\r\nX-Evil: 1" }, "data.token"],
    ["http_basic", { username: "a:b", password: "p" }, "data.username"],
    ["http_header", { name: "X Key", value: "v" }, "data.name"],
    ["http_bearer", { token: "t", allowed_hosts: "https://x" }, "data.allowed_hosts"],
    ["generic", {}, "data"],
    ["generic", { "a b": "c" }, "data"],
    ["http_bearer", { token: "x".repeat(1_000) }, "data"],
  ])("F2: When %s is given %j, then %s is wrong, and no value is told", (type, data, path) => {
    try {
      checkValues(type, data, 1_000);
      expect.unreachable();
    } catch (error) {
      expect(error).toMatchObject({ code: "validation.failed", findings: expect.arrayContaining([expect.objectContaining({ path })]) });
      for (const value of Object.values(data)) if (String(value).length > 3) expect(JSON.stringify(error)).not.toContain(value);
    }
  });

  test("F2: When types are looked up, then no two answer to the same name", () => {
    const names = CREDENTIAL_TYPES.flatMap(({ type, aliases }) => [type, ...aliases].map((name) => name.toLowerCase()));
    expect(names.filter((name) => credentialType(name) === undefined)).toEqual([]);
    for (const { type, aliases } of CREDENTIAL_TYPES) for (const name of [type, ...aliases]) expect(credentialType(name)?.type).toBe(type);
  });
});

describe("the vault", () => {
  function bench() {
    const store = createMemoryStore();
    const rows = createMemoryCredentials();
    const payloads = createPayloads({ store, env });
    return { rows, payloads, vault: createCredentialVault({ rows, payloads }) };
  }
  const tenant = tenantId(randomUUID());
  const values = { token: "canary-7f3a9b" };

  test("F2: When values are sealed, then they open for that tenant and that credential only, as they were", async () => {
    const { vault } = bench();
    const [id, other] = [uuidv7(), uuidv7()];
    const sealed = await vault.seal(tenant, id, values);
    expect(sealed.sealed.includes("canary")).toBe(false);
    expect(await vault.open(tenant, { id, type: "http_bearer", ...sealed })).toEqual(values);
    await expect(vault.open(tenant, { id: other, type: "http_bearer", ...sealed })).rejects.toMatchObject({ code: "payload.unreadable" });
    await vault.seal(tenantId(randomUUID()), id, values);
    await expect(vault.open(tenantId(randomUUID()), { id, type: "http_bearer", ...sealed })).rejects.toMatchObject({ code: "payload.unreadable" });
    const changed = Buffer.from(sealed.sealed);
    changed[20] = (changed[20] ?? 0) ^ 1;
    await expect(vault.open(tenant, { id, type: "http_bearer", keyVersion: sealed.keyVersion, sealed: changed })).rejects.toMatchObject({
      code: "payload.unreadable",
    });
  });

  test("F2: When credentials are read by their ids, then those of the organization that there are", async () => {
    const { rows, payloads, vault } = bench();
    const ids = [uuidv7(), uuidv7()];
    for (const id of ids) {
      const row = { id, name: id, type: "http_bearer", description: "", fields: ["token"], createdBy: null, ...(await vault.seal(tenant, id, values)) };
      await rows.create(tenant, row, 10);
    }
    await payloads.rotate(tenant);
    expect([...(await vault.read(tenant, [...ids, uuidv7()])).values()].map((each) => each.values)).toEqual([values, values]);
    expect(await vault.read(tenantId(randomUUID()), ids)).toEqual(new Map());
  });
});

describe("testing one", () => {
  const options = (status: number, asked: string[] = []) => ({
    defaults: { openaiBaseUrl: "https://api.openai.com/v1" },
    timeoutMs: 1_000,
    send: async (url: string, { headers }: { headers: Record<string, string> }) => {
      asked.push(`${url} ${JSON.stringify(headers)}`);
      return new Response(`hello ${JSON.stringify(headers)}`, { status });
    },
  });

  test.each([
    [200, "valid"],
    [204, "valid"],
    [401, "invalid"],
    [403, "invalid"],
    [302, "unknown"],
    [404, "unknown"],
    [500, "unknown"],
  ] as const)("F2: When the provider answers %i, then the credential is %s, and nothing else of the answer is told", async (status, verdict) => {
    const send = async () => ({ ...options(status), status, body: null }) as unknown as Response;
    const told = await probeCredential({ type: "openai", values: { api_key: "sk-canary" } }, { ...options(200), send });
    expect(told).toMatchObject({ verdict });
    expect(told.message).not.toContain("canary");
  });

  test("F2: When providers are asked, then each in its own way", async () => {
    const asked: string[] = [];
    await probeCredential({ type: "openai", values: { api_key: "k" } }, options(200, asked));
    await probeCredential({ type: "anthropic", values: { api_key: "k", base_url: "https://a.example" } }, options(200, asked));
    await probeCredential({ type: "http_query", values: { name: "key", value: "v", test_url: "https://x.example/me?a=1" } }, options(200, asked));
    expect(asked).toEqual([
      'https://api.openai.com/v1/models {"authorization":"Bearer k"}',
      'https://a.example/v1/models {"x-api-key":"k","anthropic-version":"2023-06-01"}',
      "https://x.example/me?a=1&key=v {}",
    ]);
  });

  test("F2: When nobody knows whom to ask, or the credential is not for that host, then it is sent nowhere", async () => {
    const asked: string[] = [];
    const credential = { type: "http_bearer", values: { token: "t", allowed_hosts: "api.example" } };
    await expect(probeCredential(credential, options(200, asked))).rejects.toMatchObject({ code: "validation.failed" });
    await expect(probeCredential(credential, { ...options(200, asked), url: "https://evil.example" })).rejects.toMatchObject({ code: "outbound.refused" });
    expect(asked).toEqual([]);
    const failing = { ...options(200), url: "https://api.example", send: () => Promise.reject(new Error("ECONNREFUSED")) };
    expect(await probeCredential(credential, failing)).toMatchObject({ verdict: "unknown" });
  });
});
