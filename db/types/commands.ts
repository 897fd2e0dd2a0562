import type { Json, TenantId } from "#core";
import type { FeedingCall } from "../../runs/types.ts";

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
  /**
   * With `call` in one transaction, which takes the call's key: the same key then neither feeds nor starts a run, until the command is refused.
   * @throws PerdureError `approval.answered` when another answer to the same wait is open or applied; `resource.conflict` where the call's key or signature
   *   was taken before.
   */
  insert(tenant: TenantId, row: { id: string; runId: string; command: Json; by: string; at: Date; exclusiveKey?: string; call?: FeedingCall }): Promise<void>;
  settle(tenant: TenantId, id: string, status: "applied" | "refused", outcome: Json | null): Promise<void>;
  /** For the relay (system role). */
  open(olderThanMs: number, limit: number): Promise<CommandRow[]>;
}
