import type { Json, JsonObject, TenantId } from "#core";
import type { NewWebhookDelivery } from "../../runs/types.ts";
import type { SealedBytes } from "./credentials.ts";
import type { Page, Paged } from "./paging.ts";
import type { Workflow, WorkflowVersion } from "./workflows.ts";

/** `test`: a call of the test URL, which starts nothing. */
export type DeliveryKind = "call" | "test" | "redelivery";

/** Where calls from outside come in: one for each trigger node of a workflow. */
export interface Webhook extends SealedBytes {
  /** `wh_` and 24 hexadecimal digits. */
  id: string;
  tenantId: TenantId;
  workflowId: string;
  nodeId: string;
  isActive: boolean;
  /** Settings that were given, by the node or by REST; defaults are not filled in. */
  config: JsonObject;
  /** SHA-256, hexadecimal, of the token that is good, and of the one before it while that still is. */
  tokenHash: string;
  previousTokenHash: string | null;
  previousUntil: Date | null;
  triggerCount: number;
  errorCount: number;
  totalDurationMs: number;
  lastTriggeredAt: Date | null;
  createdAt: Date;
  updatedAt: Date;
}

/** What a call is checked against before it is known whose it is. */
export type CalledWebhook = Omit<Webhook, "triggerCount" | "errorCount" | "totalDurationMs" | "lastTriggeredAt" | "createdAt" | "updatedAt">;

/** A trigger node of a graph that is saved or published, with secrets for the webhook that it gets where it has none. */
export interface NewWebhook extends SealedBytes {
  id: string;
  nodeId: string;
  /** As the node says. */
  config: JsonObject;
  tokenHash: string;
}

export interface WebhookSecretsChange extends SealedBytes {
  tokenHash: string;
  previousTokenHash: string | null;
  previousUntil: Date | null;
  /** What they replace: a change that was made meanwhile wins. */
  before: Buffer;
}

export interface WebhookDelivery extends Omit<NewWebhookDelivery, "signature" | "sealed" | "keyVersion"> {
  runId: string | null;
  /** Its key had come before: the run is that of the earlier delivery. */
  isRepeat: boolean;
  responseStatus: number | null;
  responseBody: Json | null;
  errorCode: string | null;
  errorMessage: string | null;
  durationMs: number | null;
  createdAt: Date;
}

export interface WebhookFilter {
  workflowId?: string;
  isActive?: boolean;
}

export interface DeliveryFilter {
  /** When they came: from this moment on, and before that one. */
  from?: Date;
  to?: Date;
  /** At or above 400, or below. */
  isError?: boolean;
  kind?: DeliveryKind;
}

export interface Answered {
  status: number;
  body: Json | null;
  errorCode?: string;
  errorMessage?: string;
  durationMs: number;
}

/** Webhooks and what came in (docs/decisions/022). Those of nodes that are gone are not among them. */
export interface Webhooks {
  /** Has no tenant yet: runs under `perdure_system`. */
  called(id: string): Promise<CalledWebhook | undefined>;
  /** What a call runs: the published version, else the newest that has no problems. Undefined where there is none. */
  served(tenant: TenantId, workflowId: string): Promise<{ workflow: Workflow; version: WorkflowVersion } | undefined>;
  /** The newest first. */
  list(tenant: TenantId, filter: WebhookFilter, page: Page): Promise<Paged<Webhook>>;
  get(tenant: TenantId, id: string): Promise<Webhook | undefined>;
  /** `nodeConfig`: what the node says, of which its settings may differ. @throws PerdureError `resource.conflict` where the node has one. */
  create(tenant: TenantId, workflowId: string, webhook: NewWebhook, nodeConfig: JsonObject): Promise<Webhook>;
  update(tenant: TenantId, id: string, fields: { config?: JsonObject; isActive?: boolean }): Promise<Webhook | undefined>;
  /** @throws PerdureError `resource.conflict` where they were changed meanwhile. */
  setSecrets(tenant: TenantId, id: string, change: WebhookSecretsChange): Promise<Webhook | undefined>;
  /** For good; saving the graph does not bring it back. What came in stays. */
  remove(tenant: TenantId, id: string): Promise<boolean>;
  /**
   * Stores a delivery that starts no run and feeds none; those that do are stored with it (`RunRows.insert`, `Commands.insert`). One that is there stays.
   * `fedRunId`: the run that a call of its key was handed to before.
   */
  record(tenant: TenantId, delivery: NewWebhookDelivery, fedRunId?: string): Promise<void>;
  /** The oldest open run of the workflow that waits for this event, with this correlation or for any. */
  waiting(tenant: TenantId, workflowId: string, event: string, correlation: string | undefined): Promise<string | undefined>;
  /** Whether a call of this key, or with this signature, has started a run before. */
  started(tenant: TenantId, webhookId: string, call: { idempotencyKey?: string | undefined; signatureHash?: string | undefined }): Promise<boolean>;
  /** The run that a call of this key was handed to before, and which has not refused it. */
  fed(tenant: TenantId, webhookId: string, key: string): Promise<string | undefined>;
  /** What it was answered, once; counts it. */
  finish(tenant: TenantId, deliveryId: string, answered: Answered): Promise<void>;
  /** The newest first. */
  deliveries(tenant: TenantId, webhookId: string, filter: DeliveryFilter, page: Page): Promise<Paged<WebhookDelivery>>;
  delivery(tenant: TenantId, webhookId: string, id: string): Promise<(WebhookDelivery & Partial<SealedBytes>) | undefined>;
}
