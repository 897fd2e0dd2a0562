/** Runs inside a worker thread: reads and writes one YAML document after the other. */
import { parentPort } from "node:worker_threads";
import { type FailureCode, type Finding, type Json, PerdureError } from "#core";
import type { Readiness } from "#integrations/threads";
import { parseYaml, toYaml, type YamlLimits } from "./text.ts";

export type Question = { read: string; limits: YamlLimits } | { write: Json };

export interface Reply {
  value?: { json: Json };
  text?: string;
  failure?: { code: FailureCode; message: string; findings: readonly Finding[] };
}

function answer(question: Question): Reply {
  try {
    return "read" in question ? { value: { json: parseYaml(question.read, question.limits) } } : { text: toYaml(question.write) };
  } catch (error) {
    const known = error instanceof PerdureError ? error : new PerdureError("request.malformed", "The document cannot be read.");
    return { failure: { code: known.code, message: known.message, findings: known.findings } };
  }
}

parentPort?.on("message", (question: Question) => parentPort?.postMessage(answer(question)));
parentPort?.postMessage({ ready: true } satisfies Readiness);
