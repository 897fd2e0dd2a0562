import { type SQL, sql } from "drizzle-orm";
import { PerdureError, type TenantId } from "#core";
import type { FeedingCall, NewWebhookDelivery } from "../../runs/types.ts";
import { sqlState } from "../connection/errors.ts";
import type { Statements } from "../connection/sessions.ts";
import { toJsonText } from "../connection/values.ts";
import { idempotencyKeys, webhookDeliveries } from "../schema/index.ts";
import type { AdmissionTerms } from "../types/index.ts";
import { groupOf } from "./admission-terms.ts";

/** Raised by receive_webhook. */
const SIGNATURE_TAKEN = "PD409";
/** Of a key that names a call, whatever it brings. */
const REQUEST_HASH = "webhook";

export const asBytes = (bytes: Buffer) => sql`decode(${bytes.toString("base64")}, 'base64')`;
export const asJson = (value: unknown) => sql`${toJsonText(value)}::jsonb`;

/** Delivery and run in one transaction. `given`: the arguments of start_run. */
export function receiveWebhook(tenant: TenantId, { sealed, signature, ...delivery }: NewWebhookDelivery, given: SQL, admission: AdmissionTerms): SQL {
  const row = {
    id: delivery.id,
    tenant_id: tenant,
    webhook_id: delivery.webhookId,
    kind: delivery.kind,
    redelivery_of: delivery.redeliveryOf,
    event_type: delivery.eventType,
    method: delivery.method,
    path: delivery.path,
    query: delivery.query,
    headers: delivery.headers,
    body: delivery.body,
    body_bytes: delivery.bodyBytes,
    source_ip: delivery.sourceIp,
    user_agent: delivery.userAgent,
    correlation_id: delivery.correlationId,
    key_version: delivery.keyVersion ?? null,
    signature_hash: signature?.hash ?? null,
    signature_until: signature?.until ?? null,
  };
  const bytes = sealed ? sql`decode(${sealed.toString("base64")}, 'base64')` : sql`null::bytea`;
  return sql`select created, request_hash, limited from receive_webhook(${toJsonText(row)}::jsonb, ${bytes}, ${given}, ${toJsonText(groupOf(admission))}::jsonb, ${admission.request ? toJsonText(admission.request) : null}::json)`;
}

/** @returns undefined for any other error. */
export function replayed(cause: unknown): PerdureError | undefined {
  return sqlState(cause) === SIGNATURE_TAKEN ? signatureTaken(cause) : undefined;
}

const signatureTaken = (cause?: unknown) => new PerdureError("resource.conflict", "A call with this signature was taken before.", { cause });

/** Within the transaction that stores the event. @throws PerdureError `resource.conflict` where its signature or key was taken before. */
export async function storeFeedingCall(
  db: Statements,
  tenant: TenantId,
  { runId, commandId }: { runId: string; commandId: string },
  { delivery, key }: FeedingCall,
): Promise<void> {
  const { signature, webhookId } = delivery;
  if (signature) {
    const taken = await db.execute(sql`
      insert into webhook_replays (webhook_id, tenant_id, signature_hash, expires_at, command_id)
      values (${webhookId}, ${tenant}, ${signature.hash}, ${signature.until.toISOString()}::timestamptz, ${commandId}) on conflict do nothing returning 1`);
    if ([...taken].length === 0) throw signatureTaken();
  }
  if (key !== undefined) {
    const named = await db
      .insert(idempotencyKeys)
      .values({ tenantId: tenant, key, requestHash: REQUEST_HASH, runId })
      .onConflictDoNothing()
      .returning({ key: idempotencyKeys.key });
    if (named.length === 0) throw new PerdureError("resource.conflict", "A call of this name was taken before.");
  }
  for (const statement of storeDelivery(db, tenant, delivery, { runId, isRepeat: false })) await statement;
}

/** What a run did not take may feed or start another: neither its key nor its signature is taken any more. `commandId`: of the event. */
export function freeCall(db: Statements, tenant: TenantId, commandId: string) {
  return db.execute(sql`
    with refused as (select exclusive_key, run_id from commands where tenant_id = ${tenant} and id = ${commandId} and status = 'refused'),
    signatures as (
      delete from webhook_replays where tenant_id = ${tenant} and command_id = ${commandId} and exists (select from refused))
    delete from idempotency_keys k using refused c where k.tenant_id = ${tenant} and k.key = c.exclusive_key and k.run_id = c.run_id`);
}

/** A delivery that starts no run, and word of it to those who watch the webhook. One that is there stays. */
export function storeDelivery(
  db: Statements,
  tenant: TenantId,
  { sealed, signature: _signature, query, headers, body, ...delivery }: NewWebhookDelivery,
  fed: { runId: string; isRepeat: boolean } | undefined,
) {
  return [
    db
      .insert(webhookDeliveries)
      .values({
        ...delivery,
        tenantId: tenant,
        ...fed,
        query: asJson(query),
        headers: asJson(headers),
        body: asJson(body),
        sealed: sealed && asBytes(sealed),
      })
      .onConflictDoNothing(),
    db.execute(sql`select pg_notify('perdure_runs', ${delivery.webhookId})`),
  ] as const;
}
