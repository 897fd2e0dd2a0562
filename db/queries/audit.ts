import { and, desc, eq, gte, inArray, lt, lte } from "drizzle-orm";
import { type TenantId, uuidv7 } from "#core";
import type { Sessions } from "../connection/sessions.ts";
import { auditEvents } from "../schema/index.ts";
import type { Audit } from "../types/index.ts";
import { behind, bytesOf, countUpTo, positionOf, toPage } from "./paging.ts";

export function createAudit(sessions: Sessions, pageMaxBytes: number): Audit {
  type Entry = typeof auditEvents.$inferInsert;
  /** Entries of an organization that come while others are on their way: they go together. */
  const gathered = new Map<TenantId, { entries: Entry[]; stored: Promise<void> }>();
  const storing = new Map<TenantId, Promise<void>>();

  function store(tenant: TenantId, entries: Entry[]): Promise<void> {
    const stored = sessions
      .last(tenant, (db) => db.insert(auditEvents).values(entries))
      .then(() => undefined)
      .finally(() => storing.delete(tenant));
    storing.set(tenant, stored);
    return stored;
  }

  return {
    record(tenant, event) {
      const entry = { ...event, id: uuidv7(), tenantId: tenant };
      const before = storing.get(tenant);
      if (!before) return store(tenant, [entry]);
      const group = gathered.get(tenant);
      if (group) {
        group.entries.push(entry);
        return group.stored;
      }
      const entries = [entry];
      const stored = before
        .catch(() => undefined)
        .then(() => {
          gathered.delete(tenant);
          return store(tenant, entries);
        });
      gathered.set(tenant, { entries, stored });
      return stored;
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
