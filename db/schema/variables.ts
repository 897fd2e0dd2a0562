import { integer, pgTable, text, uniqueIndex, uuid } from "drizzle-orm/pg-core";
import type { Json } from "#core";
import { instant, json, tenantColumn } from "./columns.ts";
import { workflows } from "./workflows.ts";

/** Values that graphs read by name: of the organization (no workflow), and of one workflow. */
export const variables = pgTable(
  "variables",
  {
    id: uuid("id").primaryKey(),
    tenantId: tenantColumn(),
    workflowId: uuid("workflow_id").references(() => workflows.id),
    name: text("name").notNull(),
    value: json<Json>("value").notNull(),
    description: text("description").notNull(),
    revision: integer("revision").notNull().default(1),
    createdBy: uuid("created_by"),
    createdAt: instant("created_at").notNull().defaultNow(),
    updatedAt: instant("updated_at").notNull().defaultNow(),
  },
  (table) => [uniqueIndex("variables_name_key").on(table.tenantId, table.workflowId, table.name)],
);
