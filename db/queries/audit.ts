import { and, desc, eq, gte, inArray, lt, lte } from "drizzle-orm";
import { uuidv7 } from "#core";
import type { Sessions } from "../connection/sessions.ts";
import { auditEvents } from "../schema/index.ts";
import type { Audit } from "../types.ts";
import { behind, bytesOf, countUpTo, positionOf, toPage } from "./paging.ts";

export function createAudit(sessions: Sessions, pageMaxBytes: number): Audit {
  return {
    async record(tenant, event) {
      await sessions.once(tenant, (db) => db.insert(auditEvents).values({ ...event, id: uuidv7(), tenantId: tenant }));
    },

    async list(tenant, { userId, apiKeyId, action, resourceType, resourceId, from, to, status }, page) {
      const wanted = and(
        eq(auditEvents.tenantId, tenant),
        userId === undefined ? undefined : eq(auditEvents.userId, userId),
        apiKeyId === undefined ? undefined : eq(auditEvents.apiKeyId, apiKeyId),
        action === undefined ? undefined : eq(auditEvents.action, action),
        resourceType === undefined ? undefined : eq(auditEvents.resourceType, resourceType),
        resourceId === undefined ? undefined : eq(auditEvents.resourceId, resourceId),
        from === undefined ? undefined : gte(auditEvents.at, from),
        to === undefined ? undefined : lte(auditEvents.at, to),
        status === undefined ? undefined : eq(auditEvents.status, status),
      );
      const [listed, [counted]] = await sessions.onceAll(tenant, (db) => [
        db
          .select({ id: auditEvents.id, createdAt: positionOf(auditEvents.at), bytes: bytesOf(auditEvents.before, auditEvents.after) })
          .from(auditEvents)
          .where(and(wanted, behind(page.cursor, auditEvents.at, auditEvents.id)))
          .orderBy(desc(auditEvents.at), desc(auditEvents.id))
          .limit(page.limit + 1)
          .offset(page.offset ?? 0),
        countUpTo(db, auditEvents, wanted),
      ]);
      return toPage(page, pageMaxBytes, listed, counted?.total ?? 0, (ids) =>
        sessions.once(tenant, (db) =>
          db
            .select()
            .from(auditEvents)
            .where(and(eq(auditEvents.tenantId, tenant), inArray(auditEvents.id, ids))),
        ),
      );
    },

    async forget(before, limit) {
      const gone = await sessions.once("system", (db) => {
        const oldest = db.select({ id: auditEvents.id }).from(auditEvents).where(lt(auditEvents.at, before)).orderBy(auditEvents.at).limit(limit);
        return db.delete(auditEvents).where(inArray(auditEvents.id, oldest)).returning({ id: auditEvents.id });
      });
      return gone.length;
    },
  };
}
