import { type Json, type JsonObject, isObject, PerdureError } from "#core";
import { parseJson } from "../body.ts";
import { MASKED_NAME, snakeCase } from "../secret-names.ts";

/** What a call carries, as the trigger node hands it on. */
export interface SentBody {
  body: Json;
  /** `{field, filename, content_type, size, base64}` each. */
  files: Json[];
}

const TEXT_TYPE = /^text\/|^application\/(?:xml|javascript|x-ndjson|yaml|x-yaml|graphql|sql)$|\+xml$/;
const JSON_LIKE = /^\s*[[{"]/;
/** Of a form: fields and files together. */
const PARTS_MAX = 1_000;

/**
 * A body as its content type says: JSON and forms as values, text as text, anything else as `{content_type, size, base64}`; `{}` where there is none.
 * Without a content type it is read as what it looks like.
 * @throws PerdureError `request.malformed` for JSON or a form that is none, `validation.failed` for JSON that cannot be stored.
 */
export async function readSent(bytes: Buffer, contentType: string | undefined): Promise<SentBody> {
  const type = (contentType ?? "").split(";")[0]?.trim().toLowerCase() ?? "";
  if (bytes.length === 0) return { body: {}, files: [] };
  if (type === "multipart/form-data") return readForm(bytes, contentType ?? "");
  if (type === "application/x-www-form-urlencoded") return { body: fieldsOf(new URLSearchParams(bytes.toString("utf8"))), files: [] };
  const text = readableText(bytes);
  if (type === "application/json" || type.endsWith("+json")) {
    if (text === undefined) throw new PerdureError("request.malformed", "The body is not JSON.");
    return { body: parseJson(text) ?? {}, files: [] };
  }
  if (text !== undefined && TEXT_TYPE.test(type)) return { body: text, files: [] };
  if (text !== undefined && type === "") return { body: JSON_LIKE.test(text) ? looselyParsed(text) : text, files: [] };
  return { body: { content_type: type || "application/octet-stream", size: bytes.length, base64: bytes.toString("base64") }, files: [] };
}

/** Values by name; a list where a name came several times. */
export function fieldsOf(entries: Iterable<[string, string]>): JsonObject {
  const fields = new Map<string, string[]>();
  for (const [name, value] of entries) {
    const known = fields.get(storable(name));
    if (known) known.push(storable(value));
    else fields.set(storable(name), [storable(value)]);
  }
  return Object.fromEntries([...fields].map(([name, values]) => [name, values.length === 1 ? (values[0] ?? "") : values]));
}

/** Headers by name in lower case, without those that prove who calls. */
export function headersOf(headers: Headers): JsonObject {
  return Object.fromEntries([...headers].filter(([name]) => !isSecretHeader(name)).map(([name, value]) => [name, storable(value)]));
}

export function isSecretHeader(name: string): boolean {
  return MASKED_NAME.test(snakeCase(name)) || name.includes("signature");
}

/** The event's type, where the sender names one: by header, or in the body as `event_type`, `type` or `event`. */
export function eventTypeOf(headers: Headers, body: Json): string {
  const named = ["x-event-type", "x-webhook-event", "x-github-event", "x-gitlab-event", "x-shopify-topic"].map((name) => headers.get(name)).find(Boolean);
  if (named) return storable(named).slice(0, EVENT_TYPE_MAX_LENGTH);
  if (!isObject(body)) return DEFAULT_EVENT_TYPE;
  const { event_type: eventType, type, event } = body as JsonObject;
  const inner = isObject(event) ? (event as JsonObject)["type"] : event;
  const found = [eventType, isObject(event) ? inner : type, inner].find((value) => typeof value === "string" && value !== "");
  return typeof found === "string" ? found.slice(0, EVENT_TYPE_MAX_LENGTH) : DEFAULT_EVENT_TYPE;
}

const EVENT_TYPE_MAX_LENGTH = 200;
/** As documented, of a call that names none. */
export const DEFAULT_EVENT_TYPE = "webhook.received";

async function readForm(bytes: Buffer, contentType: string): Promise<SentBody> {
  let form: FormData;
  try {
    form = await new Response(new Uint8Array(bytes), { headers: { "content-type": contentType } }).formData();
  } catch (error) {
    throw new PerdureError("request.malformed", "The body is not a multipart form.", { cause: error });
  }
  const entries = [...form];
  if (entries.length > PARTS_MAX) throw new PerdureError("request.too_large", `A form may have ${PARTS_MAX} parts.`);
  const texts = entries.flatMap(([name, value]): [string, string][] => (typeof value === "string" ? [[name, value]] : []));
  const files = entries.flatMap(([name, value]) => (typeof value === "string" ? [] : [[name, value] as const]));
  return {
    body: fieldsOf(texts),
    files: await Promise.all(
      files.map(async ([field, file]) => ({
        field: storable(field),
        filename: storable(file.name),
        content_type: file.type || "application/octet-stream",
        size: file.size,
        base64: Buffer.from(await file.arrayBuffer()).toString("base64"),
      })),
    ),
  };
}

/** Undefined for what is no text, or holds what cannot be stored as text. */
function readableText(bytes: Buffer): string | undefined {
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    return text.includes("\0") ? undefined : text;
  } catch {
    return undefined;
  }
}

/** Text that only looked like JSON is text. */
function looselyParsed(text: string): Json {
  try {
    return parseJson(text) ?? {};
  } catch (error) {
    if (error instanceof PerdureError && error.code === "request.malformed") return text;
    throw error;
  }
}

function storable(text: string): string {
  return text.toWellFormed().replaceAll("\0", "\uFFFD");
}
