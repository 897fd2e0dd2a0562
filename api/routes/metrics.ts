import { PerdureError } from "#core";
import { mayRead } from "#telemetry";
import type { Hono } from "hono";
import type { ApiContext, ApiEnv } from "../context.ts";
import type { Services } from "../services.ts";

/** `GET /metrics` on the API's own port, for who has METRICS_TOKEN: nobody where there is none. API_METRICS_PORT serves the same without it. */
export function mountMetrics(app: Hono<ApiEnv>, { metrics, settings }: Pick<Services, "metrics" | "settings">): void {
  app.get("/metrics", async (c) => {
    c.set("route", "/metrics");
    requireToken(c, settings.METRICS_TOKEN);
    const { contentType, text } = await metrics.page();
    return new Response(text, { headers: { "content-type": contentType } });
  });
}

/** @throws PerdureError `auth.forbidden` where no token is configured, `auth.required` where none is sent, `auth.invalid` where it is another. */
export function requireToken(c: ApiContext, token: string | undefined): void {
  if (token === undefined) throw new PerdureError("auth.forbidden", "The operator has set no METRICS_TOKEN: this page is not served here.");
  const header = c.req.header("authorization");
  if (header === undefined) throw new PerdureError("auth.required", "Send METRICS_TOKEN as `Authorization: Bearer …`.");
  if (!mayRead(header, token)) throw new PerdureError("auth.invalid", "That is not METRICS_TOKEN.");
}
