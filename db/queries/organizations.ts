import { and, desc, eq, inArray, isNull, sql } from "drizzle-orm";
import { PerdureError, type TenantId } from "#core";
import type { Sessions, Statements } from "../connection/sessions.ts";
import { apiKeys, memberships, organizations, users } from "../schema/index.ts";
import type { Organizations, Role } from "../types/index.ts";
import { behind, countUpTo, positionOf, toPage } from "./paging.ts";
import { refuseStale } from "./revisions.ts";
import { endSessionsIn } from "./user-sessions.ts";

const organizationColumns = {
  id: organizations.id,
  name: organizations.name,
  createdAt: organizations.createdAt,
  outboundHosts: organizations.outboundHosts,
  revision: organizations.revision,
};
const memberColumns = { id: memberships.userId, role: memberships.role, joinedAt: memberships.createdAt, revision: memberships.revision };
const isMember = (tenant: TenantId, userId: string) => and(eq(memberships.tenantId, tenant), eq(memberships.userId, userId));

export function createOrganizations(sessions: Sessions, pageMaxBytes: number): Organizations {
  /** Names and addresses stand outside of every tenant: they are read for members alone. */
  async function withAccounts<M extends { id: string }>(members: readonly M[]) {
    if (members.length === 0) return [];
    const ids = members.map(({ id }) => id);
    const found = await sessions.once("system", (db) =>
      db.select({ id: users.id, email: users.email, name: users.name }).from(users).where(inArray(users.id, ids)),
    );
    return members.flatMap((member) => {
      const user = found.find(({ id }) => id === member.id);
      return user ? [{ ...member, ...user }] : [];
    });
  }

  /**
   * One change of members at a time: the organization's row is the lock. Nothing where they are no member.
   * @throws PerdureError `precondition.failed`; `resource.conflict` where no admin would be left.
   */
  async function changeMember<T>(
    tenant: TenantId,
    userId: string,
    { newRole, expectedRevision }: { newRole?: Role; expectedRevision: number | undefined },
    change: (db: Statements) => Promise<T[]>,
  ): Promise<T[]> {
    return sessions.transaction(tenant, async (db) => {
      await db.select({ id: organizations.id }).from(organizations).where(eq(organizations.id, tenant)).for("no key update");
      const [present] = await db.select({ revision: memberships.revision }).from(memberships).where(isMember(tenant, userId));
      if (!present) return [];
      refuseStale(expectedRevision, present.revision, "member");
      if (newRole !== "admin") {
        const admins = await db
          .select({ id: memberships.userId })
          .from(memberships)
          .where(and(eq(memberships.tenantId, tenant), eq(memberships.role, "admin")))
          .limit(2);
        if (admins.length === 1 && admins[0]?.id === userId) {
          throw new PerdureError("resource.conflict", "This is the last admin: make somebody else one before.");
        }
      }
      return change(db);
    });
  }

  return {
    async get(tenant) {
      const [found] = await sessions.once(tenant, (db) => db.select(organizationColumns).from(organizations).where(eq(organizations.id, tenant)));
      return found;
    },

    update(tenant, { name, outboundHosts }, expectedRevision) {
      return sessions.transaction(tenant, async (db) => {
        const [present] = await db.select({ revision: organizations.revision }).from(organizations).where(eq(organizations.id, tenant)).for("no key update");
        if (!present) return undefined;
        refuseStale(expectedRevision, present.revision, "organization");
        const [updated] = await db
          .update(organizations)
          .set({
            name: name ?? sql`${organizations.name}`,
            ...(outboundHosts !== undefined && { outboundHosts: outboundHosts === null ? null : [...outboundHosts] }),
            revision: sql`${organizations.revision} + 1`,
          })
          .where(eq(organizations.id, tenant))
          .returning(organizationColumns);
        return updated;
      });
    },

    async members(tenant, page) {
      const mine = eq(memberships.tenantId, tenant);
      const [listed, [counted]] = await sessions.onceAll(tenant, (db) => [
        db
          .select({ id: memberships.userId, createdAt: positionOf(memberships.createdAt), bytes: sql<number>`1` })
          .from(memberships)
          .where(and(mine, behind(page.cursor, memberships.createdAt, memberships.userId)))
          .orderBy(desc(memberships.createdAt), desc(memberships.userId))
          .limit(page.limit + 1)
          .offset(page.offset ?? 0),
        countUpTo(db, memberships, mine),
      ]);
      return toPage(page, pageMaxBytes, listed, counted?.total ?? 0, async (ids) =>
        withAccounts(
          await sessions.once(tenant, (db) =>
            db
              .select(memberColumns)
              .from(memberships)
              .where(and(mine, inArray(memberships.userId, ids))),
          ),
        ),
      );
    },

    async member(tenant, userId) {
      const [found] = await withAccounts(await sessions.once(tenant, (db) => db.select(memberColumns).from(memberships).where(isMember(tenant, userId))));
      return found;
    },

    async setRole(tenant, userId, role, expectedRevision) {
      const changed = await changeMember(tenant, userId, { newRole: role, expectedRevision }, (db) =>
        db
          .update(memberships)
          .set({ role, revision: sql`${memberships.revision} + 1` })
          .where(isMember(tenant, userId))
          .returning(memberColumns),
      );
      return (await withAccounts(changed))[0];
    },

    async removeMember(tenant, userId, expectedRevision) {
      const removed = await changeMember(tenant, userId, { expectedRevision }, async (db) => {
        const gone = await db.delete(memberships).where(isMember(tenant, userId)).returning({ id: memberships.userId });
        await db
          .update(apiKeys)
          .set({ revokedAt: sql`now()`, revision: sql`${apiKeys.revision} + 1` })
          .where(and(eq(apiKeys.tenantId, tenant), eq(apiKeys.createdBy, userId), isNull(apiKeys.revokedAt)));
        return gone;
      });
      await sessions.once("system", (db) => endSessionsIn(db, tenant, userId));
      return removed.length > 0;
    },
  };
}
