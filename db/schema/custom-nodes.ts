import { index, integer, pgTable, primaryKey, text, uniqueIndex, uuid } from "drizzle-orm/pg-core";
import type { JsonObject } from "#core";
import { instant, json, tenantColumn } from "./columns.ts";

/** Node types that an organization has registered; `version` is the newest. */
export const customNodes = pgTable(
  "custom_nodes",
  {
    id: uuid("id").primaryKey(),
    tenantId: tenantColumn(),
    name: text("name").notNull(),
    version: integer("version").notNull(),
    revision: integer("revision").notNull().default(1),
    createdBy: uuid("created_by"),
    createdAt: instant("created_at").notNull().defaultNow(),
    updatedAt: instant("updated_at").notNull().defaultNow(),
    deletedAt: instant("deleted_at"),
  },
  (table) => [uniqueIndex("custom_nodes_name_key").on(table.tenantId, table.name)],
);

/** Immutable: the application's role may insert and read, nothing else. */
export const customNodeVersions = pgTable(
  "custom_node_versions",
  {
    tenantId: tenantColumn(),
    customNodeId: uuid("custom_node_id")
      .notNull()
      .references(() => customNodes.id),
    version: integer("version").notNull(),
    definition: json<JsonObject>("definition").notNull(),
    createdBy: uuid("created_by"),
    createdAt: instant("created_at").notNull().defaultNow(),
  },
  (table) => [
    primaryKey({ columns: [table.customNodeId, table.version] }),
    index("custom_node_versions_list_idx").on(table.tenantId, table.customNodeId, table.version),
  ],
);
