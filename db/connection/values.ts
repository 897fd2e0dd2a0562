/** What a statement takes as a parameter, after `toParameter`. */
export type Parameter = string | number | boolean | null;

/** NUL and lone surrogates as JSON text writes them (an even number of backslashes before); neither can be stored in jsonb. */
const UNSTORABLE_ESCAPE = /(?<!\\)((?:\\\\)*)\\u(?:0000|d[89a-f][0-9a-f]{2})/gi;

/**
 * A value as the driver may safely have it: the driver loses step with the server when a value fails to serialise in the middle of a pipeline,
 * so nothing may reach it that can.
 * @throws {TypeError} for values that are neither scalars nor dates.
 */
export function toParameter(value: unknown): Parameter {
  if (value === undefined || value === null) return null;
  if (typeof value === "string") return value.includes("\0") ? value.replaceAll("\0", "\uFFFD") : value;
  if (typeof value === "number" || typeof value === "boolean") return value;
  if (typeof value === "bigint") return value.toString();
  if (value instanceof Date) return value.toISOString();
  throw new TypeError("a statement's parameters must be scalars; write JSON with toJsonText");
}

/** JSON text that jsonb can hold: what it cannot (NUL, lone surrogates) becomes U+FFFD, always and everywhere in the same way. */
export function toJsonText(value: unknown): string {
  return storableJson(JSON.stringify(value) ?? "null");
}

/** The same for text that is JSON already. */
export function storableJson(text: string): string {
  return text.includes("\\u") ? text.replace(UNSTORABLE_ESCAPE, "$1\\ufffd") : text;
}
