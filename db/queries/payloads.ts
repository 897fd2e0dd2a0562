import { and, eq, gt, lt, max, ne, sql } from "drizzle-orm";
import type { Sessions } from "../connection/sessions.ts";
import { payloadBlobs, payloadKeys } from "../schema/index.ts";
import type { PayloadStore } from "../types/index.ts";

/** Being read or made again is noted when the last note is older than this, in minutes: a hot blob costs one write an hour, not one a run. */
const NOTED_EVERY_MINUTES = 60;

/** Of one answer when all keys are gone through. */
const KEYS_AT_ONCE = 500;

const columns = { tenantId: payloadKeys.tenantId, version: payloadKeys.version, masterId: payloadKeys.masterId, wrapped: payloadKeys.wrapped };

export function createPayloadStore(sessions: Sessions): PayloadStore {
  const isStale = sql`${payloadBlobs.usedAt} < now() - ${`${NOTED_EVERY_MINUTES} minutes`}::interval`;
  return {
    keys: (tenant) =>
      sessions.once(tenant, (db) =>
        db
          .select({ version: payloadKeys.version, masterId: payloadKeys.masterId, wrapped: payloadKeys.wrapped })
          .from(payloadKeys)
          .where(eq(payloadKeys.tenantId, tenant))
          .orderBy(payloadKeys.version),
      ),

    async addKey(tenant, { version, masterId, wrapped }) {
      const added = await sessions.once(tenant, (db) =>
        db.execute(sql`
          insert into payload_keys (tenant_id, version, master_id, wrapped) values (${tenant}, ${version}, ${masterId}, decode(${wrapped.toString("base64")}, 'base64'))
          on conflict do nothing returning version`),
      );
      return added.length > 0;
    },

    keySamples: () => sessions.once("system", (db) => db.selectDistinctOn([payloadKeys.masterId], columns).from(payloadKeys)),

    keysWrappedByOthers: (masterId, after) =>
      sessions.once("system", (db) =>
        db
          .select(columns)
          .from(payloadKeys)
          .where(
            and(
              ne(payloadKeys.masterId, masterId),
              after && sql`(${payloadKeys.tenantId}, ${payloadKeys.version}) > (${after.tenantId}::uuid, ${after.version}::integer)`,
            ),
          )
          .orderBy(payloadKeys.tenantId, payloadKeys.version)
          .limit(KEYS_AT_ONCE),
      ),

    async keyOwners({ after, olderThan }) {
      const rows = await sessions.once("system", (db) =>
        db
          .select({ tenantId: payloadKeys.tenantId })
          .from(payloadKeys)
          .where(after && gt(payloadKeys.tenantId, after))
          .groupBy(payloadKeys.tenantId)
          .having(olderThan && lt(max(payloadKeys.createdAt), olderThan))
          .orderBy(payloadKeys.tenantId)
          .limit(KEYS_AT_ONCE),
      );
      return rows.map(({ tenantId }) => tenantId);
    },

    async rewrapKey(tenant, { version, masterId, wrapped }) {
      await sessions.once("system", (db) =>
        db.execute(sql`
          update payload_keys set master_id = ${masterId}, wrapped = decode(${wrapped.toString("base64")}, 'base64')
          where tenant_id = ${tenant} and version = ${version}`),
      );
    },

    async useBlob(tenant, hash) {
      const [found] = await sessions.once(tenant, (db) =>
        db
          .select({ isStale: sql<boolean>`${isStale}` })
          .from(payloadBlobs)
          .where(and(eq(payloadBlobs.tenantId, tenant), eq(payloadBlobs.hash, hash))),
      );
      return found ? !found.isStale || noteUse(tenant, hash) : false;
    },

    async putBlob(tenant, hash, bytes) {
      await sessions.once(tenant, (db) =>
        db.execute(sql`
          insert into payload_blobs (tenant_id, hash, bytes) values (${tenant}, ${hash}, decode(${bytes.toString("base64")}, 'base64'))
          on conflict (tenant_id, hash) do update set used_at = now()`),
      );
    },

    async getBlob(tenant, hash) {
      const [found] = await sessions.once(tenant, (db) =>
        db
          .select({ bytes: payloadBlobs.bytes, isStale: sql<boolean>`${isStale}` })
          .from(payloadBlobs)
          .where(and(eq(payloadBlobs.tenantId, tenant), eq(payloadBlobs.hash, hash))),
      );
      if (found?.isStale) await noteUse(tenant, hash);
      return found?.bytes;
    },
  };

  /** False where it has gone meanwhile. */
  async function noteUse(tenant: Parameters<PayloadStore["useBlob"]>[0], hash: string): Promise<boolean> {
    const noted = await sessions.once(tenant, (db) =>
      db.execute(sql`update payload_blobs set used_at = now() where tenant_id = ${tenant} and hash = ${hash} returning hash`),
    );
    return noted.length > 0;
  }
}
