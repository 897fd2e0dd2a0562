import { sql } from "drizzle-orm";
import { bigint, boolean, check, index, integer, pgTable, primaryKey, text, uniqueIndex, uuid } from "drizzle-orm/pg-core";
import type { Json, JsonObject } from "#core";
import type { DeliveryKind } from "../types/index.ts";
import { bytes, instant, json, tenantColumn } from "./columns.ts";
import { workflows } from "./workflows.ts";

/** Where calls from outside come in: one for each trigger node of a workflow. Token and signing secret are in `sealed`. */
export const webhooks = pgTable(
  "webhooks",
  {
    id: text("id").primaryKey(),
    tenantId: tenantColumn(),
    workflowId: uuid("workflow_id")
      .notNull()
      .references(() => workflows.id),
    nodeId: text("node_id").notNull(),
    isActive: boolean("is_active").notNull().default(true),
    config: json<JsonObject>("config").notNull(),
    nodeConfig: json<JsonObject>("node_config").notNull(),
    tokenHash: text("token_hash").notNull(),
    previousTokenHash: text("previous_token_hash"),
    previousUntil: instant("previous_until"),
    keyVersion: integer("key_version").notNull(),
    sealed: bytes("sealed").notNull(),
    triggerCount: bigint("trigger_count", { mode: "number" }).notNull().default(0),
    errorCount: bigint("error_count", { mode: "number" }).notNull().default(0),
    totalDurationMs: bigint("total_duration_ms", { mode: "number" }).notNull().default(0),
    lastTriggeredAt: instant("last_triggered_at"),
    createdAt: instant("created_at").notNull().defaultNow(),
    updatedAt: instant("updated_at").notNull().defaultNow(),
    removedAt: instant("removed_at"),
    deletedAt: instant("deleted_at"),
  },
  (table) => [
    uniqueIndex("webhooks_node_key")
      .on(table.tenantId, table.workflowId, table.nodeId)
      .where(sql`${table.deletedAt} is null`),
    index("webhooks_list_idx")
      .on(table.tenantId, table.createdAt, table.id)
      .where(sql`${table.deletedAt} is null`),
  ],
);

/** What came in, as people may see it, and sealed as it came. */
export const webhookDeliveries = pgTable(
  "webhook_deliveries",
  {
    id: uuid("id").primaryKey(),
    tenantId: tenantColumn(),
    webhookId: text("webhook_id").notNull(),
    kind: text("kind").$type<DeliveryKind>().notNull().default("call"),
    runId: uuid("run_id"),
    isRepeat: boolean("is_repeat").notNull().default(false),
    redeliveryOf: uuid("redelivery_of"),
    deliveryKey: text("delivery_key"),
    eventType: text("event_type").notNull(),
    method: text("method").notNull(),
    path: text("path").notNull(),
    query: json<JsonObject>("query").notNull(),
    headers: json<JsonObject>("headers").notNull(),
    body: json<Json>("body"),
    bodyBytes: integer("body_bytes").notNull(),
    sourceIp: text("source_ip").notNull(),
    userAgent: text("user_agent").notNull(),
    correlationId: text("correlation_id").notNull(),
    keyVersion: integer("key_version"),
    sealed: bytes("sealed"),
    responseStatus: integer("response_status"),
    responseBody: json<Json>("response_body"),
    errorCode: text("error_code"),
    errorMessage: text("error_message"),
    durationMs: integer("duration_ms"),
    createdAt: instant("created_at").notNull().defaultNow(),
  },
  (table) => [
    index("webhook_deliveries_list_idx").on(table.tenantId, table.webhookId, table.createdAt, table.id),
    index("webhook_deliveries_key_idx")
      .on(table.tenantId, table.webhookId, table.deliveryKey)
      .where(sql`${table.deliveryKey} is not null`),
    index("webhook_deliveries_age_idx").on(table.tenantId, table.createdAt),
    index("webhook_deliveries_again_idx")
      .on(table.tenantId, table.redeliveryOf)
      .where(sql`${table.redeliveryOf} is not null`),
    check("webhook_deliveries_kind_check", sql`${table.kind} in ('call', 'test', 'redelivery')`),
  ],
);

/** Signatures that were taken, until their time window has passed. */
export const webhookReplays = pgTable(
  "webhook_replays",
  {
    webhookId: text("webhook_id").notNull(),
    tenantId: tenantColumn(),
    signatureHash: text("signature_hash").notNull(),
    expiresAt: instant("expires_at").notNull(),
    /** That brought the event to a run; null where the call has started one. */
    commandId: uuid("command_id"),
  },
  (table) => [
    primaryKey({ columns: [table.webhookId, table.signatureHash] }),
    index("webhook_replays_expiry_idx").on(table.tenantId, table.webhookId, table.expiresAt),
    index("webhook_replays_command_idx")
      .on(table.commandId)
      .where(sql`${table.commandId} is not null`),
  ],
);
