import { sql } from "drizzle-orm";
import { check, doublePrecision, index, integer, pgTable, text, uniqueIndex, uuid } from "drizzle-orm/pg-core";
import type { Json } from "#core";
import type { Role } from "../types/index.ts";
import { organizations, users } from "./accounts.ts";
import { instant, json, tenantColumn } from "./columns.ts";

/** Keys of services; only hashes of them. */
export const apiKeys = pgTable(
  "api_keys",
  {
    id: uuid("id").primaryKey(),
    tenantId: tenantColumn().references(() => organizations.id),
    createdBy: uuid("created_by")
      .notNull()
      .references(() => users.id),
    name: text("name").notNull(),
    /** What a person may see of the key, to tell it from others. */
    prefix: text("prefix").notNull(),
    keyHash: text("key_hash").notNull(),
    scopes: text("scopes").array().notNull(),
    createdAt: instant("created_at").notNull().defaultNow(),
    expiresAt: instant("expires_at"),
    lastUsedAt: instant("last_used_at"),
    revokedAt: instant("revoked_at"),
    /** Raised by every change. */
    revision: integer("revision").notNull().default(1),
  },
  (table) => [uniqueIndex("api_keys_hash_key").on(table.keyHash), index("api_keys_list_idx").on(table.tenantId, table.createdAt, table.id)],
);

export const invitations = pgTable(
  "invitations",
  {
    id: uuid("id").primaryKey(),
    tenantId: tenantColumn().references(() => organizations.id),
    email: text("email").notNull(),
    role: text("role").$type<Role>().notNull(),
    tokenHash: text("token_hash").notNull(),
    invitedBy: uuid("invited_by")
      .notNull()
      .references(() => users.id),
    createdAt: instant("created_at").notNull().defaultNow(),
    expiresAt: instant("expires_at").notNull(),
    acceptedAt: instant("accepted_at"),
    acceptedBy: uuid("accepted_by").references(() => users.id),
    revokedAt: instant("revoked_at"),
    /** Raised by every change. */
    revision: integer("revision").notNull().default(1),
  },
  (table) => [
    uniqueIndex("invitations_hash_key").on(table.tokenHash),
    uniqueIndex("invitations_open_key")
      .on(table.tenantId, sql`lower(${table.email})`)
      .where(sql`${table.acceptedAt} is null and ${table.revokedAt} is null`),
    index("invitations_list_idx").on(table.tenantId, table.createdAt, table.id),
    check("invitations_role_check", sql`${table.role} in ('admin', 'editor', 'operator', 'viewer')`),
  ],
);

/** Who changed what. Written once, never changed. */
export const auditEvents = pgTable(
  "audit_events",
  {
    id: uuid("id").primaryKey(),
    tenantId: tenantColumn(),
    at: instant("at").notNull().defaultNow(),
    userId: uuid("user_id").notNull(),
    apiKeyId: uuid("api_key_id"),
    role: text("role").$type<Role>().notNull(),
    action: text("action").notNull(),
    resourceType: text("resource_type").notNull(),
    resourceId: text("resource_id"),
    method: text("method").notNull(),
    path: text("path").notNull(),
    status: integer("status").notNull(),
    before: json<Json>("before"),
    after: json<Json>("after"),
    ip: text("ip").notNull(),
    userAgent: text("user_agent").notNull(),
    correlationId: text("correlation_id").notNull(),
  },
  (table) => [
    index("audit_events_age_idx").on(table.at),
    index("audit_events_list_idx").on(table.tenantId, table.at, table.id),
    index("audit_events_resource_idx")
      .on(table.tenantId, table.resourceId, table.at, table.id)
      .where(sql`${table.resourceId} is not null`),
  ],
);

/** Buckets of tokens that all processes share; unlogged. */
export const rateBuckets = pgTable(
  "rate_buckets",
  {
    key: text("key").primaryKey(),
    tokens: doublePrecision("tokens").notNull(),
    taken: doublePrecision("taken").notNull(),
    updatedAt: instant("updated_at").notNull(),
    fullAt: instant("full_at").notNull(),
  },
  (table) => [index("rate_buckets_full_idx").on(table.fullAt)],
);
