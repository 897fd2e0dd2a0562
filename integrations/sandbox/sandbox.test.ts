import { afterAll, describe, expect, test } from "vitest";
import { PerdureError, type Json } from "#core";
import type { SandboxProgram, SandboxRequest, SandboxResponse } from "#nodes";
import { createSandbox } from "./index.ts";

const service = createSandbox({ timeoutMs: 1500, memoryMb: 32, maxSourceBytes: 10_000, maxFetches: 3 });
afterAll(() => service.close());

const never = new AbortController().signal;
const run = (code: string, more: Partial<SandboxProgram> = {}, signal = never): Promise<Json> =>
  service.run({ code, parameters: { input: { n: 20 }, inputs: { name: "Ada" }, variables: { step: 2 } }, log: () => {}, ...more }, signal);

const answer = (request: SandboxRequest): SandboxResponse => ({
  status: 200,
  url: request.url,
  headers: { "x-method": request.method },
  body: JSON.stringify(request),
});

describe("values", () => {
  test.each([
    ["return input.n + variables.step", 22],
    ["return `${inputs.name}!`", "Ada!"],
    ["const double = async (n) => n * 2; return [await double(4), await Promise.all([1, double(2)])]", [8, [1, 4]]],
    ["return new Map([[1, 2]]).get(1) + [...new Set([1, 1])].length", 3],
    ["return { date: new Date(0), none: undefined, nan: NaN, re: /a/.test('a') }", { date: "1970-01-01T00:00:00.000Z", nan: null, re: true }],
    ["input.n = 5; inputs.extra = 1; return [input, inputs]", [{ n: 5 }, { name: "Ada", extra: 1 }]],
    ["return // the end", null],
    ["", null],
    ["return () => 1", null],
    ["let total = 0; for (let i = 0; i < 1e5; i++) total += i; return total", 4_999_950_000],
  ])("B1: When %s is run, then it gives %j", async (code, expected) => {
    expect(await run(code)).toEqual(expected);
  });

  test("B1: When a value has __proto__ as a key, then it goes in and out as data", async () => {
    const value = JSON.parse('{"__proto__": {"a": 1}}') as Json;
    expect(JSON.stringify(await run("return [input, Object.keys(input)]", { parameters: { input: value } }))).toBe('[{"__proto__":{"a":1}},["__proto__"]]');
  });

  test("When two codes run one after the other, then the second sees nothing of the first", async () => {
    await run("globalThis.left = 1; Array.prototype.left = 2; return 1");
    expect(await run("return [typeof left, [].left ?? null]")).toEqual(["undefined", null]);
  });

  test("When the code prints, then each call is a line", async () => {
    const lines: string[] = [];
    await run("console.log('n is', input.n, { a: [1] }); console.error(new TypeError('odd')); console.warn(undefined)", { log: (line) => lines.push(line) });
    expect(lines).toEqual(['n is 20 {"a":[1]}', "TypeError: odd", "undefined"]);
  });
});

describe("exceptions", () => {
  test.each([
    ["\n\nreturn input.missing.field", "Code: TypeError: cannot read property 'field' of undefined (line 3)"],
    ["const check = () => {\n  throw new RangeError('too small');\n};\ncheck();", "Code: RangeError: too small (line 2)"],
    ["const a = 1;\nconst b = ;", "Code: SyntaxError: unexpected token in expression: ';' (line 2)"],
    ["return {", "Code: SyntaxError: expecting ';' (line 1)"],
    ["const a = {\n  b: 1,\n\n", "Code: SyntaxError: expecting ';' (line 2)"],
    ["await null;\nnothing();", "Code: ReferenceError: 'nothing' is not defined (line 2)"],
    ["throw 'no stock'", "Code: no stock"],
    ["throw { code: 7 }", 'Code: {"code":7}'],
    ["throw undefined", "Code: undefined"],
    ["throw null", "Code: null"],
    ["throw new Error()", "Code: Error (line 1)"],
  ])("A16: When %j is run, then the failure is handler.rejected and says %s", async (code, message) => {
    await expect(run(code)).rejects.toMatchObject({ code: "handler.rejected", retryable: false, message });
  });
});

describe("limits", () => {
  test("F4: When the code takes too long, then it is code.failed, not retried, and names the setting", async () => {
    await expect(run("for (;;);")).rejects.toMatchObject({
      code: "code.failed",
      retryable: false,
      message: "The code took longer than 1500 ms (CODE_TIMEOUT_MS).",
    });
    expect(await run("return 1")).toBe(1);
  });

  test("F4: When the node asks for less time, then that counts; when it asks for more, then the operator's limit does", async () => {
    await expect(run("for (;;);", { timeoutMs: 50 })).rejects.toThrow("The code took longer than 50 ms.");
    await expect(run("for (;;);", { timeoutMs: 60_000 })).rejects.toThrow("1500 ms (CODE_TIMEOUT_MS)");
  });

  test("F4: When the code takes too much memory, then it is code.failed and names the setting", async () => {
    await expect(run("const all = []; for (;;) all.push(new Uint8Array(1e6))")).rejects.toMatchObject({
      code: "code.failed",
      message: "The code took more than 32 MiB (CODE_MEMORY_MB).",
    });
  });

  test("F4: When the code is too long, then it is refused before it runs", async () => {
    await expect(run(`return 1 // ${"é".repeat(5000)}`)).rejects.toMatchObject({
      code: "validation.failed",
      message: expect.stringContaining("CODE_SOURCE_MAX_BYTES") as string,
    });
  });

  test("F4: When codes fill their memory again and again, then this process does not grow", async () => {
    const fill = () => run("return new Uint8Array(25e6).fill(1).length");
    for (let count = 0; count < 20; count++) await fill();
    const before = process.memoryUsage().rss;
    for (let count = 0; count < 60; count++) await fill();
    expect(process.memoryUsage().rss - before).toBeLessThan(250 * 1024 * 1024);
  });

  test("F4: When a code blocks its thread, then this process goes on", async () => {
    let ticks = 0;
    const timer = setInterval(() => ticks++, 20);
    await run("for (;;);", { timeoutMs: 500 }).catch(() => {});
    clearInterval(timer);
    expect(ticks).toBeGreaterThan(10);
  });

  test("A9: When it is cancelled, then it ends with that reason, running or waiting for a thread", async () => {
    const caller = new AbortController();
    const pending = [1, 2, 3].map(() => run("for (;;);", {}, caller.signal));
    setTimeout(() => caller.abort(new Error("cancelled")), 100);
    for (const result of await Promise.allSettled(pending)) expect(result).toMatchObject({ status: "rejected", reason: { message: "cancelled" } });
    expect(await run("return 1")).toBe(1);
    await expect(run("return 1", {}, AbortSignal.abort(new Error("before")))).rejects.toThrow("before");
  });
});

describe("fetch", () => {
  test("F4: When fetch is not granted, then the code cannot use it and learns why", async () => {
    await expect(run("await fetch('https://api.example/')")).rejects.toMatchObject({
      code: "handler.rejected",
      message: expect.stringContaining("allow_network") as string,
    });
  });

  test("B1: When fetch is granted, then request and answer cross as text", async () => {
    const value = await run(
      "const answer = await fetch('https://api.example/a', { method: 'post', headers: { 'X-A': 1 }, body: JSON.stringify({ b: 2 }) }); return [answer.status, answer.ok, answer.url, answer.headers.get('X-Method'), answer.headers.get('none'), await answer.json()]",
      { fetch: async (request) => answer(request) },
    );
    expect(value).toEqual([
      200,
      true,
      "https://api.example/a",
      "POST",
      null,
      { url: "https://api.example/a", method: "POST", headers: { "X-A": "1" }, body: '{"b":2}' },
    ]);
  });

  test("B1: When several fetches are under way, then each gets its own answer", async () => {
    const fetch = async (request: SandboxRequest) => {
      await new Promise((done) => setTimeout(done, request.url.endsWith("1") ? 60 : 5));
      return answer(request);
    };
    expect(await run("return (await Promise.all([1, 2, 3].map((n) => fetch('https://x/' + n)))).map((each) => each.url)", { fetch })).toEqual([
      "https://x/1",
      "https://x/2",
      "https://x/3",
    ]);
  });

  test("A16: When a fetch fails, then the code may catch it, and else the node fails as the fetch did", async () => {
    const failure = new PerdureError("network.unreachable", "api.example could not be reached.");
    const fetch = () => Promise.reject(failure);
    expect(await run("try { await fetch('https://x/') } catch (error) { return [error.code, error.message, error instanceof Error] }", { fetch })).toEqual([
      "network.unreachable",
      failure.message,
      true,
    ]);
    await expect(run("await fetch('https://x/')", { fetch })).rejects.toBe(failure);
  });

  test("F4: When fetch fails in a way that is not ours, then the code does not read it", async () => {
    const fetch = () => Promise.reject(new Error("/etc/secret"));
    expect(await run("return fetch('https://x/').catch((error) => [error.code, error.message])", { fetch })).toEqual([
      "internal",
      "An unexpected error occurred.",
    ]);
  });

  test("F4: When fetch is called too often, then it fails and names the setting", async () => {
    let sent = 0;
    const fetch = async (request: SandboxRequest) => (sent++, answer(request));
    await expect(run("for (let n = 0; n < 10; n++) await fetch('https://x/')", { fetch })).rejects.toThrow(
      "fetch was called more than 3 times (CODE_MAX_FETCHES)",
    );
    expect(sent).toBe(3);
  });

  test.each(["fetch('https://x/', { method: 'TRACE' })", "fetch('https://x/', { body: { a: 1 } })"])(
    "When %s is called, then nothing is sent",
    async (call) => {
      let sent = 0;
      await expect(run(`await ${call}`, { fetch: async (request) => (sent++, answer(request)) })).rejects.toMatchObject({ code: "handler.rejected" });
      expect(sent).toBe(0);
    },
  );

  test("A9: When the code ends or its time is up, then its fetches are aborted", async () => {
    const aborted: boolean[] = [];
    const fetch = (_request: SandboxRequest, signal: AbortSignal) =>
      new Promise<SandboxResponse>((_resolve, reject) => {
        signal.addEventListener("abort", () => {
          aborted.push(true);
          reject(signal.reason as Error);
        });
      });
    expect(await run("fetch('https://x/').catch(() => {}); return 1", { fetch })).toBe(1);
    await expect(run("await fetch('https://x/')", { fetch, timeoutMs: 100 })).rejects.toMatchObject({ code: "code.failed" });
    expect(aborted).toEqual([true, true]);
  });
});

describe("without a sandbox", () => {
  test.each(["/nonexistent/engine.wasm", import.meta.filename])(
    "F4: When the engine cannot be loaded from %s, then nothing runs and the failure says so",
    async (engine) => {
      const broken = createSandbox({ timeoutMs: 1500, memoryMb: 32, engine });
      const failed = broken.run({ code: "return 1", parameters: {}, log: () => {} }, never);
      await expect(failed).rejects.toMatchObject({
        code: "configuration.invalid",
        retryable: false,
        message: "The sandbox for code cannot be loaded, so no code runs.",
      });
      await broken.close();
    },
  );
});
