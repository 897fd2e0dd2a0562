import type { Json, JsonObject } from "#core";
import type { Webhook, WebhookDelivery } from "#db";
import type { WebhookDeliveryJson, WebhookJson } from "#contract/webhooks.ts";
import { withoutSecrets } from "../audit/withheld.ts";
import type { ApiSettings } from "../services.ts";
import type { WebhookSecrets } from "./secrets.ts";
import { settingsOf } from "./settings.ts";

const HOOKS = "/api/v1/hooks";

/** What a log of deliveries keeps of a value: without what is secret by its name or look, and no more than `maxBytes`. */
export function logged(value: Json, maxBytes: number): Json {
  const bytes = Buffer.byteLength(JSON.stringify(value));
  return bytes <= maxBytes ? withoutSecrets(value) : { omitted_bytes: bytes };
}

/** Where a webhook is called: as the installation is known to the world, else as this caller knows it. */
export function webhookUrls(id: string, { WEBHOOK_BASE_URL, PUBLIC_URL }: Pick<ApiSettings, "WEBHOOK_BASE_URL" | "PUBLIC_URL">, requestUrl: string) {
  const base = (WEBHOOK_BASE_URL ?? PUBLIC_URL ?? new URL(requestUrl).origin).replace(/\/+$/, "");
  const path = `${HOOKS}/${id}`;
  return { url: base + path, path, testUrl: `${base}${path}/test` };
}

/** `secrets`: only for those who may see them. */
export function webhookJson(webhook: Webhook, urls: ReturnType<typeof webhookUrls>, secrets: WebhookSecrets | undefined): WebhookJson {
  const settings = settingsOf(webhook.config);
  const isPreviousGood = webhook.previousUntil !== null && webhook.previousUntil.getTime() > Date.now();
  return {
    id: webhook.id,
    webhook_id: webhook.id,
    workflow_id: webhook.workflowId,
    node_id: webhook.nodeId,
    webhook_url: urls.url,
    endpoint_path: urls.path,
    test_url: urls.testUrl,
    security_token: secrets?.token ?? null,
    signing_secret: secrets?.signing_secret ?? null,
    previous_token_valid_until: isPreviousGood ? (webhook.previousUntil?.toISOString() ?? null) : null,
    config: settings as unknown as JsonObject,
    node_behavior: settings.node_behavior,
    is_active: webhook.isActive,
    trigger_count: webhook.triggerCount,
    error_count: webhook.errorCount,
    avg_response_time_ms: webhook.triggerCount === 0 ? 0 : Math.round(webhook.totalDurationMs / webhook.triggerCount),
    last_triggered: webhook.lastTriggeredAt?.toISOString() ?? null,
    created_at: webhook.createdAt.toISOString(),
    updated_at: webhook.updatedAt.toISOString(),
  };
}

export function deliveryJson(delivery: WebhookDelivery): WebhookDeliveryJson {
  return {
    id: delivery.id,
    webhook_id: delivery.webhookId,
    kind: delivery.kind,
    execution_id: delivery.runId,
    is_repeat: delivery.isRepeat,
    redelivery_of: delivery.redeliveryOf,
    event_type: delivery.eventType,
    correlation_id: delivery.correlationId,
    request_method: delivery.method,
    request_path: delivery.path,
    request_query: delivery.query,
    request_headers: delivery.headers,
    payload: delivery.body,
    payload_bytes: delivery.bodyBytes,
    source_ip: delivery.sourceIp,
    user_agent: delivery.userAgent,
    response_status: delivery.responseStatus,
    response_body: delivery.responseBody,
    execution_time_ms: delivery.durationMs,
    error_message: delivery.errorMessage,
    created_at: delivery.createdAt.toISOString(),
  };
}
