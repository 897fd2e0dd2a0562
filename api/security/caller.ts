import type { ApiKeys } from "#db";
import { PerdureError } from "#core";
import { BoundedCache } from "../bounded-cache.ts";
import type { Members } from "./members.ts";
import type { Principal } from "./principal.ts";

/** Who is calling, and until when what they showed is good. */
export interface Caller {
  readonly principal: Principal;
  /** Milliseconds since 1970; undefined: of an API key that does not expire. */
  readonly endsAt?: number;
}

/** A key is looked up again after this time, whatever the number of its connections. */
const REMEMBERED_MS = 10_000;
const KEYS_REMEMBERED = 10_000;

/** Asks again, later, whether a caller still is who they were: for what outlives the request that opened it. */
export interface Standing {
  /** The caller with the role they have by now. @throws PerdureError `auth.invalid` where their session, key or membership has ended. */
  confirm(caller: Caller): Promise<Caller>;
}

export function createStanding(members: Members, apiKeys: Pick<ApiKeys, "get">, now: () => number = Date.now): Standing {
  const known = new BoundedCache<string, { isLive: boolean; at: number }>(KEYS_REMEMBERED);

  async function isLive({ tenantId, apiKey }: Principal): Promise<boolean> {
    if (!apiKey) return true;
    const kept = known.get(apiKey.id);
    if (kept && now() - kept.at < REMEMBERED_MS) return kept.isLive;
    const key = await apiKeys.get(tenantId, apiKey.id, {});
    const live = key !== undefined && key.revokedAt === null && (key.expiresAt === null || key.expiresAt.getTime() > now());
    known.set(apiKey.id, { isLive: live, at: now() });
    return live;
  }

  return {
    async confirm(caller) {
      if (caller.endsAt !== undefined && caller.endsAt <= now()) throw new PerdureError("auth.invalid", "The access token has expired.");
      if (!(await isLive(caller.principal))) throw new PerdureError("auth.invalid", "The API key is not valid.");
      return { ...caller, principal: await members.confirm(caller.principal) };
    },
  };
}
