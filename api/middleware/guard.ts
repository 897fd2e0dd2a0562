import { type Access, type Route, PERMISSIONS } from "#contract";
import { PerdureError } from "#core";
import type { MiddlewareHandler } from "hono";
import type { ApiContext, ApiEnv } from "../context.ts";
import { type KeyHolders, isApiKey } from "../security/api-keys.ts";
import type { RouteLimits } from "../limits/route-limits.ts";
import type { Caller, Standing } from "../security/caller.ts";
import type { Members } from "../security/members.ts";
import { type Principal, allows } from "../security/principal.ts";
import { type Tickets, isTicket } from "../security/tickets.ts";
import { type Tokens, endOf } from "../security/tokens.ts";
import { socketToken } from "./socket-token.ts";
import type { WebhookDoor } from "../webhooks/door.ts";

const BEARER = /^Bearer +([A-Za-z0-9._~+/=-]+) *$/i;
export const API_KEY_HEADER = "x-api-key";

/** Those who know a caller by what they show. */
export interface Callers {
  readonly tokens: Tokens;
  readonly members: Members;
  readonly keys: KeyHolders;
  readonly tickets: Tickets;
  readonly standing: Standing;
  readonly limits: RouteLimits;
  readonly webhooks: WebhookDoor;
}

/** The one place that decides who may call: each route passes through it with the access its contract states. */
export function guard(access: Access, callers: Callers, socket?: Route["socket"]): MiddlewareHandler<ApiEnv> {
  if (access.auth === "public") return (_c, next) => next();
  if (access.auth === "webhook") {
    return async (c, next) => {
      c.set("webhookCall", await guessed(c, callers, () => callers.webhooks.confirm(c)));
      await next();
    };
  }
  const { permission } = access;
  if (!PERMISSIONS.includes(permission)) throw new PerdureError("internal", "A route states no permission: it is not served.");
  return async (c, next) => {
    const caller = await guessed(c, callers, () => identify(c, callers, socket));
    if (caller === "later") return next();
    c.set("caller", caller);
    c.set("principal", caller.principal);
    admit(caller.principal, access);
    c.set("reauthorize", async () => admit((await callers.standing.confirm(caller)).principal, access));
    await next();
  };
}

/** The caller whom a token, an API key or a ticket stands for. @throws PerdureError `auth.invalid`, `auth.forbidden`, `rate.limited`. */
export async function callerOf(c: ApiContext, token: string, access: Access, callers: Callers): Promise<Caller> {
  const caller = await guessed(c, callers, () => known(token, callers));
  admit(caller.principal, access);
  return caller;
}

/** @throws PerdureError `auth.forbidden`. */
function admit(principal: Principal, access: Access): void {
  if (access.auth !== "user" || allows(principal, access.permission)) return;
  const who = principal.apiKey ? "This API key" : `The role "${principal.role}"`;
  throw new PerdureError("auth.forbidden", `${who} may not do this (${access.permission}).`);
}

/** Counts what was wrong. */
async function guessed<T>(c: ApiContext, { limits }: Callers, identification: () => Promise<T>): Promise<T> {
  try {
    return await identification();
  } catch (error) {
    if (error instanceof PerdureError && error.code === "auth.invalid") await limits.failed(c);
    throw error;
  }
}

/** `Authorization` goes before `X-API-Key` where both are sent; what only handshakes of WebSockets may carry comes after them. */
async function identify(c: ApiContext, callers: Callers, socket: Route["socket"]): Promise<Caller | "later"> {
  if (c.env?.inner) return callers.standing.confirm(c.env.inner.caller);
  const header = c.req.header("authorization");
  const key = c.req.header(API_KEY_HEADER);
  const fromCookie = c.get("codecToken");
  if (header === undefined && fromCookie !== undefined) return known(fromCookie, callers);
  if (header === undefined) {
    if (key !== undefined) return { principal: await callers.keys.confirm(key.trim()) };
    if (socket && c.env?.upgrade) {
      const token = socketToken(c);
      if (token !== undefined) return known(token, callers);
      if (socket.lateToken) return "later";
    }
    throw new PerdureError("auth.required", "Sign in and send the access token as `Authorization: Bearer …`, or an API key as `X-API-Key`.");
  }
  const token = BEARER.exec(header)?.[1];
  if (token === undefined) throw new PerdureError("auth.invalid", "The Authorization header is not `Bearer <access token>`.");
  if (isTicket(token)) throw new PerdureError("auth.invalid", "A ticket opens a WebSocket and nothing else.");
  return known(token, callers);
}

async function known(token: string, { tokens, members, keys, tickets }: Callers): Promise<Caller> {
  if (isTicket(token)) return tickets.redeem(token);
  if (isApiKey(token)) return { principal: await keys.confirm(token) };
  const principal = await members.confirm(await tokens.verify(token));
  return { principal, endsAt: endOf(token) };
}
