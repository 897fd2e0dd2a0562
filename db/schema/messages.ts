import { sql } from "drizzle-orm";
import { check, index, integer, pgTable, primaryKey, text, uniqueIndex, uuid } from "drizzle-orm/pg-core";
import type { FailureValue, Json, JsonObject } from "#core";
import { instant, json, tenantColumn } from "./columns.ts";
import type { CommandRow } from "../types/index.ts";
import type { Approval } from "../../runs/types.ts";

/** What a run asks of people. */
export const approvals = pgTable(
  "approvals",
  {
    id: uuid("id").primaryKey().defaultRandom(),
    tenantId: tenantColumn(),
    runId: uuid("run_id").notNull(),
    nodeId: text("node_id").notNull(),
    iteration: text("iteration").notNull(),
    kind: text("kind").$type<Approval["kind"]>().notNull(),
    status: text("status").$type<Approval["status"]>().notNull(),
    prompt: text("prompt").notNull(),
    data: json<Json>("data"),
    schema: json<JsonObject>("schema"),
    assignees: text("assignees").array().notNull(),
    decision: text("decision"),
    answer: json<Json>("answer"),
    comment: text("comment"),
    answeredBy: text("answered_by"),
    answeredAt: instant("answered_at"),
    expiresAt: instant("expires_at"),
    createdAt: instant("created_at").notNull(),
  },
  (table) => [
    uniqueIndex("approvals_wait_key").on(table.runId, table.nodeId, table.iteration),
    index("approvals_list_idx").on(table.tenantId, table.createdAt, table.id),
    check("approvals_status_check", sql`${table.status} in ('pending', 'answered', 'expired', 'cancelled')`),
  ],
);

/** What people ask of a run; the row's id is the id of the Temporal Update. */
export const commands = pgTable(
  "commands",
  {
    id: uuid("id").primaryKey(),
    tenantId: tenantColumn(),
    runId: uuid("run_id").notNull(),
    command: json<Json>("command").notNull(),
    by: text("by").notNull(),
    at: instant("at").notNull(),
    status: text("status").$type<CommandRow["status"]>().notNull(),
    outcome: json<Json>("outcome"),
    settledAt: instant("settled_at"),
    /** Of commands with one key, one at most is open or applied. */
    exclusiveKey: text("exclusive_key"),
    /** When a relay last took it up. */
    relayedAt: instant("relayed_at"),
  },
  (table) => [
    uniqueIndex("commands_exclusive_key")
      .on(table.tenantId, table.exclusiveKey)
      .where(sql`${table.status} <> 'refused'`),
    index("commands_run_idx").on(table.runId),
    index("commands_open_idx")
      .on(table.at)
      .where(sql`${table.status} = 'open'`),
    check("commands_status_check", sql`${table.status} in ('open', 'applied', 'refused')`),
  ],
);

/** One row for each call that costs or changes something; `result` is absent until it succeeded. */
export const receipts = pgTable(
  "receipts",
  {
    tenantId: tenantColumn(),
    key: text("key").notNull(),
    runId: uuid("run_id").notNull(),
    result: json<Json>("result"),
    /** How it ended where it did not succeed. */
    failure: json<FailureValue>("failure"),
    failedAttempts: integer("failed_attempts").array().notNull().default([]),
    createdAt: instant("created_at").notNull().defaultNow(),
  },
  (table) => [primaryKey({ columns: [table.tenantId, table.key] })],
);
