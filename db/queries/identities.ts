import { and, desc, eq, inArray, isNotNull, isNull, ne, sql } from "drizzle-orm";
import { PerdureError } from "#core";
import type { Sessions, Statements } from "../connection/sessions.ts";
import { identities, users } from "../schema/index.ts";
import type { Identities, Identity, LinkedIdentity } from "../types/index.ts";
import { behind, countUpTo, positionOf, toPage } from "./paging.ts";

const shown = {
  id: identities.id,
  issuer: identities.issuer,
  email: identities.email,
  createdAt: identities.createdAt,
  lastUsedAt: identities.lastUsedAt,
};
const linkedTo = (userId: string) => and(eq(identities.userId, userId), isNull(identities.unlinkedAt));
const one = (userId: string, id: string) => and(linkedTo(userId), eq(identities.id, id));

/** Makes an identity the user's that is nobody's, or nobody's any more. By `address`, not one that they have unlinked. @returns undefined where it is not to be had. */
export async function claimIdentity(
  db: Statements,
  userId: string,
  { issuer, subject, email }: Identity,
  by: "user" | "address",
): Promise<LinkedIdentity | undefined> {
  const [claimed] = await db
    .insert(identities)
    .values({ issuer, subject, email, userId })
    .onConflictDoUpdate({
      target: [identities.issuer, identities.subject],
      set: { id: sql`excluded.id`, userId, email, createdAt: sql`now()`, lastUsedAt: sql`now()`, unlinkedAt: null },
      setWhere: and(isNotNull(identities.unlinkedAt), by === "user" ? undefined : ne(identities.userId, userId)),
    })
    .returning(shown);
  return claimed;
}

/** In a transaction of something that shows that they may be another's. */
export async function unlinkAll(db: Statements, userId: string): Promise<void> {
  await db
    .update(identities)
    .set({ unlinkedAt: sql`now()` })
    .where(linkedTo(userId));
}

export function createIdentities(sessions: Sessions, pageMaxBytes: number): Identities {
  return {
    async list(userId, page) {
      const mine = linkedTo(userId);
      const [listed, [counted]] = await sessions.onceAll("system", (db) => [
        db
          .select({ id: identities.id, createdAt: positionOf(identities.createdAt), bytes: sql<number>`1` })
          .from(identities)
          .where(and(mine, behind(page.cursor, identities.createdAt, identities.id)))
          .orderBy(desc(identities.createdAt), desc(identities.id))
          .limit(page.limit + 1)
          .offset(page.offset ?? 0),
        countUpTo(db, identities, mine),
      ]);
      return toPage(page, pageMaxBytes, listed, counted?.total ?? 0, (ids) =>
        sessions.once("system", (db) =>
          db
            .select(shown)
            .from(identities)
            .where(and(mine, inArray(identities.id, ids))),
        ),
      );
    },

    async get(userId, id) {
      const [found] = await sessions.once("system", (db) => db.select(shown).from(identities).where(one(userId, id)));
      return found;
    },

    link(userId, identity, by) {
      return sessions.transaction("system", async (db) => {
        const linked = await claimIdentity(db, userId, identity, by);
        if (linked) return linked;
        const [present] = await db
          .select({ ...shown, unlinkedAt: identities.unlinkedAt })
          .from(identities)
          .where(and(eq(identities.issuer, identity.issuer), eq(identities.subject, identity.subject), eq(identities.userId, userId)));
        if (!present) throw new PerdureError("resource.conflict", "Another account signs in with this identity.");
        const { unlinkedAt, ...found } = present;
        if (unlinkedAt) {
          throw new PerdureError("resource.conflict", "This identity was unlinked from the account of this address. Sign in another way, then link it again.");
        }
        return found;
      });
    },

    unlink(userId, id, opensDoor) {
      return sessions.transaction("system", async (db) => {
        // The user's row is the lock: of two that go at once, the second sees what the first has left.
        const [user] = await db.select({ passwordHash: users.passwordHash }).from(users).where(eq(users.id, userId)).for("no key update");
        const all = await db.select(shown).from(identities).where(linkedTo(userId));
        const found = all.find((each) => each.id === id);
        if (!user || !found) return undefined;
        if (user.passwordHash === null && !all.some((each) => each !== found && opensDoor(each.issuer))) {
          throw new PerdureError("resource.conflict", "The account could not be signed in to any more: set a password first, with /auth/password/forgot.");
        }
        await db
          .update(identities)
          .set({ unlinkedAt: sql`now()` })
          .where(one(userId, id));
        await db
          .update(users)
          .set({ securityEpoch: sql`${users.securityEpoch} + 1` })
          .where(eq(users.id, userId));
        return found;
      });
    },
  };
}
