import { parseDuration } from "#core";
import { z } from "zod";

/**
 * Pieces of input schemas. They take what forms, templates and the documented examples write (`"true"`, `"0.7"`, `"a,b"`) and give the one
 * JSON type a node works with. Pure: inline nodes use them inside the workflow.
 */

/** A string; any other JSON value but null is written as JSON, so that `"{{count}}"` may stand where text is wanted. */
export function text(): z.ZodType<string, unknown> {
  return z.preprocess((value) => (typeof value === "string" || value === null || value === undefined ? value : JSON.stringify(value)), z.string());
}

/** A number; a string that is one is read as such. */
export function number(shape: (schema: z.ZodNumber) => z.ZodNumber = (schema) => schema): z.ZodType<number, unknown> {
  return z.preprocess((value) => (typeof value === "string" && /^\s*-?\d+(\.\d+)?(e[+-]?\d+)?\s*$/i.test(value) ? Number(value) : value), shape(z.number()));
}

/** A boolean; `"true"` and `"false"` are read as such. */
export function flag(): z.ZodType<boolean, unknown> {
  return z.preprocess((value) => (value === "true" ? true : value === "false" ? false : value), z.boolean());
}

/** A list; text is read as its comma-separated form. */
export function list<T extends z.ZodType>(item: T): z.ZodType<z.output<T>[], unknown> {
  return z.preprocess(
    (value) =>
      typeof value === "string"
        ? value
            .split(",")
            .map((part) => part.trim())
            .filter((part) => part !== "")
        : value,
    z.array(item),
  );
}

/** What `parseDuration` of core takes; stays as written. A number means seconds. */
export function duration(): z.ZodType<string | number, string | number> {
  return z.union([z.string(), z.number()]).refine((value) => parseDuration(value) !== undefined, {
    error: 'is not a duration: write "30s", "5m", "3 days", an ISO 8601 duration, or a number of seconds',
  });
}

/** One of several words, in any letter case. */
export function word<const T extends readonly [string, ...string[]]>(...words: T): z.ZodType<T[number], unknown> {
  return z.preprocess(
    (value) => (typeof value === "string" ? (words.find((known) => known.toLowerCase() === value.trim().toLowerCase()) ?? value) : value),
    z.enum(words),
  );
}

/** The id of a credential, or nothing; forms write nothing as an empty text. */
export function credentialId(): z.ZodType<string | null | undefined, unknown> {
  return z
    .preprocess(
      (value) => (typeof value === "string" ? value.trim().toLowerCase() || null : value),
      z
        .string()
        .regex(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/, "is not the id of a credential")
        .nullish(),
    )
    .optional();
}

/** A JSON object with any fields. */
export function record(): z.ZodType<Record<string, unknown>, Record<string, unknown>> {
  return z.record(z.string(), z.unknown());
}

/** A JSON schema, as an object. */
export function jsonSchema(): z.ZodType<Record<string, unknown>, Record<string, unknown>> {
  return record();
}
