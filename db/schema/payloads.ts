import { sql } from "drizzle-orm";
import { check, index, integer, pgTable, primaryKey, text } from "drizzle-orm/pg-core";
import { bytes, instant, tenantColumn } from "./columns.ts";

/** Data keys of the payload codec, each wrapped by a master key that is not in the database. */
export const payloadKeys = pgTable(
  "payload_keys",
  {
    tenantId: tenantColumn(),
    version: integer("version").notNull(),
    masterId: text("master_id").notNull(),
    wrapped: bytes("wrapped").notNull(),
    createdAt: instant("created_at").notNull().defaultNow(),
  },
  (table) => [primaryKey({ columns: [table.tenantId, table.version] }), check("payload_keys_version_check", sql`${table.version} > 0`)],
);

/** Sealed payloads that are too large for a history. */
export const payloadBlobs = pgTable(
  "payload_blobs",
  {
    tenantId: tenantColumn(),
    hash: text("hash").notNull(),
    bytes: bytes("bytes").notNull(),
    createdAt: instant("created_at").notNull().defaultNow(),
    usedAt: instant("used_at").notNull().defaultNow(),
  },
  (table) => [primaryKey({ columns: [table.tenantId, table.hash] }), index("payload_blobs_used_idx").on(table.usedAt)],
);
