import type { RunStatus, TenantId } from "#core";
import type { QueuedStart, Run } from "../../runs/types.ts";

/** What limits a run before it begins. */
export interface AdmissionTerms {
  /** Runs with the same one share `maxRuns`. */
  groupKey: string;
  workflowId: string | null;
  /** 1 (first) to 5. */
  priority: number;
  maxRuns: number | null;
  maxQueued: number | null;
  holdsWhileWaiting: boolean;
  /** The operator's settings limit it, whatever its workflow and organization say. */
  isLimited: boolean;
  organizationMaxQueued: number;
  waitingMs: number;
  /** Given where it is known before that it will be limited; else to be offered afterwards. */
  request?: QueuedStart;
}

export interface ConcurrencyLimits {
  /** Of all organizations together, and of each; undefined: none. */
  installation: number | undefined;
  organization: number | undefined;
  waitingMs: number;
}

export interface QueueGroup {
  /** Null of ad-hoc runs. */
  workflowId: string | null;
  workflowName: string | null;
  /** What the workflow's concurrency key came to. */
  key: string | null;
  limit: number | null;
  /** Runs with a slot. */
  running: number;
  queued: number;
  oldestQueuedAt: Date | null;
}

/** Who may run now (docs/decisions/010). */
export interface Admission {
  /** Stores what a limited run is started with; before that it is passed over. */
  offer(tenant: TenantId, runId: string, request: QueuedStart): Promise<void>;
  /**
   * Gives free slots away, `atMost` of them, in the order of fairness, priority and age, and returns the runs that the caller is to start (system
   * role): also those that were given away `retryMs` ago and that nobody has noted as started. `isThorough`: tidies up after crashes.
   */
  admit(
    limits: ConcurrencyLimits,
    retryMs: number,
    atMost: number,
    isThorough: boolean,
  ): Promise<{ tenantId: TenantId; runId: string; request: QueuedStart }[]>;
  /** Temporal has taken the run. */
  started(tenant: TenantId, runId: string): Promise<void>;
  /** Ends a run that waits for its slot; undefined where it does not (any more). */
  withdraw(tenant: TenantId, runId: string, end: { status: RunStatus; error: import("#core").FailureValue; at: Date }): Promise<Run | undefined>;
  /** Keeps a run that waits for its slot from getting one; false where it does not wait (any more). */
  setPaused(tenant: TenantId, runId: string, pauses: boolean): Promise<boolean>;
  /** Counts all open runs from now on: for operator's limits that are new (system role). */
  adopt(): Promise<void>;
  /** The organization's own limit, and its groups that have runs; groups without a limit among them where the organization has one. */
  overview(tenant: TenantId, waitingMs: number): Promise<{ limit: number | null; running: number; queued: number; groups: QueueGroup[] }>;
  /** Counts the runs that are open. @throws PerdureError `resource.not_found`. */
  setLimit(tenant: TenantId, limit: number | null): Promise<void>;
}
