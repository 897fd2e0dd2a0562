import { sql } from "drizzle-orm";
import { bigint, check, index, integer, pgTable, primaryKey, text, uniqueIndex, uuid } from "drizzle-orm/pg-core";
import type { EventData, EventKind, FailureValue, Json, JsonObject, NodeStatus, RunStatus } from "#core";
import { instant, json, tenantColumn } from "./columns.ts";

/**
 * A projection of what Temporal holds (architecture.md 2). `run_events`, `node_executions` and `approvals` carry no foreign key to it: they
 * are written only by the functions of the migrations, which lock the run's row first.
 */
export const runs = pgTable(
  "runs",
  {
    id: uuid("id").primaryKey(),
    tenantId: tenantColumn(),
    workflowId: uuid("workflow_id"),
    workflowName: text("workflow_name").notNull(),
    version: integer("version"),
    status: text("status").$type<RunStatus>().notNull(),
    trigger: text("trigger").notNull(),
    inputs: json<JsonObject>("inputs").notNull(),
    variables: json<JsonObject>("variables").notNull(),
    entries: text("entries").array().notNull(),
    /** Of an ad-hoc run. */
    graph: json<Json>("graph"),
    outputs: json<Json>("outputs"),
    error: json<FailureValue>("error"),
    parentId: uuid("parent_id"),
    forkedFrom: uuid("forked_from"),
    createdBy: uuid("created_by"),
    createdAt: instant("created_at").notNull().defaultNow(),
    /** When Temporal was known to have the workflow. */
    acknowledgedAt: instant("acknowledged_at"),
    startedAt: instant("started_at"),
    completedAt: instant("completed_at"),
    /** The number of the newest event. */
    lastSeq: integer("last_seq").notNull(),
    lastEventAt: instant("last_event_at").notNull().defaultNow(),
    /** When a sweeper last took it up. */
    checkedAt: instant("checked_at"),
    /** W3C trace context of what asked for it; null where it is not traced. */
    traceparent: text("traceparent"),
  },
  (table) => [
    index("runs_list_idx").on(table.tenantId, table.createdAt, table.id),
    index("runs_workflow_idx").on(table.tenantId, table.workflowId, table.createdAt, table.id),
    index("runs_forked_idx")
      .on(table.tenantId, table.forkedFrom, table.createdAt, table.id)
      .where(sql`${table.forkedFrom} is not null`),
    index("runs_open_idx")
      .on(table.createdAt)
      .where(sql`${table.completedAt} is null`),
    index("runs_open_children_idx")
      .on(table.tenantId, table.parentId)
      .where(sql`${table.parentId} is not null and ${table.completedAt} is null`),
    check("runs_status_check", sql`${table.status} in ('queued', 'running', 'waiting', 'paused', 'completed', 'failed', 'cancelled', 'timed_out')`),
    check("runs_closed_check", sql`(${table.completedAt} is not null) = (${table.status} in ('completed', 'failed', 'cancelled', 'timed_out'))`),
  ],
);

export interface NodeWait {
  kind: string;
  expires_at?: string;
}

export const nodeExecutions = pgTable(
  "node_executions",
  {
    tenantId: tenantColumn(),
    runId: uuid("run_id").notNull(),
    nodeId: text("node_id").notNull(),
    iteration: text("iteration").notNull(),
    type: text("type").notNull(),
    name: text("name").notNull(),
    status: text("status").$type<NodeStatus>().notNull(),
    attempt: integer("attempt").notNull(),
    route: text("route"),
    input: json<Json>("input"),
    output: json<Json>("output"),
    error: json<FailureValue>("error"),
    /** What it waits for, while it waits. */
    wait: json<NodeWait>("wait"),
    startedAt: instant("started_at"),
    completedAt: instant("completed_at"),
    durationMs: bigint("duration_ms", { mode: "number" }),
    /** The event that first spoke of it: the order of the list. */
    firstSeq: integer("first_seq").notNull(),
  },
  (table) => [
    primaryKey({ columns: [table.runId, table.nodeId, table.iteration] }),
    index("node_executions_http_idx")
      .on(table.tenantId, table.startedAt, table.runId, table.nodeId, table.iteration)
      .where(sql`${table.type} = 'HttpRequest' and ${table.startedAt} is not null`),
    check("node_executions_status_check", sql`${table.status} in ('pending', 'running', 'retrying', 'waiting', 'completed', 'failed', 'skipped', 'cancelled')`),
  ],
);

/** Append-only. */
export const runEvents = pgTable(
  "run_events",
  {
    tenantId: tenantColumn(),
    runId: uuid("run_id").notNull(),
    seq: integer("seq").notNull(),
    key: text("key").notNull(),
    kind: text("kind").$type<EventKind>().notNull(),
    at: instant("at").notNull(),
    nodeId: text("node_id"),
    iteration: text("iteration"),
    attempt: integer("attempt"),
    data: json<EventData>("data"),
  },
  (table) => [primaryKey({ columns: [table.runId, table.seq] }), uniqueIndex("run_events_key").on(table.runId, table.key)],
);

export const idempotencyKeys = pgTable(
  "idempotency_keys",
  {
    tenantId: tenantColumn(),
    key: text("key").notNull(),
    requestHash: text("request_hash").notNull(),
    runId: uuid("run_id").notNull(),
    createdAt: instant("created_at").notNull().defaultNow(),
  },
  (table) => [primaryKey({ columns: [table.tenantId, table.key] })],
);
