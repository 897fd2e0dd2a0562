import { sql } from "drizzle-orm";
import { bigint, boolean, customType, index, integer, pgTable, primaryKey, text, uuid } from "drizzle-orm/pg-core";
import { instant, tenantColumn } from "./columns.ts";

/** As it was written, with the order of its keys. */
const jsonText = customType<{ data: string; driverData: string }>({ dataType: () => "json" });

/** Runs that share a limit of concurrency. */
export const runGroups = pgTable(
  "run_groups",
  {
    tenantId: tenantColumn(),
    /** The workflow's id, with what its concurrency key came to; empty of ad-hoc runs. */
    key: text("key").notNull(),
    workflowId: uuid("workflow_id"),
    maxRuns: integer("max_runs"),
    holdsWhileWaiting: boolean("holds_while_waiting").notNull().default(false),
    /** Grows with each slot given away: who was served last. */
    turn: bigint("turn", { mode: "number" }).notNull().default(0),
  },
  (table) => [primaryKey({ columns: [table.tenantId, table.key] })],
);

/** The place of a run that a limit concerns: in the queue, or under way. */
export const runSlots = pgTable(
  "run_slots",
  {
    runId: uuid("run_id").primaryKey(),
    tenantId: tenantColumn(),
    groupKey: text("group_key").notNull(),
    priority: integer("priority").notNull(),
    place: bigint("place", { mode: "number" }).notNull().generatedAlwaysAsIdentity(),
    isPaused: boolean("is_paused").notNull().default(false),
    /** What it is started with, until it has been. */
    request: jsonText("request"),
    admittedAt: instant("admitted_at"),
  },
  (table) => [
    index("run_slots_queue_idx")
      .on(table.tenantId, table.groupKey, table.priority, table.place)
      .where(sql`${table.admittedAt} is null`),
    index("run_slots_admitted_idx")
      .on(table.tenantId, table.groupKey)
      .where(sql`${table.admittedAt} is not null`),
  ],
);
