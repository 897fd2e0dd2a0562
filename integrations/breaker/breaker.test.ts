import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { PerdureError } from "#core";
import type { ChatRequest, ChatResult, HttpRequestSpec, HttpResponse } from "#nodes";
import { createHttp } from "../http/index.ts";
import { breakHttp, breakModels, createBreakers, type BreakerState } from "./index.ts";
import { judgeError } from "./outcome.ts";

const never = new AbortController().signal;
const OPEN_MS = 30_000;

function bench(options: { failures?: number; maxTargets?: number } = {}) {
  const changes: string[] = [];
  const breakers = createBreakers({ failures: 3, openMs: OPEN_MS, ...options, onChange: ({ name, state }) => changes.push(`${name} ${state}`) });
  let calls = 0;
  let act: () => Promise<Partial<HttpResponse>> = async () => ({ status: 200 });
  const http = breakHttp(
    {
      request: async (_spec: HttpRequestSpec, _signal: AbortSignal) => {
        calls++;
        return { headers: {}, body: new Uint8Array(), url: "", status: 200, ...(await act()) };
      },
      guardedFetch: () => () => Promise.reject(new Error("unused")),
    },
    breakers,
  );
  const request = (url = "https://api.example/x", tenantId = "t", signal = never) =>
    http.request({ tenantId, method: "GET", url, headers: {}, timeoutMs: 1000, followRedirects: true, verifyTls: true }, signal);
  return {
    breakers,
    changes,
    request,
    calls: () => calls,
    answer: (next: () => Promise<Partial<HttpResponse>>) => void (act = next),
    fail: async (times: number, url?: string, tenantId?: string) => {
      act = async () => ({ status: 503 });
      for (let count = 0; count < times; count++) await request(url, tenantId);
      act = async () => ({ status: 200 });
    },
    state: (): BreakerState | undefined => breakers.breakerStates().at(-1),
  };
}

describe("a circuit", () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  test("A17: When a host fails several times in a row, then it is not called any more, and the failure says for how long", async () => {
    const { fail, request, calls, state, changes } = bench();
    await fail(3);
    expect(state()).toEqual({
      tenant_id: "t",
      kind: "http",
      name: "api.example",
      state: "open",
      failures: 3,
      opened_at: new Date().toISOString(),
      retry_in_ms: OPEN_MS,
    });
    await vi.advanceTimersByTimeAsync(10_000);
    await expect(request()).rejects.toMatchObject({
      code: "upstream.circuit_open",
      status: 503,
      retryable: true,
      retryAfterMs: OPEN_MS - 10_000,
      message: expect.stringContaining("api.example") as string,
    });
    expect(calls()).toBe(3);
    expect(changes).toEqual(["api.example open"]);
  });

  test("A17: When the pause is over, then one call tries, and the others wait for how it ends", async () => {
    const { fail, request, calls, answer, state, changes } = bench();
    await fail(3);
    await vi.advanceTimersByTimeAsync(OPEN_MS);
    let end = (): void => {};
    answer(() => new Promise((resolve) => (end = () => resolve({ status: 200 }))));
    const trial = request();
    await vi.advanceTimersByTimeAsync(0);
    expect(state()).toMatchObject({ state: "half_open", retry_in_ms: 0 });
    answer(async () => ({ status: 204 }));
    const others = [request(), request()];
    await vi.advanceTimersByTimeAsync(1000);
    expect(calls()).toBe(4);
    end();
    expect((await trial).status).toBe(200);
    expect((await Promise.all(others)).map(({ status }) => status)).toEqual([204, 204]);
    expect(state()).toEqual({ tenant_id: "t", kind: "http", name: "api.example", state: "closed", failures: 0 });
    expect(changes).toEqual(["api.example open", "api.example half_open", "api.example closed"]);
  });

  test("A17: When the try fails, then the pause begins again, for those who waited too", async () => {
    const { fail, request, calls, answer, changes } = bench();
    await fail(3);
    await vi.advanceTimersByTimeAsync(OPEN_MS);
    answer(async () => {
      await new Promise((resolve) => setTimeout(resolve, 100));
      throw new PerdureError("network.timed_out", "slow");
    });
    const both = Promise.allSettled([request(), request()]);
    await vi.advanceTimersByTimeAsync(100);
    expect(await both).toMatchObject([{ reason: { code: "network.timed_out" } }, { reason: { code: "upstream.circuit_open", retryAfterMs: OPEN_MS } }]);
    expect(calls()).toBe(4);
    expect(changes.at(-1)).toBe("api.example open");
  });

  test("A17: When the try takes long, then the others are sent away, and one that is cancelled does not wait", async () => {
    const { fail, request, answer, calls } = bench();
    await fail(3);
    await vi.advanceTimersByTimeAsync(OPEN_MS);
    answer(() => new Promise((resolve) => setTimeout(() => resolve({ status: 200 }), 60_000)));
    const trial = request();
    const other = Promise.allSettled([request()]);
    const caller = new AbortController();
    const cancelled = Promise.allSettled([request(undefined, "t", caller.signal)]);
    caller.abort(new Error("cancelled"));
    expect(await cancelled).toMatchObject([{ reason: { message: "cancelled" } }]);
    await vi.advanceTimersByTimeAsync(5_000);
    expect(await other).toMatchObject([{ reason: { code: "upstream.circuit_open", retryAfterMs: 5000 } }]);
    await vi.advanceTimersByTimeAsync(60_000);
    await trial;
    expect(calls()).toBe(4);
  });

  test("A17: When the try is cancelled, then nothing is known and the pause begins again", async () => {
    const { fail, request, answer, state } = bench();
    await fail(3);
    await vi.advanceTimersByTimeAsync(OPEN_MS);
    const caller = new AbortController();
    answer(() => new Promise((_resolve, reject) => caller.signal.addEventListener("abort", () => reject(caller.signal.reason as Error))));
    const trial = request(undefined, "t", caller.signal);
    caller.abort(new Error("cancelled"));
    await expect(trial).rejects.toThrow("cancelled");
    expect(state()).toMatchObject({ state: "open", retry_in_ms: OPEN_MS });
  });

  test("A17: When failures are not in a row, then it stays closed", async () => {
    const { fail, request, state } = bench();
    await fail(2);
    await request();
    await fail(2);
    expect(state()).toMatchObject({ state: "closed", failures: 2 });
  });

  test.each([400, 401, 404, 408, 422, 429])("A17: When it answers %i again and again, then it stays closed", async (status) => {
    const { request, answer, state } = bench();
    answer(async () => ({ status }));
    for (let count = 0; count < 5; count++) await request();
    expect(state()).toMatchObject({ state: "closed", failures: 0 });
  });

  test.each([
    ["refused by us", new PerdureError("outbound.refused", "no")],
    ["a certificate that cannot be trusted", new PerdureError("network.unreachable", "no", { retryable: false })],
    ["a mistake of the caller", new PerdureError("validation.failed", "no")],
    ["a bug", new Error("no")],
  ])("A17: When calls fail by %s, then nothing is learnt of the host", async (_what, error) => {
    const { fail, request, answer, state } = bench();
    await fail(2);
    answer(() => Promise.reject(error));
    for (let count = 0; count < 5; count++) await expect(request()).rejects.toBe(error);
    expect(state()).toMatchObject({ state: "closed", failures: 2 });
  });

  test("A17: When one tenant's circuit for one host is open, then others and other ports are not", async () => {
    const { fail, request, breakers } = bench();
    await fail(3);
    expect((await request("https://api.example/x", "other")).status).toBe(200);
    expect((await request("https://api.example:8443/x")).status).toBe(200);
    await expect(request("https://api.example/elsewhere")).rejects.toMatchObject({ code: "upstream.circuit_open" });
    expect(breakers.breakerStates()).toHaveLength(3);
  });

  test("A17: When there are more hosts than are kept, then the one not used for the longest time is forgotten", async () => {
    const { request, breakers } = bench({ maxTargets: 2 });
    for (const host of ["a", "b", "a", "c"]) await request(`https://${host}.example/`);
    expect(breakers.breakerStates().map(({ name }) => name)).toEqual(["a.example", "c.example"]);
  });

  test("When a URL is none, then the service itself says so", async () => {
    const { request, calls, breakers } = bench();
    await request("nonsense");
    expect([calls(), breakers.breakerStates()]).toEqual([1, []]);
  });
});

describe("what a failure tells", () => {
  test.each([
    [new PerdureError("upstream.failed", ""), "ill"],
    [new PerdureError("network.unreachable", ""), "ill"],
    [new PerdureError("network.timed_out", ""), "ill"],
    [new PerdureError("upstream.rate_limited", ""), "well"],
    [new PerdureError("upstream.rejected", ""), "well"],
    [new PerdureError("credential.rejected", ""), "well"],
    [new TypeError("fetch failed", { cause: Object.assign(new Error("refused"), { code: "ECONNREFUSED" }) }), "ill"],
    [new TypeError("a bug"), "unknown"],
    [new DOMException("time", "TimeoutError"), "ill"],
    [new DOMException("abort", "AbortError"), "unknown"],
  ])("A17: When it is %s, then the other side is %s", (error, outcome) => {
    expect(judgeError(error, undefined)).toBe(outcome);
  });

  test("A17: When the caller's time is up, then the host was too slow; when it was cancelled, nothing is known", () => {
    const error = new PerdureError("network.unreachable", "");
    expect(judgeError(error, AbortSignal.abort(new PerdureError("network.timed_out", "")))).toBe("ill");
    expect(judgeError(error, AbortSignal.abort(new DOMException("time", "TimeoutError")))).toBe("ill");
    expect(judgeError(error, AbortSignal.abort(new Error("cancelled")))).toBe("unknown");
  });
});

describe("over real services", () => {
  let status = 500;
  let seen = 0;
  const server: Promise<Server> = new Promise((resolve) => {
    const made = createServer((_request, response) => {
      seen++;
      response.writeHead(status).end("{}");
    }).listen(0, "127.0.0.1", () => resolve(made));
  });
  const http = createHttp({ allow: ["127.0.0.0/8"] });
  afterAll(async () => {
    await http.close();
    const made = await server;
    made.closeAllConnections();
    made.close();
  });

  test("A17: When a server answers 500 to an SDK's fetch, then its circuit opens, and closes once it works again", async () => {
    const url = `http://127.0.0.1:${((await server).address() as AddressInfo).port}/`;
    const breakers = createBreakers({ failures: 2, openMs: 150 });
    const send = breakHttp(http, breakers).guardedFetch("t");
    expect([(await send(url)).status, (await send(url)).status]).toEqual([500, 500]);
    await expect(send(url)).rejects.toMatchObject({ code: "upstream.circuit_open" });
    expect(seen).toBe(2);
    status = 200;
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect((await send(url)).status).toBe(200);
    expect(breakers.breakerStates()).toMatchObject([{ state: "closed", failures: 0 }]);
  });

  test("A17: When nobody listens, then the circuit opens by failures of the network", async () => {
    const breakers = createBreakers({ failures: 2 });
    const broken = breakHttp(http, breakers);
    const request = () =>
      broken.request({ tenantId: "t", method: "GET", url: "http://127.0.0.1:1/", headers: {}, timeoutMs: 1000, followRedirects: true, verifyTls: true }, never);
    for (let count = 0; count < 2; count++) await expect(request()).rejects.toMatchObject({ code: "network.unreachable" });
    await expect(request()).rejects.toMatchObject({ code: "upstream.circuit_open" });
    const send = broken.guardedFetch("other");
    for (let count = 0; count < 2; count++) await expect(send("http://127.0.0.1:1/")).rejects.toThrow("fetch failed");
    await expect(send("http://127.0.0.1:1/")).rejects.toMatchObject({ code: "upstream.circuit_open" });
  });

  test("A17: When a model provider fails, then its circuit opens for this tenant, and not that of a server which a node names", async () => {
    const result: ChatResult = {
      text: "hi",
      usage: { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 },
      finish_reason: "stop",
      model: "m",
      mock: false,
    };
    let fails = true;
    const chat = vi.fn(() => (fails ? Promise.reject(new PerdureError("upstream.failed", "503")) : Promise.resolve(result)));
    const breakers = createBreakers({ failures: 2 });
    const models = breakModels({ chat }, breakers);
    const request: ChatRequest = { tenantId: "t", provider: "openai", model: "m", messages: [], stream: false, idempotencyKey: "k", timeoutMs: 1000 };
    const ask = (more: Partial<ChatRequest> = {}) => models.chat({ ...request, ...more }, () => {}, never);
    for (let count = 0; count < 2; count++) await expect(ask()).rejects.toMatchObject({ code: "upstream.failed" });
    await expect(ask()).rejects.toMatchObject({ code: "upstream.circuit_open", message: expect.stringContaining("openai") as string });
    expect(chat).toHaveBeenCalledTimes(2);
    fails = false;
    expect(await ask({ tenantId: "other" })).toEqual(result);
    expect(await ask({ baseUrl: "https://llm.example/v1" })).toEqual(result);
    expect(breakers.breakerStates().map(({ name, state }) => [name, state])).toEqual([
      ["openai", "open"],
      ["openai", "closed"],
      ["openai at llm.example", "closed"],
    ]);
  });
});
