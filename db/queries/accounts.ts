import { and, eq, isNull, sql } from "drizzle-orm";
import { PerdureError, tenantId, uuidv7 } from "#core";
import { sqlState, UNIQUE_VIOLATION } from "../connection/errors.ts";
import type { Sessions } from "../connection/sessions.ts";
import { loginActivity, memberships, organizations, refreshTokens, users } from "../schema/index.ts";
import type { Accounts } from "../types.ts";

const userColumns = { id: users.id, email: users.email, name: users.name, createdAt: users.createdAt };
const hasEmail = (email: string) => eq(sql`lower(${users.email})`, email.toLowerCase());

export function createAccounts(sessions: Sessions): Accounts {
  return {
    async register({ email, passwordHash, name, organizationName }) {
      const user = { id: uuidv7(), email, name, createdAt: new Date() };
      const tenant = tenantId(uuidv7());
      try {
        await sessions.transaction("system", async (db) => {
          await db.insert(users).values({ ...user, passwordHash });
          await db.insert(organizations).values({ id: tenant, name: organizationName });
          await db.insert(memberships).values({ tenantId: tenant, userId: user.id, role: "admin" });
        });
      } catch (error) {
        if (sqlState(error) === UNIQUE_VIOLATION)
          throw new PerdureError("resource.conflict", "An account with this e-mail address exists already.", { cause: error });
        throw error;
      }
      return { user, membership: { tenantId: tenant, organizationName, role: "admin" } };
    },

    async findByEmail(email) {
      const [found] = await sessions.once("system", (db) =>
        db
          .select({ ...userColumns, passwordHash: users.passwordHash })
          .from(users)
          .where(hasEmail(email)),
      );
      return found;
    },

    async find(userId) {
      const [found] = await sessions.once("system", (db) => db.select(userColumns).from(users).where(eq(users.id, userId)));
      return found;
    },

    memberships: (userId) =>
      sessions.once("system", (db) =>
        db
          .select({ tenantId: memberships.tenantId, organizationName: organizations.name, role: memberships.role })
          .from(memberships)
          .innerJoin(organizations, eq(organizations.id, memberships.tenantId))
          .where(eq(memberships.userId, userId))
          .orderBy(memberships.createdAt, memberships.tenantId),
      ),

    async firstOrganization() {
      const [first] = await sessions.once("system", (db) =>
        db.select({ id: organizations.id }).from(organizations).orderBy(organizations.createdAt, organizations.id).limit(1),
      );
      return first && tenantId(first.id);
    },

    async createRefreshToken(token) {
      const id = uuidv7();
      await sessions.once("system", (db) => db.insert(refreshTokens).values({ ...token, id, familyId: id }));
    },

    async rotateRefreshToken({ tokenHash, newTokenHash, expiresAt, switchTo }) {
      return sessions.transaction("system", async (db) => {
        const [rotated] = await db
          .update(refreshTokens)
          .set({ rotatedAt: sql`now()` })
          .where(
            and(
              eq(refreshTokens.tokenHash, tokenHash),
              isNull(refreshTokens.rotatedAt),
              isNull(refreshTokens.revokedAt),
              sql`${refreshTokens.expiresAt} > now()`,
              switchTo === undefined
                ? undefined
                : sql`exists (select from ${memberships} m where m.user_id = ${refreshTokens.userId} and m.tenant_id = ${switchTo}::uuid)`,
            ),
          )
          .returning();
        if (rotated) {
          const { userId, familyId } = rotated;
          const tenant = switchTo === undefined ? rotated.tenantId : tenantId(switchTo);
          await db.insert(refreshTokens).values({ id: uuidv7(), userId, tenantId: tenant, familyId, tokenHash: newTokenHash, expiresAt });
          return { outcome: "rotated" as const, userId, tenantId: tenant };
        }
        const [known] = await db.select().from(refreshTokens).where(eq(refreshTokens.tokenHash, tokenHash));
        if (!known) return { outcome: "unknown" as const };
        if (!known.rotatedAt && !known.revokedAt) return { outcome: known.expiresAt > new Date() ? ("not_a_member" as const) : ("expired" as const) };
        await db
          .update(refreshTokens)
          .set({ revokedAt: sql`now()` })
          .where(and(eq(refreshTokens.familyId, known.familyId), isNull(refreshTokens.revokedAt)));
        return { outcome: "reused" as const };
      });
    },

    async revokeRefreshFamily(tokenHash) {
      await sessions.once("system", (db) =>
        db
          .update(refreshTokens)
          .set({ revokedAt: sql`now()` })
          .where(
            and(
              isNull(refreshTokens.revokedAt),
              sql`${refreshTokens.familyId} in (select known.family_id from ${refreshTokens} known where known.token_hash = ${tokenHash})`,
            ),
          ),
      );
    },

    async recordLogin({ email, userId, succeeded, ip, userAgent }) {
      await sessions.once("system", (db) => db.insert(loginActivity).values({ email, userId: userId ?? null, succeeded, ip, userAgent }));
    },
  };
}
