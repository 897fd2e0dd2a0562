import type { FailureValue, JsonObject, TenantId } from "#core";
import type { Run } from "../../runs/types.ts";
import type { Page, Paged } from "./paging.ts";
import type { RunFilter } from "./runs.ts";

export type BulkAction = "retry" | "cancel" | "terminate" | "fork" | "migrate";

export interface BulkJob {
  id: string;
  action: BulkAction;
  filter: JsonObject;
  options: JsonObject;
  status: "pending" | "running" | "completed" | "cancelled";
  ratePerMinute: number;
  createdBy: string;
  createdAt: Date;
  completedAt: Date | null;
  /** How many of its runs have been dealt with, in vain, or not yet. */
  done: number;
  failed: number;
  pending: number;
}

export interface BulkItem {
  runId: string;
  status: "pending" | "done" | "failed";
  attempts: number;
  /** The run that came of it. */
  resultRunId: string | null;
  error: FailureValue | null;
  settledAt: Date | null;
}

/** Runs of one job that a process has taken up: they are its own until `leaseMs` are over. */
export interface BulkClaim {
  tenantId: TenantId;
  job: Pick<BulkJob, "id" | "action" | "options" | "createdBy">;
  items: { runId: string; attempts: number }[];
}

export interface BulkRows {
  /** How many runs are meant, counted up to `limit`, and the newest of them. */
  preview(tenant: TenantId, filter: RunFilter, limit: number, sampleSize: number): Promise<{ total: number; sample: Run[] }>;
  /** Stores the job with its runs. @throws PerdureError `validation.failed` where there are more than `maxRuns`. */
  create(
    tenant: TenantId,
    job: { id: string; action: BulkAction; filter: JsonObject; options: JsonObject; ratePerMinute: number; createdBy: string },
    runs: RunFilter,
    maxRuns: number,
  ): Promise<BulkJob>;
  get(tenant: TenantId, id: string): Promise<BulkJob | undefined>;
  list(tenant: TenantId, page: Page): Promise<Paged<BulkJob>>;
  /** By the ids of their runs. */
  items(tenant: TenantId, id: string, filter: { status?: BulkItem["status"] }, page: Page): Promise<Paged<BulkItem> | undefined>;
  /** Takes up no more of its runs. Undefined where there is no such job; one that has ended stays as it is. */
  cancel(tenant: TenantId, id: string): Promise<BulkJob | undefined>;
  /** The next runs of the job that is due first, as many as its rate allows for `roundMs`, at most `limit` (system role). Ends jobs with nothing left to do. */
  claim(options: { roundMs: number; limit: number; leaseMs: number }): Promise<BulkClaim | undefined>;
  settle(
    tenant: TenantId,
    id: string,
    runId: string,
    outcome: { status: "done"; resultRunId?: string } | { status: "failed"; error: FailureValue },
  ): Promise<void>;
}
