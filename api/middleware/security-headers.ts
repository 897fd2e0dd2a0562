import type { MiddlewareHandler } from "hono";
import type { ApiEnv } from "../context.ts";

const HEADERS: readonly (readonly [name: string, value: string])[] = [
  ["x-content-type-options", "nosniff"],
  ["x-frame-options", "DENY"],
  ["referrer-policy", "no-referrer"],
  ["cross-origin-resource-policy", "same-origin"],
];
/** Answers are data: nothing in them may run, load or be framed. The docs page sets its own. */
const DATA_ONLY = "default-src 'none'; frame-ancestors 'none'";

export function securityHeaders({ crossOrigin }: { crossOrigin: boolean }): MiddlewareHandler<ApiEnv> {
  const headers = HEADERS.map(([name, value]) => [name, name === "cross-origin-resource-policy" && crossOrigin ? "cross-origin" : value] as const);
  return async (c, next) => {
    await next();
    for (const [name, value] of headers) c.res.headers.set(name, value);
    if (!c.res.headers.has("content-security-policy")) c.res.headers.set("content-security-policy", DATA_ONLY);
    if (!c.res.headers.has("cache-control")) c.res.headers.set("cache-control", "no-store");
  };
}
