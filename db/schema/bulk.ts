import { sql } from "drizzle-orm";
import { check, index, integer, pgTable, primaryKey, text, uuid } from "drizzle-orm/pg-core";
import type { FailureValue, JsonObject } from "#core";
import type { BulkAction, BulkItem, BulkJob } from "../types/index.ts";
import { instant, json, tenantColumn } from "./columns.ts";

/** Operations on many runs. */
export const bulkJobs = pgTable(
  "bulk_jobs",
  {
    id: uuid("id").primaryKey(),
    tenantId: tenantColumn(),
    action: text("action").$type<BulkAction>().notNull(),
    filter: json<JsonObject>("filter").notNull(),
    options: json<JsonObject>("options").notNull(),
    status: text("status").$type<BulkJob["status"]>().notNull(),
    ratePerMinute: integer("rate_per_minute").notNull(),
    createdBy: uuid("created_by").notNull(),
    createdAt: instant("created_at").notNull().defaultNow(),
    completedAt: instant("completed_at"),
    /** When its next runs are due. */
    nextAt: instant("next_at").notNull().defaultNow(),
  },
  (table) => [
    index("bulk_jobs_list_idx").on(table.tenantId, table.createdAt, table.id),
    index("bulk_jobs_due_idx")
      .on(table.nextAt)
      .where(sql`${table.status} in ('pending', 'running')`),
    check("bulk_jobs_status_check", sql`${table.status} in ('pending', 'running', 'completed', 'cancelled')`),
  ],
);

/** The runs of an operation, chosen when it was asked for. */
export const bulkItems = pgTable(
  "bulk_items",
  {
    tenantId: tenantColumn(),
    jobId: uuid("job_id").notNull(),
    runId: uuid("run_id").notNull(),
    status: text("status").$type<BulkItem["status"]>().notNull().default("pending"),
    /** How often it was taken up; a process that dies leaves it to another. */
    attempts: integer("attempts").notNull().default(0),
    takenAt: instant("taken_at"),
    settledAt: instant("settled_at"),
    resultRunId: uuid("result_run_id"),
    error: json<FailureValue>("error"),
  },
  (table) => [
    primaryKey({ columns: [table.jobId, table.runId], name: "bulk_items_pkey" }),
    check("bulk_items_status_check", sql`${table.status} in ('pending', 'done', 'failed')`),
  ],
);
