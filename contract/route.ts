import { createRoute, type RouteConfig, z } from "@hono/zod-openapi";
import type { Permission } from "./permissions.ts";

/**
 * Who may call a route. Every route says so; a route that does not is not served (default deny). `webhook`: whoever proves to be the sender that the
 * webhook named in the path was made for; no member or API key does.
 */
export type Access = { readonly auth: "public" } | { readonly auth: "webhook" } | { readonly auth: "user"; readonly permission: Permission };

export const PUBLIC = { auth: "public" } as const satisfies Access;
export const WEBHOOK = { auth: "webhook" } as const satisfies Access;
export function needs(permission: Permission): Extract<Access, { auth: "user" }> {
  return { auth: "user", permission };
}

interface OperationExtras {
  readonly operationId: string;
  readonly summary: string;
  readonly tags: readonly string[];
  readonly access: Access;
  /** What a request has to fulfil beyond its schemas, as a sentence's end: else it is 422. */
  readonly rules?: string;
  /** Statuses of the problems it may answer beside 401, 403, 422, 429, 500 and 503, which any route may. */
  readonly problems?: readonly number[];
  /** A WebSocket: the route serves its handshake. `lateToken`: the caller may say who they are in the first message. */
  readonly socket?: { readonly lateToken: boolean };
}

/** One operation of the REST surface, as data: the api serves it, the OpenAPI description and the client are made from it. */
export type Route = Omit<RouteConfig, "tags" | "middleware" | "hide"> & OperationExtras;

/** Declares a route. `path` is the canonical one, with parameters as `{id}`. */
export function defineRoute<const P extends string, const R extends Omit<Route, "path"> & { path: P }>(route: R): R & { getRoutingPath(): string } {
  return createRoute<P, R & RouteConfig & { path: P }>(route as R & RouteConfig & { path: P });
}

/** A JSON request body; `required: false` where it may be left out. */
export function jsonBody<S extends z.ZodType>(schema: S, required = true) {
  return { content: { "application/json": { schema: closed(schema) } }, required };
}

/** A field that nobody knows is a mistake of the sender's: a misspelt one would be left out silently. What is declared as open stays open. */
function closed<S extends z.ZodType>(schema: S): S {
  if (!(schema instanceof z.ZodObject) || schema.def.catchall !== undefined) return schema;
  // Not `strict()`: it would lose what the description says of the schema.
  return schema.catchall(z.never()) as unknown as S;
}

/** A JSON answer. */
export function jsonReply<S extends z.ZodType>(description: string, schema: S) {
  return { description, content: { "application/json": { schema } } };
}

/** What a route answers with a status, where that is JSON and nothing else. */
export function replySchema(route: Route, status: number): z.ZodType | undefined {
  const reply = route.responses[status];
  if (reply === undefined || !("content" in reply)) return undefined;
  const { "application/json": body, ...others } = reply.content ?? {};
  return Object.keys(others).length === 0 ? (body as { schema?: z.ZodType } | undefined)?.schema : undefined;
}
