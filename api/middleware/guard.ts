import { type Access, PERMISSIONS, type Permission } from "#contract";
import { PerdureError } from "#core";
import type { MiddlewareHandler } from "hono";
import type { ApiContext, ApiEnv } from "../context.ts";
import { type KeyHolders, isApiKey } from "../security/api-keys.ts";
import type { RouteLimits } from "../limits/route-limits.ts";
import type { Members } from "../security/members.ts";
import { type Principal, allows } from "../security/principal.ts";
import type { Tokens } from "../security/tokens.ts";

const BEARER = /^Bearer +([A-Za-z0-9._~+/=-]+) *$/i;
export const API_KEY_HEADER = "x-api-key";

/** Those who know a caller by what they show. */
export interface Callers {
  readonly tokens: Tokens;
  readonly members: Members;
  readonly keys: KeyHolders;
  readonly limits: RouteLimits;
}

/** The one place that decides who may call: each route passes through it with the access its contract states. */
export function guard(access: Access, callers: Callers): MiddlewareHandler<ApiEnv> {
  if (access.auth === "public") return (_c, next) => next();
  const { permission } = access;
  if (!PERMISSIONS.includes(permission)) throw new PerdureError("internal", "A route states no permission: it is not served.");
  return async (c, next) => {
    const principal = await identify(c, callers).catch(async (error: unknown) => {
      if (error instanceof PerdureError && error.code === "auth.invalid") await callers.limits.failed(c);
      throw error;
    });
    c.set("principal", principal);
    refuseUnlessAllowed(principal, permission);
    c.set("reauthorize", async () => refuseUnlessAllowed(await identify(c, callers), permission));
    await next();
  };
}

function refuseUnlessAllowed(principal: Principal, permission: Permission): void {
  if (allows(principal, permission)) return;
  const who = principal.apiKey ? "This API key" : `The role "${principal.role}"`;
  throw new PerdureError("auth.forbidden", `${who} may not do this (${permission}).`);
}

/** `Authorization` goes before `X-API-Key` where both are sent. */
async function identify(c: ApiContext, { tokens, members, keys }: Callers): Promise<Principal> {
  const header = c.req.header("authorization");
  const key = c.req.header(API_KEY_HEADER);
  const fromCookie = c.get("codecToken");
  if (header === undefined && fromCookie !== undefined) return members.confirm(await tokens.verify(fromCookie));
  if (header === undefined) {
    if (key !== undefined) return keys.confirm(key.trim());
    throw new PerdureError("auth.required", "Sign in and send the access token as `Authorization: Bearer …`, or an API key as `X-API-Key`.");
  }
  const token = BEARER.exec(header)?.[1];
  if (token === undefined) throw new PerdureError("auth.invalid", "The Authorization header is not `Bearer <access token>`.");
  return isApiKey(token) ? keys.confirm(token) : members.confirm(await tokens.verify(token));
}
