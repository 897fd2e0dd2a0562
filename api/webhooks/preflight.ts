import type { MiddlewareHandler } from "hono";
import type { ApiEnv } from "../context.ts";

/** Paths that webhooks are called by, and what they are called there with; `webhooks/…` is also where they are changed. */
const CALLED = /^(?:(?!POST )\w+ \/api(?:\/v1)?\/hooks|POST \/api(?:\/v1)?\/(?:hooks|webhooks))\/[^/]+(?:\/test)?\/?$/;
const MAX_AGE_SECONDS = 600;

/**
 * Answers browsers that ask whether they may call a webhook: always yes and without a look, so that nothing is told of which webhooks there are. The call
 * itself is refused where its origin may not call, and its answer is readable only where the webhook says so.
 */
export function webhookPreflight(): MiddlewareHandler<ApiEnv> {
  return async (c, next) => {
    const asked = c.req.header("access-control-request-method");
    if (c.req.method !== "OPTIONS" || asked === undefined || !CALLED.test(`${asked} ${c.req.path}`)) return next();
    return new Response(null, {
      status: 204,
      headers: {
        "access-control-allow-origin": "*",
        "access-control-allow-methods": "GET, POST, PUT, PATCH, DELETE",
        "access-control-allow-headers": c.req.header("access-control-request-headers") ?? "authorization, content-type",
        "access-control-max-age": String(MAX_AGE_SECONDS),
      },
    });
  };
}
