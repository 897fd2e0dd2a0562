import { afterEach, describe, expect, test, vi } from "vitest";
import type { ChatRequest, ChatResult } from "#nodes";
import { startFakeOpenAi, type FakeOpenAi, type FakeOpenAiOptions } from "#tests/fake-openai.ts";
import { createHttp, type Http } from "../http/index.ts";
import { createModels, type ModelOptions } from "./index.ts";

const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  vi.unstubAllEnvs();
  await Promise.all(closing.splice(0).map((close) => close()));
});

async function fake(options?: FakeOpenAiOptions): Promise<FakeOpenAi> {
  const made = await startFakeOpenAi(options);
  closing.push(() => made.close());
  return made;
}

function models(options: Partial<ModelOptions>, allow: string[] = []) {
  const http: Http = createHttp({ allow });
  closing.push(() => http.close());
  return createModels({ mayUseOperators: () => true, ...options, guardedFetch: http.guardedFetch });
}

const base: ChatRequest = {
  tenantId: "t",
  provider: "openai",
  model: "gpt-4o",
  messages: [
    { role: "system", content: "Be brief." },
    { role: "user", content: "Hello there, friend" },
  ],
  stream: true,
  idempotencyKey: "run:node:",
  timeoutMs: 5_000,
};

async function chat(
  service: ReturnType<typeof models>,
  more: Partial<ChatRequest> = {},
  signal = new AbortController().signal,
): Promise<ChatResult & { tokens: string[] }> {
  const tokens: string[] = [];
  const result = await service.chat({ ...base, ...more }, (token) => tokens.push(token), signal);
  return { ...result, tokens };
}

test("F1 F6: When the operator's key is not for a tenant, then the mock answers it, and its own key is still taken", async () => {
  const server = await fake();
  const service = models({ openaiApiKey: "sk-operator", openaiBaseUrl: server.url, mayUseOperators: (tenant) => tenant === "ours" });
  expect(await chat(service, { tenantId: "theirs" })).toMatchObject({ mock: true });
  expect(server.requests).toHaveLength(0);
  expect(await chat(service, { tenantId: "ours" })).toMatchObject({ mock: false });
  await chat(service, { tenantId: "theirs", apiKey: "sk-theirs" });
  expect(server.requests.map(({ headers }) => headers["authorization"])).toEqual(["Bearer sk-operator", "Bearer sk-theirs"]);
});

describe("the wire", () => {
  test("G4: When the answer is streamed, then tokens come one by one and usage at the end", async () => {
    const server = await fake();
    const result = await chat(models({ openaiApiKey: "sk-operator", openaiBaseUrl: server.url }), { temperature: 0.2, maxTokens: 50, stop: ["END"] });
    expect(result).toMatchObject({ text: "Echo: Hello there, friend", finish_reason: "stop", model: "gpt-4o", mock: false, usage: { total_tokens: 9 } });
    expect(result.tokens).toEqual(["Echo:", " Hello", " there,", " friend"]);
    expect(server.requests[0]).toMatchObject({
      path: "/v1/chat/completions",
      headers: { authorization: "Bearer sk-operator", "idempotency-key": "run:node:" },
      body: { model: "gpt-4o", temperature: 0.2, max_tokens: 50, stop: ["END"], stream: true },
    });
  });

  test("When it is not streamed, then the whole answer comes at once and no token before", async () => {
    const server = await fake({ reply: "All at once." });
    const result = await chat(models({ openaiApiKey: "sk-operator", openaiBaseUrl: server.url }), { stream: false });
    expect(result).toMatchObject({ text: "All at once.", tokens: [], usage: { completion_tokens: 3 } });
  });

  test("When the stream breaks off, then the answer is a failure that can be tried again", async () => {
    const server = await fake({ breakOff: true });
    await expect(chat(models({ openaiApiKey: "sk", openaiBaseUrl: server.url }))).rejects.toMatchObject({ code: "upstream.failed", retryable: true });
  });
});

describe("the operator's key", () => {
  test("F2: When a node names its own server, then the operator's key, organization and headers stay home", async () => {
    vi.stubEnv("OPENAI_API_KEY", "sk-environment");
    vi.stubEnv("OPENAI_ADMIN_KEY", "sk-admin");
    vi.stubEnv("OPENAI_ORG_ID", "org-operator");
    vi.stubEnv("OPENAI_PROJECT_ID", "project-operator");
    vi.stubEnv("OPENAI_CUSTOM_HEADERS", "x-operator: operator-secret");
    const server = await fake();
    const service = models({ openaiApiKey: "sk-operator" }, ["127.0.0.1"]);
    expect((await chat(service, { baseUrl: server.url })).mock).toBe(false);
    await chat(service, { baseUrl: server.url, apiKey: "sk-node" });
    expect(server.requests[0]?.headers).not.toHaveProperty("authorization");
    expect(server.requests[1]?.headers.authorization).toBe("Bearer sk-node");
    expect(JSON.stringify(server.requests)).not.toMatch(/operator|environment|admin/);
  });

  test("F4: When a node names a server in a private network, then it is refused; the operator's own is not", async () => {
    const server = await fake();
    const service = models({ openaiApiKey: "sk-operator", openaiBaseUrl: server.url });
    await expect(chat(service, { baseUrl: server.url })).rejects.toMatchObject({ code: "outbound.refused", retryable: false });
    expect(server.requests).toHaveLength(0);
    expect((await chat(service)).text).toContain("Echo");
  });

  test("When a node's server is no URL, then the finding says so", async () => {
    await expect(chat(models({}), { baseUrl: "my-server" })).rejects.toMatchObject({ code: "validation.failed", findings: [{ path: "base_url" }] });
  });

  test("When a key holds what no header takes, then the finding says so, no key is shown and nobody tries again", async () => {
    const refused = chat(models({}, ["127.0.0.1"]), { baseUrl: "http://127.0.0.1:1/v1", apiKey: "sk-secret\n" });
    await expect(refused).rejects.toMatchObject({ code: "validation.failed", retryable: false, findings: [{ path: "api_key" }] });
    await expect(refused).rejects.not.toMatchObject({ message: expect.stringContaining("sk-secret") });
  });

  test("When a node brings its own key, then the operator's server is asked with that one", async () => {
    const server = await fake();
    await chat(models({ openaiApiKey: "sk-operator", openaiBaseUrl: server.url }), { apiKey: "sk-node" });
    expect(server.requests[0]?.headers.authorization).toBe("Bearer sk-node");
  });

  test("When the operator's server needs no key, then it is asked without one", async () => {
    const server = await fake();
    expect((await chat(models({ openaiBaseUrl: server.url }))).mock).toBe(false);
    expect(server.requests[0]?.headers).not.toHaveProperty("authorization");
  });
});

describe("failures", () => {
  test.each([
    [401, undefined, "credential.rejected", false],
    [403, undefined, "credential.rejected", false],
    [400, undefined, "upstream.rejected", false],
    [404, undefined, "upstream.rejected", false],
    [422, undefined, "upstream.rejected", false],
    [429, undefined, "upstream.rate_limited", true],
    [429, "insufficient_quota", "upstream.rate_limited", false],
    [500, undefined, "upstream.failed", true],
    [503, undefined, "upstream.failed", true],
  ])("A16: When the server answers %i %s, then the failure is %s, retryable %s", async (status, code, expected, retryable) => {
    const server = await fake({ failFirst: { times: 9, status, headers: { "retry-after": "3" }, ...(code && { code }) } });
    const failed = chat(models({ openaiApiKey: "sk", openaiBaseUrl: server.url }));
    await expect(failed).rejects.toMatchObject({ code: expected, retryable });
    if (status === 429 && retryable) await expect(failed).rejects.toMatchObject({ retryAfterMs: 3000 });
    expect(server.requests).toHaveLength(1);
  });

  test("F2: When the server repeats the key that it refuses, then the failure does not", async () => {
    const server = await fake({ failFirst: { times: 1, status: 401, message: "Incorrect API key provided: sk-operator-123." } });
    const failed = chat(models({ openaiApiKey: "sk-operator-123", openaiBaseUrl: server.url }));
    await expect(failed).rejects.toThrow(/Incorrect API key provided: \[key\]/);
  });

  test("When nobody listens, then it is network.unreachable", async () => {
    await expect(chat(models({ openaiApiKey: "sk", openaiBaseUrl: "http://127.0.0.1:1/v1" }))).rejects.toMatchObject({
      code: "network.unreachable",
      retryable: true,
    });
  });

  test("When the answer takes too long, then it is network.timed_out, even in mid-stream", async () => {
    const server = await fake({ delayMs: 80, reply: "a b c d e f g h i j k l" });
    await expect(chat(models({ openaiApiKey: "sk", openaiBaseUrl: server.url }), { timeoutMs: 200 })).rejects.toMatchObject({ code: "network.timed_out" });
  });

  test("A9: When the run is cancelled in mid-stream, then the call ends with that reason", async () => {
    const server = await fake({ delayMs: 30, reply: "a b c d e f g h i j k l" });
    const caller = new AbortController();
    const pending = chat(models({ openaiApiKey: "sk", openaiBaseUrl: server.url }), {}, caller.signal);
    setTimeout(() => caller.abort(new Error("cancelled")), 80);
    await expect(pending).rejects.toThrow("cancelled");
  });
});

describe("without a key", () => {
  test("A18: When nobody can be asked, then the mock answers, says so, and is the same every time", async () => {
    const first = await chat(models({}));
    expect(first).toMatchObject({ text: "[mock model, no OPENAI_API_KEY] Hello there, friend", model: "mock/gpt-4o", mock: true, finish_reason: "stop" });
    expect(first.tokens.length).toBeGreaterThan(3);
    expect(first.tokens.join("")).toBe(first.text);
    expect(await chat(models({}))).toEqual(first);
    expect((await chat(models({}), { stream: false })).tokens).toEqual([]);
  });

  test("A18 B2: When a schema is given, then the mock answers with JSON that fits, whole and labelled", async () => {
    const responseSchema = { type: "object", properties: { n: { type: "integer", minimum: 1 }, why: { type: "string" } }, required: ["n"] };
    const answer = await chat(models({}), { responseSchema, maxTokens: 1 });
    expect(answer).toMatchObject({ mock: true, model: "mock/gpt-4o", finish_reason: "stop" });
    expect(JSON.parse(answer.text)).toEqual({ n: 1, why: "[mock model, no OPENAI_API_KEY]" });
    expect(answer.tokens.join("")).toBe(answer.text);
  });
});
