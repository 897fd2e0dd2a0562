import { sql } from "drizzle-orm";
import type { Json } from "#core";
import type { Sessions } from "../connection/sessions.ts";
import { toJsonText } from "../connection/values.ts";
import type { NodeCache } from "../types/index.ts";

export function createNodeCache(sessions: Sessions): NodeCache {
  return {
    async find(tenant, key) {
      const [found] = await sessions.once(tenant, (db) =>
        db.execute<{ result: string }>(sql`select result from node_cache where tenant_id = ${tenant} and key = ${key} and expires_at > now()`),
      );
      return found && (JSON.parse(found.result) as Json);
    },

    async store(tenant, key, result, ttlMs) {
      await sessions.once(tenant, (db) =>
        db.execute(sql`
          insert into node_cache (tenant_id, key, result, expires_at)
          values (${tenant}, ${key}, ${toJsonText(result)}::jsonb, now() + make_interval(secs => ${ttlMs}::float8 / 1000))
          on conflict (tenant_id, key) do update set result = excluded.result, expires_at = excluded.expires_at`),
      );
    },

    async prune(limit) {
      const removed = await sessions.once("system", (db) =>
        db.execute(sql`
          delete from node_cache where (tenant_id, key) in (select tenant_id, key from node_cache where expires_at <= now() limit ${limit}) returning 1 as one`),
      );
      return removed.length;
    },
  };
}
