/** A key that wraps the data keys of tenants. Never stored, never logged. */
export interface MasterKey {
  id: string;
  /** 32 bytes. */
  key: Buffer;
}

const KEY_BYTES = 32;
const ID = /^[A-Za-z0-9_.-]{1,40}$/;

/**
 * Reads `id:base64,id2:base64` (also base64url). The first one wraps, all of them unwrap.
 * @throws an Error that says which entry is wrong, without its key.
 */
export function parseMasterKeys(text: string): MasterKey[] {
  const keys = text
    .split(",")
    .map((part) => part.trim())
    .filter(Boolean)
    .map((part, at) => {
      const colon = part.indexOf(":");
      const id = part.slice(0, Math.max(0, colon));
      if (!ID.test(id)) throw new Error(`entry ${at + 1} must be id:key, with an id of letters, digits, "_", "." and "-"`);
      const key = Buffer.from(part.slice(colon + 1), "base64");
      if (key.length !== KEY_BYTES) throw new Error(`the key "${id}" must be ${KEY_BYTES} bytes in base64 (openssl rand -base64 32)`);
      return { id, key };
    });
  const ids = keys.map(({ id }) => id);
  if (new Set(ids).size < ids.length) throw new Error("two keys have the same id");
  return keys;
}
