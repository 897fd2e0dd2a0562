import { sql } from "drizzle-orm";
import { boolean, check, foreignKey, index, integer, pgTable, primaryKey, text, uniqueIndex, uuid } from "drizzle-orm/pg-core";
import type { FailureValue, JsonObject } from "#core";
import type { FiringOutcome, ScheduleDefinition, ScheduleSource } from "../types/index.ts";
import { instant, json, tenantColumn } from "./columns.ts";
import { workflows } from "./workflows.ts";

/** What there should be in Temporal. */
export const schedules = pgTable(
  "schedules",
  {
    id: uuid("id").primaryKey(),
    tenantId: tenantColumn(),
    workflowId: uuid("workflow_id").notNull(),
    nodeId: text("node_id"),
    source: text("source").$type<ScheduleSource>().notNull().default("api"),
    name: text("name").notNull(),
    definition: json<ScheduleDefinition>("definition").notNull(),
    inputs: json<JsonObject>("inputs").notNull(),
    enabled: boolean("enabled").notNull(),
    note: text("note").notNull().default(""),
    pausedAt: instant("paused_at"),
    backfilledTo: instant("backfilled_to"),
    executions: integer("executions").notNull().default(0),
    firings: integer("firings").notNull().default(0),
    revision: integer("revision").notNull().default(1),
    syncedRevision: integer("synced_revision").notNull().default(0),
    syncError: text("sync_error"),
    changedAt: instant("changed_at").notNull().defaultNow(),
    checkedAt: instant("checked_at"),
    takenAt: instant("taken_at"),
    createdBy: uuid("created_by"),
    createdAt: instant("created_at").notNull().defaultNow(),
    updatedAt: instant("updated_at").notNull().defaultNow(),
    deletedAt: instant("deleted_at"),
  },
  (table) => [
    foreignKey({ columns: [table.workflowId], foreignColumns: [workflows.id] }),
    index("schedules_list_idx")
      .on(table.tenantId, table.createdAt, table.id)
      .where(sql`${table.deletedAt} is null`),
    index("schedules_workflow_idx")
      .on(table.tenantId, table.workflowId, table.createdAt, table.id)
      .where(sql`${table.deletedAt} is null`),
    uniqueIndex("schedules_node_key")
      .on(table.workflowId, table.nodeId)
      .where(sql`${table.deletedAt} is null and ${table.nodeId} is not null`),
    index("schedules_due_idx")
      .on(table.takenAt)
      .where(sql`${table.deletedAt} is null`),
    index("schedules_unsynced_idx")
      .on(table.changedAt)
      .where(sql`${table.revision} <> ${table.syncedRevision}`),
    check("schedules_source_check", sql`${table.source} in ('node', 'api')`),
    check("schedules_paused_check", sql`${table.enabled} = (${table.pausedAt} is null)`),
  ],
);

/** What became of each moment. */
export const scheduleFirings = pgTable(
  "schedule_firings",
  {
    tenantId: tenantColumn(),
    scheduleId: uuid("schedule_id").notNull(),
    scheduledAt: instant("scheduled_at").notNull(),
    attempt: integer("attempt").notNull(),
    number: integer("number").notNull(),
    isManual: boolean("is_manual").notNull(),
    outcome: text("outcome").$type<FiringOutcome>().notNull().default("pending"),
    runId: uuid("run_id"),
    error: json<FailureValue>("error"),
    starter: text("starter"),
    firedAt: instant("fired_at").notNull().defaultNow(),
  },
  (table) => [
    primaryKey({ columns: [table.scheduleId, table.scheduledAt, table.attempt] }),
    foreignKey({ columns: [table.scheduleId], foreignColumns: [schedules.id] }),
    index("schedule_firings_list_idx").on(table.tenantId, table.scheduleId, table.firedAt, table.attempt),
    uniqueIndex("schedule_firings_run_key")
      .on(table.runId)
      .where(sql`${table.runId} is not null`),
    uniqueIndex("schedule_firings_starter_key")
      .on(table.scheduleId, table.starter, table.attempt)
      .where(sql`${table.starter} is not null`),
    index("schedule_firings_age_idx")
      .on(table.tenantId, table.firedAt)
      .where(sql`${table.attempt} = 1`),
    index("schedule_firings_pending_idx")
      .on(table.tenantId)
      .where(sql`${table.outcome} = 'pending'`),
    check("schedule_firings_outcome_check", sql`${table.outcome} in ('pending', 'started', 'refused', 'missed')`),
  ],
);
