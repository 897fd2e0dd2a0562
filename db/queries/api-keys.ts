import { and, desc, eq, isNull, sql } from "drizzle-orm";
import { PerdureError, type TenantId } from "#core";
import type { Sessions } from "../connection/sessions.ts";
import { apiKeys } from "../schema/index.ts";
import type { ApiKeys } from "../types/index.ts";
import { behind, bytesOf, countUpTo, positionOf, toPage } from "./paging.ts";
import { refuseStale } from "./revisions.ts";
import { takeTurn } from "./turns.ts";

const shown = {
  id: apiKeys.id,
  createdBy: apiKeys.createdBy,
  name: apiKeys.name,
  prefix: apiKeys.prefix,
  scopes: apiKeys.scopes,
  createdAt: apiKeys.createdAt,
  expiresAt: apiKeys.expiresAt,
  lastUsedAt: apiKeys.lastUsedAt,
  revokedAt: apiKeys.revokedAt,
  revision: apiKeys.revision,
};
const isLive = and(isNull(apiKeys.revokedAt), sql`(${apiKeys.expiresAt} is null or ${apiKeys.expiresAt} > now())`);
const visible = (tenant: TenantId, createdBy: string | undefined) =>
  and(eq(apiKeys.tenantId, tenant), createdBy === undefined ? undefined : eq(apiKeys.createdBy, createdBy));

export function createApiKeys(sessions: Sessions, pageMaxBytes: number): ApiKeys {
  return {
    create(tenant, key, max) {
      return sessions.transaction(tenant, async (db) => {
        await takeTurn(db, "API keys", tenant);
        const [counted] = await db
          .select({ live: sql<number>`count(*)::integer` })
          .from(apiKeys)
          .where(and(eq(apiKeys.tenantId, tenant), isLive));
        if ((counted?.live ?? 0) >= max) throw new PerdureError("resource.conflict", `The organization has ${max} API keys (API_KEYS_MAX): revoke some.`);
        const [created] = await db
          .insert(apiKeys)
          .values({ ...key, tenantId: tenant })
          .returning(shown);
        if (!created) throw new PerdureError("internal", "The key was not stored.");
        return created;
      });
    },

    async list(tenant, { createdBy }, page) {
      const wanted = visible(tenant, createdBy);
      const [listed, [counted]] = await sessions.onceAll(tenant, (db) => [
        db
          .select({ id: apiKeys.id, createdAt: positionOf(apiKeys.createdAt), bytes: bytesOf(apiKeys.name, apiKeys.scopes) })
          .from(apiKeys)
          .where(and(wanted, behind(page.cursor, apiKeys.createdAt, apiKeys.id)))
          .orderBy(desc(apiKeys.createdAt), desc(apiKeys.id))
          .limit(page.limit + 1)
          .offset(page.offset ?? 0),
        countUpTo(db, apiKeys, wanted),
      ]);
      return toPage(page, pageMaxBytes, listed, counted?.total ?? 0, (ids) =>
        sessions.once(tenant, (db) =>
          db
            .select(shown)
            .from(apiKeys)
            .where(and(wanted, sql`${apiKeys.id} in ${ids}`)),
        ),
      );
    },

    async get(tenant, id, { createdBy }) {
      const [found] = await sessions.once(tenant, (db) =>
        db
          .select(shown)
          .from(apiKeys)
          .where(and(visible(tenant, createdBy), eq(apiKeys.id, id))),
      );
      return found;
    },

    revoke(tenant, id, { createdBy }, expectedRevision) {
      const wanted = and(visible(tenant, createdBy), eq(apiKeys.id, id));
      return sessions.transaction(tenant, async (db) => {
        const [present] = await db.select(shown).from(apiKeys).where(wanted).for("update");
        if (!present) return undefined;
        refuseStale(expectedRevision, present.revision, "API key");
        if (present.revokedAt) return present;
        const [revoked] = await db
          .update(apiKeys)
          .set({ revokedAt: sql`now()`, revision: sql`${apiKeys.revision} + 1` })
          .where(wanted)
          .returning(shown);
        return revoked;
      });
    },

    async use(keyHash) {
      const [used] = await sessions.once("system", (db) =>
        db
          .update(apiKeys)
          .set({ lastUsedAt: sql`now()` })
          .where(and(eq(apiKeys.keyHash, keyHash), isLive))
          .returning({ id: apiKeys.id, tenantId: apiKeys.tenantId, createdBy: apiKeys.createdBy, scopes: apiKeys.scopes, expiresAt: apiKeys.expiresAt }),
      );
      return used;
    },
  };
}
