import { type Json, type JsonObject, ownProperty } from "#core";

/** What one step may read while its inputs are evaluated. */
export interface Scope {
  /** Of the innermost loop or map. */
  item?: Json;
  index?: number;
  /** The scope of the loop around. */
  outer?: Scope;
  /** What arrived at the handle `input`. */
  input: Json;
  /** The run's inputs. */
  inputs: JsonObject;
  variables: JsonObject;
  run: JsonObject;
  /** Failures of nodes that failed and let the run go on, by id. */
  errors: Record<string, Json>;
  node(id: string): NodeReading;
}

/** What is known of a node: `absent` where it has not settled (or does not exist). `aliases`: other names of fields of its value. */
export type NodeReading = { state: "value"; value: Json; aliases?: Record<string, string> } | { state: "skipped" } | { state: "absent" };

/** Stands for a name that is not there; never leaves this folder. */
export const MISSING: unique symbol = Symbol("missing");
export type Missing = typeof MISSING;

/** Names that are not node ids. `outer` is one only inside a loop. */
export const SCOPE_ROOTS = ["item", "index", "outer", "input", "inputs", "variables", "run", "errors"] as const;
export type ScopeRoot = (typeof SCOPE_ROOTS)[number];

const ROOTS: ReadonlySet<string> = new Set(SCOPE_ROOTS);
export function isScopeRoot(name: string): name is ScopeRoot {
  return ROOTS.has(name);
}

export function readRoot(root: ScopeRoot, scope: Scope): Json | Missing {
  switch (root) {
    case "item":
      return scope.item === undefined ? MISSING : scope.item;
    case "index":
      return scope.index === undefined ? MISSING : scope.index;
    case "outer":
      return scope.outer === undefined ? MISSING : outerValue(scope.outer);
    case "input":
      return scope.input;
    case "inputs":
      return scope.inputs;
    case "variables":
      return scope.variables;
    case "run":
      return scope.run;
    case "errors":
      return scope.errors;
  }
}

function outerValue(outer: Scope): JsonObject {
  const value: JsonObject = {};
  if (outer.item !== undefined) value["item"] = outer.item;
  if (outer.index !== undefined) value["index"] = outer.index;
  if (outer.outer !== undefined) value["outer"] = outerValue(outer.outer);
  return value;
}

/** A name of the run's inputs, else of its variables. */
export function readBare(name: string, scope: Scope): Json | Missing {
  const value = ownProperty(scope.inputs, name) ?? ownProperty(scope.variables, name);
  if (value !== undefined && value !== null) return value as Json;
  return Object.hasOwn(scope.inputs, name) || Object.hasOwn(scope.variables, name) ? null : MISSING;
}

/** A node's value with its alias fields, as expressions see it. */
export function withAliases(value: Json, aliases: Record<string, string> | undefined): Json {
  if (aliases === undefined || typeof value !== "object" || value === null || Array.isArray(value)) return value;
  const copy: JsonObject = { ...value };
  for (const [alias, field] of Object.entries(aliases)) {
    const target = ownProperty(value, field);
    if (target !== undefined && !Object.hasOwn(value, alias)) copy[alias] = target as Json;
  }
  return copy;
}

/** In `roots`: every name of the run's inputs and variables. */
export const EVERY_NAME = "*";

/**
 * The names a JSONata expression reads, as one object: node ids (a skipped node is `null`, one that has not settled is left out), scope
 * roots, and bare names of inputs and variables. `"*"` adds all bare names.
 */
export function scopeFor(roots: readonly string[], scope: Scope): JsonObject {
  const result: JsonObject = {};
  if (roots.includes(EVERY_NAME)) {
    for (const [name, value] of [...Object.entries(scope.variables), ...Object.entries(scope.inputs)]) put(result, name, value);
  }
  for (const name of roots) {
    if (name === EVERY_NAME) continue;
    const value = readName(name, scope);
    if (value !== MISSING) put(result, name, value);
  }
  return result;
}

/** A name as expressions use it: scope root, node id, then bare. */
export function readName(name: string, scope: Scope): Json | Missing {
  if (isScopeRoot(name)) {
    const value = readRoot(name, scope);
    return value === MISSING ? readBare(name, scope) : value;
  }
  const node = scope.node(name);
  if (node.state === "value") return withAliases(node.value, node.aliases);
  if (node.state === "skipped") return null;
  return readBare(name, scope);
}

/** Sets an own property whatever its name: `__proto__` is data like any other. */
export function put(object: JsonObject, key: string, value: Json): void {
  if (key === "__proto__") Object.defineProperty(object, key, { value, enumerable: true, writable: true, configurable: true });
  else object[key] = value;
}
