import type { Json, TenantId } from "#core";

export interface CommandRow {
  id: string;
  tenantId: TenantId;
  runId: string;
  command: Json;
  by: string;
  at: Date;
  status: "open" | "applied" | "refused";
  outcome: Json | null;
}

export interface Commands {
  /** @throws PerdureError `approval.answered` when another answer to the same wait is open or applied. */
  insert(tenant: TenantId, row: { id: string; runId: string; command: Json; by: string; at: Date; exclusiveKey?: string }): Promise<void>;
  settle(tenant: TenantId, id: string, status: "applied" | "refused", outcome: Json | null): Promise<void>;
  /** For the relay (system role). */
  open(olderThanMs: number, limit: number): Promise<CommandRow[]>;
}
