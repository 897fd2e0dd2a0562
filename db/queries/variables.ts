import { and, eq, getTableColumns, ilike, inArray, isNull, or, sql, type SQL } from "drizzle-orm";
import { type Json, type JsonObject, PerdureError, type TenantId, uuidv7 } from "#core";
import { prepared, type Sessions, type Statements } from "../connection/sessions.ts";
import { toJsonText } from "../connection/values.ts";
import { variables, workflows } from "../schema/index.ts";
import type { Variables, VariableLimits } from "../types/index.ts";
import { bytesOf, countUpTo, orderOf, toPage } from "./paging.ts";
import { refuseStale } from "./revisions.ts";
import { takeTurn } from "./turns.ts";

const { tenantId: _tenant, ...columns } = getTableColumns(variables);
const ORDERS = { name: variables.name };

const literal = (text: string) => `%${text.replace(/[\\%_]/g, "\\$&")}%`;
const inScope = (tenant: TenantId, workflowId: string | null): SQL | undefined =>
  and(eq(variables.tenantId, tenant), workflowId === null ? isNull(variables.workflowId) : eq(variables.workflowId, workflowId));
const one = (tenant: TenantId, workflowId: string | null, name: string) => and(inScope(tenant, workflowId), eq(variables.name, name));
const asJson = (value: Json) => sql`${toJsonText(value)}::jsonb`;

/** Those of the organization, then those of the workflow, which win. */
const setFor = prepared<{ tenant: TenantId; workflowId: string | null }, { name: string; value: Json }[]>((db) =>
  db
    .select({ name: variables.name, value: variables.value })
    .from(variables)
    .where(
      and(
        eq(variables.tenantId, sql.placeholder("tenant")),
        or(isNull(variables.workflowId), eq(variables.workflowId, sql`${sql.placeholder("workflowId")}::uuid`)),
      ),
    )
    .orderBy(sql`${variables.workflowId} nulls first`),
);

export function createVariables(sessions: Sessions, pageMaxBytes: number): Variables {
  /** Whether the scope is there; from here on nobody else changes its variables until the transaction ends. */
  async function lock(db: Statements, tenant: TenantId, workflowId: string | null): Promise<boolean> {
    await takeTurn(db, "variables", tenant, workflowId ?? "");
    return workflowId === null || (await isLive(db, tenant, workflowId));
  }

  async function refuseTooMany(db: Statements, tenant: TenantId, workflowId: string | null, { max, maxBytes }: VariableLimits): Promise<void> {
    const [held] = await db
      .select({
        count: sql<number>`count(*)::integer`,
        bytes: sql<number>`coalesce(sum(octet_length(${variables.name}) + octet_length(${variables.value}::text)), 0)::integer`,
      })
      .from(variables)
      .where(inScope(tenant, workflowId));
    const scope = workflowId === null ? "An organization" : "A workflow";
    if ((held?.count ?? 0) > max) throw new PerdureError("validation.failed", `${scope} may have ${max} variables (VARIABLES_MAX).`);
    if ((held?.bytes ?? 0) > maxBytes) {
      throw new PerdureError("request.too_large", `The variables of ${scope.toLowerCase()} may have ${maxBytes} bytes in all (VARIABLES_MAX_BYTES).`);
    }
  }

  return {
    async list(tenant, workflowId, { search }, page) {
      const wanted = and(
        inScope(tenant, workflowId),
        search ? or(ilike(variables.name, literal(search)), ilike(variables.description, literal(search))) : undefined,
      );
      const order = orderOf("name", ORDERS, variables.id, page.cursor);
      const [listed, [counted], found] = await sessions.onceAll(tenant, (db) => [
        db
          .select({ id: variables.id, position: order.position, bytes: bytesOf(variables.value) })
          .from(variables)
          .where(and(wanted, order.behind))
          .orderBy(...order.by)
          .limit(page.limit + 1)
          .offset(page.offset ?? 0),
        countUpTo(db, variables, wanted),
        db.select({ id: workflows.id }).from(workflows).where(live(tenant, workflowId)).limit(1),
      ]);
      if (workflowId !== null && found.length === 0) return undefined;
      return toPage(
        page,
        pageMaxBytes,
        listed,
        counted?.total ?? 0,
        (ids) =>
          sessions.once(tenant, (db) =>
            db
              .select(columns)
              .from(variables)
              .where(and(eq(variables.tenantId, tenant), inArray(variables.id, ids))),
          ),
        order.cursorOf,
      );
    },

    async get(tenant, workflowId, name) {
      const [[found], scope] = await sessions.onceAll(tenant, (db) => [
        db
          .select(columns)
          .from(variables)
          .where(one(tenant, workflowId, name)),
        db.select({ id: workflows.id }).from(workflows).where(live(tenant, workflowId)).limit(1),
      ]);
      return workflowId !== null && scope.length === 0 ? undefined : found;
    },

    set(tenant, workflowId, { name, value, description, createdBy }, limits, { expectedRevision, mustBeNew = false } = {}) {
      return sessions.transaction(tenant, async (db) => {
        if (!(await lock(db, tenant, workflowId))) return undefined;
        const [present] = await db
          .select({ revision: variables.revision })
          .from(variables)
          .where(one(tenant, workflowId, name));
        if (present && mustBeNew) throw new PerdureError("resource.conflict", `There is a variable called "${name}" already.`);
        if (expectedRevision !== undefined) refuseStale(expectedRevision, present?.revision ?? 0, "variable");
        const [stored] = present
          ? await db
              .update(variables)
              .set({
                value: asJson(value),
                ...(description !== undefined && { description }),
                revision: sql`${variables.revision} + 1`,
                updatedAt: sql`now()`,
              })
              .where(one(tenant, workflowId, name))
              .returning(columns)
          : await db
              .insert(variables)
              .values({ id: uuidv7(), tenantId: tenant, workflowId, name, value: asJson(value), description: description ?? "", createdBy })
              .returning(columns);
        if (!stored) throw new PerdureError("internal", "The variable was not stored.");
        await refuseTooMany(db, tenant, workflowId, limits);
        return { variable: stored, created: present === undefined };
      });
    },

    remove(tenant, workflowId, name, expectedRevision) {
      return sessions.transaction(tenant, async (db) => {
        if (!(await lock(db, tenant, workflowId))) return false;
        const [present] = await db
          .select({ revision: variables.revision })
          .from(variables)
          .where(one(tenant, workflowId, name));
        if (!present) return false;
        refuseStale(expectedRevision, present.revision, "variable");
        await db.delete(variables).where(one(tenant, workflowId, name));
        return true;
      });
    },

    async forRun(tenant, workflowId) {
      const found = await sessions.once(tenant, () => setFor({ tenant, workflowId }));
      return Object.fromEntries(found.map(({ name, value }) => [name, value])) satisfies JsonObject;
    },
  };
}

const live = (tenant: TenantId, workflowId: string | null) =>
  and(eq(workflows.tenantId, tenant), isNull(workflows.deletedAt), workflowId === null ? sql`false` : eq(workflows.id, workflowId));

async function isLive(db: Statements, tenant: TenantId, workflowId: string): Promise<boolean> {
  const found = await db.select({ id: workflows.id }).from(workflows).where(live(tenant, workflowId));
  return found.length > 0;
}
