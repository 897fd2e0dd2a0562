import type { RouteName } from "./routes.ts";

/**
 * Documented paths of the source systems, served by the handlers of the canonical routes (D8). Parameters carry the canonical route's names.
 * Each is served with and without a trailing slash, and so is every canonical path under `/api/v1` also under `/api` (see `pathsOf`).
 */
export const ALIASES: Partial<Record<RouteName, readonly string[]>> = {
  // KAI-Fusion platform
  register: ["/api/v1/auth/signup", "/api/auth/signup"],
  login: ["/api/v1/auth/signin", "/api/auth/signin"],
  me: ["/api/v1/auth/profile", "/api/auth/profile"],
  executeGraph: ["/api/v1/workflows/execute", "/api/workflows/execute"],
  // KAI-Fusion requirements
  listNodes: ["/api/v1/nodes/registry", "/api/nodes/registry"],
  registerNode: ["/api/v1/nodes/registry", "/api/nodes/registry"],
  replaceNode: ["/api/v1/nodes/registry/{type}", "/api/nodes/registry/{type}"],
  getNode: ["/api/v1/nodes/registry/{type}", "/api/nodes/registry/{type}"],
};

const CANONICAL_BASE = "/api/v1/";
const DOCUMENTED_BASE = "/api/";

/** Every path that serves a route, the canonical one first. */
export function pathsOf(name: RouteName, canonical: string): readonly string[] {
  const twin = canonical.startsWith(CANONICAL_BASE) ? [DOCUMENTED_BASE + canonical.slice(CANONICAL_BASE.length)] : [];
  return [canonical, ...twin, ...(ALIASES[name] ?? [])];
}
