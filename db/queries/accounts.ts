import { and, desc, eq, isNull, lt, sql } from "drizzle-orm";
import { PerdureError, tenantId, uuidv7 } from "#core";
import { sqlState, UNIQUE_VIOLATION } from "../connection/errors.ts";
import type { Sessions, Statements } from "../connection/sessions.ts";
import { identities, loginActivity, memberships, organizations, users, userSessions } from "../schema/index.ts";
import type { Accounts } from "../types/index.ts";
import { lockOwnerOf, useToken, voidPasswordResets } from "./account-tokens.ts";
import { claimAccount } from "./claimed-accounts.ts";
import { claimIdentity } from "./identities.ts";
import { countUpTo, decodeKey, encodeKey } from "./paging.ts";
import { endSessionsOf } from "./user-sessions.ts";

const userColumns = { id: users.id, email: users.email, name: users.name, createdAt: users.createdAt, emailVerifiedAt: users.emailVerifiedAt };
const signInColumns = { ...userColumns, passwordHash: users.passwordHash, securityEpoch: users.securityEpoch };
const hasEmail = (email: string) => eq(sql`lower(${users.email})`, email.toLowerCase());
const verifiedNow = { emailVerifiedAt: sql`coalesce(${users.emailVerifiedAt}, now())` };

export function createAccounts(sessions: Sessions): Accounts {
  return {
    async register({ email, passwordHash, name, organizationName, identity }) {
      const now = new Date();
      const user = { id: uuidv7(), email, name, createdAt: now, emailVerifiedAt: identity ? now : null };
      const tenant = tenantId(uuidv7());
      try {
        await sessions.transaction("system", async (db) => {
          await db.insert(users).values({ ...user, passwordHash });
          await db.insert(organizations).values({ id: tenant, name: organizationName });
          await db.insert(memberships).values({ tenantId: tenant, userId: user.id, role: "admin" });
          if (identity && !(await claimIdentity(db, user.id, identity, "address"))) {
            throw new PerdureError("resource.conflict", "This identity has an account by now: sign in with it again.");
          }
        });
      } catch (error) {
        if (sqlState(error) === UNIQUE_VIOLATION)
          throw new PerdureError("resource.conflict", "An account with this e-mail address exists already.", { cause: error });
        throw error;
      }
      return { user, membership: { tenantId: tenant, organizationName, role: "admin" } };
    },

    async findByEmail(email) {
      const [found] = await sessions.once("system", (db) => db.select(signInColumns).from(users).where(hasEmail(email)));
      return found;
    },

    async find(userId) {
      const [found] = await sessions.once("system", (db) => db.select(signInColumns).from(users).where(eq(users.id, userId)));
      return found;
    },

    memberships: (userId) =>
      sessions.once("system", (db) => membershipsOf(db).where(eq(memberships.userId, userId)).orderBy(memberships.createdAt, memberships.tenantId)),

    async membership(userId, tenant, sessionId) {
      const isLive =
        sessionId === undefined
          ? undefined
          : sql`exists (select from ${userSessions} s where s.id = ${sessionId}::uuid and s.user_id = ${memberships.userId} and s.ended_at is null)`;
      const [found] = await sessions.once("system", (db) =>
        membershipsOf(db).where(and(eq(memberships.userId, userId), eq(memberships.tenantId, tenant), isLive)),
      );
      return found;
    },

    async firstOrganization() {
      const [first] = await sessions.once("system", (db) =>
        db.select({ id: organizations.id }).from(organizations).orderBy(organizations.createdAt, organizations.id).limit(1),
      );
      return first && tenantId(first.id);
    },

    async changePassword(userId, { from, to, except }) {
      return sessions.transaction("system", async (db) => {
        const changed = await db
          .update(users)
          .set({ passwordHash: to })
          .where(and(eq(users.id, userId), sql`${users.passwordHash} is not distinct from ${from}`))
          .returning({ id: users.id });
        if (changed.length === 0) return false;
        await voidPasswordResets(db, userId);
        await endSessionsOf(db, userId, "password", except);
        return true;
      });
    },

    async resetPassword(tokenHash, passwordHash) {
      return sessions.transaction("system", async (db) => {
        const owner = await lockOwnerOf(db, "reset_password", tokenHash);
        const [token] = owner ? await useToken(db, "reset_password", tokenHash) : [];
        if (!owner || !token) return undefined;
        const userId = owner.id;
        const removed = owner.emailVerifiedAt === null ? await claimAccount(db, userId) : [];
        await voidPasswordResets(db, userId);
        const [user] = await db
          .update(users)
          .set({ passwordHash, ...verifiedNow })
          .where(eq(users.id, userId))
          .returning(userColumns);
        await endSessionsOf(db, userId, "password");
        return user && { user, removed };
      });
    },

    async verifyEmail(tokenHash) {
      return sessions.transaction("system", async (db) => {
        const [token] = await useToken(db, "verify_email", tokenHash);
        if (!token?.userId) return undefined;
        const [user] = await db
          .update(users)
          .set(verifiedNow)
          .where(and(eq(users.id, token.userId), hasEmail(String(token.data["email"]))))
          .returning(userColumns);
        return user;
      });
    },

    async findByIdentity({ issuer, subject }) {
      const [found] = await sessions.once("system", (db) =>
        db
          .update(identities)
          .set({ lastUsedAt: sql`now()` })
          .from(users)
          .where(and(eq(identities.issuer, issuer), eq(identities.subject, subject), isNull(identities.unlinkedAt), eq(users.id, identities.userId)))
          .returning(signInColumns),
      );
      return found;
    },

    async recordLogin({ email, userId, method, succeeded, ip, userAgent }) {
      await sessions.once("system", (db) => db.insert(loginActivity).values({ email, userId: userId ?? null, method, succeeded, ip, userAgent }));
    },

    async logins(userId, { limit, cursor, offset }) {
      const mine = eq(loginActivity.userId, userId);
      const before = cursor === undefined ? undefined : decodeKey(cursor, ([id]) => (Number.isSafeInteger(id) ? (id as number) : undefined));
      const [rows, [counted]] = await sessions.onceAll("system", (db) => [
        db
          .select({
            id: loginActivity.id,
            at: loginActivity.at,
            method: loginActivity.method,
            succeeded: loginActivity.succeeded,
            ip: loginActivity.ip,
            userAgent: loginActivity.userAgent,
          })
          .from(loginActivity)
          .where(and(mine, before === undefined ? undefined : lt(loginActivity.id, before)))
          .orderBy(desc(loginActivity.id))
          .limit(limit + 1)
          .offset(offset ?? 0),
        countUpTo(db, loginActivity, mine),
      ]);
      const chosen = rows.slice(0, limit);
      const last = chosen.at(-1);
      return { rows: chosen, total: counted?.total ?? 0, nextCursor: last && rows.length > limit ? encodeKey([last.id]) : undefined };
    },
  };
}

function membershipsOf(db: Statements) {
  return db
    .select({ tenantId: memberships.tenantId, organizationName: organizations.name, role: memberships.role })
    .from(memberships)
    .innerJoin(organizations, eq(organizations.id, memberships.tenantId));
}
