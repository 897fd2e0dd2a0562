import { routes } from "#contract";
import type { MiddlewareHandler } from "hono";
import { getCookie } from "hono/cookie";
import { cors } from "hono/cors";
import type { ApiEnv } from "../context.ts";

const COOKIE = "perdure_codec";
const PATHS: ReadonlySet<string> = new Set([routes.decodePayloads.path, routes.encodePayloads.path]);
const COOKIE_PATH = routes.decodePayloads.path.slice(0, routes.decodePayloads.path.lastIndexOf("/"));

/**
 * Lets the page of Temporal's Web UI call the codec endpoint, and nothing else. It has no access token of ours to send, so for these two routes a
 * cookie stands in for the header; the guard asks the same of it. Browsers send it from the Web UI where both are of one site (ports do not
 * count), and no other page may read the answer.
 */
export function codecAccess(temporalUiUrl: string): MiddlewareHandler<ApiEnv> {
  const origin = URL.canParse(temporalUiUrl) ? new URL(temporalUiUrl).origin : "";
  const allow = cors({
    origin: (asking) => (asking !== "" && asking === origin ? origin : null),
    credentials: true,
    allowMethods: ["POST"],
    allowHeaders: ["authorization", "authorization-extras", "content-type", "x-namespace"],
    maxAge: 600,
  });
  return async (c, next) => {
    if (!PATHS.has(c.req.path)) return next();
    const asking = c.req.header("origin");
    const token = asking === undefined || asking === origin ? getCookie(c, COOKIE) : undefined;
    if (token !== undefined) c.set("codecToken", token);
    return asking === origin ? allow(c, next) : next();
  };
}

/** `Set-Cookie` of a sign-in: not to be read by scripts, sent to the codec endpoint and nowhere else. */
export function codecCookie(accessToken: string, expiresInSeconds: number, isSecure: boolean): string {
  return `${COOKIE}=${accessToken}; Path=${COOKIE_PATH}; Max-Age=${expiresInSeconds}; HttpOnly; SameSite=Strict${isSecure ? "; Secure" : ""}`;
}
