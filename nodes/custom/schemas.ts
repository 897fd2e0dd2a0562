import { type Finding, isObject, type JsonObject } from "#core";
import { z } from "zod";
import { flag, number } from "../inputs.ts";

/** How deep schemas may nest, and how many there may be in one. */
const MAX_DEPTH = 12;
const MAX_SCHEMAS = 500;

/** Keywords whose checks end in a time that the value's size bounds; `pattern`, `$ref` and `uniqueItems` are not among them. */
const CHECKS = new Set([
  "type",
  "enum",
  "const",
  "properties",
  "required",
  "additionalProperties",
  "items",
  "anyOf",
  "oneOf",
  "minimum",
  "maximum",
  "exclusiveMinimum",
  "exclusiveMaximum",
  "multipleOf",
  "minLength",
  "maxLength",
  "minItems",
  "maxItems",
]);
const TYPES = new Set<unknown>(["string", "number", "integer", "boolean", "object", "array", "null"]);
const isCount = (value: unknown): boolean => Number.isInteger(value) && (value as number) >= 0;
const isNumber = (value: unknown): boolean => Number.isFinite(value);

/** What the value of a keyword must be, and how that is said. */
const VALUES: Readonly<Record<string, readonly [(value: unknown) => boolean, string]>> = {
  type: [
    (value) => (Array.isArray(value) ? value.length > 0 && value.every((each) => TYPES.has(each)) : TYPES.has(value)),
    `is one of ${[...TYPES].join(", ")}, or a list of them`,
  ],
  enum: [(value) => Array.isArray(value) && value.length > 0, "is a list of values"],
  required: [(value) => Array.isArray(value) && value.every((each) => typeof each === "string"), "is a list of names"],
  minimum: [isNumber, "is a number"],
  maximum: [isNumber, "is a number"],
  exclusiveMinimum: [isNumber, "is a number"],
  exclusiveMaximum: [isNumber, "is a number"],
  multipleOf: [(value) => isNumber(value) && (value as number) > 0, "is a number above 0"],
  minLength: [isCount, "is a whole number"],
  maxLength: [isCount, "is a whole number"],
  minItems: [isCount, "is a whole number"],
  maxItems: [isCount, "is a whole number"],
};

/** What only tells people something. */
const WORDS = new Set(["$schema", "$comment", "title", "description", "default", "examples", "deprecated", "readOnly", "writeOnly", "format"]);

/** What is wrong with a schema of a custom node type. @param at - Where it stands. */
export function schemaFindings(schema: JsonObject, at: string): Finding[] {
  const findings: Finding[] = [];
  let count = 0;
  const problem = (message: string, path: string) => findings.push({ code: "schema.unsupported", message, path });
  const walk = (value: unknown, path: string, depth: number): void => {
    if (typeof value === "boolean") return;
    if (!isObject(value)) return void problem("is no JSON schema", path);
    count++;
    if (depth > MAX_DEPTH) return void problem(`schemas nest at most ${MAX_DEPTH} deep`, path);
    for (const [key, inner] of Object.entries(value)) {
      const here = `${path}.${key}`;
      if (key === "properties") {
        if (!isObject(inner)) problem("maps names to schemas", here);
        else if (Object.hasOwn(inner, "__proto__")) problem("cannot be called `__proto__`", here);
        else for (const [name, each] of Object.entries(inner)) walk(each, `${here}.${name}`, depth + 1);
      } else if (key === "items" || key === "additionalProperties") walk(inner, here, depth + 1);
      else if (key === "anyOf" || key === "oneOf") {
        if (Array.isArray(inner)) for (const [index, each] of inner.entries()) walk(each, `${here}.${index}`, depth + 1);
        else problem("is a list of schemas", here);
      } else if (VALUES[key] && !VALUES[key][0](inner)) problem(VALUES[key][1], here);
      else if (!CHECKS.has(key) && !WORDS.has(key)) problem(`\`${key}\` is not supported here`, here);
    }
  };
  walk(schema, at, 1);
  if (count > MAX_SCHEMAS) problem(`holds more than ${MAX_SCHEMAS} schemas`, at);
  if (findings.length > 0) return findings;
  try {
    zodOf(schema);
  } catch (error) {
    problem(`cannot be used: ${error instanceof Error ? error.message : "unknown"}`, at);
  }
  return findings;
}

/** @throws {Error} for a schema that `schemaFindings` finds fault with. */
export function zodOf(schema: JsonObject): z.ZodType {
  return z.fromJSONSchema(plain(schema) as Parameters<typeof z.fromJSONSchema>[0]);
}

/** The schema of a node's inputs, by name. Numbers and flags are read from text too, as forms and templates write them. */
export function inputShape(schema: JsonObject): Record<string, z.ZodType> {
  const properties = isObject(schema["properties"]) ? (schema["properties"] as JsonObject) : {};
  const required = new Set(Array.isArray(schema["required"]) ? schema["required"] : []);
  return Object.fromEntries(
    Object.entries(properties).map(([name, property]) => {
      const given = isObject(property) ? (property as JsonObject) : {};
      const { default: byDefault, ...rest } = given;
      const read = z.pipe(lenient(rest["type"]), zodOf(rest));
      const described = typeof given["description"] === "string" ? read.describe(given["description"]) : read;
      if (byDefault !== undefined) return [name, described.default(byDefault as never)];
      return [name, required.has(name) ? described : described.optional()];
    }),
  );
}

function lenient(type: unknown): z.ZodType {
  if (type === "number" || type === "integer") return number();
  if (type === "boolean") return flag();
  return z.unknown();
}

/** Without what only tells people something: `format` would be checked by expressions of unknown cost. */
function plain(schema: unknown): unknown {
  if (!isObject(schema)) return schema;
  const mapped = (value: unknown): unknown => (isObject(value) ? Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, plain(inner)])) : value);
  return Object.fromEntries(
    Object.entries(schema)
      .filter(([key]) => CHECKS.has(key))
      .map(([key, value]) => {
        if (key === "properties") return [key, mapped(value)];
        if (key === "items" || key === "additionalProperties") return [key, plain(value)];
        if ((key === "anyOf" || key === "oneOf") && Array.isArray(value)) return [key, value.map(plain)];
        return [key, value];
      }),
  );
}
