import { APIConnectionError, APIConnectionTimeoutError, APIError } from "openai";
import { PerdureError, upstreamFailure } from "#core";
import { networkFailure, timedOut } from "../http/index.ts";

/** How much of the server's own words goes into the message, in characters. */
const EXCERPT = 300;

/** What the failure of a call to a model server is to a node. Quota that is used up looks like a rate limit and is none: no retry helps. */
export function modelFailure(error: unknown, host: string, apiKey: string | undefined): PerdureError {
  if (error instanceof PerdureError) return error;
  if (error instanceof APIConnectionTimeoutError) return timedOut(host, error);
  if (error instanceof APIConnectionError) return networkFailure(error.cause ?? error, host);
  if (error instanceof APIError && typeof error.status === "number") {
    const said = `${host} answered ${error.status}: ${excerpt(error.message, apiKey)}`;
    if (error.status < 400) return new PerdureError("upstream.rejected", `${host} redirects, which a model server must not.`);
    if (error.code === "insufficient_quota" || error.type === "insufficient_quota")
      return new PerdureError("upstream.rate_limited", said, { retryable: false });
    return upstreamFailure(error.status, said, Object.fromEntries(error.headers ?? new Headers()), Date.now());
  }
  if (error instanceof APIError)
    return new PerdureError("upstream.failed", `${host} failed in mid-answer: ${excerpt(error.message, apiKey)}`, { cause: error });
  if (error instanceof SyntaxError) return new PerdureError("upstream.failed", `${host} sent an answer that cannot be read.`, { cause: error });
  return networkFailure(error, host);
}

/** Servers like to repeat the key that they refuse; nobody else shall read it. */
function excerpt(message: string, apiKey: string | undefined): string {
  const told = message.replace(/^\d+ /, "");
  return (apiKey ? told.replaceAll(apiKey, "[key]") : told).slice(0, EXCERPT);
}
