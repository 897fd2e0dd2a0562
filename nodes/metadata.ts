import { isObject, type JsonObject } from "#core";
import type { Capability, EffectGuarantee } from "#graph";
import { z } from "zod";
import type { NodeDefinition } from "./define.ts";

/** A node type as `GET /nodes` shows it (B12). */
export interface NodeMetadata {
  name: string;
  display_name: string;
  description: string;
  category: string;
  node_type: "provider" | "processor" | "terminator";
  aliases: string[];
  kind: NodeDefinition["kind"];
  inputs: InputMetadata[];
  outputs: { name: string; type: string; description: string }[];
  /** The source handles it chooses between; empty where it leaves by `output`. */
  routes: string[];
  /** More routes come from its inputs (`case:<n>`). */
  dynamic_routes: boolean;
  handles: { in: HandleMetadata[]; out: HandleMetadata[] };
  input_schema: JsonObject;
  output_schema: JsonObject;
  /** What a retry can promise about its effect. */
  effect: EffectGuarantee;
  /** False where a graph that uses it does not run yet; `unavailable` says why. */
  available: boolean;
  unavailable?: string;
}

export interface InputMetadata {
  name: string;
  /** JSON types, joined by `|`; `any` where every type fits. */
  type: string;
  description: string;
  required: boolean;
  default?: unknown;
  /** How text in it is read. */
  dialect: "template" | "cel" | "jsonata" | "code" | "literal";
  aliases: string[];
  /** Of an input that takes the id of a credential: which types it may be of. */
  credential_types?: string[];
}

export interface HandleMetadata {
  name: string;
  kind: "flow" | Capability;
  required?: boolean;
  many?: boolean;
}

export function describeNode(definition: NodeDefinition): NodeMetadata {
  const inputSchema = toJsonSchema(definition.inputs, "input");
  const outputSchema = toJsonSchema(definition.outputs, "output");
  const routes = routesOf(definition);
  const { unavailable } = definition;
  return {
    name: definition.type,
    display_name: definition.displayName,
    description: definition.description,
    category: definition.category,
    node_type: definition.kind === "provider" ? "provider" : definition.terminal ? "terminator" : "processor",
    aliases: [...(definition.aliases ?? [])],
    kind: definition.kind,
    inputs: inputsOf(definition, inputSchema),
    outputs: outputsOf(definition, outputSchema),
    routes: [...routes.names],
    dynamic_routes: routes.dynamic,
    handles: { in: incoming(definition), out: outgoing(definition, routes.names) },
    input_schema: inputSchema,
    output_schema: outputSchema,
    effect: definition.effect ?? (definition.kind === "activity" ? "at_least_once" : "none"),
    available: unavailable === undefined,
    ...(unavailable !== undefined && { unavailable }),
  };
}

function toJsonSchema(schema: z.ZodType, io: "input" | "output"): JsonObject {
  return z.toJSONSchema(schema, { io }) as JsonObject;
}

function inputsOf(definition: NodeDefinition, schema: JsonObject): InputMetadata[] {
  const required = new Set(Array.isArray(schema["required"]) ? schema["required"] : []);
  return properties(schema).map(([name, property]) => ({
    name,
    type: typeName(property),
    description: describedBy(property),
    required: required.has(name),
    ...(Object.hasOwn(property, "default") && { default: property["default"] }),
    dialect: definition.dialects?.[name] ?? "template",
    aliases: Object.entries(definition.inputAliases ?? {})
      .filter(([, target]) => target === name)
      .map(([alias]) => alias),
    ...(definition.credentials?.[name] && { credential_types: [...definition.credentials[name]] }),
  }));
}

function outputsOf(definition: NodeDefinition, schema: JsonObject): NodeMetadata["outputs"] {
  if (definition.terminal) return [];
  const fields = properties(schema).map(([name, property]) => ({ name, type: typeName(property), description: describedBy(property) }));
  return fields.length > 0 ? fields : [{ name: definition.outputHandle ?? "output", type: typeName(schema), description: describedBy(schema) }];
}

function routesOf(definition: NodeDefinition): { names: readonly string[]; dynamic: boolean } {
  if (!("routes" in definition) || definition.routes === undefined) return { names: [], dynamic: false };
  return typeof definition.routes === "function" ? { names: definition.routes({}), dynamic: true } : { names: definition.routes, dynamic: false };
}

function incoming(definition: NodeDefinition): HandleMetadata[] {
  const flow = definition.kind === "provider" ? [] : ["input", ...(definition.body?.exits ?? [])].map((name): HandleMetadata => ({ name, kind: "flow" }));
  const plugged = Object.entries(definition.capabilities ?? {}).map(([name, { capability, required, many }]) => ({
    name,
    kind: capability,
    ...(required && { required }),
    ...(many && { many }),
  }));
  return [...flow, ...plugged];
}

function outgoing(definition: NodeDefinition, routes: readonly string[]): HandleMetadata[] {
  const provided: HandleMetadata[] = definition.provides ? [{ name: definition.provides, kind: definition.provides }] : [];
  if (definition.kind === "provider") return provided;
  const flow = definition.terminal ? [] : routes.length > 0 ? routes : [definition.outputHandle ?? "output"];
  const undone = definition.kind === "trigger" || definition.terminal ? [] : ["compensate"];
  return [...[...flow, "error", ...undone].map((name): HandleMetadata => ({ name, kind: "flow" })), ...provided];
}

function properties(schema: JsonObject): [string, JsonObject][] {
  return isObject(schema["properties"]) ? (Object.entries(schema["properties"]) as [string, JsonObject][]) : [];
}

function describedBy(schema: JsonObject): string {
  return typeof schema["description"] === "string" ? schema["description"] : "";
}

/** `string`, `string|number`, `object`, `any` …; null is left out, as it only says "may be absent". */
function typeName(schema: JsonObject): string {
  const names = new Set(typeNames(schema));
  if (names.size > 1) names.delete("null");
  return names.size === 0 || names.has("any") ? "any" : [...names].join("|");
}

function typeNames(schema: JsonObject): string[] {
  const { type, anyOf, oneOf } = schema;
  if (typeof type === "string") return [type];
  if (Array.isArray(type)) return type.filter((each) => typeof each === "string");
  const choices = Array.isArray(anyOf) ? anyOf : Array.isArray(oneOf) ? oneOf : undefined;
  return choices ? choices.flatMap((choice) => (isObject(choice) ? typeNames(choice as JsonObject) : [])) : ["any"];
}
