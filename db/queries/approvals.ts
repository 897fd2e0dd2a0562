import { and, desc, eq, inArray, or, sql } from "drizzle-orm";
import type { Sessions } from "../connection/sessions.ts";
import { approvals } from "../schema/index.ts";
import type { Approvals } from "../types/index.ts";
import { behind, bytesOf, countUpTo, positionOf, toPage } from "./paging.ts";

const isAmong = (names: readonly string[]) =>
  sql`exists (select from unnest(${approvals.assignees}) as written where lower(btrim(written, E' \\t\\r\\n')) in ${names.map((name) => name.toLowerCase())})`;

export function createApprovals(sessions: Sessions, pageMaxBytes: number): Approvals {
  return {
    async list(tenant, { status, runId, assignee }, page) {
      const wanted = and(
        eq(approvals.tenantId, tenant),
        status === undefined ? undefined : eq(approvals.status, status),
        runId === undefined ? undefined : eq(approvals.runId, runId),
        assignee === undefined ? undefined : or(eq(approvals.assignees, []), isAmong(assignee)),
      );
      const [listed, [counted]] = await sessions.onceAll(tenant, (db) => [
        db
          .select({ id: approvals.id, createdAt: positionOf(approvals.createdAt), bytes: bytesOf(approvals.data, approvals.schema, approvals.answer) })
          .from(approvals)
          .where(and(wanted, behind(page.cursor, approvals.createdAt, approvals.id)))
          .orderBy(desc(approvals.createdAt), desc(approvals.id))
          .limit(page.limit + 1)
          .offset(page.offset ?? 0),
        countUpTo(db, approvals, wanted),
      ]);
      return toPage(page, pageMaxBytes, listed, counted?.total ?? 0, (ids) =>
        sessions.once(tenant, (db) =>
          db
            .select()
            .from(approvals)
            .where(and(eq(approvals.tenantId, tenant), inArray(approvals.id, ids))),
        ),
      );
    },

    async get(tenant, id) {
      const [found] = await sessions.once(tenant, (db) =>
        db
          .select()
          .from(approvals)
          .where(and(eq(approvals.tenantId, tenant), eq(approvals.id, id))),
      );
      return found;
    },

    async forNode(tenant, runId, nodeId, iteration) {
      const [found] = await sessions.once(tenant, (db) =>
        db
          .select()
          .from(approvals)
          .where(and(eq(approvals.tenantId, tenant), eq(approvals.runId, runId), eq(approvals.nodeId, nodeId), eq(approvals.iteration, iteration))),
      );
      return found;
    },

    async answered(tenant, id, answer) {
      await sessions.once(tenant, (db) =>
        db
          .update(approvals)
          .set({ status: "answered", decision: answer.decision, answer: answer.data, comment: answer.comment, answeredBy: answer.by, answeredAt: answer.at })
          .where(and(eq(approvals.tenantId, tenant), eq(approvals.id, id), eq(approvals.status, "pending"))),
      );
    },
  };
}
