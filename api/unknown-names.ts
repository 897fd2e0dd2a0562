import { z } from "@hono/zod-openapi";
import type { Route } from "#contract";
import { replySchema } from "#contract/route.ts";
import { type Finding, isObject, type Json } from "#core";
import { Nearest } from "#graph";

/** Of one request; there may be a million. */
const NAMED_MAX = 100;
/** Where a WebSocket's caller may say who they are. */
const TOKENS = ["token", "ticket"];

/** Every name that a request has and its route does not take, as a finding of its own: a misspelt field or filter would be left out silently. */
export function unknownFields({ keys }: { keys: readonly string[] }, path: string, known: readonly string[]): Finding[] {
  return unknown(keys, path, known, "validation.unrecognized_keys");
}

export function unknownParameters(names: readonly string[], schema: z.ZodType | undefined): Finding[] {
  const known = namesOf(schema);
  if (known === undefined) return [];
  return unknown(
    names.filter((name) => !known.includes(name) && !TOKENS.includes(name)),
    "query",
    known,
    "validation.unknown_parameter",
  );
}

function unknown(names: readonly string[], path: string, known: readonly string[], code: string): Finding[] {
  const nearest = new Nearest();
  return names.slice(0, NAMED_MAX).map((name) => {
    const meant = nearest.find(name, known);
    return { code, message: `is not known${meant === undefined ? "" : `; did you mean \`${meant}\`?`}`, path: path === "" ? name : `${path}.${name}` };
  });
}

/** The names that an object takes; undefined where it takes any. */
export function namesOf(schema: z.ZodType | undefined): string[] | undefined {
  if (!(schema instanceof z.ZodObject)) return undefined;
  const { catchall } = schema.def;
  return catchall === undefined || catchall instanceof z.ZodNever ? Object.keys(schema.shape) : undefined;
}

/** What the route's answer holds and its request does not take (`id`, `created_at`, `links`) may be sent back as it was read: it is left out. */
export function readOnlyNames(route: Route, schema: z.ZodType | undefined): ReadonlySet<string> {
  const known = namesOf(schema);
  if (known === undefined) return new Set();
  const answered = [200, 201].flatMap((status) => namesOf(replySchema(route, status)) ?? []);
  return new Set(answered.filter((name) => !known.includes(name)));
}

export function without(body: Json | undefined, names: ReadonlySet<string>): Json | undefined {
  if (!isObject(body) || names.size === 0) return body;
  return Object.fromEntries(Object.entries(body).filter(([name]) => !names.has(name)));
}
