import { createCipheriv, createDecipheriv, createHmac, createSecretKey, hkdfSync, type KeyObject, randomBytes } from "node:crypto";
import { PerdureError } from "#core";

export const KEY_BYTES = 32;
const CIPHER = "aes-256-gcm";
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
/** What sealing adds to its plaintext. */
export const SEAL_BYTES = NONCE_BYTES + TAG_BYTES;
const HASH_PURPOSE = "perdure payload hash";

/** A tenant's data key, opened. */
export interface DataKey {
  version: number;
  secret: KeyObject;
  /** Of the HMACs that name blobs; derived from `secret`. */
  hashSecret: Buffer;
}

export function dataKey(version: number, secret: Buffer): DataKey {
  return { version, secret: createSecretKey(secret), hashSecret: Buffer.from(hkdfSync("sha256", secret, "", HASH_PURPOSE, KEY_BYTES)) };
}

/** AES-256-GCM: 12 bytes of random nonce, the ciphertext of the parts in their order, 16 bytes of tag. `context` is authenticated and not stored. */
export function seal(secret: KeyObject | Buffer, context: string, ...parts: readonly Uint8Array[]): Buffer {
  const nonce = randomBytes(NONCE_BYTES);
  const cipher = createCipheriv(CIPHER, secret, nonce, { authTagLength: TAG_BYTES });
  cipher.setAAD(Buffer.from(context));
  const sealed = parts.map((part) => cipher.update(part));
  return Buffer.concat([nonce, ...sealed, cipher.final(), cipher.getAuthTag()]);
}

/** @throws PerdureError `payload.unreadable` for another key, another context, or bytes that are not as they were. */
export function open(secret: KeyObject | Buffer, context: string, sealed: Uint8Array): Buffer {
  if (sealed.length < SEAL_BYTES) throw new PerdureError("payload.unreadable", "A sealed payload is cut short.");
  const end = sealed.length - TAG_BYTES;
  const decipher = createDecipheriv(CIPHER, secret, sealed.subarray(0, NONCE_BYTES), { authTagLength: TAG_BYTES });
  decipher.setAAD(Buffer.from(context));
  decipher.setAuthTag(sealed.subarray(end));
  const opened = decipher.update(sealed.subarray(NONCE_BYTES, end));
  try {
    decipher.final();
  } catch (cause) {
    throw new PerdureError("payload.unreadable", "A sealed payload does not belong here, or has been changed.", { cause });
  }
  return opened;
}

/** Names content without telling anything of it to who has not the key; base64url. */
export function contentHash({ hashSecret }: DataKey, form: number, body: Uint8Array): string {
  return createHmac("sha256", hashSecret).update(Buffer.of(form)).update(body).digest("base64url");
}
