import { isObject, PerdureError } from "#core";
import type { HttpResponse } from "../define.ts";

/** @throws PerdureError `validation.failed` when the text is no absolute URL. */
export function makeUrl(text: string, query: Readonly<Record<string, unknown>>): URL {
  const url = URL.parse(text.trim());
  if (!url) {
    const finding = { code: "input.invalid", message: "is no absolute URL", path: "url", hint: "Begin with https:// or http://." };
    throw new PerdureError("validation.failed", "url is no absolute URL.", { findings: [finding] });
  }
  for (const [name, value] of Object.entries(query)) {
    for (const each of Array.isArray(value) ? value : [value]) {
      if (each !== null && each !== undefined) url.searchParams.append(name, asText(each));
    }
  }
  return url;
}

/** The body as text, and its content type where the headers (names in lower case) name none. Objects under a form's content type become a form. */
export function makeBody(value: unknown, headers: Map<string, string>): string {
  const type = headers.get("content-type");
  if (isObject(value) && type?.toLowerCase().startsWith("application/x-www-form-urlencoded")) {
    return new URLSearchParams(Object.entries(value).map(([name, each]) => [name, asText(each)] as [string, string])).toString();
  }
  const body = asText(value);
  if (type === undefined) headers.set("content-type", typeof value !== "string" || isJson(value) ? "application/json" : "text/plain; charset=utf-8");
  return body;
}

/** @throws PerdureError `upstream.rejected` when JSON was asked for and something else came. */
export function readBody(response: HttpResponse, as: "auto" | "json" | "text" | "binary"): unknown {
  const contentType = response.headers["content-type"] ?? "";
  const [mime = "", ...parameters] = contentType
    .toLowerCase()
    .split(";")
    .map((part) => part.trim());
  if (as === "binary") return binary(response.body, mime);
  const text = () => decode(response.body, parameters);
  if (as === "text") return text();
  if (as === "json" || mime === "application/json" || mime.endsWith("+json")) {
    const body = text();
    if (body.trim() === "") return null;
    try {
      return JSON.parse(body) as unknown;
    } catch (cause) {
      if (as === "auto") return body;
      throw new PerdureError("upstream.rejected", `The answer (${response.status}, ${contentType || "no content type"}) is no JSON.`, { cause });
    }
  }
  const readable = mime.startsWith("text/") || /^application\/(xml|javascript|x-www-form-urlencoded|x-ndjson|yaml|graphql)$|\+xml$/.test(mime);
  if (readable || (mime === "" && isUtf8(response.body))) return text();
  return response.body.length === 0 ? "" : binary(response.body, mime);
}

/** Printable ASCII, as a header's value must be. */
export function headerSafe(value: string): string {
  return /^[\x21-\x7e]*$/.test(value) ? value : encodeURIComponent(value);
}

function binary(bytes: Uint8Array, mime: string): unknown {
  return { encoding: "base64", content_type: mime, data: toBase64(bytes) };
}

export function toBase64(bytes: Uint8Array): string {
  const pieces: string[] = [];
  for (let at = 0; at < bytes.length; at += 8192) pieces.push(String.fromCharCode(...bytes.subarray(at, at + 8192)));
  return btoa(pieces.join(""));
}

/** In the charset that the content type names, as far as it is known; else UTF-8. */
function decode(bytes: Uint8Array, parameters: readonly string[]): string {
  const charset =
    parameters
      .find((each) => each.startsWith("charset="))
      ?.slice("charset=".length)
      .replaceAll('"', "") ?? "utf-8";
  try {
    return new TextDecoder(charset).decode(bytes);
  } catch {
    return new TextDecoder().decode(bytes);
  }
}

function isUtf8(bytes: Uint8Array): boolean {
  try {
    new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    return true;
  } catch {
    return false;
  }
}

function isJson(text: string): boolean {
  if (!/^\s*[[{]/.test(text)) return false;
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

function asText(value: unknown): string {
  return typeof value === "string" ? value : JSON.stringify(value);
}
