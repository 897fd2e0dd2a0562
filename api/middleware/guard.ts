import { type Access, may } from "#contract";
import { PerdureError } from "#core";
import type { MiddlewareHandler } from "hono";
import type { ApiEnv } from "../context.ts";
import type { Members } from "../security/members.ts";
import type { Tokens } from "../security/tokens.ts";

const BEARER = /^Bearer +([A-Za-z0-9._~+/=-]+) *$/i;

/** The one place that decides who may call: each route passes through it with the access its contract states. */
export function guard(access: Access, { tokens, members }: { tokens: Tokens; members: Members }): MiddlewareHandler<ApiEnv> {
  if (access.auth === "public") return (_c, next) => next();
  const { permission } = access;
  return async (c, next) => {
    const header = c.req.header("authorization");
    const fromCookie = c.get("codecToken");
    if (header === undefined && fromCookie === undefined) {
      throw new PerdureError("auth.required", "Sign in and send the access token as `Authorization: Bearer …`.");
    }
    const token = header === undefined ? fromCookie : BEARER.exec(header)?.[1];
    if (token === undefined) throw new PerdureError("auth.invalid", "The Authorization header is not `Bearer <access token>`.");
    const principal = await members.confirm(await tokens.verify(token));
    c.set("principal", principal);
    if (!may(principal.role, permission)) {
      throw new PerdureError("auth.forbidden", `The role "${principal.role}" may not do this (${permission}).`);
    }
    await next();
  };
}
