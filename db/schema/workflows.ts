import { sql } from "drizzle-orm";
import { boolean, foreignKey, index, integer, pgTable, primaryKey, text, uuid } from "drizzle-orm/pg-core";
import type { Json, JsonObject } from "#core";
import type { Plan } from "#graph";
import { instant, json, tenantColumn } from "./columns.ts";

export const workflows = pgTable(
  "workflows",
  {
    id: uuid("id").primaryKey(),
    tenantId: tenantColumn(),
    name: text("name").notNull(),
    description: text("description").notNull(),
    tags: text("tags").array().notNull(),
    settings: json<JsonObject>("settings").notNull(),
    isPublic: boolean("is_public").notNull(),
    version: integer("version").notNull(),
    /** Raised by every change, of the row or of the graph. */
    revision: integer("revision").notNull().default(1),
    publishedVersion: integer("published_version"),
    createdBy: uuid("created_by"),
    createdAt: instant("created_at").notNull().defaultNow(),
    updatedAt: instant("updated_at").notNull().defaultNow(),
    deletedAt: instant("deleted_at"),
  },
  (table) => [
    index("workflows_list_idx")
      .on(table.tenantId, table.createdAt, table.id)
      .where(sql`${table.deletedAt} is null`),
    index("workflows_by_name_idx")
      .on(table.tenantId, table.name, table.id)
      .where(sql`${table.deletedAt} is null`),
    index("workflows_by_change_idx")
      .on(table.tenantId, table.updatedAt, table.id)
      .where(sql`${table.deletedAt} is null`),
    index("workflows_deleted_idx")
      .on(table.tenantId, table.createdAt, table.id)
      .where(sql`${table.deletedAt} is not null`),
  ],
);

/** Immutable: the application's role may insert and read, nothing else. */
export const workflowVersions = pgTable(
  "workflow_versions",
  {
    tenantId: tenantColumn(),
    workflowId: uuid("workflow_id").notNull(),
    version: integer("version").notNull(),
    graph: json<Json>("graph").notNull(),
    plan: json<Plan>("plan"),
    problems: json<Json[]>("problems").notNull(),
    hash: text("hash").notNull(),
    createdBy: uuid("created_by"),
    createdAt: instant("created_at").notNull().defaultNow(),
    /** Ids of those its nodes name. */
    credentials: text("credentials").array().notNull().default([]),
  },
  (table) => [
    primaryKey({ columns: [table.workflowId, table.version] }),
    foreignKey({ columns: [table.workflowId], foreignColumns: [workflows.id] }),
    index("workflow_versions_credentials_idx").using("gin", table.credentials),
  ],
);
