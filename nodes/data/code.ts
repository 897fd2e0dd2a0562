import { parseDuration } from "#core";
import { z } from "zod";
import { defineNode, type ActivityContext, type SandboxProgram } from "../define.ts";
import { headerSafe, readBody } from "../http/wire.ts";
import { duration, flag } from "../inputs.ts";

const SAFE_METHODS: ReadonlySet<string> = new Set(["GET", "HEAD", "OPTIONS"]);
/** Of one fetch; the limits of the code come first. */
const FETCH_TIMEOUT_MS = 30_000;

export default defineNode({
  kind: "activity",
  type: "Code",
  aliases: ["CodeNode"],
  category: "data",
  displayName: "Code",
  description:
    "Runs JavaScript in a sandbox that has the language and its three parameters: no files, no environment, no modules, no timers, and the network only where it is allowed.",
  inputs: z.object({
    code: z
      .string()
      .min(1)
      .describe(
        "Body of an async function of `input` (what arrives), `inputs` (the run's) and `variables`. What it returns, as JSON, is the node's value. Templates in it are not read.",
      ),
    timeout: duration()
      .optional()
      .describe("How long it may run, waiting included. The operator's limit (CODE_TIMEOUT_MS, 5 seconds unless set) is the default and the most."),
    allow_network: flag()
      .default(false)
      .describe(
        "Grants `fetch(url, {method, headers, body})`, limited as HttpRequest is; its answer has `status`, `ok`, `url`, `headers.get()`, `text()` and `json()`.",
      ),
  }),
  inputAliases: { javascript: "code", js_code: "code", script: "code" },
  outputs: z.unknown().describe("What it returns; null where it returns nothing."),
  dialects: { code: "code" },
  local: true,
  policy: { timeout: "15s" },
  effect: "at_least_once",
  mayAct: (inputs) => inputs["allow_network"] === true || inputs["allow_network"] === "true",
  run: async ({ code, timeout, allow_network: allowNetwork }, context) => {
    const { input, scope, services, signal } = context;
    const program: SandboxProgram = {
      code,
      parameters: { input, inputs: scope["inputs"] ?? {}, variables: scope["variables"] ?? {} },
      timeoutMs: timeout === undefined ? undefined : parseDuration(timeout),
      fetch: allowNetwork ? fetchOf(context) : undefined,
      log: (line) => context.log(line),
    };
    return { value: await services.sandbox.run(program, signal) };
  },
});

/** Each fetch carries the node's key and its own number, so that a repeated attempt of the same code can be recognised. */
function fetchOf({ tenantId, idempotencyKey, services }: ActivityContext): NonNullable<SandboxProgram["fetch"]> {
  let count = 0;
  return async ({ method, url, headers: given, body }, signal) => {
    const headers = Object.fromEntries(Object.entries(given).map(([name, value]) => [name.toLowerCase(), value]));
    const key = headerSafe(`${idempotencyKey}:${++count}`);
    if (!SAFE_METHODS.has(method)) headers["idempotency-key"] ??= key;
    const response = await services.http.request(
      { tenantId, method, url, headers, ...(body !== undefined && { body }), timeoutMs: FETCH_TIMEOUT_MS, followRedirects: true, verifyTls: true },
      signal,
    );
    return { status: response.status, url: response.url, headers: response.headers, body: String(readBody(response, "text")) };
  };
}
