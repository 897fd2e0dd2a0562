import { and, eq, getTableColumns, ilike, inArray, sql } from "drizzle-orm";
import { PerdureError, type TenantId } from "#core";
import { sqlState, UNIQUE_VIOLATION } from "../connection/errors.ts";
import type { Sessions, Statements } from "../connection/sessions.ts";
import { toJsonText } from "../connection/values.ts";
import { credentials } from "../schema/index.ts";
import type { Credential, CredentialRows, CredentialUse } from "../types/index.ts";
import { bytesOf, countUpTo, orderOf, toPage } from "./paging.ts";
import { refuseStale } from "./revisions.ts";
import { takeTurn } from "./turns.ts";

const { tenantId: _tenant, keyVersion: _keyVersion, sealed: _sealed, ...shownColumns } = getTableColumns(credentials);
const sealedColumns = { id: credentials.id, type: credentials.type, keyVersion: credentials.keyVersion, sealed: credentials.sealed };

const ORDERS = { name: credentials.name, created_at: credentials.createdAt };
const one = (tenant: TenantId, id: string) => and(eq(credentials.tenantId, tenant), eq(credentials.id, id));
const asBytes = (bytes: Buffer) => sql`decode(${bytes.toString("base64")}, 'base64')`;
const literal = (text: string) => `%${text.replace(/[\\%_]/g, "\\$&")}%`;

export function createCredentials(sessions: Sessions, pageMaxBytes: number): CredentialRows {
  async function uses(db: Statements, tenant: TenantId, id: string): Promise<CredentialUse[]> {
    const rows = await db.execute<{ workflow_id: string; name: string; versions: string; is_current: boolean; is_published: boolean; open_runs: number }>(sql`
      select w.id as workflow_id, w.name, to_jsonb(array_agg(v.version order by v.version desc))::text as versions,
        bool_or(w.deleted_at is null and v.version = w.version) as is_current,
        bool_or(w.deleted_at is null and v.version = w.published_version) as is_published, sum(r.open)::integer as open_runs
      from workflow_versions v
      join workflows w on w.tenant_id = v.tenant_id and w.id = v.workflow_id
      cross join lateral (
        select count(*)::integer as open from runs r
        where r.tenant_id = v.tenant_id and r.workflow_id = v.workflow_id and r.version = v.version and r.completed_at is null
      ) r
      where v.tenant_id = ${tenant} and v.credentials @> array[${id}]
        and (w.deleted_at is null and v.version in (w.version, w.published_version) or r.open > 0)
      group by w.id, w.name order by w.name, w.id`);
    return rows.map((row) => ({
      workflowId: row.workflow_id,
      workflowName: row.name,
      versions: JSON.parse(row.versions) as number[],
      isCurrent: row.is_current,
      isPublished: row.is_published ?? false,
      openRuns: row.open_runs,
    }));
  }

  return {
    create(tenant, { sealed, keyVersion, ...credential }, max) {
      return named(credential.name, () =>
        sessions.transaction(tenant, async (db) => {
          await takeTurn(db, "credentials", tenant);
          const [counted] = await db
            .select({ total: sql<number>`count(*)::integer` })
            .from(credentials)
            .where(eq(credentials.tenantId, tenant));
          if ((counted?.total ?? 0) >= max) {
            throw new PerdureError("validation.failed", `An organization may have ${max} credentials (CREDENTIALS_MAX).`);
          }
          const [created] = await db
            .insert(credentials)
            .values({ ...credential, tenantId: tenant, keyVersion, sealed: asBytes(sealed) })
            .returning(shownColumns);
          if (!created) throw new PerdureError("internal", "The credential was not stored.");
          return created;
        }),
      );
    },

    async get(tenant, id) {
      const [found] = await sessions.once(tenant, (db) => db.select(shownColumns).from(credentials).where(one(tenant, id)));
      return found;
    },

    async list(tenant, { type, search, order: named = "-created_at" }, page) {
      const order = orderOf(named, ORDERS, credentials.id, page.cursor);
      const wanted = and(
        eq(credentials.tenantId, tenant),
        type === undefined ? undefined : eq(credentials.type, type),
        search ? ilike(credentials.name, literal(search)) : undefined,
      );
      const [listed, [counted]] = await sessions.onceAll(tenant, (db) => [
        db
          .select({ id: credentials.id, position: order.position, bytes: bytesOf(credentials.description) })
          .from(credentials)
          .where(and(wanted, order.behind))
          .orderBy(...order.by)
          .limit(page.limit + 1)
          .offset(page.offset ?? 0),
        countUpTo(db, credentials, wanted),
      ]);
      const rowsOf = (ids: string[]) =>
        sessions.once(tenant, (db) =>
          db
            .select(shownColumns)
            .from(credentials)
            .where(and(eq(credentials.tenantId, tenant), inArray(credentials.id, ids))),
        );
      return toPage(page, pageMaxBytes, listed, counted?.total ?? 0, rowsOf, order.cursorOf);
    },

    update(tenant, id, fields, values, expectedRevision) {
      return named(fields.name ?? "", () =>
        sessions.transaction(tenant, async (db) => {
          const [present] = await db
            .select({ sealed: credentials.sealed, revision: credentials.revision })
            .from(credentials)
            .where(one(tenant, id))
            .for("update");
          if (!present) return undefined;
          refuseStale(expectedRevision, present.revision, "credential");
          if (values && !present.sealed.equals(values.before)) throw new PerdureError("resource.conflict", "The credential was changed meanwhile.");
          const [updated] = await db
            .update(credentials)
            .set({
              ...fields,
              revision: sql`${credentials.revision} + 1`,
              updatedAt: sql`now()`,
              ...(values && {
                type: values.type,
                fields: values.fields,
                keyVersion: values.keyVersion,
                sealed: asBytes(values.sealed),
                testedAt: null,
                testResult: null,
              }),
            })
            .where(one(tenant, id))
            .returning(shownColumns);
          return updated satisfies Credential | undefined;
        }),
      );
    },

    remove(tenant, id, { force, expectedRevision }) {
      return sessions.transaction(tenant, async (db) => {
        if (expectedRevision !== undefined) {
          const [present] = await db.select({ revision: credentials.revision }).from(credentials).where(one(tenant, id)).for("update");
          if (present) refuseStale(expectedRevision, present.revision, "credential");
        }
        const used = force ? [] : await uses(db, tenant, id);
        if (used.length > 0) {
          throw new PerdureError("resource.conflict", `The credential is in use by ${used.length} ${used.length === 1 ? "workflow" : "workflows"}.`, {
            findings: used.map(({ workflowId, workflowName, versions }) => ({
              code: "credential.in_use",
              message: `${workflowName} (${workflowId}) uses it in version ${versions.join(", ")}.`,
            })),
          });
        }
        const removed = await db.delete(credentials).where(one(tenant, id)).returning({ id: credentials.id });
        return removed.length > 0;
      });
    },

    usage: (tenant, id) => sessions.transaction(tenant, (db) => uses(db, tenant, id)),

    async types(tenant, ids) {
      if (ids.length === 0) return new Map();
      const found = await sessions.once(tenant, (db) =>
        db
          .select({ id: credentials.id, type: credentials.type })
          .from(credentials)
          .where(and(eq(credentials.tenantId, tenant), inArray(credentials.id, [...ids]))),
      );
      return new Map(found.map(({ id, type }) => [id, type]));
    },

    async sealed(tenant, ids) {
      if (ids.length === 0) return [];
      return sessions.once(tenant, (db) =>
        db
          .select(sealedColumns)
          .from(credentials)
          .where(and(eq(credentials.tenantId, tenant), inArray(credentials.id, [...ids]))),
      );
    },

    async noteTest(tenant, id, tested, result) {
      await sessions.once(tenant, (db) =>
        db
          .update(credentials)
          .set({ testedAt: sql`now()`, testResult: sql`${toJsonText(result)}::jsonb` })
          .where(and(one(tenant, id), sql`${credentials.sealed} = ${asBytes(tested)}`)),
      );
    },
  };
}

async function named<T>(name: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (sqlState(error) === UNIQUE_VIOLATION) throw new PerdureError("resource.conflict", `There is a credential called "${name}" already.`, { cause: error });
    throw error;
  }
}
