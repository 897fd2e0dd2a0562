import { type Route, type RouteName, isScope, pathsOf, problem, routes } from "#contract";
import { OpenAPIHono } from "@hono/zod-openapi";

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
  426: "The path serves WebSockets and nothing else.",
  422: "Well-formed, but wrong; `errors` lists all that is.",
  429: "Too many requests; see `Retry-After`.",
  500: "A failure of ours; the log has it under `correlation_id`.",
  503: "A dependency is away; see `Retry-After`.",
};

/** OpenAPI 3.1 of the canonical operations, made from the same objects that serve them. The documented paths of other systems are in `x-aliases`. */
export function openApiDocument(version: string): object {
  const { openAPIRegistry, getOpenAPI31Document } = new OpenAPIHono();
  openAPIRegistry.registerComponent("securitySchemes", "bearer", { type: "http", scheme: "bearer", bearerFormat: "JWT" });
  openAPIRegistry.registerComponent("securitySchemes", "api_key", { type: "apiKey", in: "header", name: "X-API-Key" });
  for (const name of Object.keys(routes) as RouteName[]) openAPIRegistry.registerPath(operation(name, routes[name]));
  return getOpenAPI31Document({
    openapi: "3.1.0",
    info: {
      title: "Perdure",
      version,
      description:
        "Durable AI workflows: a graph of nodes as JSON, run by Temporal. Names are snake_case, times ISO 8601 UTC. Every path is served with and without a trailing slash.",
    },
    servers: [{ url: "/" }],
    tags: ["auth", "organizations", "members", "api-keys", "audit", "workflows", "templates", "executions", "approvals", "live", "nodes", "health"].map(
      (tag) => ({
        name: tag,
      }),
    ),
  });
}

function operation(name: RouteName, route: Route) {
  const { access, problems = [], description, tags, socket: _socket, ...rest } = route;
  const aliases = pathsOf(name, route.path).slice(1);
  const secured = access.auth === "user";
  const statuses = new Set([...problems, ...(secured || tags.includes("auth") ? AUTH_PROBLEMS : []), ...COMMON_PROBLEMS]);
  const answered = new Set(Object.keys(route.responses).map(Number));
  return {
    ...rest,
    tags: [...tags],
    description: [
      description,
      secured && `Needs the permission \`${access.permission}\`.`,
      aliases.length > 0 && `Also served as ${aliases.map((path) => `\`${path}\``).join(", ")}.`,
    ]
      .filter(Boolean)
      .join("\n\n"),
    security: secured ? ["bearer", ...(isScope(access.permission) ? ["api_key"] : [])].map((scheme) => ({ [scheme]: [] })) : [],
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
