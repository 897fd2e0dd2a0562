import { PerdureError } from "#core";
import type { ApiContext } from "../context.ts";
import type { ApiSettings } from "../services.ts";

/**
 * Browsers let any page open a WebSocket anywhere and only say which page it was; so it is for the server to refuse. Allowed are pages of this
 * server itself and those of `CORS_ORIGINS`. Programs say no origin.
 * @throws PerdureError `auth.forbidden`.
 */
export function checkOrigin(c: ApiContext, { CORS_ORIGINS, PUBLIC_URL }: Pick<ApiSettings, "CORS_ORIGINS" | "PUBLIC_URL">): void {
  const origin = c.req.header("origin");
  if (origin === undefined || CORS_ORIGINS.includes("*") || CORS_ORIGINS.includes(origin)) return;
  const own = [hostOf(origin) === c.req.header("host"), PUBLIC_URL !== undefined && hostOf(origin) === hostOf(PUBLIC_URL)];
  if (!own.includes(true)) throw new PerdureError("auth.forbidden", "Pages of this origin may not connect (CORS_ORIGINS).");
}

function hostOf(url: string): string | undefined {
  return URL.canParse(url) ? new URL(url).host : undefined;
}
