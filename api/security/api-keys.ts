import { randomBytes } from "node:crypto";
import { isScope } from "#contract";
import { PerdureError } from "#core";
import type { ApiKeys } from "#db";
import { BoundedCache } from "../bounded-cache.ts";
import type { Members } from "./members.ts";
import type { Principal } from "./principal.ts";
import { hashToken } from "./tokens.ts";

const PREFIX = "pk_";
/** Characters that a list shows of a key; 8 of 43 random ones. */
const SHOWN_LENGTH = PREFIX.length + 8;
/** A key is looked up again after this time: so long, and no longer, other processes take one that was revoked. */
const REMEMBERED_MS = 10_000;
const KEYS_REMEMBERED = 10_000;

export interface KeyHolders {
  /** Whose key it is, with the role that member has by now. @throws PerdureError `auth.invalid`. */
  confirm(key: string): Promise<Principal>;
}

export function isApiKey(text: string): boolean {
  return text.startsWith(PREFIX);
}

/** 256 random bits. */
export function newApiKey(): { key: string; keyHash: string; prefix: string } {
  const key = PREFIX + randomBytes(32).toString("base64url");
  return { key, keyHash: hashToken(key), prefix: key.slice(0, SHOWN_LENGTH) };
}

export function createKeyHolders(apiKeys: Pick<ApiKeys, "use">, members: Members, now: () => number = Date.now): KeyHolders {
  const known = new BoundedCache<string, { holder: NonNullable<Awaited<ReturnType<ApiKeys["use"]>>>; at: number }>(KEYS_REMEMBERED);

  async function holderOf(keyHash: string) {
    const kept = known.get(keyHash);
    if (kept && now() - kept.at < REMEMBERED_MS) return kept.holder;
    const holder = await apiKeys.use(keyHash);
    if (holder) known.set(keyHash, { holder, at: now() });
    return holder;
  }

  return {
    async confirm(key) {
      const holder = isApiKey(key) ? await holderOf(hashToken(key)) : undefined;
      if (!holder || (holder.expiresAt && holder.expiresAt.getTime() <= now())) throw new PerdureError("auth.invalid", "The API key is not valid.");
      const { id, tenantId, createdBy, scopes } = holder;
      // The role in the principal is replaced by the one its creator has by now.
      const principal = await members.confirm({ userId: createdBy, tenantId, role: "viewer" });
      return { ...principal, apiKey: { id, scopes: new Set(scopes.filter(isScope)) } };
    },
  };
}
