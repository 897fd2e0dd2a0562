/** Published ways out of JavaScript sandboxes, and ways to bring one down. The identifiers are of the sandboxes that fell for them. */
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runInThisContext } from "node:vm";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Json } from "#core";
import { createSandbox } from "./index.ts";

const TIMEOUT_MS = 600;
const CANARY = "sandbox-canary-5c1f";
const folder = mkdtempSync(join(tmpdir(), "sandbox-"));
const sandbox = createSandbox({ timeoutMs: TIMEOUT_MS, memoryMb: 24, maxOutputBytes: 100_000, threads: 1 });
const never = new AbortController().signal;

beforeAll(() => {
  process.env["SANDBOX_CANARY"] = CANARY;
});
afterAll(async () => {
  delete process.env["SANDBOX_CANARY"];
  rmSync(folder, { recursive: true });
  await sandbox.close();
});

/**
 * In front of every attempt. `probe(x)` says whether x is, or leads to, something of the host; `use(x)` also tries to act with it.
 * `attempt(f)` probes what f returns, throws or resolves to.
 */
const PROBE = `
const FILE = ${JSON.stringify(join(folder, "written"))};
const HOST = ["process", "require", "Buffer", "setTimeout", "setImmediate", "WebAssembly", "structuredClone", "module", "mainModule", "MessagePort", "Worker"];
function probe(x) {
  if (x === null || (typeof x !== "object" && typeof x !== "function")) return "contained";
  for (const name of HOST) { let found; try { found = x[name]; } catch {} if (found !== undefined && found !== null) return "ESCAPED by " + name; }
  return "contained";
}
function use(F) {
  const world = F("return this")();
  try { world.process.mainModule.require("fs").writeFileSync(FILE, "x"); } catch {}
  try { world.process.getBuiltinModule("fs").writeFileSync(FILE, "x"); } catch {}
  try { F("return import('node:fs')")().then((fs) => fs.writeFileSync(FILE, "x"), () => {}); } catch {}
  return probe(world);
}
function deeper(x) {
  const said = probe(x);
  if (said !== "contained" || x === null || (typeof x !== "object" && typeof x !== "function")) return said;
  let F; try { F = x.constructor.constructor; } catch { return said; }
  return typeof F === "function" ? use(F) : said;
}
async function attempt(f) { let x; try { x = await f(); } catch (e) { x = e; } return deeper(x); }
`;

async function run(code: string): Promise<Json | { failed: string; message: string }> {
  try {
    return await sandbox.run(
      {
        code: `${PROBE}\n${code}`,
        parameters: { input: JSON.parse('{"__proto__": {"polluted": 1}, "list": [1]}') as Json, inputs: {}, variables: {} },
        log: () => {},
      },
      never,
    );
  } catch (error) {
    const { code: failed, message } = error as { code: string; message: string };
    return { failed, message };
  }
}

async function expectUnharmed(outcome: unknown): Promise<void> {
  const told = JSON.stringify(outcome) ?? "";
  expect(told).not.toContain("ESCAPED");
  expect(told).not.toContain(CANARY);
  expect(told).not.toMatch(/node:internal|\/node_modules\/|file:\/\/|integrations\/sandbox/);
  expect(readdirSync(folder)).toEqual([]);
  expect(({} as Record<string, unknown>)["polluted"]).toBeUndefined();
  expect(Object.keys(Object.prototype)).toEqual([]);
  expect(String([1, 2])).toBe("1,2");
  expect(await run("return [typeof polluted, {}.polluted ?? null, [1, 2].map((n) => n * 2), JSON.stringify({ a: 1 })]")).toEqual([
    "undefined",
    null,
    [2, 4],
    '{"a":1}',
  ]);
}

test("F4: When the probe meets the host itself, then it says so", () => {
  const here: unknown = runInThisContext(`(() => { ${PROBE}; return [probe(globalThis), use(Function)]; })()`);
  expect(here).toEqual(["ESCAPED by process", "ESCAPED by process"]);
  expect(readdirSync(folder)).toEqual(["written"]);
  rmSync(join(folder, "written"));
});

/** Each returns what `probe` says, or throws inside; none may reach the host. */
const ESCAPES: [name: string, code: string][] = [
  ["node:vm: this.constructor.constructor", "return use(this.constructor.constructor)"],
  ["node:vm: the constructor of a parameter", "return use(input.constructor.constructor)"],
  ["node:vm: the constructor of a nested parameter", "return use(input.list.constructor.constructor)"],
  ["CVE-2017-16088 (safe-eval): process by way of a constructor", "return deeper(this.constructor.constructor('return process')())"],
  ["CVE-2025-68613 (n8n): this.process.mainModule", "return deeper((function () { return this.process.mainModule.require })())"],
  [
    "CVE-2020-7710 (safe-eval): callee and caller",
    "function f() { return f.caller } return attempt(() => deeper((function () { return arguments.callee.caller })() ?? f()))",
  ],
  [
    "CVE-2022-25904 (safe-eval): pollution by __defineGetter__",
    "Object.prototype.__defineGetter__('polluted', () => 1); ({}).__proto__.toString = () => 'bad'; return 'contained'",
  ],
  [
    "CVE-2021-23771 (notevil): pollution by an array's prototype",
    "for (const C of [Object, Array, Function, String, Number, Promise]) C.prototype.polluted = 1; Array.prototype.map = () => 'bad'; return 'contained'",
  ],
  [
    "the Function constructors",
    "return [function () {}, async () => {}, function* () {}, async function* () {}].map((f) => probe(f.constructor('return this')().next?.() ?? f.constructor('return this')()))",
  ],
  ["indirect eval", "return probe((0, eval)('this'))"],
  ["GeneratorFunction and its prototype", "const G = Object.getPrototypeOf(function* () {}).constructor; return probe(G('yield this')().next().value)"],
  ["CVE-2021-23449 (vm2): the promise of an import()", "const promise = import('./foo.js'); promise.catch(() => {}); return use(promise.toString.constructor)"],
  ["import() of a builtin", "return attempt(() => import('node:fs'))"],
  ["import() from code made of text", "return attempt(() => Function('return import(\"child_process\")')())"],
  ["import() with a data: URL", "return attempt(() => import('data:text/javascript,export default globalThis'))"],
  ["import() of the sandbox's own files", "return attempt(() => import('./prelude.js'))"],
  ["import.meta", "return attempt(() => eval('import.meta'))"],
  ["CVE-2019-10761 (vm2): the RangeError of an endless recursion", "function f() { f() } try { f() } catch (e) { return deeper(e) }"],
  [
    "CVE-2019-10761 (vm2): the RangeError inside a host function",
    "function f() { try { console.log(1); f() } catch (e) { throw e } } try { f() } catch (e) { return deeper(e) }",
  ],
  [
    "CVE-2021-23555 (vm2): Error.prepareStackTrace",
    "Error.prepareStackTrace = (_, frames) => frames; const frames = new Error().stack; return [].concat(frames).map((frame) => probe(frame?.getThis?.() ?? frame?.getFunction?.() ?? null)).find((said) => said !== 'contained') ?? 'contained'",
  ],
  [
    "CVE-2022-36067 (vm2, SandBreak): another Error with prepareStackTrace",
    "globalThis.OldError = globalThis.Error; globalThis.Error = {}; globalThis.Error.prepareStackTrace = (_, traces) => traces.map((t) => t.getThis()); try { null.x } catch (e) { const { stack } = e; return Array.isArray(stack) ? stack.map(deeper).join() : 'contained' }",
  ],
  [
    "CVE-2023-29017 (vm2): prepareStackTrace in an async failure",
    "Error.prepareStackTrace = (e, frames) => { globalThis.got = frames.map((f) => f.getThis()) ; return 'x' }; (async () => { throw new Error() })().catch(() => {}); await null; return [].concat(globalThis.got ?? []).map(deeper).find((said) => said !== 'contained') ?? 'contained'",
  ],
  [
    "CVE-2023-29199 (vm2): an exception that escapes the filter",
    "const aVM = () => { try { throw { get name() { return this.constructor.constructor }, message: '' } } catch (e) { return e } }; return deeper(aVM())",
  ],
  [
    "CVE-2023-30547 (vm2): a proxy whose getPrototypeOf throws",
    "const handler = { getPrototypeOf() { (function stack() { new Error().stack; stack() })() } }; const p = new Proxy({}, handler); try { throw p } catch (e) { return attempt(() => { try { Object.getPrototypeOf(e) } catch (inner) { return inner } }) }",
  ],
  [
    "CVE-2023-32314 (vm2): an error whose name is a symbol and a proxy of Function.prototype",
    "const err = new Error(); err.name = { toString: new Proxy(() => '', { apply(target, self, args) { globalThis.got = args.constructor.constructor; return '' } }) }; try { err.stack } catch {} try { String(err) } catch {} return globalThis.got ? use(globalThis.got) : 'contained'",
  ],
  [
    "CVE-2023-37466 (vm2): Symbol.species of a promise",
    "async function f() { throw new Error() } const p = f(); let got; p.constructor = { [Symbol.species]: class { constructor(executor) { executor((v) => v, (e) => { got = e }) } } }; p.then(); await null; await null; return deeper(got)",
  ],
  [
    "CVE-2023-37466 (vm2): Promise.prototype.then replaced",
    "const then = Promise.prototype.then; let got = []; Promise.prototype.then = function (a, b) { got.push(this, a, b); return then.call(this, a, b) }; await attempt(() => fetch('http://x')); console.log(1); return got.map(deeper).find((said) => said !== 'contained') ?? 'contained'",
  ],
  [
    "CVE-2026-22709 (vm2): an async function's own promise",
    "const e = new Error(); e.name = Symbol(); const f = async () => e.stack; return f().catch((inner) => deeper(inner))",
  ],
  [
    "CVE-2023-37903 (vm2): util.inspect.custom",
    "const o = { [Symbol.for('nodejs.util.inspect.custom')]: (depth, options, inspect) => { globalThis.got = inspect } }; console.log(o); console.error('%o', o); try { throw o } catch {} return globalThis.got ? use(globalThis.got.constructor) : 'contained'",
  ],
  [
    "CVE-2023-32313 (vm2): replacing the console's inspect",
    "const o = { toString() { globalThis.got = arguments.callee.caller; return '' }, toJSON() { globalThis.got = this; return 1 } }; try { console.log(o) } catch {} return deeper(globalThis.got)",
  ],
  [
    "CVE-2022-25893 (vm2): WeakMap.prototype.set and get replaced",
    "let got = []; for (const name of ['get', 'set', 'has']) { WeakMap.prototype[name] = function (...args) { got.push(this, ...args); return undefined } } await attempt(() => fetch('http://x')); return got.map(deeper).find((said) => said !== 'contained') ?? 'contained'",
  ],
  ["host functions: their constructors", "return [fetch, console.log].map((f) => use(f.constructor)).join()"],
  ["host functions: a rejected fetch", "return attempt(() => fetch('http://169.254.169.254/'))"],
  [
    "host functions: a URL that is a proxy",
    "return attempt(() => fetch(new Proxy({}, { get(_, key) { if (key === Symbol.toPrimitive) return () => { throw fetch }; } })))",
  ],
  [
    "host functions: arguments that are not text",
    "return attempt(() => fetch(Symbol('x'), { headers: new Proxy({}, { ownKeys() { throw new Error('x') } }) }))",
  ],
  ["host functions: a fetch of a file", "return attempt(() => fetch('file:///etc/passwd'))"],
  ["the prelude: its caller's arguments", "return attempt(() => (function () { return arguments.callee.caller.arguments })())"],
  [
    "the prelude: JSON, Reflect and String replaced",
    "JSON.stringify = JSON.parse = () => ({ kind: 'value', json: 'process' }); Reflect.apply = () => 1; globalThis.String = () => 'x'; return 'contained'",
  ],
  ["the prelude: a toJSON on Object.prototype", "Object.prototype.toJSON = function () { return globalThis }; throw new Error('x')"],
  ["results: a getter", "return { get value() { return deeper(this) } }"],
  ["results: toJSON", "return { toJSON(key) { return deeper(this) + probe(globalThis) } }"],
  [
    "results: a proxy",
    "return new Proxy({}, { ownKeys: () => ['process', '__proto__'], getOwnPropertyDescriptor: () => ({ value: 1, enumerable: true, configurable: true }), get: () => 'x' })",
  ],
  ["results: a thenable", "return { then(resolve, reject) { resolve([deeper(resolve), deeper(reject)]) } }"],
  ["results: __proto__ and constructor as keys", 'return JSON.parse(\'{"__proto__": {"polluted": 1}, "constructor": {"prototype": {"polluted": 1}}}\')'],
  ["results: an exception with a getter as message", "throw { get message() { return deeper(this) }, toString() { return deeper(this) } }"],
  ["results: an exception that is the global object", "throw globalThis"],
  ["Reflect.construct with a foreign target", "return deeper(Reflect.construct(Function, ['return this'], class extends Array {})())"],
  ["with and unscopables", "return new Function('o', 'with (o) { return typeof process }')(new Proxy({}, { has: () => true, get: () => undefined }))"],
  ["WebAssembly", "return typeof WebAssembly"],
  [
    "shared memory and clocks",
    "return [typeof SharedArrayBuffer, typeof Atomics, typeof performance, typeof setTimeout, typeof setInterval, typeof queueMicrotask === 'function' ? deeper(queueMicrotask) : 'contained']",
  ],
  ["QuickJS's own modules", "return [typeof std, typeof os, typeof bjson, typeof print, typeof scriptArgs, typeof loadScript, typeof navigator]"],
  [
    "names of Node",
    "return [typeof process, typeof require, typeof module, typeof exports, typeof global, typeof Buffer, typeof __dirname, typeof Deno, typeof Bun]",
  ],
  ["the environment", "return attempt(() => Function('return process.env.SANDBOX_CANARY')())"],
  ["closing the wrapper's braces", "}); globalThis.polluted = 1; (async () => { return this"],
  ["finalisers", "new FinalizationRegistry((x) => { globalThis.got = x }).register({}, {}); return deeper(globalThis.got)"],
];

describe.each(ESCAPES)("F4: When code tries %s", (_name, code) => {
  test("then it meets nothing of the host, and the next code meets nothing of it", async () => {
    await expectUnharmed(await run(code));
  });
});

/** Each must end by a limit (or as the engine's own exception), within its time. */
const BOMBS: [name: string, code: string, failures: string[]][] = [
  ["an endless loop", "while (true);", ["code.failed"]],
  ["an endless loop that catches everything", "for (;;) { try { for (;;) null.x } catch {} finally { continue } }", ["code.failed"]],
  ["endless microtasks", "const again = () => { Promise.resolve().then(again) }; again(); await new Promise(() => {})", ["code.failed"]],
  ["endless microtasks behind a result", "const again = () => { Promise.resolve().then(again) }; again(); return 1", ["code.failed"]],
  ["endless microtasks that keep each other", "const again = () => Promise.resolve().then(again); await again()", ["code.failed"]],
  ["a promise that never settles", "await new Promise(() => {})", ["code.failed"]],
  ["a thenable that never settles", "return { then() {} }", ["code.failed"]],
  ["an endless async generator", "async function* g() { for (;;) yield 1 } for await (const _ of g());", ["code.failed"]],
  ["an endless getter in the result", "return { get x() { for (;;); } }", ["code.failed"]],
  ["an endless toJSON", "return { toJSON() { return { toJSON: this.toJSON, a: this } } }", ["code.failed", "handler.rejected"]],
  ["an endless exception message", "throw { toString() { for (;;); }, toJSON() { for (;;); } }", ["code.failed"]],
  ["a regular expression that explodes", "/(a+)+$/.test('a'.repeat(50) + '!')", ["code.failed"]],
  ["a native loop without end", "const a = []; a.length = 4294967295; return a.indexOf(1)", ["code.failed"]],
  ["a large sort", "return Array.from({ length: 5e6 }, (_, i) => -i).sort().length", ["code.failed"]],
  ["endless recursion", "(function f() { f() })()", ["handler.rejected"]],
  ["endless recursion in a native function", "const o = { toString() { return '' + this } }; return '' + o", ["handler.rejected"]],
  ["recursion by proxies", "let p = {}; for (let i = 0; i < 1e5; i++) p = new Proxy(p, {}); return p.x", ["handler.rejected", "code.failed"]],
  ["brackets nested too deep for the parser", "return new Function('('.repeat(1e5))", ["handler.rejected"]],
  ["JSON nested too deep", "return JSON.parse('['.repeat(1e6))", ["handler.rejected"]],
  ["a regular expression nested too deep", "return new RegExp('(?:'.repeat(2e5) + ')'.repeat(2e5))", ["handler.rejected"]],
  ["a result nested too deep", "let a = []; for (let i = 0; i < 1e5; i++) a = [a]; return a", ["handler.rejected", "code.failed"]],
  ["a string that doubles", "let s = 'x'; for (;;) s += s", ["code.failed", "handler.rejected"]],
  ["a string of half a gigabyte", "return 'x'.repeat(2 ** 29).length", ["code.failed"]],
  ["an array of four billion", "return new Array(2 ** 32 - 2).fill(0)", ["code.failed"]],
  ["a buffer of two gigabytes", "return new ArrayBuffer(2 ** 31 - 1).byteLength", ["code.failed"]],
  ["many buffers", "const all = []; for (;;) all.push(new Uint8Array(1e6))", ["code.failed"]],
  ["many objects that are kept when memory ends", "const all = []; for (;;) { try { for (;;) all.push({}) } catch {} }", ["code.failed"]],
  ["many closures in promises", "const all = []; for (;;) all.push(new Promise(() => {}).then(() => all))", ["code.failed"]],
  ["a bigint without end", "let n = 2n; for (;;) n *= n", ["code.failed", "handler.rejected"]],
  ["a large result", "return 'x'.repeat(200_000)", ["output.too_large"]],
  ["a large result of many bytes", "return '€'.repeat(60_000)", ["output.too_large"]],
  ["a result that cannot be JSON", "return 1n", ["handler.rejected"]],
  ["a result in a circle", "const a = {}; a.a = a; return a", ["handler.rejected"]],
  ["a large exception", "throw new Error('x'.repeat(1e6))", ["handler.rejected"]],
];

describe.each(BOMBS)("F4: When code is %s", (_name, code, failures) => {
  test("then a limit ends it, and the next code runs", async () => {
    const begun = Date.now();
    const outcome = await run(code);
    expect(Date.now() - begun).toBeLessThan(TIMEOUT_MS + 20_000);
    expect(outcome).toMatchObject({ failed: expect.toBeOneOf(failures) as string });
    expect((outcome as { message: string }).message.length).toBeLessThan(1000);
    await expectUnharmed(outcome);
  });
});

test("F4: When code floods its log, then the lines and their length are limited", async () => {
  const lines: string[] = [];
  const value = await sandbox.run(
    { code: "for (let i = 0; i < 5000; i++) console.log('x'.repeat(5000)); return 1", parameters: {}, log: (line) => lines.push(line) },
    never,
  );
  expect(value).toBe(1);
  expect(lines.map((line) => line.length)).toEqual(Array.from({ length: 100 }, () => 1024));
});
