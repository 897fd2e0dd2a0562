import { type Adaptation, DOCUMENTED, type HttpMethod, type ServedEndpoint, type SystemName } from "./documented.ts";
import type { Route } from "./route.ts";
import { type RouteName, routes } from "./routes.ts";

/** A path that serves a route. Its parameters carry the canonical route's names, whatever the document calls them: names of parameters are not sent. */
export interface ServedPath {
  readonly path: string;
  /** Undefined for the canonical path, and for one that is only spelled differently. */
  readonly adaptation: Adaptation | undefined;
  /** Who documents it; empty for the canonical path's twin under `/api` that nobody does. */
  readonly systems: readonly SystemName[];
}

/** Paths that serve a route and stand in no document: the rest of what a documented path begins, and other names that clients may try. */
const ALIASES: Partial<Record<RouteName, readonly string[]>> = {
  callWebhook: ["/api/v1/webhooks/{id}"],
  getWebhookInfo: ["/api/v1/webhooks/{id}/info"],
  listSchedules: ["/api/v1/scheduled-jobs"],
  createSchedule: ["/api/v1/scheduled-jobs"],
  getSchedule: jobPaths(""),
  replaceSchedule: ["/api/v1/scheduled-jobs/{id}"],
  updateSchedule: jobPaths(""),
  deleteSchedule: ["/api/v1/scheduled-jobs/{id}"],
  triggerSchedule: ["/api/v1/scheduled-jobs/{id}/trigger"],
  pauseSchedule: ["/api/v1/schedules/{id}/disable", ...jobPaths("/pause"), ...jobPaths("/disable")],
  resumeSchedule: ["/api/v1/schedules/{id}/enable", ...jobPaths("/resume"), ...jobPaths("/enable")],
  backfillSchedule: jobPaths("/backfill"),
  listScheduleExecutions: ["/api/v1/scheduled-jobs/{id}/executions"],
};

function jobPaths(rest: string): string[] {
  return ["/api/v1/jobs/scheduled/{id}", "/api/v1/scheduled-jobs/{id}"].map((path) => path + rest);
}

const CANONICAL_BASE = "/api/v1/";
const DOCUMENTED_BASE = "/api/";

const served = DOCUMENTED.filter((row): row is ServedEndpoint => "serves" in row);
const byRoute = Map.groupBy(served, ({ serves }) => serves);

/**
 * Every path that serves a route, the canonical one first. What stands under `/api/v1` is served under `/api` too, where the documents of three
 * systems have it; several that document the same path share it, and all of what they document is answered. Each path also takes a trailing slash.
 */
export function servedPaths(name: RouteName): readonly ServedPath[] {
  const route: Route = routes[name];
  const documented = Map.groupBy(byRoute.get(name) ?? [], (row) => spelled(row.path, route.path));
  const paths = new Set([route.path, ...documented.keys(), ...(ALIASES[name] ?? [])].flatMap((path) => [path, ...twin(path)]));
  return [...paths].map((path) => {
    const rows = documented.get(path) ?? [];
    const adaptations = (rows.length > 0 ? rows : (documented.get(CANONICAL_BASE + path.slice(DOCUMENTED_BASE.length)) ?? [])).flatMap(({ adapts }) =>
      adapts ? [adapts] : [],
    );
    const adaptation = path === route.path || adaptations.length === 0 ? undefined : adaptations.reduce(merged);
    return { path, adaptation, systems: [...new Set(rows.map(({ system }) => system))] };
  });
}

/** As `servedPaths`, the paths alone. */
export function pathsOf(name: RouteName): readonly string[] {
  return servedPaths(name).map(({ path }) => path);
}

/** The documented operation a row is about, as `GET /api/v1/…` of the canonical route. */
export function canonicalOf(row: ServedEndpoint): { method: HttpMethod; path: string } {
  const { method, path }: Route = routes[row.serves];
  return { method: method as HttpMethod, path };
}

/** `/api/workflows/{id}/runs/{run_id}/` → `/api/workflows/{workflow_id}/runs/{id}` where the canonical path names them so, in this order. */
function spelled(path: string, canonical: string): string {
  const names = canonical.match(/\{\w+\}/g) ?? [];
  let at = 0;
  return path.replace(/(?<=.)\/$/, "").replaceAll(/\{\w+\}/g, (own) => names[at++] ?? own);
}

function twin(path: string): string[] {
  return path.startsWith(CANONICAL_BASE) ? [DOCUMENTED_BASE + path.slice(CANONICAL_BASE.length)] : [];
}

function merged(a: Adaptation, b: Adaptation): Adaptation {
  return {
    body: { ...a.body, ...b.body },
    query: { ...a.query, ...b.query },
    answer: { ...a.answer, ...b.answer },
    replies: { ...a.replies, ...b.replies },
  };
}
