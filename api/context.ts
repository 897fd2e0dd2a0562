import type { HttpBindings } from "@hono/node-server";
import type { Context } from "hono";
import type { Principal } from "./security/principal.ts";

export interface ApiEnv {
  Bindings: Partial<HttpBindings>;
  Variables: {
    correlationId: string;
    /** Set on every route that is not public. */
    principal: Principal;
  };
}

export type ApiContext = Context<ApiEnv>;

/** Address of the peer; empty where there is no socket. */
export function clientAddress(c: ApiContext): string {
  return c.env?.incoming?.socket.remoteAddress ?? "";
}
