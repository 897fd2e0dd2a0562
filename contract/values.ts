import { z } from "@hono/zod-openapi";
import { type Json, type JsonObject, isObject, parseDuration } from "#core";

/** Rows of one page unless asked otherwise, and the most that can be asked for. */
export const PAGE_DEFAULT = 50;
export const PAGE_MAX = 500;

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

/** An id in a path, a query or a body; taken in any case, handed on in lower case. */
export const idParam = z
  .string()
  .regex(UUID, "is not an id")
  .transform((text) => text.toLowerCase())
  .openapi({ type: "string", format: "uuid" });

export const id = z.string().openapi({ format: "uuid" });
export const timestamp = z.iso.datetime().openapi({ description: "ISO 8601, UTC." });

/** Any JSON value. Not looked into: what was parsed from a request can be nothing else. */
export const json = z.custom<Json>(() => true).openapi({ description: "Any JSON value.", type: ["object", "array", "string", "number", "boolean", "null"] });
export const jsonObject = z.custom<JsonObject>(isObject, "must be an object").openapi({ type: "object", additionalProperties: true });

/** As `jsonObject`, where null and nothing are taken too. */
export const optionalObject = jsonObject.nullish().openapi({ type: ["object", "null"], additionalProperties: true });

/** Text of which something is left when what surrounds it is cut off, as it is. */
export function trimmedText(maxLength: number) {
  return z.string().trim().min(1).max(maxLength).openapi({ pattern: "[^\\s\\ufeff]" });
}

/** One thing that is wrong, or worth a warning. */
export const finding = z
  .object({
    code: z.string(),
    message: z.string(),
    path: z.string().optional(),
    node_id: z.string().optional(),
    edge_id: z.string().optional(),
    hint: z.string().optional(),
  })
  .openapi("Finding");

export const failure = z
  .object({
    code: z.string(),
    message: z.string(),
    retryable: z.boolean(),
    node_id: z.string().optional(),
    iteration: z.string().optional(),
    details: z.array(finding).optional(),
  })
  .openapi("Failure");

/** RFC 9457, `application/problem+json`: what every failed request answers. */
export const problem = z
  .object({
    type: z.string(),
    title: z.string(),
    status: z.int(),
    detail: z.string(),
    code: z.string().openapi({ description: "From the closed table of failures, `domain.reason`." }),
    correlation_id: z.string(),
    errors: z.array(finding).optional(),
  })
  .openapi("Problem");

/** A whole number in a path, a query or a header, in plain decimal digits. */
export function integerParam(min: number, max: number) {
  return z
    .string()
    .regex(/^-?\d{1,15}$/, "is not a whole number")
    .transform(Number)
    .pipe(z.int().min(min).max(max))
    .openapi({ type: "integer", minimum: min, maximum: max });
}

const ISO_MOMENT = z.union([z.iso.datetime({ offset: true, local: true }), z.iso.date()], "is neither an ISO 8601 time nor a date");
const ZONED = /(?:Z|[+-]\d\d(?::?\d\d)?)$/i;

/** A moment in a query: an ISO 8601 time, in UTC where it names no zone, or a date. What PostgreSQL has no year for is refused. */
export const momentParam = ISO_MOMENT.transform((text) => new Date(text.length > 10 && !ZONED.test(text) ? `${text}Z` : text))
  .pipe(z.date().min(new Date("0001-01-02T00:00:00Z")).max(new Date("9999-12-30T00:00:00Z")))
  .openapi({ type: "string", anyOf: [{ format: "date-time" }, { format: "date" }], example: "2026-08-05T10:30:00Z" });

/** Query of every list. `cursor` comes from the `Link: …; rel="next"` of the page before; `offset` is taken where it was documented. */
export const pageQuery = z.object({
  limit: integerParam(1, PAGE_MAX).default(PAGE_DEFAULT),
  cursor: z
    .string()
    .regex(/^[A-Za-z0-9_-]{1,500}$/, "is no cursor")
    .optional()
    .openapi({ description: 'Of the `Link: …; rel="next"` of the page before. One that this list did not give out is 400.' }),
  offset: integerParam(0, 1_000_000).optional(),
});

const SEVERAL = "One value, several separated by commas, or the parameter repeated.";

/** `?tags=a,b`, `?tags=a&tags=b` alike. */
export const listQuery = z
  .union([z.string(), z.array(z.string())])
  .transform((value) =>
    (Array.isArray(value) ? value : [value])
      .flatMap((text) => text.split(","))
      .map((text) => text.trim())
      .filter(Boolean),
  )
  .openapi({ anyOf: [{ type: "string" }, { type: "array", items: { type: "string" } }], description: SEVERAL });

/** As `listQuery`, of a closed set. */
export function listQueryOf<const V extends readonly [string, ...string[]]>(values: V) {
  return listQuery.pipe(z.array(z.enum(values))).openapi({ ...listOf(values), description: SEVERAL, example: values[0] });
}

/** `?fields=id,name`: which fields of each row are answered; all, where it is left out. */
export function fieldsQuery(row: z.ZodObject) {
  const known = Object.keys(row.shape);
  return listQuery
    .refine((names) => names.every((name) => known.includes(name)), { error: `names fields of the rows: ${known.join(", ")}` })
    .optional()
    .openapi({ ...listOf(known), description: `Only these fields of each row. ${SEVERAL}`, example: known[0] });
}

function listOf(values: readonly string[]) {
  const one = `\\s*(?:${values.join("|")})?\\s*`;
  return {
    anyOf: [
      { type: "string" as const, pattern: `^${one}(?:,${one})*$` },
      { type: "array" as const, items: { type: "string" as const, enum: [...values] } },
    ],
  };
}

/** A list whose rows may be asked for in part: then what is told of them here may be left out. */
export function rowsInPart<S extends z.ZodObject>(row: S): z.ZodArray<S> {
  const part = row.partial();
  return z.array(z.union([row, part])).openapi({ description: "With `fields`, rows have those alone." }) as unknown as z.ZodArray<S>;
}

export const flagQuery = z
  .enum(["true", "false", "1", "0"])
  .transform((text) => text === "true" || text === "1")
  .openapi({ type: "string", enum: ["true", "false", "1", "0"] });

/** Of a thing that can be changed: the `ETag` last read guards against lost updates. */
export const ifMatch = z.object({
  "if-match": z
    .string()
    .max(100)
    .optional()
    .openapi({ description: "The `ETag` last read; 412 where the thing was changed since. `*` and nothing ask for no check." }),
});
export const withEtag = { headers: z.object({ etag: z.string() }) };

/** Seconds, or a duration as text. */
export const duration = z
  .union([z.number().nonnegative(), z.string().max(50)])
  .refine((value) => parseDuration(value) !== undefined, {
    error: 'is not a duration: write "30s", "2m", an ISO 8601 duration, or a number of seconds',
    params: { code: "duration" },
  })
  .openapi({ example: "30s", description: "Seconds, or a duration such as `30s`, `5m`, `PT1H`." });

export const pageHeaders = z.object({
  link: z.string().optional().openapi({ description: '`<…>; rel="next"` where there is a next page.' }),
  "x-total-count": z.string().optional().openapi({ description: "How many there are in all." }),
});
