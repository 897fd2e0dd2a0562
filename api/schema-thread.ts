/** Runs inside a worker thread: checks one value after the other against users' JSON schemas. */
import { parentPort } from "node:worker_threads";
import type { Readiness } from "#integrations/threads";
import { type Finding, type Json, type JsonObject, PerdureError } from "#core";
import { BoundedCache } from "./bounded-cache.ts";
import { type SchemaCheck, compileSchema } from "./json-schema.ts";

export interface Question {
  /** JSON text. */
  schema: string;
  value: Json;
  at: string;
}

export type Reply = { findings: Finding[] } | { unusable: string };

const SCHEMAS_KEPT = 100;
const checks = new BoundedCache<string, SchemaCheck>(SCHEMAS_KEPT);

function checkOf(schema: string): SchemaCheck {
  const kept = checks.get(schema);
  if (kept) return kept;
  const check = compileSchema(JSON.parse(schema) as JsonObject);
  checks.set(schema, check);
  return check;
}

function answer({ schema, value, at }: Question): Reply {
  try {
    return { findings: checkOf(schema)(value, at) };
  } catch (error) {
    return { unusable: error instanceof PerdureError ? error.message : "The JSON schema cannot be evaluated." };
  }
}

parentPort?.on("message", (question: Question) => parentPort?.postMessage(answer(question)));
parentPort?.postMessage({ ready: true } satisfies Readiness);
