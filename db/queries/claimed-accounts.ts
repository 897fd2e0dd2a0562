import { and, eq, inArray, isNull, ne, or, sql } from "drizzle-orm";
import { type TenantId, tenantId } from "#core";
import type { Statements } from "../connection/sessions.ts";
import { apiKeys, invitations, memberships, organizations } from "../schema/index.ts";
import type { RemovedMember } from "../types/index.ts";
import { unlinkAll } from "./identities.ts";
import { removeSecondFactor } from "./second-factors.ts";
import { endSessionsIn } from "./user-sessions.ts";

/**
 * Of an account whose address nobody had shown to be theirs until now: whoever made it may have been another, and left ways in (docs/decisions/036). In the
 * organizations that were made with it nobody else stays, and it is an admin again.
 * @returns who was a member of those.
 */
export async function claimAccount(db: Statements, userId: string): Promise<RemovedMember[]> {
  const tenants = await lockMadeWith(db, userId);
  await unlinkAll(db, userId);
  await removeSecondFactor(db, userId);
  await db
    .update(apiKeys)
    .set({ revokedAt: sql`now()`, revision: sql`${apiKeys.revision} + 1` })
    .where(and(or(eq(apiKeys.createdBy, userId), inArray(apiKeys.tenantId, tenants)), isNull(apiKeys.revokedAt)));
  // Before members go: who accepts at this moment is one by then, or finds nothing to accept.
  await db
    .update(invitations)
    .set({ revokedAt: sql`now()`, revision: sql`${invitations.revision} + 1` })
    .where(and(or(eq(invitations.invitedBy, userId), inArray(invitations.tenantId, tenants)), isNull(invitations.acceptedAt), isNull(invitations.revokedAt)));
  const removed = await db
    .delete(memberships)
    .where(and(inArray(memberships.tenantId, tenants), ne(memberships.userId, userId)))
    .returning({ tenantId: memberships.tenantId, userId: memberships.userId, role: memberships.role });
  await db
    .update(memberships)
    .set({ role: "admin", revision: sql`${memberships.revision} + 1` })
    .where(and(inArray(memberships.tenantId, tenants), eq(memberships.userId, userId), ne(memberships.role, "admin")));
  for (const each of removed) await endSessionsIn(db, each.tenantId, each.userId);
  return removed;
}

/**
 * Organizations that were made with the account, and where it still is a member: the two rows are of one transaction, and so of one moment. Their members
 * change no more until this one ends. Not the first of the installation, which whoever installed it has made.
 */
async function lockMadeWith(db: Statements, userId: string): Promise<TenantId[]> {
  const isMadeWith = sql`exists (select from ${memberships} m where m.tenant_id = ${organizations.id} and m.user_id = ${userId} and m.created_at = ${organizations.createdAt})`;
  const isLater = sql`exists (select from ${organizations} o where o.created_at < ${organizations.createdAt})`;
  const found = await db.select({ id: organizations.id }).from(organizations).where(and(isMadeWith, isLater)).for("no key update");
  const ids = found.map(({ id }) => tenantId(id));
  // Another admin may have removed the account while this waited.
  const still = await db
    .select({ id: memberships.tenantId })
    .from(memberships)
    .where(and(inArray(memberships.tenantId, ids), eq(memberships.userId, userId)));
  return still.map(({ id }) => id);
}
