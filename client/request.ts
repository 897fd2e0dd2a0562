/** What the client knows of an operation while it runs. */
export interface Operation {
  readonly method: string;
  /** With parameters as `{id}`. */
  readonly path: string;
  /** Called without a token. */
  readonly isPublic?: true;
  readonly hasBody?: true;
  /** Takes an `Idempotency-Key`, and so may be sent again. */
  readonly takesKey?: true;
}

/** What every operation's typed input is to the code that sends it. */
export interface AnyInput {
  readonly params?: Readonly<Record<string, unknown>>;
  readonly query?: Readonly<Record<string, unknown>>;
  readonly headers?: Readonly<Record<string, unknown>>;
  readonly body?: unknown;
}

/** `base` may have a path of its own, as behind a proxy. */
export function urlOf(base: string, operation: Operation, { params = {}, query = {} }: AnyInput): string {
  const path = operation.path.replaceAll(/\{(\w+)\}/g, (_whole, name: string) => {
    const value = params[name];
    // `.` and `..` would be taken out of the path, and another operation be called.
    if (value === undefined || value === null || ["", ".", ".."].includes(text(value))) throw new TypeError(`${operation.path} needs a value for \`${name}\`.`);
    return encodeURIComponent(text(value));
  });
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value === undefined || value === null) continue;
    search.set(name, Array.isArray(value) ? value.map(text).join(",") : text(value));
  }
  const asked = search.toString();
  return `${base.replace(/\/+$/, "")}${path}${asked === "" ? "" : `?${asked}`}`;
}

export function headersOf(operation: Operation, { headers = {} }: AnyInput, more: { accept: string; token?: string; key?: string }): Headers {
  const all = new Headers({ accept: more.accept });
  for (const [name, value] of Object.entries(headers)) if (value !== undefined && value !== null) all.set(name, text(value));
  if (operation.hasBody) all.set("content-type", "application/json");
  if (more.token !== undefined) all.set("authorization", `Bearer ${more.token}`);
  if (more.key !== undefined) all.set("idempotency-key", more.key);
  return all;
}

export function bodyOf(operation: Operation, { body = {} }: AnyInput): string | undefined {
  return operation.hasBody ? JSON.stringify(body) : undefined;
}

/** 128 random bits as hex. `crypto.randomUUID` is missing on pages that came without TLS. */
export function newKey(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function text(value: unknown): string {
  return value instanceof Date ? value.toISOString() : String(value);
}
