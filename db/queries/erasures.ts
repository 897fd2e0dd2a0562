import { sql } from "drizzle-orm";
import type { TenantId } from "#core";
import type { Sessions } from "../connection/sessions.ts";
import type { Erasures } from "../types/index.ts";

/** First of all: nobody comes in any more, and what is sealed – histories, large payloads, credentials – can no longer be read by anybody. */
const FIRST = ["memberships", "refresh_tokens", "api_keys", "payload_keys"];
/** Last: the organization itself, and the job. */
const LAST = ["organizations", "erasures"];

/** What belongs to a user and to no organization, but for login activity, which may name an address alone. `tests/component/erasure.test.ts` holds both lists to the schema. */
export const OF_USERS = ["recovery_codes", "second_factors", "account_tokens", "identities", "user_sessions"];

/** By what an organization holds on to users: whom another one still names stays. */
export const NAMING_USERS = [
  { table: "memberships", column: "user_id" },
  { table: "refresh_tokens", column: "user_id" },
  { table: "api_keys", column: "created_by" },
  { table: "invitations", column: "invited_by" },
  { table: "invitations", column: "accepted_by" },
];

export function createErasures(sessions: Sessions): Erasures {
  return {
    async request(tenant, by) {
      await sessions.once(tenant, (db) =>
        db.execute(sql`insert into erasures (tenant_id, requested_by) values (${tenant}, ${by}) on conflict (tenant_id) do nothing`),
      );
    },

    async take(leaseMs) {
      const rows = await sessions.once("system", (db) =>
        db.execute<{ tenant_id: TenantId; requested_by: string; emptied_ms: number | null }>(sql`
          update erasures set taken_at = now() where tenant_id = (
            select tenant_id from erasures where taken_at is null or taken_at < now() - make_interval(secs => ${leaseMs / 1000}::double precision)
            order by requested_at limit 1 for update skip locked)
          returning tenant_id, requested_by, (extract(epoch from now() - emptied_at) * 1000)::float8 as emptied_ms`),
      );
      return rows.map((row) => ({ tenantId: row.tenant_id, requestedBy: row.requested_by, emptiedMs: row.emptied_ms }))[0];
    },

    async shut(tenant) {
      // Whoever belonged to this organization alone goes with it, unless another one's rows name them.
      await sessions.transaction("system", async (db) => {
        const alone = await db.execute<{ user_id: string }>(sql`
          select m.user_id from memberships m where m.tenant_id = ${tenant}
            and not exists (select from memberships o where o.user_id = m.user_id and o.tenant_id <> ${tenant})`);
        await db.execute(sql`update erasures set members = members || ${`{${alone.map((row) => row.user_id).join(",")}}`}::uuid[] where tenant_id = ${tenant}`);
        for (const table of FIRST) await db.execute(sql`delete from ${sql.identifier(table)} where tenant_id = ${tenant}`);
      });
    },

    async eraseRows(tenant) {
      let removed = 0;
      for (const table of await tables()) {
        const rows = await sessions.once("system", (db) =>
          db.execute<{ removed: string }>(sql`
            with gone as (delete from ${sql.identifier(table)} where tenant_id = ${tenant} returning tenant_id) select count(*) as removed from gone`),
        );
        removed += Number(rows[0]?.removed ?? 0);
      }
      return removed;
    },

    async emptied(tenant, isEmpty) {
      await sessions.once("system", (db) =>
        db.execute(
          sql`update erasures set taken_at = null, emptied_at = case when ${isEmpty} then coalesce(emptied_at, now()) end where tenant_id = ${tenant}`,
        ),
      );
    },

    async finish(tenant) {
      await sessions.transaction("system", async (db) => {
        await db.execute(sql`delete from organizations where id = ${tenant}`);
        await db.execute(sql`
          delete from login_activity l using users u, erasures e where e.tenant_id = ${tenant} and u.id = any(e.members)
            and (l.user_id = u.id or lower(l.email) = lower(u.email))`);
        const gone = await db.execute<{ id: string }>(sql`
          select u.id from users u join erasures e on e.tenant_id = ${tenant} and u.id = any(e.members)
          where ${sql.join(
            NAMING_USERS.map(({ table, column }) => sql`not exists (select from ${sql.identifier(table)} n where n.${sql.identifier(column)} = u.id)`),
            sql` and `,
          )}`);
        const ids = sql`(select unnest(${`{${gone.map(({ id }) => id).join(",")}}`}::uuid[]))`;
        for (const table of OF_USERS) await db.execute(sql`delete from ${sql.identifier(table)} where user_id in ${ids}`);
        await db.execute(sql`delete from users where id in ${ids}`);
        await db.execute(sql`delete from erasures where tenant_id = ${tenant}`);
      });
    },
  };

  /** Every table with an organization, those that refer to others before those others. */
  async function tables(): Promise<string[]> {
    const rows = await sessions.once("system", (db) =>
      db.execute<{ name: string; needs: string[] | null }>(sql`
        select c.relname as name,
          (select array_agg(distinct r.relname::text) from pg_constraint f join pg_class r on r.oid = f.confrelid where f.conrelid = c.oid and f.contype = 'f') as needs
        from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attname = 'tenant_id' and not a.attisdropped
        where c.relkind = 'r' and c.relnamespace = current_schema()::regnamespace order by c.relname`),
    );
    const open = rows.filter(({ name }) => !LAST.includes(name));
    const ordered: string[] = [];
    while (open.length > 0) {
      const at = open.findIndex(({ name }) => open.every((other) => other.name === name || !other.needs?.includes(name)));
      ordered.push(...open.splice(Math.max(0, at), 1).map(({ name }) => name));
    }
    return ordered;
  }
}
