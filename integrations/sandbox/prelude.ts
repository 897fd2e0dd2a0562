/** Lines that the engine puts before a function's body when it is made of text. */
const LINES_BEFORE_BODY = 2;

/**
 * Runs inside the engine before the code does, and keeps what it needs of the language's own functions, so that whatever the code does to
 * them it does to itself. Evaluates to `(code, names, values) => Promise<string>`: the first character of the string says how the run ended,
 * the rest is JSON.
 *
 * - `v` value · `e` what was thrown `{name, message, stack}` · `n` null was thrown, as the engine does where no memory is left for an error ·
 *   `f` number of the fetch that failed · `l` too large · `m` out of memory
 */
export const PRELUDE = String.raw`
(hostFetch, hostLog, maxOutputLength) => {
  "use strict";
  const { parse, stringify } = JSON;
  const { apply, construct } = Reflect;
  const { hasOwn, keys, freeze, defineProperty } = Object;
  const text = String;
  const isArray = Array.isArray;
  const NativeError = Error;
  const NativeTypeError = TypeError;
  const failures = new WeakMap();
  const remember = failures.set.bind(failures);
  const recall = failures.get.bind(failures);
  const lowerCase = Function.prototype.call.bind(String.prototype.toLowerCase);
  const cut = Function.prototype.call.bind(String.prototype.slice);
  const AsyncFunction = (async () => {}).constructor;
  const isObject = (value) => typeof value === "object" && value !== null;

  const shown = (value) => {
    if (typeof value === "string") return value;
    try {
      if (value instanceof NativeError) return text(value);
      return stringify(value) ?? text(value);
    } catch {
      return typeof value;
    }
  };

  const print = (...values) => {
    let line = "";
    for (let at = 0; at < values.length; at++) line += (at === 0 ? "" : " ") + shown(values[at]);
    hostLog(line);
  };
  const define = (name, value) => defineProperty(globalThis, name, { value, writable: true, configurable: true });
  define("console", freeze({ log: print, info: print, warn: print, error: print, debug: print }));
  delete globalThis.SharedArrayBuffer;
  delete globalThis.Atomics;
  delete globalThis.performance;

  const headersOf = (fields) => {
    const get = (name) => { const key = lowerCase(text(name)); return hasOwn(fields, key) ? fields[key] : null; };
    return freeze({ get, has: (name) => get(name) !== null, keys: () => keys(fields), toJSON: () => fields });
  };

  const writtenHeaders = (given) => {
    const fields = { __proto__: null };
    const names = isObject(given) ? keys(given) : [];
    for (let at = 0; at < names.length; at++) fields[names[at]] = text(given[names[at]]);
    return fields;
  };

  define("fetch", async (url, options) => {
    const { method = "GET", headers, body } = isObject(options) ? options : {};
    if (body !== undefined && body !== null && typeof body !== "string") throw new NativeTypeError("the body of fetch is a string; write objects with JSON.stringify");
    const request = { __proto__: null, url: text(url), method: text(method), headers: writtenHeaders(headers), body: body ?? undefined };
    const outcome = parse(await hostFetch(stringify(request)));
    if (hasOwn(outcome, "failed")) {
      const failure = new NativeError(outcome.message);
      failure.code = outcome.code;
      remember(failure, outcome.failed);
      throw failure;
    }
    const { status, headers: fields, body: answer } = outcome;
    return freeze({
      status, ok: status >= 200 && status < 300, url: outcome.url, headers: headersOf(fields),
      text: async () => answer, json: async () => parse(answer),
    });
  });

  const thrown = (error) => {
    if (error === null) return "n";
    const failed = isObject(error) ? recall(error) : undefined;
    if (failed !== undefined) return "f" + failed;
    let name = "", message = "", stack = "";
    try {
      if (error instanceof NativeError) {
        name = text(error.name);
        message = text(error.message);
        if (typeof error.stack === "string") stack = error.stack;
      } else message = shown(error);
    } catch {
      message = "something that cannot be shown";
    }
    if (name === "InternalError" && message === "out of memory") return "m";
    return "e" + stringify({ __proto__: null, name: cut(name, 0, 100), message: cut(message, 0, 2000), stack: cut(stack, 0, 2000) });
  };

  return async (code, names, values) => {
    try {
      const body = construct(AsyncFunction, [...parse(names), code]);
      const json = stringify(await apply(body, undefined, parse(values)));
      if (json === undefined) return "vnull";
      return json.length > maxOutputLength ? "l" : "v" + json;
    } catch (error) {
      return thrown(error);
    }
  };
}
`;

/**
 * The line of the code that an engine's stack trace names first; 0 where it names none. Where the engine saw only behind the code that something
 * lacks, it is the last line written.
 */
export function lineOf(stack: string, code: string): number {
  const line = Number(/<input>:(\d+)/.exec(stack)?.[1] ?? 0) - LINES_BEFORE_BODY;
  return line > 0 ? Math.min(line, code.trimEnd().split("\n").length) : 0;
}
