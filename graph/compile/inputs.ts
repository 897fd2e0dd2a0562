import { isObject, type Json, type JsonObject, safeParse } from "#core";
import { z } from "zod";
import type { NodeType } from "../catalogue.ts";
import { put } from "../evaluate/scope.ts";
import type { Findings } from "../findings.ts";
import { misplacedInputs } from "../misplaced.ts";
import type { Compiled } from "../plan.ts";
import { compileTemplate } from "../template/compile.ts";
import { dialectAt } from "./dialects.ts";
import type { Names } from "./names.ts";
import type { NodeRecord } from "./record.ts";
import { checkCode, compileCel, scopeOfJsonata } from "./strings.ts";

export interface CompiledInputs {
  compiled: Compiled;
  /** Names that JSONata and code inputs read; undefined without such inputs. */
  scopeRoots: string[] | undefined;
  /** What a type that repeats asks before each iteration; not among the others. */
  asked: Compiled | undefined;
}

type Path = (string | number)[];

/** A value of an input: compiled, and as its schema may see it (dynamic parts as they were written). */
interface Value {
  compiled: Compiled;
  source: Json;
}

/**
 * Compiles a node's inputs and checks what is static of them against its type's schema. The literals of the result are what the schema
 * makes of them, defaults filled in.
 * @param arriving - Inputs that an edge fills.
 */
export function compileInputs(record: NodeRecord, type: NodeType, arriving: ReadonlySet<string>, names: Names, findings: Findings): CompiledInputs {
  const compiler = new InputCompiler(record, type, names);
  const fields = new Map<string, Value>();
  for (const [name, raw] of record.given) {
    const schema = fieldSchema(type, name);
    if (raw === null && schema !== undefined && !accepts(schema, null)) continue;
    fields.set(name, compiler.value(asList(raw, schema), [name]));
  }
  const dynamic = [...compiler.dynamic, ...[...arriving].map((name): Path => [name])];
  const parsed = check(record, type, fields, dynamic, findings);
  const scopeRoots = compiler.scopeRoots;
  const asks = type.body?.asks;
  const asked = asks === undefined ? undefined : fields.get(asks)?.compiled;
  if (asked === undefined && parsed !== undefined && dynamic.length === 0 && isJson(parsed))
    return { compiled: withConstants({ k: "lit", v: parsed }, type), scopeRoots, asked };
  if (asks !== undefined) fields.delete(asks);
  return { compiled: withConstants(assemble(type, fields), type), scopeRoots, asked };
}

function withConstants(compiled: Compiled, { constants }: NodeType): Compiled {
  if (constants === undefined) return compiled;
  if (compiled.k === "lit") return { k: "lit", v: { ...(compiled.v as JsonObject), ...constants } };
  const own = Object.entries(constants).map(([name, v]): [string, Compiled] => [name, { k: "lit", v }]);
  return compiled.k === "object" ? { k: "object", fields: [...compiled.fields, ...own] } : compiled;
}

class InputCompiler {
  /** Places whose value is known only in the run. */
  readonly dynamic: Path[] = [];
  scopeRoots: string[] | undefined;
  readonly #type: NodeType;
  readonly #names: Names;
  /** What the input sees that is asked in each iteration. */
  readonly #namesAsked: Names;
  readonly #literal: boolean;

  constructor(record: NodeRecord, type: NodeType, names: Names) {
    this.#type = type;
    this.#names = names;
    this.#namesAsked = type.body?.asks === undefined ? names : names.perIteration();
    this.#literal = type.templatingSwitch !== undefined && record.given.get(type.templatingSwitch) === false;
  }

  value(raw: unknown, path: Path): Value {
    if (typeof raw === "string") return this.#string(raw, path);
    if (Array.isArray(raw)) {
      const items = raw.map((item: unknown, index) => this.value(item, [...path, index]));
      const source = items.map((item) => item.source);
      return { source, compiled: items.every(isLiteral) ? { k: "lit", v: source } : { k: "list", items: items.map((item) => item.compiled) } };
    }
    if (isObject(raw)) {
      const source: JsonObject = {};
      const fields: [string, Compiled][] = [];
      for (const [key, inner] of Object.entries(raw)) {
        if (inner === undefined) continue;
        const value = this.value(inner, [...path, key]);
        put(source, key, value.source);
        fields.push([key, value.compiled]);
      }
      return { source, compiled: fields.every(([, field]) => field.k === "lit") ? { k: "lit", v: source } : { k: "object", fields } };
    }
    return literal(raw as Json);
  }

  #reads(names: readonly string[]): void {
    this.scopeRoots = [...new Set([...(this.scopeRoots ?? []), ...names])];
  }

  #string(text: string, path: Path): Value {
    const input = String(path[0]);
    const names = input === this.#type.body?.asks ? this.#namesAsked : this.#names;
    names.path = `inputs.${path.join(".")}`;
    switch (this.#literal ? "literal" : dialectAt(this.#type, path)) {
      case "literal":
        return literal(text);
      case "jsonata":
        this.#reads(scopeOfJsonata(text, names, ownNames(this.#type, input)));
        return literal(text);
      case "code":
        checkCode(text, names);
        this.#reads(["inputs", "variables"]);
        return literal(text);
      case "cel":
        this.dynamic.push(path);
        return { compiled: compileCel(text, names), source: text };
      case "template": {
        const compiled = compileTemplate(text, names);
        if (compiled.k === "lit" && (compiled.v !== text || !text.includes("{{"))) return literal(compiled.v);
        this.dynamic.push(path);
        return { compiled, source: text };
      }
    }
  }
}

function ownNames({ ownNames: names }: NodeType, input: string): readonly string[] {
  return (names !== undefined && Object.hasOwn(names, input) ? names[input] : undefined) ?? [];
}

function literal(value: Json): Value {
  return { compiled: { k: "lit", v: value }, source: value };
}

function isLiteral(value: Value): boolean {
  return value.compiled.k === "lit";
}

/** @returns what the schema makes of the inputs, where it takes them whole. */
function check(record: NodeRecord, type: NodeType, fields: Map<string, Value>, dynamic: readonly Path[], findings: Findings): unknown {
  const source: JsonObject = {};
  for (const [name, value] of fields) put(source, name, value.source);
  const parsed = safeParse(type.inputs, source);
  for (const issue of parsed.error?.issues ?? []) {
    if (dynamic.some((path) => touches(path, issue.path))) continue;
    const [name, ...rest] = issue.path.map(String);
    const path = ["inputs", ...issue.path.map(String)].join(".");
    const where = { node_id: record.node.id, path };
    if (name !== undefined && rest.length === 0 && !fields.has(name)) {
      const place = misplacedInputs(record.node, type).get(name);
      const hint = place === undefined ? undefined : `It was found at \`${place}\` of the node, where it is not read: move it to \`data.inputs.${name}\`.`;
      findings.problem("input.missing", `${type.type} \`${record.node.id}\` needs the input \`${name}\`.`, { ...where, hint });
    } else {
      findings.problem(
        "input.invalid",
        `${name === undefined ? `The inputs of ${type.type}` : `Input \`${[name, ...rest].join(".")}\` of ${type.type}`} \`${record.node.id}\`: ${issue.message}.`,
        where,
      );
    }
  }
  return parsed.data;
}

/** Whether one place holds the other. */
function touches(a: readonly PropertyKey[], b: readonly PropertyKey[]): boolean {
  const shared = Math.min(a.length, b.length);
  for (let index = 0; index < shared; index++) if (String(a[index]) !== String(b[index])) return false;
  return true;
}

function assemble(type: NodeType, fields: ReadonlyMap<string, Value>): Compiled {
  const compiled: [string, Compiled][] = [];
  for (const name of new Set([...Object.keys(type.inputs.shape), ...fields.keys()])) {
    const value = fields.get(name);
    const written = value?.compiled;
    if (written !== undefined && written.k !== "lit") {
      compiled.push([name, written]);
      continue;
    }
    const schema = fieldSchema(type, name);
    const parsed = schema && safeParse(schema, written?.v);
    if (parsed?.success && parsed.data !== undefined && isJson(parsed.data)) compiled.push([name, { k: "lit", v: parsed.data }]);
    else if (written !== undefined) compiled.push([name, written]);
  }
  return { k: "object", fields: compiled };
}

function fieldSchema(type: NodeType, name: string): z.ZodType | undefined {
  return Object.hasOwn(type.inputs.shape, name) ? (type.inputs.shape[name] as z.ZodType) : undefined;
}

function accepts(schema: z.ZodType, value: unknown): boolean {
  return safeParse(schema, value).success;
}

/** A list may be written as JSON or as a text with commas; one that is a single expression stays whole. */
function asList(raw: unknown, schema: z.ZodType | undefined): unknown {
  if (typeof raw !== "string" || schema === undefined || !isListSchema(schema) || /^\s*\{\{.*\}\}\s*$/s.test(raw)) return raw;
  const written = /^\s*\[/.test(raw) ? parseJson(raw) : undefined;
  if (Array.isArray(written)) return written;
  return raw
    .split(/,(?![^{]*\}\})/)
    .map((part) => part.trim())
    .filter((part) => part !== "");
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function isListSchema(schema: z.ZodType): boolean {
  let inner: z.core.$ZodType = schema;
  while (inner instanceof z.ZodOptional || inner instanceof z.ZodNullable || inner instanceof z.ZodDefault || inner instanceof z.ZodPrefault)
    inner = inner.unwrap();
  return inner instanceof z.ZodArray;
}

function isJson(value: unknown): value is Json {
  if (value === null || typeof value === "string" || typeof value === "boolean") return true;
  if (typeof value === "number") return Number.isFinite(value);
  if (Array.isArray(value)) return value.every(isJson);
  if (typeof value !== "object" || !(value.constructor === Object || Object.getPrototypeOf(value) === null || Object.hasOwn(value, "constructor")))
    return false;
  return Object.values(value).every((inner) => inner === undefined || isJson(inner));
}
