import { PerdureError, type TenantId } from "#core";
import type { NewWebhook, Webhook, WebhookDelivery, Webhooks } from "#db";
import type { NewWebhookDelivery } from "#runs";
import { type MemoryState, pageOf } from "./memory-database.ts";

export type StoredDelivery = WebhookDelivery & { tenant: TenantId; sealed?: Buffer; keyVersion?: number };

export function storeWebhook(state: MemoryState, tenantId: TenantId, workflowId: string, webhook: NewWebhook): Webhook {
  const now = new Date();
  const stored: Webhook = {
    ...webhook,
    tenantId,
    workflowId,
    isActive: true,
    previousTokenHash: null,
    previousUntil: null,
    triggerCount: 0,
    errorCount: 0,
    totalDurationMs: 0,
    lastTriggeredAt: null,
    createdAt: now,
    updatedAt: now,
  };
  state.webhooks.push(stored);
  return stored;
}

export function storeDelivery(state: MemoryState, tenant: TenantId, { signature: _signature, ...delivery }: NewWebhookDelivery, runId: string | null): void {
  const answer = { responseStatus: null, responseBody: null, errorCode: null, errorMessage: null, durationMs: null };
  state.deliveries.push({ ...delivery, ...answer, tenant, runId, isRepeat: false, createdAt: new Date() });
}

/** Keeps in memory what the api calls of `Webhooks`. */
export function memoryWebhooks(state: MemoryState): Webhooks {
  const find = (tenant: TenantId, id: string) => state.webhooks.find((each) => each.tenantId === tenant && each.id === id);
  return {
    called: async (id) => state.webhooks.find((each) => each.id === id),
    async served(tenant, workflowId) {
      const found = state.workflows.find((each) => each.tenant === tenant && each.workflow.id === workflowId);
      const version = found?.versions.at(-1);
      return found && version && { workflow: found.workflow, version };
    },
    list: async (tenant, { workflowId }, page) =>
      pageOf(
        state.webhooks.filter((each) => each.tenantId === tenant && (workflowId === undefined || each.workflowId === workflowId)),
        page,
      ),
    get: async (tenant, id) => find(tenant, id),
    async create(tenant, workflowId, webhook) {
      if (state.webhooks.some((each) => each.tenantId === tenant && each.workflowId === workflowId && each.nodeId === webhook.nodeId)) {
        throw new PerdureError("resource.conflict", "The node has a webhook already.");
      }
      return storeWebhook(state, tenant, workflowId, webhook);
    },
    async update(tenant, id, fields) {
      const found = find(tenant, id);
      return found && Object.assign(found, fields);
    },
    async setSecrets(tenant, id, { before: _before, ...secrets }) {
      const found = find(tenant, id);
      return found && Object.assign(found, secrets);
    },
    async remove(tenant, id) {
      const found = find(tenant, id);
      if (found) state.webhooks.splice(state.webhooks.indexOf(found), 1);
      return found !== undefined;
    },
    async record(tenant, delivery, fedRunId) {
      storeDelivery(state, tenant, delivery, fedRunId ?? null);
    },
    waiting: async () => undefined,
    fed: async () => undefined,
    started: async () => false,
    async finish(tenant, id, { status, body, errorCode, errorMessage, durationMs }) {
      const found = state.deliveries.find((each) => each.tenant === tenant && each.id === id);
      const errors = { errorCode: errorCode ?? null, errorMessage: errorMessage ?? null };
      if (found) Object.assign(found, { responseStatus: status, responseBody: body, ...errors, durationMs: Math.round(durationMs) });
    },
    deliveries: async (tenant, webhookId, _filter, page) =>
      pageOf(state.deliveries.filter((each) => each.tenant === tenant && each.webhookId === webhookId).toReversed(), page),
    delivery: async (tenant, webhookId, id) => state.deliveries.find((each) => each.tenant === tenant && each.webhookId === webhookId && each.id === id),
  };
}
