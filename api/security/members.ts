import type { RoleName } from "#contract";
import { PerdureError } from "#core";
import type { Database } from "#db";
import { BoundedCache } from "../bounded-cache.ts";
import type { Principal } from "./principal.ts";

/** A membership is looked up again after this time: so long, and not as long as the token lives, somebody who was removed may still call. */
const REMEMBERED_MS = 10_000;
const MEMBERS_REMEMBERED = 10_000;

export interface Members {
  /** The caller with the role they have by now. @throws PerdureError `auth.invalid` where they are no member any more. */
  confirm(principal: Principal): Promise<Principal>;
}

export function createMembers(accounts: Pick<Database["accounts"], "memberships">, now: () => number = Date.now): Members {
  const known = new BoundedCache<string, { role: RoleName; at: number }>(MEMBERS_REMEMBERED);
  return {
    async confirm(principal) {
      const { userId, tenantId } = principal;
      const key = `${tenantId}/${userId}`;
      const kept = known.get(key);
      if (kept && now() - kept.at < REMEMBERED_MS) return { ...principal, role: kept.role };
      const membership = (await accounts.memberships(userId)).find((each) => each.tenantId === tenantId);
      if (!membership) throw new PerdureError("auth.invalid", "The account of this token is gone.");
      known.set(key, { role: membership.role, at: now() });
      return { ...principal, role: membership.role };
    },
  };
}
