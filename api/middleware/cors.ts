import type { MiddlewareHandler } from "hono";
import { cors as honoCors } from "hono/cors";
import type { ApiEnv } from "../context.ts";
import { CORRELATION_HEADER, REQUEST_ID_HEADER } from "./correlation.ts";
import { API_KEY_HEADER } from "./guard.ts";

/**
 * Lets pages of the listed origins call. `*` lets all of them, and then without credentials: a wildcard never goes together with them.
 * An empty list (the default) lets none.
 */
export function cors(origins: readonly string[]): MiddlewareHandler<ApiEnv> {
  const everybody = origins.includes("*");
  return honoCors({
    origin: everybody ? "*" : (origin) => (origins.includes(origin) ? origin : null),
    credentials: !everybody && origins.length > 0,
    allowMethods: ["GET", "POST", "PUT", "PATCH", "DELETE"],
    allowHeaders: [
      "authorization",
      "content-type",
      "idempotency-key",
      API_KEY_HEADER,
      "if-match",
      "last-event-id",
      CORRELATION_HEADER,
      REQUEST_ID_HEADER,
      "traceparent",
      "tracestate",
    ],
    exposeHeaders: [
      CORRELATION_HEADER,
      REQUEST_ID_HEADER,
      "etag",
      "link",
      "location",
      "ratelimit-limit",
      "ratelimit-policy",
      "ratelimit-remaining",
      "ratelimit-reset",
      "retry-after",
      "x-total-count",
      "x-execution-id",
    ],
    maxAge: 600,
  });
}
