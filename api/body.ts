import { type Finding, type Json, PerdureError } from "#core";
import type { ApiContext } from "./context.ts";
import type { YamlThreads } from "./yaml/index.ts";

/** How deep arrays and objects of a request may nest: a little more than the compiler lets a graph. Keeps recursive readers safe. */
export const JSON_MAX_DEPTH = 110;

/** Escapes of what PostgreSQL cannot store: NUL, and halves of surrogate pairs. Most bodies hold none, and are not walked. */
const SUSPECT = /\\u(?:0000|d[89a-f])/i;

/**
 * The JSON body of a request, undefined where there is none. Read whatever the content type says, since many clients forget it.
 * @throws PerdureError `request.unsupported_encoding`, `request.too_large`, `request.malformed` (no JSON, too deep), `validation.failed` (text that cannot be stored).
 */
export async function readJson(c: ApiContext, maxBytes: number): Promise<Json | undefined> {
  return parseJson(await readText(c, maxBytes));
}

/** What begins so is JSON, unless the content type says YAML. */
const JSON_TEXT = /^\s*[{["]/;

/**
 * The body of a request that takes YAML as well, read as the content type says, else as it looks.
 * @throws as `readJson` and `YamlThreads.read`.
 */
export async function readDocument(c: ApiContext, maxBytes: number, yaml: YamlThreads): Promise<Json | undefined> {
  const text = await readText(c, maxBytes);
  if (text.trim() === "") return undefined;
  const type = c.req.header("content-type")?.toLowerCase() ?? "";
  if (!type.includes("yaml") && (JSON_TEXT.test(text) || type.includes("json"))) return parseJson(text);
  const value = await yaml.read(text, c.req.raw.signal);
  refuseUnstorable(value);
  return value;
}

/** JSON text of a body. @returns undefined where there is none. @throws as `readJson`. */
export function parseJson(text: string): Json | undefined {
  if (text.trim() === "") return undefined;
  refuseDepth(text);
  let value: Json;
  try {
    value = JSON.parse(text) as Json;
  } catch (error) {
    throw new PerdureError("request.malformed", "The body is not JSON.", { cause: error });
  }
  if (SUSPECT.test(text)) refuseUnstorable(value);
  return value;
}

/** The body as it came. @throws PerdureError `request.too_large`. */
export async function readBytes(c: ApiContext, maxBytes: number): Promise<Buffer> {
  const tooLarge = (): PerdureError => new PerdureError("request.too_large", `The body has more than ${maxBytes} bytes.`);
  const declared = c.req.header("content-length");
  if (declared !== undefined && Number(declared) > maxBytes) throw tooLarge();
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of c.req.raw.body ?? []) {
    bytes += chunk.byteLength;
    if (bytes > maxBytes) throw tooLarge();
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

async function readText(c: ApiContext, maxBytes: number): Promise<string> {
  refuseCoding(c);
  const tooLarge = (): PerdureError => new PerdureError("request.too_large", `The body has more than ${maxBytes} bytes.`);
  const declared = c.req.header("content-length");
  if (declared !== undefined && c.req.header("transfer-encoding") === undefined) {
    if (Number(declared) > maxBytes) throw tooLarge();
    return c.req.text();
  }
  const stream = c.req.raw.body;
  if (stream === null) return "";
  const decoder = new TextDecoder();
  let bytes = 0;
  let text = "";
  for await (const chunk of stream) {
    bytes += chunk.byteLength;
    if (bytes > maxBytes) throw tooLarge();
    text += decoder.decode(chunk, { stream: true });
  }
  return text + decoder.decode();
}

/** What is compressed is not blown up: a small body of a large one would pass the limit of its size. */
function refuseCoding(c: ApiContext): void {
  const coding = c.req.header("content-encoding")?.trim().toLowerCase() ?? "";
  if (coding !== "" && coding !== "identity") throw new PerdureError("request.unsupported_encoding", "Send the body as it is, without a Content-Encoding.");
}

/** Counted on the text, before anything recursive sees it. */
function refuseDepth(text: string): void {
  let depth = 0;
  let inString = false;
  for (let at = 0; at < text.length; at++) {
    const char = text.charCodeAt(at);
    if (inString) {
      if (char === 0x5c) at++;
      else if (char === 0x22) inString = false;
    } else if (char === 0x22) inString = true;
    else if (char === 0x5b || char === 0x7b) {
      if (++depth > JSON_MAX_DEPTH) throw new PerdureError("request.malformed", `The body nests deeper than ${JSON_MAX_DEPTH} levels.`);
    } else if (char === 0x5d || char === 0x7d) depth--;
  }
}

function refuseUnstorable(value: Json): void {
  const findings: Finding[] = [];
  walk(value, "", findings);
  if (findings.length > 0) throw new PerdureError("validation.failed", "The request holds text that cannot be stored.", { findings });
}

function walk(value: Json, path: string, findings: Finding[]): void {
  if (typeof value === "string") {
    if (!isStorable(value)) findings.push({ code: "validation.text", message: "must not contain NUL characters or halves of surrogate pairs", path });
  } else if (Array.isArray(value)) {
    value.forEach((item, index) => walk(item, path === "" ? String(index) : `${path}.${index}`, findings));
  } else if (value !== null && typeof value === "object") {
    for (const [key, inner] of Object.entries(value)) {
      if (!isStorable(key)) findings.push({ code: "validation.text", message: "holds a key with NUL characters or halves of surrogate pairs", path });
      else walk(inner, path === "" ? key : `${path}.${key}`, findings);
    }
  }
}

export function isStorable(text: string): boolean {
  return !text.includes("\0") && text.isWellFormed();
}
