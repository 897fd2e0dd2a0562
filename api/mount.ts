import { type Adaptation, type Route, type RouteName, type Routes, routes, servedPaths } from "#contract";
import { type Finding, isObject, type Json, PerdureError, safeParse } from "#core";
import { z } from "@hono/zod-openapi";
import type { Hono, MiddlewareHandler } from "hono";
import { canonicalBody, canonicalQuery, documentedReply } from "./adaptation.ts";
import type { AuditTrail } from "./audit/audit-trail.ts";
import type { Refusals } from "./audit/refusals.ts";
import { isStorable, readDocument, readJson } from "./body.ts";
import type { ApiContext, ApiEnv } from "./context.ts";
import { type Callers, guard } from "./middleware/guard.ts";
import { notFound } from "./problem.ts";
import { namesOf, readOnlyNames, unknownFields, unknownParameters, without } from "./unknown-names.ts";
import type { Principal } from "./security/principal.ts";
import type { YamlThreads } from "./yaml/index.ts";

type Parsed<T> = T extends z.ZodType ? z.output<T> : undefined;
type Part<R, K extends string> = R extends { request: { [key in K]: infer S } } ? Parsed<S> : undefined;
type BodyOf<R> = R extends { request: { body: { content: { "application/json": { schema: infer S } } } } } ? Parsed<S> : undefined;

/** A request that has passed the route's access and schemas. */
export interface Request<R> {
  readonly params: Part<R, "params">;
  readonly query: Part<R, "query">;
  readonly headers: Part<R, "headers">;
  readonly body: BodyOf<R>;
  /** The body as it was sent, before defaults and unknown fields were dealt with. */
  readonly rawBody: Json | undefined;
  readonly principal: R extends { access: { auth: "public" | "webhook" } } ? undefined : Principal;
  readonly c: ApiContext;
}

/** Statuses an operation may answer with JSON, each with the body its contract states; a Response of its own where it streams. */
export type Reply<R> = R extends { responses: infer A }
  ? { [S in keyof A & number]: { status: WithSameBody<A, S>; body: ReplyBody<A[S]>; headers?: Readonly<Record<string, string>> } }[keyof A & number] | Response
  : never;
/** Statuses that share a body may be decided at run time. */
type WithSameBody<A, S extends keyof A> = {
  [T in keyof A & number]: [ReplyBody<A[T]>, ReplyBody<A[S]>] extends [ReplyBody<A[S]>, ReplyBody<A[T]>] ? T : never;
}[keyof A & number];
type ReplyBody<A> = A extends { content: { "application/json": { schema: infer S extends z.ZodType } } } ? z.input<S> : undefined;

export type Handler<R> = (request: Request<R>) => Reply<R> | Promise<Reply<R>>;
export type Handlers<N extends RouteName = RouteName> = { readonly [K in N]: Handler<Routes[K]> };

type AnyHandler = (request: Request<never>) => Promise<Response | { status: number; body: unknown; headers?: Readonly<Record<string, string>> }>;

interface Reading {
  maxBodyBytes: number;
  yaml: YamlThreads;
}

/** Serves every route of the contract under its canonical path and its aliases, the more specific path first. */
export function mount(
  app: Hono<ApiEnv>,
  handlers: Handlers,
  { maxBodyBytes, yaml, audit, refusals, ...callers }: Callers & Reading & { audit: AuditTrail; refusals: Refusals },
): void {
  const served = (Object.keys(routes) as RouteName[]).flatMap((name) => {
    const route: Route = routes[name];
    const { limits } = callers;
    const admit = [named(route), refusals.watch(name), limits.byAddress(route), guard(route.access, callers, route.socket), limits.byCaller(route)];
    const handler = audit.watch(name, handlers as unknown as Record<RouteName, AnyHandler>);
    return servedPaths(name).map(({ path, adaptation = {} }) => ({
      method: route.method.toUpperCase(),
      path: path.replaceAll(/\{(\w+)\}/g, ":$1"),
      chain: [...admit, respond(route, handler, { maxBodyBytes, yaml }, adaptation)],
    }));
  });
  const byPath = [...Map.groupBy(served, ({ path }) => path)].toSorted(([a], [b]) => specificity(a).localeCompare(specificity(b), "en"));
  for (const [path, operations] of byPath) {
    for (const { method, chain } of operations) app.on(method, [path], ...chain);
    app.all(path, refuseOthers(operations.map(({ method }) => method)));
  }
}

/** What a path does not take is 405 there and then, also where a less specific path would take it: `GET /invitations/accept` is no invitation's. */
export function refuseOthers(methods: readonly string[]): MiddlewareHandler<ApiEnv> {
  const allowed = [...methods, ...(methods.includes("GET") ? ["HEAD"] : [])].join(", ");
  return (c) => {
    c.set("allow", allowed);
    throw new PerdureError("request.method_not_allowed", `This path takes ${allowed}.`);
  };
}

function named({ path }: Route): MiddlewareHandler<ApiEnv> {
  return (c, next) => {
    c.set("route", path);
    return next();
  };
}

/** Sorts `/nodes/registry` before `/nodes/:type`. */
function specificity(path: string): string {
  return path
    .split("/")
    .map((segment) => (segment.startsWith(":") ? "1" : "0"))
    .join("");
}

function respond(route: Route, handler: AnyHandler, reading: Reading, adaptation: Adaptation): MiddlewareHandler<ApiEnv> {
  const read = reader(route, reading, adaptation);
  return async (c) => {
    const request: { query?: { fields?: readonly string[] } | undefined } = await read(c);
    const answer = await handler(request as never);
    const reply = answer instanceof Response ? answer : documentedReply(answer, adaptation);
    if (reply instanceof Response) {
      // HEAD takes no body: what makes it must not go on.
      if (c.req.method === "HEAD") await reply.body?.cancel();
      return reply;
    }
    if (reply.body === undefined) return new Response(null, { status: reply.status, headers: reply.headers });
    const body = request.query?.fields ? inPart(reply.body, request.query.fields) : reply.body;
    return new Response(JSON.stringify(body), { status: reply.status, headers: { "content-type": "application/json", ...reply.headers } });
  };
}

/** The rows of a list with the fields that were asked for. */
function inPart(body: unknown, fields: readonly string[]): unknown {
  if (!Array.isArray(body)) return body;
  return body.map((row: unknown) => (isObject(row) ? Object.fromEntries(Object.entries(row).filter(([name]) => fields.includes(name))) : row));
}

function reader(route: Route, { maxBodyBytes, yaml }: Reading, adaptation: Adaptation): (c: ApiContext) => Promise<Request<never>> {
  const { params, query, headers, body } = route.request ?? {};
  const paramSchema = params as z.ZodType | undefined;
  const querySchema = query as z.ZodType | undefined;
  // Whatever a sender writes into the URL of a webhook is part of what it sends.
  const knownQuery = route.access.auth === "webhook" ? undefined : (querySchema ?? z.object({}));
  const headerSchema = headers as z.ZodObject | undefined;
  const headerNames = headerSchema ? Object.keys(headerSchema.shape) : [];
  const takesYaml = body?.content["application/yaml"] !== undefined;
  const bodySchema = (body?.content["application/json"] as { schema: z.ZodType } | undefined)?.schema;
  const readOnly = readOnlyNames(route, bodySchema);
  return async (c) => {
    const findings: Finding[] = [];
    const check = (schema: z.ZodType | undefined, value: unknown, place: string): unknown => {
      if (!schema) return undefined;
      const parsed = safeParse(schema, value);
      if (parsed.success) return parsed.data;
      findings.push(...parsed.error.issues.flatMap((issue) => toFindings(issue, place, schema)));
      return undefined;
    };
    const parsedParams = pathParams(c, paramSchema);
    const queried = canonicalQuery(queryValues(c, findings), adaptation.query);
    findings.push(...unknownParameters(Object.keys(queried), knownQuery));
    const parsedQuery = check(querySchema, queried, "query");
    const parsedHeaders = headerSchema && check(headerSchema, Object.fromEntries(headerNames.map((name) => [name, c.req.header(name)])), "header");
    let rawBody: Json | undefined;
    let parsedBody: unknown;
    if (bodySchema) {
      rawBody = canonicalBody(takesYaml ? await readDocument(c, maxBodyBytes, yaml) : await readJson(c, maxBodyBytes), adaptation.body);
      if (rawBody === undefined && body?.required)
        throw new PerdureError("request.malformed", takesYaml ? "The request needs a body." : "The request needs a JSON body.");
      parsedBody = check(bodySchema, rawBody === undefined ? {} : without(rawBody, readOnly), "");
    }
    if (findings.length > 0) throw new PerdureError("validation.failed", "The request is not valid.", { findings });
    return { params: parsedParams, query: parsedQuery, headers: parsedHeaders, body: parsedBody, rawBody, principal: c.get("principal"), c } as Request<never>;
  };
}

/** A path that cannot name anything is one that names nothing: 404. */
function pathParams(c: ApiContext, schema: z.ZodType | undefined): unknown {
  if (!schema) return undefined;
  const parsed = safeParse(schema, c.req.param());
  if (!parsed.success) throw notFound("resource");
  return parsed.data;
}

function queryValues(c: ApiContext, findings: Finding[]): Record<string, string | string[]> {
  return Object.fromEntries(
    Object.entries(c.req.queries()).map(([name, values]) => {
      if (!values.every(isStorable)) findings.push({ code: "validation.text", message: "must not contain NUL characters", path: `query.${name}` });
      return [name, values.length === 1 ? (values[0] ?? "") : values];
    }),
  );
}

function toFindings(issue: z.core.$ZodIssue, place: string, schema: z.ZodType): Finding[] {
  const path = [...(place === "" ? [] : [place]), ...issue.path.map(String)].join(".");
  if (issue.code === "unrecognized_keys") return unknownFields(issue, path, (issue.path.length === 0 && namesOf(schema)) || []);
  const code = issue.code === "custom" ? (issue.params?.["code"] ?? issue.code) : issue.code;
  return [{ code: `validation.${code}`, message: issue.message, ...(path !== "" && { path }) }];
}
