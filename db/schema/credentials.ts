import { sql } from "drizzle-orm";
import { check, index, integer, pgTable, text, uniqueIndex, uuid } from "drizzle-orm/pg-core";
import type { CredentialVerdict } from "../types/index.ts";
import { bytes, instant, json, tenantColumn } from "./columns.ts";

/** What graphs prove themselves with to others. The values are in `sealed` and nowhere else. */
export const credentials = pgTable(
  "credentials",
  {
    id: uuid("id").primaryKey(),
    tenantId: tenantColumn(),
    name: text("name").notNull(),
    type: text("type").notNull(),
    description: text("description").notNull(),
    fields: text("fields").array().notNull(),
    keyVersion: integer("key_version").notNull(),
    sealed: bytes("sealed").notNull(),
    /** Raised by every change of what people see. */
    revision: integer("revision").notNull().default(1),
    createdBy: uuid("created_by"),
    createdAt: instant("created_at").notNull().defaultNow(),
    updatedAt: instant("updated_at").notNull().defaultNow(),
    testedAt: instant("tested_at"),
    testResult: json<CredentialVerdict>("test_result"),
  },
  (table) => [
    uniqueIndex("credentials_name_key").on(table.tenantId, table.name),
    index("credentials_by_name_idx").on(table.tenantId, table.name, table.id),
    index("credentials_list_idx").on(table.tenantId, table.createdAt, table.id),
    check("credentials_key_version_check", sql`${table.keyVersion} > 0`),
  ],
);
