import { PerdureError } from "#core";

export interface Hop {
  method: string;
  url: URL;
  headers: Readonly<Record<string, string>>;
  body: string | Uint8Array | undefined;
}

const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);
/** All that may follow to another origin: nothing that could prove who sends it. */
const HARMLESS: ReadonlySet<string> = new Set([
  "accept",
  "accept-encoding",
  "accept-language",
  "content-language",
  "content-type",
  "idempotency-key",
  "user-agent",
]);

/**
 * @throws PerdureError `outbound.refused` for anything but http and https, and for a name and password in the URL, which would end up in logs.
 */
export function checkUrl(text: string): URL {
  const url = URL.parse(text);
  if (!url || (url.protocol !== "https:" && url.protocol !== "http:")) {
    throw new PerdureError("outbound.refused", "Only http and https URLs can be reached.");
  }
  if (url.username !== "" || url.password !== "") {
    throw new PerdureError("outbound.refused", "The URL holds a user name or password; send them as credentials instead.");
  }
  return url;
}

/** The request that a redirect asks for (RFC 9110 15.4); undefined when the answer is none. */
export function follow(hop: Hop, status: number, location: string | undefined): Hop | undefined {
  if (!REDIRECTS.has(status) || location === undefined) return undefined;
  const target = URL.parse(location, hop.url.href);
  if (!target) return undefined;
  target.username = "";
  target.password = "";
  const url = checkUrl(target.href);
  const becomesGet = (status === 303 && hop.method !== "HEAD") || ((status === 301 || status === 302) && hop.method === "POST");
  const sameOrigin = url.origin === hop.url.origin;
  const headers = Object.entries(hop.headers).filter(([name]) => (sameOrigin || HARMLESS.has(name)) && !(becomesGet && name.startsWith("content-")));
  return { method: becomesGet ? "GET" : hop.method, url, headers: Object.fromEntries(headers), body: becomesGet ? undefined : hop.body };
}
