import { sql } from "drizzle-orm";
import { bigint, boolean, check, index, integer, pgTable, primaryKey, text, uniqueIndex, uuid } from "drizzle-orm/pg-core";
import type { JsonObject } from "#core";
import { bytes, instant, json, tenantColumn } from "./columns.ts";
import type { AccountTokenPurpose, Role, SessionEnd, SignInMethod } from "../types/index.ts";

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
    /** Raised by every change. */
    revision: integer("revision").notNull().default(1),
  },
  (table) => [check("organizations_concurrency_check", sql`${table.concurrencyLimit} > 0`)],
);

export const users = pgTable(
  "users",
  {
    id: uuid("id").primaryKey(),
    email: text("email").notNull(),
    name: text("name").notNull(),
    /** null: they sign in with an identity provider alone. */
    passwordHash: text("password_hash"),
    createdAt: instant("created_at").notNull().defaultNow(),
    emailVerifiedAt: instant("email_verified_at"),
    /** Counts up when what proves who they are is changed: a sign-in that began before comes to nothing. */
    securityEpoch: integer("security_epoch").notNull().default(0),
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
    /** Raised by every change. */
    revision: integer("revision").notNull().default(1),
  },
  (table) => [
    primaryKey({ columns: [table.tenantId, table.userId] }),
    index("memberships_user_idx").on(table.userId),
    check("memberships_role_check", sql`${table.role} in ('admin', 'editor', 'operator', 'viewer')`),
  ],
);

/** What grew out of one sign-in: access tokens name it, refresh tokens belong to it. */
export const userSessions = pgTable(
  "user_sessions",
  {
    id: uuid("id").primaryKey(),
    userId: uuid("user_id")
      .notNull()
      .references(() => users.id),
    method: text("method").$type<SignInMethod>().notNull(),
    ip: text("ip").notNull(),
    userAgent: text("user_agent").notNull(),
    createdAt: instant("created_at").notNull().defaultNow(),
    lastUsedAt: instant("last_used_at").notNull().defaultNow(),
    expiresAt: instant("expires_at").notNull(),
    /** Of the refresh tokens that were made last, and since when they are the last. */
    generation: integer("generation").notNull().default(0),
    generationAt: instant("generation_at").notNull().defaultNow(),
    endedAt: instant("ended_at"),
    endReason: text("end_reason").$type<SessionEnd>(),
  },
  (table) => [index("user_sessions_list_idx").on(table.userId, table.createdAt, table.id)],
);

export const refreshTokens = pgTable(
  "refresh_tokens",
  {
    id: uuid("id").primaryKey(),
    tenantId: tenantColumn(),
    userId: uuid("user_id")
      .notNull()
      .references(() => users.id),
    sessionId: uuid("session_id")
      .notNull()
      .references(() => userSessions.id),
    generation: integer("generation").notNull().default(0),
    tokenHash: text("token_hash").notNull(),
    createdAt: instant("created_at").notNull().defaultNow(),
    expiresAt: instant("expires_at").notNull(),
  },
  (table) => [uniqueIndex("refresh_tokens_hash_key").on(table.tokenHash), index("refresh_tokens_session_idx").on(table.sessionId)],
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
    method: text("method").$type<SignInMethod>().notNull().default("password"),
  },
  (table) => [index("login_activity_email_idx").on(sql`lower(${table.email})`, table.at), index("login_activity_user_idx").on(table.userId, table.id)],
);

/** Single-use, only as hashes. */
export const accountTokens = pgTable(
  "account_tokens",
  {
    id: uuid("id").primaryKey(),
    purpose: text("purpose").$type<AccountTokenPurpose>().notNull(),
    /** null: whose it is shows when it is used. */
    userId: uuid("user_id").references(() => users.id),
    tokenHash: text("token_hash").notNull(),
    data: json<JsonObject>("data").notNull().default({}),
    attempts: integer("attempts").notNull().default(0),
    createdAt: instant("created_at").notNull().defaultNow(),
    expiresAt: instant("expires_at").notNull(),
    usedAt: instant("used_at"),
  },
  (table) => [
    uniqueIndex("account_tokens_hash_key").on(table.tokenHash),
    index("account_tokens_user_idx").on(table.userId, table.purpose),
    index("account_tokens_expires_idx").on(table.expiresAt),
    check("account_tokens_purpose_check", sql`${table.purpose} in ('verify_email', 'reset_password', 'second_factor', 'sign_in')`),
  ],
);

export const secondFactors = pgTable("second_factors", {
  userId: uuid("user_id")
    .primaryKey()
    .references(() => users.id),
  keyVersion: integer("key_version").notNull(),
  sealed: bytes("sealed").notNull(),
  createdAt: instant("created_at").notNull().defaultNow(),
  confirmedAt: instant("confirmed_at"),
  /** The time step of the code that was used last: it and those before it are used up. */
  lastStep: bigint("last_step", { mode: "number" }).notNull().default(0),
});

export const recoveryCodes = pgTable(
  "recovery_codes",
  {
    userId: uuid("user_id")
      .notNull()
      .references(() => users.id),
    codeHash: text("code_hash").notNull(),
    usedAt: instant("used_at"),
  },
  (table) => [primaryKey({ columns: [table.userId, table.codeHash] })],
);

/** Who somebody is at an identity provider, which its issuer names. */
export const identities = pgTable(
  "identities",
  {
    /** What its user names it by; the provider knows the subject. */
    id: uuid("id").notNull().defaultRandom(),
    issuer: text("issuer").notNull(),
    subject: text("subject").notNull(),
    userId: uuid("user_id")
      .notNull()
      .references(() => users.id),
    /** null: the provider told of none that it had verified. */
    email: text("email"),
    createdAt: instant("created_at").notNull().defaultNow(),
    lastUsedAt: instant("last_used_at").notNull().defaultNow(),
    /** It signs nobody in since, and is linked again only by who is signed in. */
    unlinkedAt: instant("unlinked_at"),
  },
  (table) => [
    primaryKey({ columns: [table.issuer, table.subject] }),
    uniqueIndex("identities_id_key").on(table.id),
    index("identities_list_idx").on(table.userId, table.createdAt, table.id),
  ],
);
