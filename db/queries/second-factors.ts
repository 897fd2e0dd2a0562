import { and, eq, isNotNull, isNull, lt, sql } from "drizzle-orm";
import type { Sessions, Statements } from "../connection/sessions.ts";
import { recoveryCodes, secondFactors, users } from "../schema/index.ts";
import type { SecondFactors } from "../types/index.ts";

const of = (userId: string) => eq(secondFactors.userId, userId);
const isOn = (userId: string) => and(of(userId), isNotNull(secondFactors.confirmedAt));

export function createSecondFactors(sessions: Sessions): SecondFactors {
  return {
    async find(userId) {
      const [found] = await sessions.once("system", (db) =>
        db
          .select({
            keyVersion: secondFactors.keyVersion,
            sealed: secondFactors.sealed,
            confirmedAt: secondFactors.confirmedAt,
            recoveryCodesLeft: sql<number>`(select count(*)::integer from ${recoveryCodes} c where c.user_id = second_factors.user_id and c.used_at is null)`,
          })
          .from(secondFactors)
          .where(of(userId)),
      );
      return found;
    },

    async enrol(userId, { keyVersion, sealed }) {
      const asBytes = sql`decode(${sealed.toString("base64")}, 'base64')`;
      const enrolled = await sessions.once("system", (db) =>
        db
          .insert(secondFactors)
          .values({ userId, keyVersion, sealed: asBytes })
          .onConflictDoUpdate({
            target: secondFactors.userId,
            set: { keyVersion, sealed: asBytes, createdAt: sql`now()`, lastStep: 0 },
            setWhere: isNull(secondFactors.confirmedAt),
          })
          .returning({ userId: secondFactors.userId }),
      );
      return enrolled.length > 0;
    },

    async confirm(userId, step, codeHashes) {
      return sessions.transaction("system", async (db) => {
        const confirmed = await db
          .update(secondFactors)
          .set({ confirmedAt: sql`now()`, lastStep: step })
          .where(and(of(userId), isNull(secondFactors.confirmedAt), lt(secondFactors.lastStep, step)))
          .returning({ userId: secondFactors.userId });
        if (confirmed.length === 0) return false;
        await replaceCodes(db, userId, codeHashes);
        await countUp(db, userId);
        return true;
      });
    },

    async useStep(userId, step) {
      const used = await sessions.once("system", (db) =>
        db
          .update(secondFactors)
          .set({ lastStep: step })
          .where(and(isOn(userId), lt(secondFactors.lastStep, step)))
          .returning({ userId: secondFactors.userId }),
      );
      return used.length > 0;
    },

    async useRecoveryCode(userId, codeHash) {
      const used = await sessions.once("system", (db) =>
        db
          .update(recoveryCodes)
          .set({ usedAt: sql`now()` })
          .where(and(eq(recoveryCodes.userId, userId), eq(recoveryCodes.codeHash, codeHash), isNull(recoveryCodes.usedAt)))
          .returning({ userId: recoveryCodes.userId }),
      );
      return used.length > 0;
    },

    async replaceRecoveryCodes(userId, codeHashes) {
      return sessions.transaction("system", async (db) => {
        const [on] = await db.select({ userId: secondFactors.userId }).from(secondFactors).where(isOn(userId)).for("update");
        if (on) await replaceCodes(db, userId, codeHashes);
        return on !== undefined;
      });
    },

    remove(userId) {
      return sessions.transaction("system", (db) => removeSecondFactor(db, userId));
    },
  };
}

/** With its recovery codes. @returns whether one was in use. */
export async function removeSecondFactor(db: Statements, userId: string): Promise<boolean> {
  await db.delete(recoveryCodes).where(eq(recoveryCodes.userId, userId));
  const removed = await db.delete(secondFactors).where(of(userId)).returning({ confirmedAt: secondFactors.confirmedAt });
  await countUp(db, userId);
  return removed.some(({ confirmedAt }) => confirmedAt !== null);
}

async function replaceCodes(db: Statements, userId: string, codeHashes: readonly string[]): Promise<void> {
  await db.delete(recoveryCodes).where(eq(recoveryCodes.userId, userId));
  await db.insert(recoveryCodes).values(codeHashes.map((codeHash) => ({ userId, codeHash })));
}

/** A sign-in that is under way began when something else proved who they are. */
async function countUp(db: Statements, userId: string): Promise<void> {
  await db
    .update(users)
    .set({ securityEpoch: sql`${users.securityEpoch} + 1` })
    .where(eq(users.id, userId));
}
