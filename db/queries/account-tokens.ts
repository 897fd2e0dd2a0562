import { and, eq, inArray, isNull, lt, sql } from "drizzle-orm";
import { uuidv7 } from "#core";
import type { Sessions, Statements } from "../connection/sessions.ts";
import { accountTokens, users } from "../schema/index.ts";
import type { AccountTokenPurpose, AccountTokens } from "../types/index.ts";

const shown = { userId: accountTokens.userId, data: accountTokens.data };
const good = (purpose: AccountTokenPurpose, tokenHash: string) =>
  and(eq(accountTokens.tokenHash, tokenHash), eq(accountTokens.purpose, purpose), isNull(accountTokens.usedAt), sql`${accountTokens.expiresAt} > now()`);

/** Uses a token up, alone or in a transaction of what it is for. */
export function useToken(db: Statements, purpose: AccountTokenPurpose, tokenHash: string) {
  return db
    .update(accountTokens)
    .set({ usedAt: sql`now()` })
    .where(good(purpose, tokenHash))
    .returning(shown);
}

/** Whose a token is that is good, locked against everything else that sets their password; it may have been used meanwhile. */
export async function lockOwnerOf(db: Statements, purpose: AccountTokenPurpose, tokenHash: string) {
  const [owner] = await db
    .select({ id: users.id, emailVerifiedAt: users.emailVerifiedAt })
    .from(users)
    .where(inArray(users.id, db.select({ id: accountTokens.userId }).from(accountTokens).where(good(purpose, tokenHash))))
    .for("no key update");
  return owner;
}

/** Mails to set a password that were sent before are void once one is set. */
export async function voidPasswordResets(db: Statements, userId: string): Promise<void> {
  await db.delete(accountTokens).where(and(eq(accountTokens.userId, userId), eq(accountTokens.purpose, "reset_password"), isNull(accountTokens.usedAt)));
}

export function createAccountTokens(sessions: Sessions): AccountTokens {
  return {
    async create({ purpose, userId, tokenHash, data, expiresAt, keepOthers }) {
      await sessions.transaction("system", async (db) => {
        // What nobody used is of no use to anybody.
        await db.delete(accountTokens).where(sql`${accountTokens.expiresAt} < now()`);
        if (userId !== null && !keepOthers) {
          await db.delete(accountTokens).where(and(eq(accountTokens.userId, userId), eq(accountTokens.purpose, purpose)));
        }
        await db.insert(accountTokens).values({ id: uuidv7(), purpose, userId, tokenHash, data, expiresAt });
      });
    },

    async find(purpose, tokenHash) {
      const [found] = await sessions.once("system", (db) => db.select(shown).from(accountTokens).where(good(purpose, tokenHash)));
      return found;
    },

    async attempt(purpose, tokenHash, maxAttempts) {
      const [found] = await sessions.once("system", (db) =>
        db
          .update(accountTokens)
          .set({ attempts: sql`${accountTokens.attempts} + 1` })
          .where(and(good(purpose, tokenHash), lt(accountTokens.attempts, maxAttempts)))
          .returning(shown),
      );
      return found;
    },

    async use(purpose, tokenHash) {
      const [used] = await sessions.once("system", (db) => useToken(db, purpose, tokenHash));
      return used;
    },
  };
}
