import type { Json, TenantId } from "#core";
import type { Role } from "./accounts.ts";
import type { Page, Paged } from "./paging.ts";

export interface AuditEvent {
  id: string;
  at: Date;
  userId: string;
  apiKeyId: string | null;
  role: Role;
  /** Operation id of the route. */
  action: string;
  resourceType: string;
  resourceId: string | null;
  method: string;
  path: string;
  status: number;
  /** Without secrets. */
  before: Json;
  after: Json;
  ip: string;
  userAgent: string;
  correlationId: string;
}

export interface AuditFilter {
  userId?: string;
  apiKeyId?: string;
  action?: string;
  resourceType?: string;
  resourceId?: string;
  from?: Date;
  to?: Date;
  status?: number;
}

/** Who changed what (F5). Written once, never changed. */
export interface Audit {
  record(tenant: TenantId, event: Omit<AuditEvent, "id" | "at">): Promise<void>;
  /** The newest first. */
  list(tenant: TenantId, filter: AuditFilter, page: Page): Promise<Paged<AuditEvent>>;
  /** Deletes the oldest entries of all tenants from before a moment, at most `limit` of them. @returns how many. */
  forget(before: Date, limit: number): Promise<number>;
}
