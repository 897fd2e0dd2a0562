import { type Route, type RouteName, SYSTEMS, isScope, pathsOf, problem, routes, servedPaths } from "#contract";
import { OpenAPIHono, z } from "@hono/zod-openapi";
import { aliasOperation, documentedTag } from "./openapi/aliases.ts";
import { STARTING, TAGS } from "./openapi/texts.ts";

/** What any route may answer beside what it states. */
const COMMON_PROBLEMS = [429, 500, 503];
const AUTH_PROBLEMS = [401, 403];

const PROBLEM_TITLES: Readonly<Record<number, string>> = {
  400: "Malformed.",
  401: "No access token, or one that is not valid.",
  403: "The role does not allow it.",
  404: "There is no such thing, or it belongs to others.",
  409: "The state it is in does not allow it.",
  413: "Too large.",
  415: "Compressed: bodies are taken as they are.",
  426: "The path serves WebSockets and nothing else.",
  422: "Well-formed, but wrong; `errors` lists all that is.",
  429: "Too many requests; see `Retry-After`.",
  500: "A failure of ours; the log has it under `correlation_id`.",
  503: "A dependency is away; see `Retry-After`.",
};

/**
 * OpenAPI 3.1, made from the same objects that serve: every canonical operation, and every documented path of another system that is served under a
 * name of its own, with the tag of that system and `x-alias-of`.
 */
export function openApiDocument(version: string): object {
  const { openAPIRegistry, getOpenAPI31Document } = new OpenAPIHono();
  openAPIRegistry.registerComponent("securitySchemes", "bearer", {
    type: "http",
    scheme: "bearer",
    bearerFormat: "JWT",
    description: "The `access_token` of `POST /api/v1/auth/login`, or an API key.",
  });
  openAPIRegistry.registerComponent("securitySchemes", "webhook_token", { type: "http", scheme: "bearer", description: "The webhook's own token." });
  openAPIRegistry.registerComponent("securitySchemes", "api_key", { type: "apiKey", in: "header", name: "X-API-Key", description: "`pk_…`" });
  const names = Object.keys(routes) as RouteName[];
  const canonical = names.map((name) => operation(name, routes[name]));
  const shown = new Set(names.flatMap((name) => servedPaths(name).flatMap(({ path, systems }) => (systems.length > 0 ? [path] : []))));
  const aliases = names.flatMap((name, index) =>
    servedPaths(name)
      .slice(1)
      // A path that is shown is shown whole.
      .filter(({ path }) => shown.has(path))
      .map((served) => aliasOperation(name, canonical[index] as Operation, served)),
  );
  for (const each of [...canonical, ...aliases]) openAPIRegistry.registerPath(each);
  const tags = [...new Set(canonical.flatMap((each) => each.tags))];
  return getOpenAPI31Document({
    openapi: "3.1.0",
    info: { title: "Perdure", version, description: STARTING, license: { name: "MIT" } },
    servers: [{ url: "/" }],
    tags: [
      ...tags.map((name) => ({ name, ...(TAGS[name] && { description: TAGS[name] }) })),
      ...(Object.keys(SYSTEMS) as (keyof typeof SYSTEMS)[]).map(documentedTag),
    ],
  });
}

export type Operation = ReturnType<typeof operation>;

function operation(name: RouteName, route: Route) {
  const { access, problems = [], description, rules, tags, socket: _socket, ...rest } = route;
  const aliases = pathsOf(name).slice(1);
  const secured = access.auth === "user";
  const statuses = new Set([
    ...problems,
    ...problemsOf(route),
    ...(secured || access.auth === "webhook" || tags.includes("auth") ? AUTH_PROBLEMS : []),
    ...COMMON_PROBLEMS,
  ]);
  const answered = new Set(Object.keys(route.responses).map(Number));
  return {
    ...rest,
    tags: [...tags],
    description: [
      description,
      rules && `Refused with 422 unless ${rules}`,
      secured && `Needs the permission \`${access.permission}\`.`,
      aliases.length > 0 && `Also served as ${aliases.map((path) => `\`${path}\``).join(", ")}.`,
    ]
      .filter(Boolean)
      .join("\n\n"),
    security:
      access.auth === "webhook"
        ? [{ webhook_token: [] }, {}]
        : secured
          ? ["bearer", ...(isScope(access.permission) ? ["api_key"] : [])].map((scheme) => ({ [scheme]: [] }))
          : [],
    ...(rules && { "x-has-rules": true }),
    ...(isPaged(route) && { "x-is-paged": true }),
    ...(secured && { "x-permission": access.permission }),
    ...(aliases.length > 0 && { "x-aliases": aliases }),
    responses: {
      ...route.responses,
      ...Object.fromEntries(
        [...statuses]
          .filter((status) => !answered.has(status))
          .toSorted((a, b) => a - b)
          .map((status) => [status, { description: PROBLEM_TITLES[status] ?? "A problem.", content: { "application/problem+json": { schema: problem } } }]),
      ),
    },
  };
}

/** What follows from what a route reads: no body is read without a way to refuse it, and no query that it does not know. */
function problemsOf({ request = {}, path, access }: Route): number[] {
  const { body, query, headers } = request;
  const isPaged = query instanceof z.ZodObject && "cursor" in query.shape;
  return [
    ...(body || isPaged ? [400] : []),
    ...(path.includes("{") ? [404] : []),
    ...(body ? [413] : []),
    ...(body && access.auth !== "webhook" ? [415] : []),
    ...(body || headers || access.auth !== "webhook" ? [422] : []),
  ];
}

function isPaged({ request }: Route): boolean {
  return request?.query instanceof z.ZodObject && "cursor" in request.query.shape;
}
