import { and, desc, eq, inArray, isNull, sql } from "drizzle-orm";
import { PerdureError, type TenantId, tenantId } from "#core";
import { sqlState, UNIQUE_VIOLATION } from "../connection/errors.ts";
import type { Sessions, Statements } from "../connection/sessions.ts";
import { invitations, memberships, organizations, users } from "../schema/index.ts";
import type { Invitations } from "../types/index.ts";
import { behind, countUpTo, positionOf, toPage } from "./paging.ts";
import { refuseStale } from "./revisions.ts";

const shown = {
  id: invitations.id,
  email: invitations.email,
  role: invitations.role,
  invitedBy: invitations.invitedBy,
  createdAt: invitations.createdAt,
  expiresAt: invitations.expiresAt,
  acceptedAt: invitations.acceptedAt,
  acceptedBy: invitations.acceptedBy,
  revokedAt: invitations.revokedAt,
  revision: invitations.revision,
};
const changed = { revision: sql`${invitations.revision} + 1` };
const isOpen = and(isNull(invitations.acceptedAt), isNull(invitations.revokedAt));
const isLive = and(isOpen, sql`${invitations.expiresAt} > now()`);
const one = (tenant: TenantId, id: string) => and(eq(invitations.tenantId, tenant), eq(invitations.id, id));

export function createInvitations(sessions: Sessions, pageMaxBytes: number): Invitations {
  /** Locked until the transaction ends. @throws PerdureError `precondition.failed`. */
  async function lock(db: Statements, tenant: TenantId, id: string, expectedRevision: number | undefined) {
    const [present] = await db.select(shown).from(invitations).where(one(tenant, id)).for("update");
    if (present) refuseStale(expectedRevision, present.revision, "invitation");
    return present;
  }

  return {
    async create(tenant, invitation) {
      const [member] = await sessions.once("system", (db) =>
        db
          .select({ id: users.id })
          .from(users)
          .innerJoin(memberships, and(eq(memberships.userId, users.id), eq(memberships.tenantId, tenant)))
          .where(eq(sql`lower(${users.email})`, invitation.email.toLowerCase())),
      );
      if (member) throw new PerdureError("resource.conflict", "This person is a member already.");
      try {
        return await sessions.transaction(tenant, async (db) => {
          await db
            .update(invitations)
            .set({ ...changed, revokedAt: sql`now()` })
            .where(and(eq(invitations.tenantId, tenant), eq(sql`lower(${invitations.email})`, invitation.email.toLowerCase()), isOpen));
          const [created] = await db
            .insert(invitations)
            .values({ ...invitation, tenantId: tenant })
            .returning(shown);
          if (!created) throw new Error("the invitation was not stored");
          return created;
        });
      } catch (error) {
        if (sqlState(error) === UNIQUE_VIOLATION) throw new PerdureError("resource.conflict", "Somebody is inviting this address just now.", { cause: error });
        throw error;
      }
    },

    async list(tenant, page) {
      const mine = eq(invitations.tenantId, tenant);
      const [listed, [counted]] = await sessions.onceAll(tenant, (db) => [
        db
          .select({ id: invitations.id, createdAt: positionOf(invitations.createdAt), bytes: sql<number>`1` })
          .from(invitations)
          .where(and(mine, behind(page.cursor, invitations.createdAt, invitations.id)))
          .orderBy(desc(invitations.createdAt), desc(invitations.id))
          .limit(page.limit + 1)
          .offset(page.offset ?? 0),
        countUpTo(db, invitations, mine),
      ]);
      return toPage(page, pageMaxBytes, listed, counted?.total ?? 0, (ids) =>
        sessions.once(tenant, (db) =>
          db
            .select(shown)
            .from(invitations)
            .where(and(mine, inArray(invitations.id, ids))),
        ),
      );
    },

    async get(tenant, id) {
      const [found] = await sessions.once(tenant, (db) => db.select(shown).from(invitations).where(one(tenant, id)));
      return found;
    },

    renew(tenant, id, { tokenHash, expiresAt }, expectedRevision) {
      return sessions.transaction(tenant, async (db) => {
        const present = await lock(db, tenant, id, expectedRevision);
        if (!present) return undefined;
        if (present.acceptedAt) throw new PerdureError("resource.conflict", "The invitation was accepted: they are a member.");
        if (present.revokedAt) throw new PerdureError("resource.conflict", "The invitation was revoked: invite them again.");
        const [renewed] = await db
          .update(invitations)
          .set({ ...changed, tokenHash, expiresAt })
          .where(one(tenant, id))
          .returning(shown);
        return renewed;
      });
    },

    revoke(tenant, id, expectedRevision) {
      return sessions.transaction(tenant, async (db) => {
        const present = await lock(db, tenant, id, expectedRevision);
        if (!present) return false;
        if (present.acceptedAt) throw new PerdureError("resource.conflict", "The invitation was accepted; remove the member instead.");
        if (present.revokedAt) return true;
        await db
          .update(invitations)
          .set({ ...changed, revokedAt: sql`now()` })
          .where(one(tenant, id));
        return true;
      });
    },

    async find(tokenHash) {
      const [found] = await sessions.once("system", (db) =>
        db
          .select({ id: invitations.id, email: invitations.email, role: invitations.role })
          .from(invitations)
          .where(and(eq(invitations.tokenHash, tokenHash), isLive)),
      );
      return found;
    },

    async accept(tokenHash, { user, passwordHash }) {
      try {
        return await sessions.transaction("system", async (db) => {
          if (passwordHash !== undefined)
            await db.insert(users).values({ id: user.id, email: user.email, name: user.name, createdAt: user.createdAt, passwordHash });
          const [accepted] = await db
            .update(invitations)
            .set({ ...changed, acceptedAt: sql`now()`, acceptedBy: user.id })
            .where(and(eq(invitations.tokenHash, tokenHash), isLive))
            .returning({ tenantId: invitations.tenantId, role: invitations.role });
          if (!accepted) throw new PerdureError("resource.not_found", "There is no such invitation.");
          await db.insert(memberships).values({ tenantId: accepted.tenantId, userId: user.id, role: accepted.role }).onConflictDoNothing();
          const [membership] = await db
            .select({ tenantId: memberships.tenantId, organizationName: organizations.name, role: memberships.role })
            .from(memberships)
            .innerJoin(organizations, eq(organizations.id, memberships.tenantId))
            .where(and(eq(memberships.tenantId, accepted.tenantId), eq(memberships.userId, user.id)));
          if (!membership) throw new Error("the membership was not stored");
          return { ...membership, tenantId: tenantId(membership.tenantId) };
        });
      } catch (error) {
        if (sqlState(error) === UNIQUE_VIOLATION) {
          throw new PerdureError("resource.conflict", "An account with this e-mail address exists already.", { cause: error });
        }
        throw error;
      }
    },
  };
}
