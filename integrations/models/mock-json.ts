import { isObject, type Json, ownProperty } from "#core";

type Schema = Record<string, unknown>;

/** Deeper than this, objects have only what they must have and lists are empty: a schema may hold itself. */
const DEPTH = 6;
/** Deeper than this nothing is made, also what is required. */
const MAX_DEPTH = 32;
/** Values in one answer; what is left of the schema is then `null`. */
const MAX_VALUES = 1_000;
/** Schemas looked at and names put together for one answer: what refers to itself in several branches would double with each step. */
const MAX_WORK = 100_000;
/** Characters of JSON that one answer takes from defaults, constants and examples. */
const MAX_COPIED = 1_000_000;
/** Of one list or text, whatever a schema asks for. */
const MAX_ITEMS = 100;
const MAX_TEXT = 1_000;

/** Texts that have a form, by `format`. */
const FORMATS: Readonly<Record<string, string>> = {
  "date-time": "2026-01-01T00:00:00Z",
  date: "2026-01-01",
  time: "00:00:00Z",
  duration: "PT0S",
  email: "mock@example.com",
  hostname: "example.com",
  ipv4: "192.0.2.1",
  ipv6: "2001:db8::1",
  uri: "https://example.com/",
  url: "https://example.com/",
  uuid: "00000000-0000-4000-8000-000000000000",
};

/**
 * A small value that fits a JSON schema, always the same for the same schema. The first branch of `anyOf` and `oneOf` is taken; `pattern`, `not`,
 * `if`, `uniqueItems` and schemas of other documents are not looked at.
 * @param text - What free texts say.
 */
export function valueThatFits(schema: unknown, text: string): Json {
  return new Maker(schema, text).value(schema, 0);
}

class Maker {
  readonly #document: unknown;
  readonly #text: string;
  #left = MAX_VALUES;
  #work = MAX_WORK;
  #copied = 0;

  constructor(document: unknown, text: string) {
    this.#document = document;
    this.#text = text;
  }

  value(given: unknown, depth: number): Json {
    if (--this.#left < 0 || depth > MAX_DEPTH) return null;
    const schema = this.#whole(given, 0);
    for (const key of ["const", "default"]) if (Object.hasOwn(schema, key)) return this.#copy(schema[key]);
    for (const key of ["enum", "examples"]) {
      const choices = schema[key];
      if (Array.isArray(choices) && choices.length > 0) return this.#copy(choices[0]);
    }
    switch (typeOf(schema)) {
      case "object":
        return this.#object(schema, depth);
      case "array":
        return this.#list(schema, depth);
      case "integer":
      case "number":
        return numberThatFits(schema);
      case "boolean":
        return false;
      case "null":
        return null;
      default:
        return this.#string(schema);
    }
  }

  #copy(value: unknown): Json {
    if (this.#copied < MAX_COPIED) this.#copied += JSON.stringify(value).length;
    return this.#copied < MAX_COPIED ? (value as Json) : null;
  }

  /** With what it refers to and the branches it must or may take made one. */
  #whole(given: unknown, depth: number): Schema {
    if (!isObject(given) || depth > MAX_DEPTH || --this.#work < 0) return {};
    const { $ref, allOf, anyOf, oneOf, ...own } = given;
    const first = (branches: unknown): unknown[] => (Array.isArray(branches) ? branches.slice(0, 1) : []);
    const parts: unknown[] = [
      ...(typeof $ref === "string" ? [this.#referred($ref)] : []),
      ...(Array.isArray(allOf) ? allOf.slice(0, MAX_ITEMS) : []),
      ...first(anyOf),
      ...first(oneOf),
    ];
    return parts.reduce<Schema>((whole, part) => {
      const other = this.#whole(part, depth + 1);
      this.#work -= sizeOf(whole) + sizeOf(other);
      return this.#work < 0 ? whole : merged(whole, other);
    }, own);
  }

  /** `#/$defs/name`, or `#` itself. */
  #referred(reference: string): unknown {
    if (!reference.startsWith("#")) return undefined;
    const keys = reference.slice(1).split("/").slice(1);
    return keys.reduce<unknown>((at, key) => ownProperty(at, key.replaceAll("~1", "/").replaceAll("~0", "~")), this.#document);
  }

  #object(schema: Schema, depth: number): Json {
    const properties = isObject(schema["properties"]) ? schema["properties"] : {};
    const required = names(schema["required"]);
    const wanted = depth < DEPTH ? new Set([...Object.keys(properties), ...required]) : new Set(required);
    return Object.fromEntries([...wanted].map((name) => [name, this.value(ownProperty(properties, name), depth + 1)]));
  }

  #list(schema: Schema, depth: number): Json {
    const first: unknown[] = Array.isArray(schema["prefixItems"]) ? schema["prefixItems"] : [];
    const least = numberAt(schema, "minItems") ?? Math.max(first.length, depth < DEPTH ? 1 : 0);
    const length = Math.min(least, numberAt(schema, "maxItems") ?? MAX_ITEMS, MAX_ITEMS);
    return Array.from({ length }, (_, index) => this.value(first[index] ?? schema["items"], depth + 1));
  }

  #string(schema: Schema): Json {
    const format = ownProperty(FORMATS, String(schema["format"]));
    if (typeof format === "string") return format;
    return this.#text.padEnd(Math.min(numberAt(schema, "minLength") ?? 0, MAX_TEXT), ".").slice(0, numberAt(schema, "maxLength") ?? MAX_TEXT);
  }
}

function sizeOf({ properties, required, ...schema }: Schema): number {
  return Object.keys(schema).length + (isObject(properties) ? Object.keys(properties).length : 0) + names(required).length;
}

function merged(a: Schema, b: Schema): Schema {
  const properties = isObject(a["properties"]) && isObject(b["properties"]) ? { properties: { ...b["properties"], ...a["properties"] } } : {};
  const required = [...names(a["required"]), ...names(b["required"])];
  return { ...b, ...a, ...properties, ...(required.length > 0 && { required }) };
}

function typeOf(schema: Schema): unknown {
  const { type } = schema;
  if (Array.isArray(type)) return (type as unknown[]).find((each) => each !== "null") ?? "null";
  if (type !== undefined) return type;
  if ("properties" in schema || "required" in schema) return "object";
  if ("items" in schema || "prefixItems" in schema) return "array";
  return ["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"].some((key) => key in schema) ? "number" : "string";
}

/** The first of a few numbers at the borders that fits; 0 where none does. */
function numberThatFits(schema: Schema): number {
  const [least, most] = [numberAt(schema, "minimum") ?? -Infinity, numberAt(schema, "maximum") ?? Infinity];
  const [above, below] = [numberAt(schema, "exclusiveMinimum") ?? -Infinity, numberAt(schema, "exclusiveMaximum") ?? Infinity];
  const step = numberAt(schema, "multipleOf") ?? (typeOf(schema) === "integer" ? 1 : undefined);
  const borders = [0, least, above, Math.floor(above) + 1, (Math.max(least, above) + Math.min(most, below)) / 2, most, Math.ceil(below) - 1];
  const candidates =
    step === undefined ? borders : borders.flatMap((border) => [Math.ceil(border / step), Math.floor(border / step) + 1].map((times) => times * step));
  return candidates.find((each) => Number.isFinite(each) && each >= least && each > above && each <= most && each < below) ?? 0;
}

function numberAt(schema: Schema, key: string): number | undefined {
  const value = schema[key];
  return typeof value === "number" && Number.isFinite(value) ? value : undefined;
}

function names(value: unknown): string[] {
  return Array.isArray(value) ? value.filter((name) => typeof name === "string") : [];
}
