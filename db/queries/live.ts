import { sql } from "drizzle-orm";
import { tenantId } from "#core";
import type { Notifications } from "../connection/notifications.ts";
import type { Sessions } from "../connection/sessions.ts";
import { toJsonText } from "../connection/values.ts";
import type { LiveRows, Watching } from "../types/index.ts";

const CHANNEL = "perdure_live";

type WatchingRow = { tenant_id: string; topic: string; user_id: string; name: string };

const toWatching = ({ tenant_id, topic, user_id, name }: WatchingRow) => ({ tenantId: tenantId(tenant_id), topic, userId: user_id, name });
const rowsOf = (watching: readonly Watching[]) =>
  toJsonText(watching.map(({ tenantId: tenant_id, topic, userId: user_id }) => ({ tenant_id, topic, user_id })));
const milliseconds = (ms: number) => sql`${ms}::double precision * interval '1 millisecond'`;
const idsOf = (ids: readonly string[]) => sql`(select unnest(${`{${ids.join(",")}}`}::uuid[]))`;
/** True of a row `g` whose user no live row of another process, nor one that stays, has at the topic. */
const nobodyElse = sql`not exists (select from live_presence o
  where (o.tenant_id, o.topic, o.user_id) = (g.tenant_id, g.topic, g.user_id) and o.process <> g.process and o.expires_at > now())`;

export function createLiveRows(sessions: Sessions, notifications: Notifications): LiveRows {
  return {
    async tell(message) {
      await sessions.once("system", (db) => db.execute(sql`select pg_notify(${CHANNEL}, ${message})`));
    },

    async listen(onMessage) {
      const leave = await notifications.listen(CHANNEL, onMessage);
      return { close: async () => leave() };
    },

    async createTicket(tenant, { ticketHash, userId, apiKeyId, sessionId, scopes, sessionEndsAt, expiresAt }) {
      await sessions.once("system", (db) => db.execute(sql`delete from stream_tickets where expires_at < now()`));
      const list = scopes && `{${scopes.join(",")}}`;
      await sessions.once(tenant, (db) =>
        db.execute(sql`
          insert into stream_tickets (ticket_hash, tenant_id, user_id, api_key_id, session_id, scopes, session_ends_at, expires_at)
          values (${ticketHash}, ${tenant}, ${userId}, ${apiKeyId}, ${sessionId}, ${list}, ${sessionEndsAt?.toISOString() ?? null}, ${expiresAt.toISOString()})`),
      );
    },

    async takeTicket(ticketHash) {
      type Row = {
        tenant_id: string;
        user_id: string;
        api_key_id: string | null;
        session_id: string | null;
        scopes: string[] | null;
        session_ends_at: string | null;
        is_live: boolean;
      };
      const [row] = await sessions.once("system", (db) =>
        db.execute<Row>(sql`
          delete from stream_tickets where ticket_hash = ${ticketHash}
          returning tenant_id, user_id, api_key_id, session_id, to_jsonb(scopes) as scopes, session_ends_at, expires_at > now() as is_live`),
      );
      if (!row?.is_live) return undefined;
      return {
        tenantId: tenantId(row.tenant_id),
        userId: row.user_id,
        apiKeyId: row.api_key_id,
        sessionId: row.session_id,
        scopes: typeof row.scopes === "string" ? (JSON.parse(row.scopes) as string[]) : row.scopes,
        sessionEndsAt: row.session_ends_at === null ? null : new Date(row.session_ends_at),
      };
    },

    async owners(runIds) {
      const rows = await sessions.once("system", (db) =>
        db.execute<{ id: string; tenant_id: string; workflow_id: string | null; created_by: string | null }>(
          sql`select id, tenant_id, workflow_id, created_by from runs where id in ${idsOf(runIds)}`,
        ),
      );
      return new Map(rows.map((row) => [row.id, { tenantId: tenantId(row.tenant_id), workflowId: row.workflow_id, createdBy: row.created_by }]));
    },

    async openHeads(tenant, limit) {
      const rows = await sessions.once(tenant, (db) =>
        db.execute<{ id: string; last_seq: number }>(
          sql`select id, last_seq from runs where tenant_id = ${tenant} and completed_at is null order by id desc limit ${limit}`,
        ),
      );
      return new Map(rows.map((row) => [row.id, row.last_seq]));
    },

    async join(process, watching, validMs) {
      if (watching.length === 0) return [];
      const rows = await sessions.once("system", (db) =>
        db.execute<WatchingRow & { is_first: boolean }>(sql`
          insert into live_presence as g (tenant_id, topic, user_id, process, name, expires_at)
          select w.tenant_id, w.topic, w.user_id, ${process}::uuid, u.name, now() + ${milliseconds(validMs)}
          from jsonb_to_recordset(${rowsOf(watching)}::jsonb) as w (tenant_id uuid, topic text, user_id uuid) join users u on u.id = w.user_id
          on conflict (tenant_id, topic, user_id, process) do update set expires_at = excluded.expires_at
          returning tenant_id, topic, user_id, name, xmax = 0 and ${nobodyElse} as is_first`),
      );
      return rows.filter(({ is_first }) => is_first).map(toWatching);
    },

    async leave(process, watching) {
      if (watching.length === 0) return [];
      const rows = await sessions.once("system", (db) =>
        db.execute<WatchingRow & { is_last: boolean }>(sql`
          delete from live_presence g
          using jsonb_to_recordset(${rowsOf(watching)}::jsonb) as w (tenant_id uuid, topic text, user_id uuid)
          where g.process = ${process}::uuid and (g.tenant_id, g.topic, g.user_id) = (w.tenant_id, w.topic, w.user_id)
          returning g.tenant_id, g.topic, g.user_id, g.name, ${nobodyElse} as is_last`),
      );
      return rows.filter(({ is_last }) => is_last).map(toWatching);
    },

    async stay(process, validMs) {
      const [row] = await sessions.once("system", (db) =>
        db.execute<{ number: number }>(sql`
          with kept as (update live_presence set expires_at = now() + ${milliseconds(validMs)} where process = ${process}::uuid returning 1)
          select count(*)::int as number from kept`),
      );
      return row?.number ?? 0;
    },

    async sweepWatchers() {
      const rows = await sessions.once("system", (db) =>
        db.execute<WatchingRow & { is_last: boolean }>(sql`
          delete from live_presence g where g.expires_at < now()
          returning g.tenant_id, g.topic, g.user_id, g.name, ${nobodyElse} as is_last`),
      );
      return rows.filter(({ is_last }) => is_last).map(toWatching);
    },

    async watchers(tenant, topic, limit) {
      const rows = await sessions.once(tenant, (db) =>
        db.execute<{ user_id: string; name: string; total: number }>(sql`
          select user_id, min(name) as name, count(*) over ()::int as total from live_presence
          where tenant_id = ${tenant} and topic = ${topic} and expires_at > now()
          group by user_id order by min(name), user_id limit ${limit}`),
      );
      return { watchers: rows.map(({ user_id, name }) => ({ user_id, name })), total: rows[0]?.total ?? 0 };
    },
  };
}
