import { describe, expect, test } from "vitest";
import type { Json } from "#core";
import type { ActivityContext, HttpRequestSpec, HttpResponse, LiveCredential } from "../define.ts";
import httpRequest from "./http-request.ts";

async function send(
  inputs: Record<string, unknown>,
  answer: Partial<Omit<HttpResponse, "body">> & { body?: string | Uint8Array } = {},
  input: Json = null,
  key = "run:n1:",
  credential?: LiveCredential,
) {
  const sent: HttpRequestSpec[] = [];
  const { body = "", ...rest } = answer;
  const response: HttpResponse = { status: 200, headers: {}, url: "", ...rest, body: typeof body === "string" ? new TextEncoder().encode(body) : body };
  const context = {
    input,
    tenantId: "t",
    credentials: { ...(credential && { credential }) },
    idempotencyKey: key,
    signal: new AbortController().signal,
    services: {
      http: {
        request: (spec: HttpRequestSpec) => {
          sent.push(spec);
          return Promise.resolve(response);
        },
      },
    },
  } as unknown as ActivityContext;
  const { value } = await httpRequest.run(httpRequest.inputs.parse({ url: "https://api.example/x", ...inputs }), context);
  return { value: value as { status: number; headers: Record<string, string>; body: unknown; elapsed_ms: number }, sent: sent[0]! };
}

describe("what is sent", () => {
  test("B6: When nothing but a URL is given, then it is a GET with defaults", async () => {
    const { sent } = await send({});
    expect(sent).toMatchObject({ method: "GET", url: "https://api.example/x", headers: {}, timeoutMs: 30_000, followRedirects: true, verifyTls: true });
    expect(sent).not.toHaveProperty("body");
  });

  test("B6: When a POST has no body, then what arrives is sent as JSON", async () => {
    const { sent } = await send({ method: "post", headers: { Authorization: "Bearer x" } }, {}, { text: "hi" });
    expect(sent).toMatchObject({
      method: "POST",
      body: '{"text":"hi"}',
      headers: { authorization: "Bearer x", "content-type": "application/json", "idempotency-key": "run:n1:" },
    });
    expect((await send({ method: "DELETE" }, {}, { text: "hi" })).sent).not.toHaveProperty("body");
    expect((await send({ method: "POST" }, {}, null)).sent).not.toHaveProperty("body");
  });

  test.each([
    [{ body: "plain" }, "plain", "text/plain; charset=utf-8"],
    [{ body: '{"a":1}' }, '{"a":1}', "application/json"],
    [{ body: [1] }, "[1]", "application/json"],
    [{ body: { a: "x y", b: 2 }, headers: { "Content-Type": "application/x-www-form-urlencoded" } }, "a=x+y&b=2", "application/x-www-form-urlencoded"],
  ])("B6: When it is given %j, then the body is %s", async (inputs, body, type) => {
    const { sent } = await send({ method: "PUT", ...inputs });
    expect(sent.body).toBe(body);
    expect(sent.headers["content-type"]).toBe(type);
  });

  test("B6: When there are query parameters, then they are added to those of the URL", async () => {
    const { sent } = await send({ url: "https://api.example/x?a=1", query: { b: ["2", 3], c: null, d: "ä&" } });
    expect(sent.url).toBe("https://api.example/x?a=1&b=2&b=3&d=%C3%A4%26");
  });

  test.each([
    [{ type: "bearer", token: "t" }, { authorization: "Bearer t" }],
    [{ type: "basic", username: "ü", password: "p" }, { authorization: `Basic ${Buffer.from("ü:p").toString("base64")}` }],
    [{ type: "api_key", name: "X-Key", value: "k" }, { "x-key": "k" }],
  ])("B6: When it authenticates by %j, then the header is there", async (auth, headers) => {
    expect((await send({ auth })).sent.headers).toMatchObject(headers);
  });

  test("When the node's id is no ASCII, then the key can still be a header", async () => {
    expect((await send({ method: "POST", body: "x" }, {}, null, "run:größe:")).sent.headers["idempotency-key"]).toBe("run%3Agr%C3%B6%C3%9Fe%3A");
    expect((await send({ method: "POST", body: "x", headers: { "Idempotency-Key": "mine" } })).sent.headers["idempotency-key"]).toBe("mine");
  });

  test("When the URL is none, then the finding says what is wrong", async () => {
    await expect(send({ url: "api.example/x" })).rejects.toMatchObject({ code: "validation.failed", findings: [{ path: "url" }] });
  });
});

describe("what is handed on", () => {
  const json = { "content-type": "application/json; charset=utf-8" };
  test.each([
    [{ headers: json, body: '{"a":1}' }, {}, { a: 1 }],
    [{ headers: { "content-type": "application/problem+json" }, body: "[]" }, {}, []],
    [{ headers: json, body: "" }, {}, null],
    [{ headers: json, body: "oops" }, {}, "oops"],
    [{ headers: { "content-type": "text/html" }, body: "<p>" }, {}, "<p>"],
    [{ headers: { "content-type": "text/plain; charset=iso-8859-1" }, body: new Uint8Array([0xe4]) }, {}, "ä"],
    [{ headers: json, body: '{"a":1}' }, { response_type: "text" }, '{"a":1}'],
    [{ headers: { "content-type": "image/png" }, body: new Uint8Array([1, 2, 3]) }, {}, { encoding: "base64", content_type: "image/png", data: "AQID" }],
    [{ headers: {}, body: "text" }, {}, "text"],
    [{ status: 404, headers: json, body: "{}" }, { fail_on_status: false }, {}],
  ])("B6: When %j answers to %j, then the body is %j", async (answer, inputs, body) => {
    const { value } = await send(inputs, answer);
    expect(value.body).toEqual(body);
    expect(value.status).toBe("status" in answer ? answer.status : 200);
    expect(value.elapsed_ms).toBeGreaterThanOrEqual(0);
  });

  test("A16: When the status is a failure, then it says what was answered, without the query", async () => {
    const failed = send({ url: "https://api.example/x?key=hidden" }, { status: 503, headers: { "retry-after": "2" }, body: "closed for lunch" });
    await expect(failed).rejects.toMatchObject({
      code: "upstream.failed",
      retryAfterMs: 2000,
      message: "GET https://api.example/x answered 503: closed for lunch",
    });
  });

  test("When JSON was asked for and something else came, then it fails", async () => {
    await expect(send({ response_type: "json" }, { body: "<p>" })).rejects.toMatchObject({ code: "upstream.rejected" });
  });
});

describe("a credential", () => {
  const id = "0198c0de-0000-7000-8000-0000000000aa";
  const withCredential = (type: string, values: Record<string, string>, inputs: Record<string, unknown> = {}) =>
    send({ credential: id, ...inputs }, {}, null, "k", { id, type, values });

  test.each([
    ["http_bearer", { token: "t-1" }, { authorization: "Bearer t-1" }, ""],
    ["http_basic", { username: "u", password: "pässword" }, { authorization: `Basic ${Buffer.from("u:pässword").toString("base64")}` }, ""],
    ["http_header", { name: "X-Api-Key", value: "k-1" }, { "x-api-key": "k-1" }, ""],
    ["http_query", { name: "key", value: "a b&c" }, {}, "?key=a+b%26c"],
    ["generic", { "X-App": "a", "X-Secret": "b", allowed_hosts: "api.example" }, { "x-app": "a", "x-secret": "b" }, ""],
  ])("B6 F2: When it is of type %s, then the request proves with it who sends it", async (type, values, headers, query) => {
    const { sent } = await withCredential(type, values);
    expect(sent.headers).toEqual(headers);
    expect(sent.url).toBe(`https://api.example/x${query}`);
  });

  test("F2: When it is not for the host, then nothing is sent", async () => {
    const hosts = { token: "t", allowed_hosts: "api.example, *.trusted.example" };
    for (const url of ["https://api.example/x", "https://a.trusted.example:8443/"])
      expect((await withCredential("http_bearer", hosts, { url })).sent.url).toBe(url);
    for (const url of ["https://evil.example/", "https://trusted.example/", "https://api.example.evil.example/", "https://nottrusted.example/"]) {
      await expect(withCredential("http_bearer", hosts, { url })).rejects.toMatchObject({ code: "outbound.refused" });
    }
    await expect(withCredential("openai", { api_key: "sk" })).rejects.toMatchObject({ code: "outbound.refused" });
    expect((await withCredential("openai", { api_key: "sk" }, { url: "https://api.openai.com/v1/models" })).sent.headers).toEqual({
      authorization: "Bearer sk",
    });
  });

  test("F2: When there is `auth` as well, then the node says so instead of choosing", async () => {
    await expect(withCredential("http_bearer", { token: "t" }, { auth: { type: "bearer", token: "x" } })).rejects.toMatchObject({
      code: "configuration.invalid",
    });
  });
});
