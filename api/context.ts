import type { HttpBindings } from "@hono/node-server";
import type { Context } from "hono";
import type { AuditActor } from "./audit/entry.ts";
import type { Verdict } from "./limits/rate-limiter.ts";
import type { WebhookCall } from "./webhooks/door.ts";
import type { Upgrade } from "./live/upgrade.ts";
import type { Caller } from "./security/caller.ts";
import type { Principal } from "./security/principal.ts";

export interface ApiEnv {
  Bindings: Partial<HttpBindings> & {
    /** Of a WebSocket's handshake. */
    upgrade?: Upgrade;
    /** Of a request that the process makes of itself, for somebody who has a connection. No request from outside has it. */
    inner?: { readonly caller: Caller; readonly address: string };
  };
  Variables: {
    correlationId: string;
    /** Template of the route that was found. */
    route?: string;
    /** Set on every route that is not public. */
    principal: Principal;
    /** The principal, and until when they have shown who they are. Set with it. */
    caller: Caller;
    /** Asks again whether the caller may still do what the route does. @throws PerdureError `auth.*` where they may not. */
    reauthorize: () => Promise<void>;
    /** An access token that came in the cookie of the codec endpoint. */
    codecToken?: string;
    /** Where the request comes from; empty where there is no socket. */
    address: string;
    /** Set by handlers of public routes that make a change, and of those that make it in another organization. */
    auditActor: AuditActor | undefined;
    /** For handlers whose change stands long before their answer: writes it to the audit log now, beside what they go on to do. Set where changes are watched. */
    auditBegun: ((reply: { status: number; body: unknown }) => void) | undefined;
    /** Methods that the path takes, where the request's is none of them. */
    allow: string | undefined;
    /** Set on the routes that webhooks are called by. */
    webhookCall: WebhookCall;
    /** User whose account somebody tried to sign in to, in vain. */
    refusedAccount: string | undefined;
    /** Of the limits that the request passed or did not, the one nearest to its end. */
    rateVerdict: Verdict | undefined;
  };
}

export type ApiContext = Context<ApiEnv>;

export function clientAddress(c: ApiContext): string {
  return c.get("address");
}

/** Longest user agent kept with a login or a change. */
const USER_AGENT_MAX_LENGTH = 500;

export function userAgent(c: ApiContext): string {
  return (c.req.header("user-agent") ?? "").replaceAll("\0", "").slice(0, USER_AGENT_MAX_LENGTH);
}
