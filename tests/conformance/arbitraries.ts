import fc from "fast-check";
import { type Json, type JsonObject, isObject } from "#core";

/** A JSON schema as the description writes it: 2020-12, references into the same document. */
export type Schema = JsonObject;

/** How deep references are followed; beyond it optional parts are left out. */
const MAX_DEPTH = 4;
const TEXT_MAX = 40;
const ITEMS_MAX = 3;

/** Not known to fast-check: left out where text is made, and asked of it afterwards. */
const LOOKAROUND = /\(\?<?[!=][^)]*\)/g;

/** Text of all planes without NUL, which PostgreSQL does not store. */
const text = (minLength: number, maxLength: number): fc.Arbitrary<string> =>
  fc.string({ unit: "binary", minLength, maxLength: Math.max(minLength, Math.min(maxLength, TEXT_MAX)) }).map((value) => value.replaceAll("\0", "0"));

const anyJson = fc
  .jsonValue({ maxDepth: 2, stringUnit: "grapheme" })
  .map((value) => JSON.parse(JSON.stringify(value).replaceAll(String.raw`\u0000`, "0")) as Json);
const anyObject = fc.dictionary(fc.stringMatching(/^[a-z_]{1,8}$/), anyJson, { maxKeys: 3 });

const FORMATS: Readonly<Record<string, fc.Arbitrary<string>>> = {
  uuid: fc.uuid(),
  "date-time": fc.date({ min: new Date("1990-01-01"), max: new Date("2100-01-01"), noInvalidDate: true }).map((date) => date.toISOString()),
  date: fc.date({ min: new Date("1990-01-01"), max: new Date("2100-01-01"), noInvalidDate: true }).map((date) => date.toISOString().slice(0, 10)),
  email: fc
    .tuple(fc.stringMatching(/^[a-z][a-z0-9.+-]{0,10}[a-z0-9]$/), fc.stringMatching(/^[a-z0-9]{1,10}$/))
    .map(([name, host]) => `${name.replaceAll(/\.+/g, ".")}@${host}.example`),
  uri: fc.webUrl(),
};

/** Values of schemas, from the document that their references point into. */
export function arbitraries(document: JsonObject) {
  function resolve(schema: Schema): Schema {
    const reference = schema["$ref"];
    if (typeof reference !== "string") return schema;
    let found: Json | undefined = document;
    for (const part of reference.slice(2).split("/")) found = isObject(found) ? (found as JsonObject)[part] : undefined;
    return resolve(found as Schema);
  }

  /** Values that fit. */
  function valid(schema: Schema, depth = 0): fc.Arbitrary<Json> {
    const resolved = resolve(schema);
    const { anyOf, oneOf, allOf, enum: values, const: constant, type, ...rest } = resolved as Record<string, Json>;
    if (constant !== undefined) return fc.constant(constant);
    if (Array.isArray(values)) return fc.constantFrom(...values);
    if (Array.isArray(allOf))
      return fc.tuple(...allOf.map((each) => valid(each as Schema, depth))).map((parts) => Object.assign({}, ...(parts as JsonObject[])) as JsonObject);
    const choices = (anyOf ?? oneOf) as Schema[] | undefined;
    if (choices) return fc.oneof(...choices.map((each) => valid({ ...rest, ...(type !== undefined && { type }), ...each }, depth)));
    if (Array.isArray(type)) return fc.oneof(...type.map((each) => valid({ ...rest, type: each }, depth)));
    return ofType(type as string | undefined, rest, depth);
  }

  function ofType(type: string | undefined, rest: Record<string, Json>, depth: number): fc.Arbitrary<Json> {
    switch (type) {
      case "string":
        return ofString(rest);
      case "integer":
        return fc.integer({ min: Number(rest["minimum"] ?? -1_000), max: Number(rest["maximum"] ?? 1_000) });
      case "number":
        return fc.double({ min: Number(rest["minimum"] ?? -1e6), max: Number(rest["maximum"] ?? 1e6), noNaN: true });
      case "boolean":
        return fc.boolean();
      case "null":
        return fc.constant(null);
      case "array": {
        const minLength = Number(rest["minItems"] ?? 0);
        return fc.array(valid((rest["items"] ?? {}) as Schema, depth + 1), { minLength, maxLength: Math.max(minLength, depth >= MAX_DEPTH ? 0 : ITEMS_MAX) });
      }
      case "object":
        return ofObject(rest, depth);
      default:
        return anyJson;
    }
  }

  function ofString({ format, pattern, minLength = 0, maxLength = Infinity }: Record<string, Json>): fc.Arbitrary<string> {
    const known = typeof format === "string" ? FORMATS[format] : undefined;
    if (known) return known;
    const plain = text(Number(minLength), Number(maxLength));
    if (typeof pattern !== "string") return plain;
    const expression = new RegExp(pattern, "u");
    const matching = pattern.startsWith("^")
      ? fc.stringMatching(new RegExp(pattern.replaceAll(LOOKAROUND, ""), "u"))
      : plain.map((value) => `x${[...value].slice(1).join("")}`);
    return matching.filter(
      (value) => expression.test(value) && !value.includes("\0") && value.length >= Number(minLength) && value.length <= Number(maxLength),
    );
  }

  function ofObject(rest: Record<string, Json>, depth: number): fc.Arbitrary<Json> {
    const properties = (rest["properties"] ?? {}) as Record<string, Schema>;
    const required = (rest["required"] ?? []) as string[];
    const least = Number(rest["minProperties"] ?? 0);
    const names = Object.keys(properties).filter((name) => depth < MAX_DEPTH || required.includes(name) || least > 0);
    if (names.length === 0) {
      const inner = rest["additionalProperties"];
      return isObject(inner) && Object.keys(inner).length > 0
        ? fc.dictionary(fc.stringMatching(/^[a-z_]{1,8}$/), valid(inner as Schema, depth + 1), { maxKeys: 3 })
        : anyObject;
    }
    const model = Object.fromEntries(names.map((name) => [name, valid(properties[name] as Schema, depth + 1)]));
    const record = fc.record(model, { requiredKeys: required.filter((name) => names.includes(name)) }) as fc.Arbitrary<JsonObject>;
    return least > 0 ? record.filter((value) => Object.keys(value).length >= least) : record;
  }

  return { valid, resolve };
}

/** What is sent where something else is wanted: wrong types, and what breaks careless programs. */
export const nasty: fc.Arbitrary<Json> = fc.oneof(
  fc.constantFrom<Json>(
    null,
    true,
    [],
    {},
    [null],
    "",
    " ",
    "\0",
    "a\0b",
    "\ud800",
    "\u202e",
    "x".repeat(70_000),
    "__proto__",
    "' or 1=1 --",
    "{{secrets.A}}",
    "\r\nset-cookie: a=b",
  ),
  fc.constantFrom<Json>(-1, 0, 0.5, 2 ** 31, 2 ** 53 + 2, 1e300, Number.MIN_VALUE),
  fc.constant<Json>(JSON.parse('{"__proto__":{"polluted":true},"constructor":{"prototype":{}}}') as Json),
  anyJson,
);
