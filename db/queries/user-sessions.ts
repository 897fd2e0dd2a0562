import { and, desc, eq, inArray, isNull, ne, sql } from "drizzle-orm";
import { type TenantId, tenantId, uuidv7 } from "#core";
import type { Sessions, Statements } from "../connection/sessions.ts";
import { memberships, refreshTokens, users, userSessions } from "../schema/index.ts";
import type { SessionEnd, UserSessions } from "../types/index.ts";
import { behind, countUpTo, positionOf, toPage } from "./paging.ts";

const shown = {
  id: userSessions.id,
  method: userSessions.method,
  ip: userSessions.ip,
  userAgent: userSessions.userAgent,
  createdAt: userSessions.createdAt,
  lastUsedAt: userSessions.lastUsedAt,
  expiresAt: userSessions.expiresAt,
};
const hasNotEnded = isNull(userSessions.endedAt);
const liveOf = (userId: string) => and(eq(userSessions.userId, userId), hasNotEnded, sql`${userSessions.expiresAt} > now()`);
/** So long after its end by time a session and its refresh tokens are known: until then a late token is told from one that never was. */
const FORGOTTEN_AFTER = sql`interval '30 days'`;
const ended = (reason: SessionEnd) => ({ endedAt: sql`now()`, endReason: reason });

/** Ends the sessions of a user, in a transaction of something that is a reason for it. A sign-in that is under way opens none either. */
export async function endSessionsOf(db: Statements, userId: string, reason: SessionEnd, except?: string): Promise<void> {
  await db
    .update(users)
    .set({ securityEpoch: sql`${users.securityEpoch} + 1` })
    .where(eq(users.id, userId));
  await db
    .update(userSessions)
    .set(ended(reason))
    .where(and(eq(userSessions.userId, userId), hasNotEnded, except === undefined ? undefined : ne(userSessions.id, except)));
}

/** Ends the sessions of a user that act in one organization. */
export function endSessionsIn(db: Statements, tenant: TenantId, userId: string): PromiseLike<unknown> {
  return db
    .update(userSessions)
    .set(ended("membership"))
    .where(
      and(
        eq(userSessions.userId, userId),
        hasNotEnded,
        sql`exists (select from ${refreshTokens} t where t.session_id = ${userSessions.id} and t.generation = ${userSessions.generation} and t.tenant_id = ${tenant})`,
      ),
    );
}

export function createUserSessions(sessions: Sessions, pageMaxBytes: number): UserSessions {
  return {
    async open({ id, userId, tenantId: tenant, securityEpoch, tokenHash, expiresAt, method, ip, userAgent }) {
      return sessions.transaction("system", async (db) => {
        // Waits for a change of password that is under way, and sees it.
        const [user] = await db
          .select({ id: users.id })
          .from(users)
          .where(and(eq(users.id, userId), eq(users.securityEpoch, securityEpoch)))
          .for("share");
        if (!user) return false;
        const past = db
          .select({ id: userSessions.id })
          .from(userSessions)
          .where(and(eq(userSessions.userId, userId), sql`${userSessions.expiresAt} < now() - ${FORGOTTEN_AFTER}`))
          .for("update", { skipLocked: true });
        const forgotten = (await past).map((each) => each.id);
        if (forgotten.length > 0) {
          await db.delete(refreshTokens).where(inArray(refreshTokens.sessionId, forgotten));
          await db.delete(userSessions).where(inArray(userSessions.id, forgotten));
        }
        await db.insert(userSessions).values({ id, userId, method, ip, userAgent, expiresAt });
        await db.insert(refreshTokens).values({ id: uuidv7(), tenantId: tenant, userId, sessionId: id, tokenHash, expiresAt });
        return true;
      });
    },

    async rotate({ tokenHash, newTokenHash, expiresAt, graceMs, ip, userAgent, switchTo }) {
      return sessions.transaction("system", async (db) => {
        const [known] = await db
          .select({
            userId: refreshTokens.userId,
            tenantId: refreshTokens.tenantId,
            sessionId: refreshTokens.sessionId,
            behind: sql<number>`${userSessions.generation} - ${refreshTokens.generation}`,
            generation: userSessions.generation,
            hasEnded: sql<boolean>`${userSessions.endedAt} is not null`,
            hasExpired: sql<boolean>`${refreshTokens.expiresAt} <= now()`,
            isInGrace: sql<boolean>`clock_timestamp() < ${userSessions.generationAt} + ${graceMs} * interval '1 millisecond'`,
          })
          .from(refreshTokens)
          .innerJoin(userSessions, eq(userSessions.id, refreshTokens.sessionId))
          .where(eq(refreshTokens.tokenHash, tokenHash))
          .for("update", { of: userSessions });
        if (!known) return { outcome: "unknown" as const };
        const { userId, sessionId } = known;
        if (known.hasEnded) return { outcome: "reused" as const };
        if (known.hasExpired) return { outcome: "expired" as const };
        if (known.behind > 1 || (known.behind === 1 && !known.isInGrace)) {
          await db.update(userSessions).set(ended("reuse")).where(eq(userSessions.id, sessionId));
          return { outcome: "reused" as const };
        }
        const tenant = switchTo === undefined ? known.tenantId : tenantId(switchTo);
        if (switchTo !== undefined) {
          const [member] = await db
            .select({ userId: memberships.userId })
            .from(memberships)
            .where(and(eq(memberships.userId, userId), eq(memberships.tenantId, tenant)));
          if (!member) return { outcome: "not_a_member" as const };
        }
        const isNewest = known.behind === 0;
        await db
          .update(userSessions)
          .set({
            lastUsedAt: sql`now()`,
            expiresAt,
            ip,
            userAgent,
            ...(isNewest && { generation: known.generation + 1, generationAt: sql`clock_timestamp()` }),
          })
          .where(eq(userSessions.id, sessionId));
        await db.insert(refreshTokens).values({
          id: uuidv7(),
          userId,
          tenantId: tenant,
          sessionId,
          tokenHash: newTokenHash,
          expiresAt,
          generation: known.generation + (isNewest ? 1 : 0),
        });
        await db.delete(refreshTokens).where(and(eq(refreshTokens.sessionId, sessionId), sql`${refreshTokens.expiresAt} <= now()`));
        return { outcome: "rotated" as const, userId, tenantId: tenant, sessionId };
      });
    },

    async endByToken(tokenHash) {
      const [found] = await sessions.once("system", (db) =>
        db
          .update(userSessions)
          .set(ended("sign_out"))
          .where(and(hasNotEnded, sql`${userSessions.id} in (select t.session_id from ${refreshTokens} t where t.token_hash = ${tokenHash})`))
          .returning({ userId: userSessions.userId }),
      );
      return found;
    },

    async end(userId, id) {
      const found = await sessions.once("system", (db) =>
        db
          .update(userSessions)
          .set(ended("ended"))
          .where(and(liveOf(userId), eq(userSessions.id, id)))
          .returning({ id: userSessions.id }),
      );
      return found.length > 0;
    },

    endAll: (userId) => sessions.transaction("system", (db) => endSessionsOf(db, userId, "sign_out_everywhere")),

    async list(userId, page) {
      const mine = liveOf(userId);
      const [listed, [counted]] = await sessions.onceAll("system", (db) => [
        db
          .select({ id: userSessions.id, createdAt: positionOf(userSessions.createdAt), bytes: sql<number>`1` })
          .from(userSessions)
          .where(and(mine, behind(page.cursor, userSessions.createdAt, userSessions.id)))
          .orderBy(desc(userSessions.createdAt), desc(userSessions.id))
          .limit(page.limit + 1)
          .offset(page.offset ?? 0),
        countUpTo(db, userSessions, mine),
      ]);
      return toPage(page, pageMaxBytes, listed, counted?.total ?? 0, (ids) =>
        sessions.once("system", (db) =>
          db
            .select(shown)
            .from(userSessions)
            .where(and(mine, inArray(userSessions.id, ids))),
        ),
      );
    },

    async get(userId, id) {
      const [found] = await sessions.once("system", (db) =>
        db
          .select(shown)
          .from(userSessions)
          .where(and(liveOf(userId), eq(userSessions.id, id))),
      );
      return found;
    },
  };
}
