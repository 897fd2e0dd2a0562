import type { HttpBindings } from "@hono/node-server";
import type { Context } from "hono";
import type { Verdict } from "./limits/rate-limiter.ts";
import type { Principal } from "./security/principal.ts";

export interface ApiEnv {
  Bindings: Partial<HttpBindings>;
  Variables: {
    correlationId: string;
    /** Set on every route that is not public. */
    principal: Principal;
    /** Where the request comes from; empty where there is no socket. */
    address: string;
    /** Of the limits that the request passed or did not, the one nearest to its end. */
    rateVerdict: Verdict | undefined;
  };
}

export type ApiContext = Context<ApiEnv>;

export function clientAddress(c: ApiContext): string {
  return c.get("address");
}
