import { isObject, type Json, stableStringify } from "#core";

/** A text of a plan, or of a part, to compare by. The order in which the keys of an object were written says nothing: PostgreSQL, for one, does not keep it. */
export function planText(part: unknown): string {
  return part === undefined ? "" : stableStringify(unordered(part as Json));
}

function unordered(value: Json): Json {
  if (Array.isArray(value)) return value.map(unordered);
  if (!isObject(value) || value["k"] === "lit") return value;
  const { k, fields } = value;
  if (k === "object" && Array.isArray(fields)) {
    return { k, fields: Object.fromEntries((fields as [string, Json][]).map(([key, field]) => [key, unordered(field)])) };
  }
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, unordered(inner)]));
}
