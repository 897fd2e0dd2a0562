import { Buffer } from "node:buffer";

/** Shorter values are ordinary words; hiding them would hide half of every text. */
const SHORTEST_SECRET = 4;

/** Keeps the secrets that a node was given out of whatever it prints. */
export interface Redactor {
  text(text: string): string;
  /** A copy of a JSON value with every string and key redacted. */
  json<T>(value: T): T;
  /** For text that comes in pieces: holds back what may be the beginning of a secret. */
  stream(emit: (text: string) => void): RedactedStream;
}

export interface RedactedStream {
  push(text: string): void;
  /** Emits what was held back. Not after a failure: it may be most of a secret. */
  end(): void;
}

/** @param secrets value by name; also recognised in base64 (at any offset), base64url, URL encoding, JSON escapes, upper and lower case. */
export function createRedactor(secrets: ReadonlyMap<string, string>): Redactor {
  const names = new Map<string, string>();
  for (const [name, value] of secrets) {
    if (value.length < SHORTEST_SECRET) continue;
    for (const form of formsOf(value)) if (form.length >= SHORTEST_SECRET && !names.has(form)) names.set(form, name);
  }
  if (names.size === 0) return UNTOUCHED;
  const forms = [...names.keys()].sort((a, b) => b.length - a.length);
  const pattern = new RegExp(forms.map((form) => form.replace(/[\\^$.*+?()[\]{}|/-]/g, "\\$&")).join("|"), "g");
  const text = (value: string): string => value.replace(pattern, (form) => `[secret ${names.get(form) ?? ""}]`);
  return {
    text,
    json: <T>(value: T): T => mapStrings(value, text, names) as T,
    stream: (emit) => redactStream(text, (held) => unfinished(held, forms), emit),
  };
}

const UNTOUCHED: Redactor = { text: (text) => text, json: (value) => value, stream: (emit) => ({ push: emit, end: () => {} }) };

function formsOf(value: string): Set<string> {
  const bytes = Buffer.from(value);
  const escaped = JSON.stringify(value).slice(1, -1);
  const url = encodeURIComponent(value);
  const forms = new Set([
    value,
    value.trim(),
    value.toUpperCase(),
    value.toLowerCase(),
    escaped,
    escaped.replaceAll("/", "\\/"),
    url,
    url.replace(/%[0-9A-F]{2}/g, (code) => code.toLowerCase()),
    encodeURI(value),
    new URLSearchParams({ v: value }).toString().slice(2),
    ...[0, 1, 2].flatMap((offset) => base64Core(bytes, offset)),
  ]);
  for (const encoding of ["base64", "base64url", "hex"] as const) {
    const encoded = bytes.toString(encoding);
    forms.add(encoded).add(encoded.replace(/=+$/, ""));
  }
  return forms;
}

/** The characters of base64 that depend on the value alone when `offset` bytes (of three) stand before it: a password in Basic authentication. */
function base64Core(bytes: Buffer, offset: number): string[] {
  const encoded = Buffer.concat([Buffer.alloc(offset), bytes]).toString("base64");
  const core = encoded.slice(Math.ceil((offset * 8) / 6), Math.floor(((offset + bytes.length) * 8) / 6));
  return [core, core.replaceAll("+", "-").replaceAll("/", "_")];
}

/** A number is hidden where it is the whole secret. */
function mapStrings(value: unknown, change: (text: string) => string, names: ReadonlyMap<string, string>): unknown {
  if (typeof value === "string") return change(value);
  if (typeof value === "number") return names.has(String(value)) ? change(String(value)) : value;
  if (Array.isArray(value)) return value.map((item) => mapStrings(item, change, names));
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [change(key), mapStrings(inner, change, names)]));
}

/** How many characters at the end of `text` may be the beginning of one of the forms. */
function unfinished(text: string, forms: readonly string[]): number {
  let longest = 0;
  for (const form of forms) {
    for (let length = Math.min(form.length - 1, text.length); length > longest; length--) {
      if (text.endsWith(form.slice(0, length))) longest = length;
    }
  }
  return longest;
}

function redactStream(text: (value: string) => string, unfinishedIn: (text: string) => number, emit: (text: string) => void): RedactedStream {
  let held = "";
  const emitIfAny = (piece: string): void => {
    if (piece !== "") emit(piece);
  };
  return {
    push(piece) {
      const whole = text(held + piece);
      const keep = unfinishedIn(whole);
      held = whole.slice(whole.length - keep);
      emitIfAny(whole.slice(0, whole.length - keep));
    },
    end() {
      emitIfAny(held);
      held = "";
    },
  };
}
