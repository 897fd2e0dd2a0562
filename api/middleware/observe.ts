import type { Metrics, Tracing } from "#telemetry";
import type { MiddlewareHandler } from "hono";
import type { ApiEnv } from "../context.ts";

/** What a label and a span's name say where no route was found: paths are the callers' to choose. */
const UNMATCHED = "unmatched";
const METHODS: ReadonlySet<string> = new Set(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]);

/** Counts each request under its route's template, and makes it a span that goes on with the caller's trace, where that is allowed. */
export function observe(metrics: Metrics, tracing: Tracing, { takesTraces }: { takesTraces: boolean }): MiddlewareHandler<ApiEnv> {
  return async (c, next) => {
    const startedAt = performance.now();
    const method = METHODS.has(c.req.method) ? c.req.method : "OTHER";
    const parent = takesTraces ? c.req.header("traceparent") : undefined;
    metrics.add("http_requests_in_flight", {}, 1);
    try {
      await tracing.span({ name: method, kind: "server", parent, attributes: { "http.request.method": method } }, async (span) => {
        await next();
        const route = routeOf(c.get("route"));
        span.rename(`${method} ${route}`);
        span.set({ "http.route": route, "http.response.status_code": c.res.status, "perdure.correlation_id": c.get("correlationId") });
        if (c.res.status >= 500) span.failed(String(c.res.status));
      });
    } finally {
      const route = routeOf(c.get("route"));
      metrics.add("http_requests_in_flight", {}, -1);
      metrics.count("http_requests_total", { method, route, status: String(c.res.status) });
      metrics.observe("http_request_duration_seconds", { method, route }, (performance.now() - startedAt) / 1000);
      const verdict = c.get("rateVerdict");
      if (c.res.status === 429) metrics.count("perdure_rate_limit_refusals_total", { limit: verdict?.allowed === false ? verdict.name : "other" });
    }
  };
}

function routeOf(route: string | undefined): string {
  return route ?? UNMATCHED;
}
