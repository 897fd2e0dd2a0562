import { isClosed } from "#core";
import type { Analytics } from "#db";
import type { Run } from "#runs";

/** What SQL counts is proved against PostgreSQL. */
const NO_RUNS = { runs: 0, completed: 0, failed: 0, timed_out: 0, cancelled: 0, open: 0, latency: null };

export function memoryAnalytics({ runs }: { runs: readonly Run[] }): Analytics {
  return {
    runs: async () => ({ considered: 0, isTruncated: false, totals: NO_RUNS, buckets: [], workflows: [] }),
    nodes: async () => ({ considered: 0, isTruncated: false, nodes: [] }),
    async installation() {
      const open = runs.filter(({ status }) => !isClosed(status));
      const statuses = [...new Set(open.map(({ status }) => status))];
      return { open: statuses.map((status) => ({ status, count: open.filter((run) => run.status === status).length })), queued: 0, oldestQueuedMs: 0 };
    },
  };
}
