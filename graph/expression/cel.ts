import { type Json, type JsonObject, PerdureError } from "#core";
import { isScopeRoot, MISSING, put, readBare, readRoot, type Scope, withAliases } from "../evaluate/scope.ts";
import { MAX_CEL_WORK, resetBudget, weigh } from "./environment.ts";
import { parseProgram, type Program } from "./program.ts";

const MAX_PROGRAMS = 1_000;
const programs = new Map<string, Program>();
const NOTHING: ReadonlySet<string> = new Set();

/** Parsed expressions, a bounded memo: what it holds depends on nothing but the text. */
function programOf(source: string, skipped: readonly string[]): Program {
  const key = skipped.length === 0 ? source : `${skipped.join(" ")}\n${source}`;
  let program = programs.get(key);
  if (program === undefined) {
    program = parseProgram(source, skipped.length === 0 ? NOTHING : new Set(skipped), true);
    if (programs.size >= MAX_PROGRAMS) programs.clear();
    programs.set(key, program);
  }
  return program;
}

/**
 * Evaluates a decision. JSON in, JSON out: whole and broken numbers mix, times come out as ISO 8601 text.
 * @param roots - The names it reads, found when the graph was compiled.
 * @param maxWork - What it may go through, in values; fewer where it is evaluated for every event of a stream.
 * @throws PerdureError `expression.failed` with the source.
 */
export function evaluateCel(source: string, roots: readonly string[], scope: Scope, maxWork: number = MAX_CEL_WORK): Json {
  const context = new Map<string, Json>();
  const skipped: string[] = [];
  for (const root of roots) bind(root, scope, context, skipped);
  try {
    return run(programOf(source, skipped), context, maxWork);
  } catch (error) {
    throw failure(source, error, roots, context);
  }
}

function bind(name: string, scope: Scope, context: Map<string, Json>, skipped: string[]): void {
  const value = isScopeRoot(name) ? readRoot(name, scope) : MISSING;
  if (value !== MISSING) {
    context.set(name, value);
    return;
  }
  const node = scope.node(name);
  if (node.state === "value") context.set(name, withAliases(node.value, node.aliases));
  else if (node.state === "skipped") skipped.push(name);
  else {
    const bare = readBare(name, scope);
    if (bare !== MISSING) context.set(name, bare);
  }
}

function run(program: Program, context: Map<string, Json>, maxWork: number): Json {
  try {
    return resultOf(program, context, maxWork);
  } catch (error) {
    if (codeOf(error) !== "unsupported_type") throw error;
    return resultOf(program, new Map([...context].map(([name, value]) => [name, toMaps(value)])), maxWork);
  }
}

function resultOf(program: Program, context: Map<string, unknown>, maxWork: number): Json {
  resetBudget(maxWork);
  const result: unknown = program.parsed(context);
  weigh(result);
  return toJson(result);
}

/** The library takes an object with a key `constructor` for one of a class; as maps all keys are alike. */
function toMaps(value: Json): unknown {
  if (Array.isArray(value)) return value.map(toMaps);
  return typeof value === "object" && value !== null ? new Map(Object.entries(value).map(([key, inner]) => [key, toMaps(inner)])) : value;
}

/** @throws Error where the value has no JSON form. */
function toJson(value: unknown): Json {
  switch (typeof value) {
    case "string":
    case "boolean":
      return value;
    case "number":
      if (Number.isFinite(value)) return value;
      throw new Error(`the result ${String(value)} is no JSON number`);
    case "bigint":
      return Number(value);
    case "object":
      return value === null ? null : objectToJson(value);
    default:
      throw new Error("the result is no JSON value");
  }
}

function objectToJson(value: object): Json {
  if (Array.isArray(value)) return value.map(toJson);
  if (value instanceof Date) return value.toISOString();
  const entries = value instanceof Map ? value.entries() : isPlain(value) ? Object.entries(value) : undefined;
  if (entries) {
    const object: JsonObject = {};
    for (const [key, inner] of entries) put(object, String(key), toJson(inner));
    return object;
  }
  const primitive: unknown = value.valueOf();
  if (typeof primitive === "bigint") return Number(primitive);
  if ("nanos" in value) return String(value);
  throw new Error("the result is no JSON value");
}

function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}

function codeOf(error: unknown): string {
  return typeof error === "object" && error !== null && "code" in error && typeof error.code === "string" ? error.code : "";
}

function failure(source: string, error: unknown, roots: readonly string[], context: Map<string, Json>): PerdureError {
  const unknown = codeOf(error) === "unknown_variable" ? roots.find((root) => !context.has(root)) : undefined;
  const reason = unknown === undefined ? describe(error) : `there is no node with a value, input or variable \`${unknown}\``;
  const message = `The expression \`${source.length > 200 ? `${source.slice(0, 200)}…` : source}\` failed: ${reason}.`;
  return new PerdureError("expression.failed", message, { findings: [{ code: "expression.failed", message: reason, path: source }] });
}

/** What the library says, without the source it prints under it and without our names for its functions. */
export function describe(error: unknown): string {
  if (error instanceof RangeError) return "it is nested too deeply";
  const summary =
    typeof error === "object" && error !== null && "summary" in error && typeof error.summary === "string"
      ? error.summary
      : error instanceof Error
        ? error.message
        : String(error);
  return (summary.split("\n")[0] ?? "")
    .replaceAll("linearMatches", "matches")
    .replaceAll("zonedTimestamp", "timestamp")
    .replaceAll("dyn<", "<")
    .replace(/\.$/, "");
}
