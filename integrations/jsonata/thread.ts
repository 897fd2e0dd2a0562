/**
 * Runs inside a worker thread: evaluates one expression at a time and answers with JSON text. Has no environment, and no way to make code of text.
 */
import { parentPort } from "node:worker_threads";
import jsonata from "jsonata";
import type { Readiness } from "../threads/index.ts";

export interface Question {
  expression: string;
  /** JSON of the scope. */
  scope: string;
  /** Longest answer, in characters of JSON. */
  maxLength: number;
}

export type Reply = { ok: true; json: string } | { ok: false; reason: "failed" | "too_large"; message: string };

for (const make of [() => {}, async () => {}, function* () {}, async function* () {}]) {
  Object.defineProperty(Object.getPrototypeOf(make), "constructor", { value: undefined });
}
Object.freeze(Object.prototype);
Object.freeze(Array.prototype);

async function evaluate({ expression, scope, maxLength }: Question): Promise<Reply> {
  try {
    const value: unknown = await jsonata(expression).evaluate(JSON.parse(scope));
    const json = JSON.stringify(value ?? null, withoutFunctions) ?? "null";
    return json.length > maxLength ? { ok: false, reason: "too_large", message: "" } : { ok: true, json };
  } catch (error) {
    return { ok: false, reason: "failed", message: messageOf(error) };
  }
}

/** Functions and lambdas are no data; a lambda holds its whole environment, circles included. */
function withoutFunctions(_key: string, value: unknown): unknown {
  if (typeof value === "function") return null;
  const marked = typeof value === "object" && value !== null && ("_jsonata_lambda" in value || "_jsonata_function" in value);
  return marked ? null : value;
}

function messageOf(error: unknown): string {
  const { message, position } = (typeof error === "object" && error !== null ? error : {}) as { message?: unknown; position?: unknown };
  const said = typeof message === "string" && message !== "" ? message : "the expression failed";
  return typeof position === "number" ? `${said} (at character ${position})` : said;
}

parentPort?.on("message", (question: Question) => {
  void evaluate(question).then((reply) => parentPort?.postMessage(reply));
});
parentPort?.postMessage({ ready: true } satisfies Readiness);
