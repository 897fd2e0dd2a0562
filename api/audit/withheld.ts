import { createHash } from "node:crypto";
import { type Json, type JsonObject, isObject, stableStringify } from "#core";
import { IN_URL, MASKED_NAME, snakeCase } from "../secret-names.ts";

const WITHHELD = "[withheld]";
/** A value that is nothing but references keeps them: they are names, not secrets. */
const REFERENCE = /^\s*(?:\{\{[^{}]*\}\}\s*)+$/;
/** Keys of ours, of providers, and what stands in Authorization headers. */
const IN_TEXT = /\b(?:pk_[A-Za-z0-9_-]{8,}|sk-[A-Za-z0-9_-]{8,}|(?:Bearer|Basic)\s+[A-Za-z0-9._~+/=-]{8,})/g;

/** The value without what is a secret by its name or its look. */
export function withoutSecrets(value: Json, name = ""): Json {
  if (Array.isArray(value)) return value.map((item) => withoutSecrets(item, name));
  if (isObject(value)) {
    const object = value as JsonObject;
    return Object.fromEntries(Object.entries(object).map(([key, inner]) => [key, withoutSecrets(inner, nameIn(object, key))]));
  }
  if (typeof value !== "string" || REFERENCE.test(value)) return value;
  return MASKED_NAME.test(snakeCase(name)) ? WITHHELD : value.replaceAll(IN_TEXT, WITHHELD).replaceAll(IN_URL, WITHHELD);
}

/** What a field is called: of `{name, value}`, the value is what the name says. */
function nameIn(object: JsonObject, key: string): string {
  const { name } = object;
  return key === "value" && typeof name === "string" ? name : key;
}

/** Top-level fields of which the two differ, on either side, each at most `maxBytes` long. Where there is but one, all of it. */
export function changes(before: JsonObject | undefined, after: JsonObject | undefined, fields: readonly string[] | undefined, maxBytes: number) {
  const names = fields ?? [...new Set([...Object.keys(before ?? {}), ...Object.keys(after ?? {})])];
  const differing = before && after ? names.filter((name) => stableStringify(before[name]) !== stableStringify(after[name])) : names;
  const side = (state: JsonObject | undefined): JsonObject | null =>
    state
      ? Object.fromEntries(
          differing
            .filter((name) => state[name] !== undefined)
            .map((name) => [name, short(withoutSecrets(state[name] as Json, nameIn(state, name)), maxBytes)]),
        )
      : null;
  return { before: side(before), after: side(after) };
}

/** What is too long is told by its length and hash. */
function short(value: Json, maxBytes: number): Json {
  const text = JSON.stringify(value);
  const bytes = Buffer.byteLength(text);
  return bytes <= maxBytes ? value : { omitted_bytes: bytes, sha256: createHash("sha256").update(text).digest("hex") };
}
