import { STATUS_CODES } from "node:http";
import { type Finding, PerdureError } from "#core";
import type { Logger } from "#platform";
import { HTTPException } from "hono/http-exception";

/** Seconds a caller is asked to wait where the failure itself does not say. */
const RETRY_AFTER_DEFAULT_SECONDS = 1;

export interface Problem {
  type: string;
  title: string;
  status: number;
  detail: string;
  code: string;
  correlation_id: string;
  errors?: readonly Finding[];
}

/**
 * The one bridge from an error to RFC 9457. What is not a PerdureError is a 500 without details; it goes to the log with the correlation id
 * that the caller sees.
 */
export function problemResponse(thrown: unknown, correlationId: string, logger: Logger): Response {
  const error = known(thrown);
  const status = error.status;
  if (status >= 500) {
    const entry = { err: thrown, correlation_id: correlationId, code: error.code };
    if (isAborted(thrown)) logger.debug(entry, "the caller has gone");
    else if (status === 503) logger.warn(entry, "request could not be served");
    else logger.error(entry, "request failed");
  }
  const problem: Problem = {
    type: `urn:perdure:problem:${error.code}`,
    title: STATUS_CODES[status] ?? "Error",
    status,
    detail: error.code === "internal" ? "An unexpected error occurred." : error.message,
    code: error.code,
    correlation_id: correlationId,
    ...(error.findings.length > 0 && { errors: error.findings }),
  };
  return new Response(JSON.stringify(problem), {
    status,
    headers: { "content-type": "application/problem+json", "cache-control": "no-store", ...extraHeaders(error) },
  });
}

function known(thrown: unknown): PerdureError {
  if (thrown instanceof PerdureError) return thrown;
  if (thrown instanceof HTTPException && thrown.status < 500) {
    const code = thrown.status === 413 ? "request.too_large" : thrown.status === 404 ? "resource.not_found" : "request.malformed";
    return new PerdureError(code, thrown.message || (STATUS_CODES[thrown.status] ?? "Bad request"), { cause: thrown });
  }
  return new PerdureError("internal", "An unexpected error occurred.", { cause: thrown });
}

/** Of a request whose caller left while its body was read (`abortIncoming` of Node). */
function isAborted(thrown: unknown): boolean {
  return thrown instanceof Error && (thrown as NodeJS.ErrnoException).code === "ECONNRESET" && thrown.message === "aborted";
}

function extraHeaders(error: PerdureError): Record<string, string> {
  if (error.status === 401) return { "www-authenticate": error.code === "auth.required" ? "Bearer" : 'Bearer error="invalid_token"' };
  if (error.status === 429 || error.status === 503) {
    return { "retry-after": String(error.retryAfterMs === undefined ? RETRY_AFTER_DEFAULT_SECONDS : Math.max(1, Math.ceil(error.retryAfterMs / 1000))) };
  }
  return {};
}

/** 404, the same for what does not exist and for what belongs to others. */
export function notFound(what: string): PerdureError {
  return new PerdureError("resource.not_found", `There is no such ${what}.`);
}
