import { uuidv7 } from "#core";
import { inLogContext, type Logger } from "#platform";
import type { MiddlewareHandler } from "hono";
import type { ApiEnv } from "../context.ts";

export const CORRELATION_HEADER = "x-correlation-id";
/** Another name for the same, which many proxies and clients use. */
export const REQUEST_ID_HEADER = "x-request-id";
/** What is taken from a caller; anything else gets an id of ours, so that logs and headers stay clean. */
const ACCEPTABLE = /^[A-Za-z0-9._:-]{1,128}$/;

/** Gives each request an id, the caller's own where it has a decent one, answers with it, and writes one line a request to the log. */
export function correlate(logger: Logger): MiddlewareHandler<ApiEnv> {
  // The names of its fields are all here: looking for secret ones would cost fifty times the line.
  const lines = logger.child({}, { redact: [] });
  return async (c, next) => {
    const given = c.req.header(CORRELATION_HEADER) ?? c.req.header(REQUEST_ID_HEADER);
    const correlationId = given !== undefined && ACCEPTABLE.test(given) ? given : uuidv7();
    c.set("correlationId", correlationId);
    const startedAt = performance.now();
    await inLogContext({ correlation_id: correlationId }, next);
    c.header(CORRELATION_HEADER, correlationId);
    c.header(REQUEST_ID_HEADER, correlationId);
    const principal = c.get("principal") as ApiEnv["Variables"]["principal"] | undefined;
    lines.info(
      {
        correlation_id: correlationId,
        method: c.req.method,
        path: c.req.path,
        status: c.res.status,
        duration_ms: Math.round((performance.now() - startedAt) * 10) / 10,
        ...(principal && { tenant_id: principal.tenantId, user_id: principal.userId }),
      },
      "request",
    );
  };
}
