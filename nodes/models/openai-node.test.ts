import { describe, expect, test } from "vitest";
import type { Json } from "#core";
import type { ActivityContext, ChatRequest, ChatResult, LiveCredential } from "../define.ts";
import openAiNode from "./openai-node.ts";

async function ask(inputs: Record<string, unknown>, input: Json = null, answer: Partial<ChatResult> = {}, credential?: LiveCredential) {
  const asked: ChatRequest[] = [];
  const result: ChatResult = {
    text: "Hi.",
    usage: { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 },
    finish_reason: "stop",
    model: "gpt",
    mock: false,
    ...answer,
  };
  const context = {
    input,
    tenantId: "t",
    credentials: { ...(credential && { credential }) },
    idempotencyKey: "k",
    signal: new AbortController().signal,
    token: () => {},
    services: {
      models: {
        chat: (request: ChatRequest) => {
          asked.push(request);
          return Promise.resolve(result);
        },
      },
    },
  } as unknown as ActivityContext;
  const { value } = await openAiNode.run(openAiNode.inputs.parse(inputs), context);
  return { value, request: asked[0]! };
}

describe("what the model is given", () => {
  test.each([
    ["text", "text"],
    [{ message: "m", prompt: "p" }, "m"],
    [{ prompt: "p", text: "t" }, "p"],
    [{ text: "t" }, "t"],
    [{ input: "i" }, "i"],
    [{ message: 5, other: 1 }, '{"message":5,"other":1}'],
    [[1, 2], "[1,2]"],
    [null, "null"],
  ])("B2: When there is neither prompt nor messages and %j arrives, then %s is asked", async (input, content) => {
    expect((await ask({}, input)).request.messages).toEqual([{ role: "user", content }]);
  });

  test("B2: When system, messages and prompt are given, then they come in that order", async () => {
    const { request } = await ask(
      {
        system: "s",
        messages: [
          { role: "human", content: "a" },
          { role: "ai", content: "b" },
        ],
        prompt: "c",
      },
      "ignored",
    );
    expect(request.messages).toEqual([
      { role: "system", content: "s" },
      { role: "user", content: "a" },
      { role: "assistant", content: "b" },
      { role: "user", content: "c" },
    ]);
  });

  test("B2: When options are given, then they reach the model; those that are null do not", async () => {
    const { request } = await ask({
      model: "gpt-4o",
      temperature: "0.7",
      max_tokens: 100,
      stop: "a,b",
      stream: false,
      base_url: "https://x/v1",
      api_key: "k",
      top_p: null,
      timeout: "30s",
    });
    expect(request).toMatchObject({
      provider: "openai",
      model: "gpt-4o",
      temperature: 0.7,
      maxTokens: 100,
      stop: ["a", "b"],
      stream: false,
      baseUrl: "https://x/v1",
      apiKey: "k",
      timeoutMs: 30_000,
      idempotencyKey: "k",
    });
    expect(request).not.toHaveProperty("topP");
  });
});

describe("what is handed on", () => {
  test("A18: When the mock answered, then the value says so, else it does not speak of it", async () => {
    expect((await ask({}, "x", { mock: true })).value).toMatchObject({ text: "Hi.", mock: true });
    expect((await ask({}, "x")).value).toEqual({
      text: "Hi.",
      usage: { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 },
      finish_reason: "stop",
      model: "gpt",
    });
  });

  test("When a schema was given, then the answer is parsed, and what cannot be is a failure that is tried again", async () => {
    const inputs = { response_schema: { type: "object" } };
    expect((await ask(inputs, "x", { text: '{"a":1}' })).value).toMatchObject({ json: { a: 1 } });
    await expect(ask(inputs, "x", { text: "no" })).rejects.toMatchObject({ code: "upstream.failed", retryable: true });
    expect((await ask(inputs, "x", { text: '{"a":1}', mock: true })).value).toMatchObject({ json: { a: 1 }, mock: true });
  });
});

test("G1 F2: When a credential is named, then its key goes to its server, and to no other that the node could name", async () => {
  const id = "0198c0de-0000-7000-8000-0000000000aa";
  const credential = { id, type: "openai", values: { api_key: "sk-own", base_url: "https://models.example/v1" } };
  const { request } = await ask({ prompt: "p", credential: id.toUpperCase() }, null, {}, credential);
  expect(request).toMatchObject({ apiKey: "sk-own", baseUrl: "https://models.example/v1" });
  const { request: plain } = await ask({ prompt: "p", credential: id }, null, {}, { ...credential, values: { api_key: "sk-own" } });
  expect(plain).toMatchObject({ apiKey: "sk-own" });
  expect(plain).not.toHaveProperty("baseUrl");
  for (const more of [{ base_url: "https://evil.example/v1" }, { api_key: "other" }]) {
    await expect(ask({ prompt: "p", credential: id, ...more }, null, {}, credential)).rejects.toMatchObject({ code: "configuration.invalid" });
  }
  expect((await ask({ prompt: "p", credential: "" })).request).not.toHaveProperty("apiKey");
});
