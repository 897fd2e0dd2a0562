import type { TenantId } from "#core";

/** Opens one connection, once. */
export interface StreamTicket {
  tenantId: TenantId;
  userId: string;
  /** Of an API key, with what it may; null of a member. */
  apiKeyId: string | null;
  sessionId: string | null;
  scopes: string[] | null;
  /** When the session ends that it was asked for in. */
  sessionEndsAt: Date | null;
}

/** A user who watches a topic. */
export interface Watcher {
  user_id: string;
  name: string;
}

/** Somebody began, or ceased, to watch a topic in a process. */
export interface Watching {
  tenantId: TenantId;
  topic: string;
  userId: string;
}

/** What live connections share between processes (G2, G3). */
export interface LiveRows {
  /** Tells all processes that listen, this one too; kept nowhere. No more than 7,999 bytes. */
  tell(message: string): Promise<void>;
  listen(onMessage: (message: string) => void): Promise<{ close(): Promise<void> }>;
  /** Sweeps those that have expired. */
  createTicket(tenant: TenantId, ticket: Omit<StreamTicket, "tenantId"> & { ticketHash: string; expiresAt: Date }): Promise<void>;
  /** The ticket, which is gone afterwards; undefined where it is unknown, used or expired. Has no tenant yet: runs under `perdure_system`. */
  takeTicket(ticketHash: string): Promise<StreamTicket | undefined>;
  /** Whose runs these are (system role). Unknown ones are left out. */
  owners(runIds: readonly string[]): Promise<Map<string, { tenantId: TenantId; workflowId: string | null; createdBy: string | null }>>;
  /** The number of the newest event of each run under way, no more than `limit` of them. */
  openHeads(tenant: TenantId, limit: number): Promise<Map<string, number>>;
  /** Notes watchers of a process for so long; returns those whom no other process had (system role). */
  join(process: string, watching: readonly Watching[], validMs: number): Promise<(Watching & { name: string })[]>;
  /** Returns those whom no other process has (system role). */
  leave(process: string, watching: readonly Watching[]): Promise<(Watching & { name: string })[]>;
  /** Says that the process lives; returns how many of its watchers are noted (system role). */
  stay(process: string, validMs: number): Promise<number>;
  /** Forgets what processes left behind that are gone; returns whom nobody has any more (system role). */
  sweepWatchers(): Promise<(Watching & { name: string })[]>;
  /** By name, no more than `limit`, and how many there are. */
  watchers(tenant: TenantId, topic: string, limit: number): Promise<{ watchers: Watcher[]; total: number }>;
}
