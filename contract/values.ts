import { z } from "@hono/zod-openapi";
import { type Json, type JsonObject, isObject } from "#core";

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

/** Query of every list. `cursor` comes from the `Link: …; rel="next"` of the page before; `offset` is taken where it was documented. */
export const pageQuery = z.object({
  limit: z.coerce.number().int().min(1).max(PAGE_MAX).default(PAGE_DEFAULT),
  cursor: z.string().max(500).optional(),
  offset: z.coerce.number().int().min(0).max(1_000_000).optional(),
});

/** `?tags=a,b`, `?tags=a&tags=b` alike. */
export const listQuery = z
  .union([z.string(), z.array(z.string())])
  .transform((value) =>
    (Array.isArray(value) ? value : [value])
      .flatMap((text) => text.split(","))
      .map((text) => text.trim())
      .filter(Boolean),
  )
  .openapi({ type: "string", description: "One value, several separated by commas, or the parameter repeated." });

/** `?fields=id,name`: which fields of each row are answered; all, where it is left out. */
export function fieldsQuery(row: z.ZodObject) {
  const known = new Set(Object.keys(row.shape));
  return listQuery
    .refine((names) => names.every((name) => known.has(name)), { error: `names fields of the rows: ${[...known].join(", ")}` })
    .optional()
    .openapi({ type: "string", description: "Only these fields of each row, separated by commas." });
}

/** A list whose rows may be asked for in part: then what is told of them here may be left out. */
export function rowsInPart<S extends z.ZodObject>(row: S): z.ZodArray<S> {
  const part = row.partial();
  return z.array(z.union([row, part])).openapi({ description: "With `fields`, rows have those alone." }) as unknown as z.ZodArray<S>;
}

export const flagQuery = z
  .enum(["true", "false", "1", "0"])
  .transform((text) => text === "true" || text === "1")
  .openapi({ type: "boolean" });

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
export const duration = z.union([z.number().nonnegative(), z.string().max(50)]).openapi({ description: "Seconds, or a duration such as `30s`, `5m`, `PT1H`." });

export const pageHeaders = z.object({
  link: z.string().optional().openapi({ description: '`<…>; rel="next"` where there is a next page.' }),
  "x-total-count": z.string().optional().openapi({ description: "How many there are in all." }),
});
