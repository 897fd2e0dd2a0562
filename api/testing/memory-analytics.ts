import { isClosed } from "#core";
import type { Analytics } from "#db";
import type { Run } from "#runs";

export function memoryAnalytics({ runs }: { runs: readonly Run[] }): Analytics {
  return {
    async installation() {
      const open = runs.filter(({ status }) => !isClosed(status));
      const statuses = [...new Set(open.map(({ status }) => status))];
      return { open: statuses.map((status) => ({ status, count: open.filter((run) => run.status === status).length })), queued: 0, oldestQueuedMs: 0 };
    },
  };
}
