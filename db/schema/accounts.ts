import { sql } from "drizzle-orm";
import { bigint, boolean, check, index, integer, pgTable, primaryKey, text, uniqueIndex, uuid } from "drizzle-orm/pg-core";
import { instant, tenantColumn } from "./columns.ts";
import type { Role } from "../types.ts";

/** A tenant is an organization: its `id` is the `tenant_id` of all it owns. */
export const organizations = pgTable(
  "organizations",
  {
    id: uuid("id").primaryKey(),
    name: text("name").notNull(),
    createdAt: instant("created_at").notNull().defaultNow(),
    /** Runs under way at once that it allows itself; the operator may allow less. */
    concurrencyLimit: integer("concurrency_limit"),
    /** Hosts that its nodes may reach; null: all that the operator lets them. */
    outboundHosts: text("outbound_hosts").array(),
  },
  (table) => [check("organizations_concurrency_check", sql`${table.concurrencyLimit} > 0`)],
);

export const users = pgTable(
  "users",
  {
    id: uuid("id").primaryKey(),
    email: text("email").notNull(),
    name: text("name").notNull(),
    passwordHash: text("password_hash").notNull(),
    createdAt: instant("created_at").notNull().defaultNow(),
  },
  (table) => [uniqueIndex("users_email_key").on(sql`lower(${table.email})`)],
);

export const memberships = pgTable(
  "memberships",
  {
    tenantId: tenantColumn().references(() => organizations.id),
    userId: uuid("user_id")
      .notNull()
      .references(() => users.id),
    role: text("role").$type<Role>().notNull(),
    createdAt: instant("created_at").notNull().defaultNow(),
  },
  (table) => [
    primaryKey({ columns: [table.tenantId, table.userId] }),
    index("memberships_user_idx").on(table.userId),
    check("memberships_role_check", sql`${table.role} in ('admin', 'editor', 'operator', 'viewer')`),
  ],
);

/** A family is what grew out of one login: every rotation adds a row with the same `family_id`. */
export const refreshTokens = pgTable(
  "refresh_tokens",
  {
    id: uuid("id").primaryKey(),
    tenantId: tenantColumn(),
    userId: uuid("user_id")
      .notNull()
      .references(() => users.id),
    familyId: uuid("family_id").notNull(),
    tokenHash: text("token_hash").notNull(),
    createdAt: instant("created_at").notNull().defaultNow(),
    expiresAt: instant("expires_at").notNull(),
    rotatedAt: instant("rotated_at"),
    revokedAt: instant("revoked_at"),
  },
  (table) => [uniqueIndex("refresh_tokens_hash_key").on(table.tokenHash), index("refresh_tokens_family_idx").on(table.familyId)],
);

export const loginActivity = pgTable(
  "login_activity",
  {
    id: bigint("id", { mode: "number" }).primaryKey().generatedAlwaysAsIdentity(),
    email: text("email").notNull(),
    userId: uuid("user_id"),
    succeeded: boolean("succeeded").notNull(),
    ip: text("ip").notNull(),
    userAgent: text("user_agent").notNull(),
    at: instant("at").notNull().defaultNow(),
  },
  (table) => [index("login_activity_email_idx").on(sql`lower(${table.email})`, table.at)],
);
