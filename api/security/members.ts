import type { RoleName } from "#contract";
import { PerdureError } from "#core";
import type { Database } from "#db";
import { BoundedCache } from "../bounded-cache.ts";
import type { Principal } from "./principal.ts";

/** Membership and session are looked up again after this time: so long, and not as long as the token lives, somebody who was removed or signed out may still call. */
const REMEMBERED_MS = 10_000;
const MEMBERS_REMEMBERED = 10_000;

export interface Members {
  /** The caller with the role they have by now. @throws PerdureError `auth.invalid` where they are no member any more, or their session has ended. */
  confirm(principal: Principal): Promise<Principal>;
  /** Looks up again at the next request, in this process: a session has ended. */
  forget(userId: string): void;
}

export function createMembers(accounts: Pick<Database["accounts"], "membership">, now: () => number = Date.now): Members {
  const known = new BoundedCache<string, { role: RoleName; since: number }>(MEMBERS_REMEMBERED);
  const forgotten = new BoundedCache<string, number>(MEMBERS_REMEMBERED);
  let lookUps = 0;
  return {
    async confirm(principal) {
      const { userId, tenantId, sessionId } = principal;
      const key = `${tenantId}/${userId}/${sessionId ?? ""}`;
      const kept = known.get(key);
      if (kept && now() - kept.since < REMEMBERED_MS) return { ...principal, role: kept.role };
      const since = now();
      const begun = ++lookUps;
      const membership = await accounts.membership(userId, tenantId, sessionId);
      if (!membership) throw new PerdureError("auth.invalid", "The account of this token is gone, or its session has ended.");
      if (begun > (forgotten.get(userId) ?? 0)) known.set(key, { role: membership.role, since });
      return { ...principal, role: membership.role };
    },
    forget(userId) {
      // What is being looked up at this moment may have seen the session still live.
      forgotten.set(userId, lookUps);
      known.deleteWhere((key) => key.split("/")[1] === userId);
    },
  };
}
