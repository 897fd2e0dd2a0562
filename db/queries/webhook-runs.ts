import { type SQL, sql } from "drizzle-orm";
import { PerdureError, type TenantId } from "#core";
import type { NewWebhookDelivery } from "../../runs/types.ts";
import { sqlState } from "../connection/errors.ts";
import { toJsonText } from "../connection/values.ts";
import type { AdmissionTerms } from "../types/index.ts";
import { groupOf } from "./admission-terms.ts";

/** Raised by receive_webhook. */
const SIGNATURE_TAKEN = "PD409";

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
  return sqlState(cause) === SIGNATURE_TAKEN ? new PerdureError("resource.conflict", "A call with this signature was taken before.", { cause }) : undefined;
}
