/** The organization that owns a row. First parameter of every tenant query; see docs/decisions for the two walls. */
export type TenantId = string & { readonly __brand: "TenantId" };

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

export function isUuid(text: string): boolean {
  return UUID.test(text);
}

/** @throws {TypeError} when the text is not a lower-case UUID; what passes may be written into SQL as a literal. */
export function tenantId(text: string): TenantId {
  if (!isUuid(text)) throw new TypeError("not a tenant id");
  return text as TenantId;
}

const WEBHOOK_ID = /^wh_[0-9a-f]{24}$/;

/** `wh_` and 24 hexadecimal digits (96 random bits). */
export function isWebhookId(text: string): boolean {
  return WEBHOOK_ID.test(text);
}

let lastMs = 0;
let sequence = 0;

/**
 * UUIDv7 (RFC 9562, method 1): 48 bits of Unix milliseconds, 12 bits of counter, 62 random bits. Ids made by one process sort in the
 * order they were made. Not for workflow code, which has neither a clock of its own nor `crypto`.
 */
export function uuidv7(now: number = Date.now()): string {
  if (now > lastMs) {
    lastMs = now;
    sequence = 0;
  } else if (++sequence > 0xfff) {
    lastMs++;
    sequence = 0;
  }
  const random = crypto.getRandomValues(new Uint8Array(8));
  const time = lastMs.toString(16).padStart(12, "0");
  const variant = (((random[0] ?? 0) & 0x3f) | 0x80).toString(16).padStart(2, "0");
  const rest = Array.from(random.subarray(1), (byte) => byte.toString(16).padStart(2, "0")).join("");
  return `${time.slice(0, 8)}-${time.slice(8)}-7${sequence.toString(16).padStart(3, "0")}-${variant}${rest.slice(0, 2)}-${rest.slice(2)}`;
}
