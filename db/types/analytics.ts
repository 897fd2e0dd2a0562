import type { RunStatus, TenantId } from "#core";

/** How the whole installation stands. */
export interface InstallationNumbers {
  /** Runs that have not come to their end. */
  open: { status: RunStatus; count: number }[];
  /** Of them, those behind a limit of concurrency. */
  queued: number;
  oldestQueuedMs: number;
}

/** `considered`: rows that were looked at, the newest; `isTruncated`: there are more. */
interface Considered {
  considered: number;
  isTruncated: boolean;
}

export interface AnalyticsRange {
  /** When runs were accepted. */
  from: Date;
  to: Date;
  workflowId?: string;
}

/** Milliseconds, of what completed. */
export interface Latency {
  p50: number;
  p90: number;
  p95: number;
  p99: number;
  mean: number;
}

export interface RunStats {
  runs: number;
  completed: number;
  failed: number;
  timed_out: number;
  cancelled: number;
  open: number;
  latency: Latency | null;
}

export interface NodeStats {
  nodeType: string;
  /** Where one workflow is asked for. */
  nodeId: string | null;
  name: string | null;
  executions: number;
  completed: number;
  failed: number;
  skipped: number;
  cancelled: number;
  open: number;
  /** Attempts beyond the first. */
  retries: number;
  latency: Latency | null;
}

export interface Analytics {
  runs(
    tenant: TenantId,
    range: AnalyticsRange,
    bucketMs: number,
    maxRows: number,
  ): Promise<
    Considered & {
      totals: RunStats;
      /** In order; those without runs are left out. */
      buckets: ({ at: Date } & RunStats)[];
      /** The most runs first. */
      workflows: ({ workflowId: string | null; workflowName: string } & RunStats)[];
    }
  >;
  nodes(tenant: TenantId, range: AnalyticsRange, maxRows: number): Promise<Considered & { nodes: NodeStats[] }>;
  /** Of all organizations (system role); read from the index of open runs. */
  installation(): Promise<InstallationNumbers>;
}
