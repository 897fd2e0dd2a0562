import { BUCKETS, BUCKETS_MAX } from "#contract/analytics.ts";
import { PerdureError } from "#core";
import type { AnalyticsRange, NodeStats, RunStats } from "#db";
import type { Handlers } from "../mount.ts";
import type { Services } from "../services.ts";

/** How far back is looked where nothing is said. */
const DEFAULT_RANGE_MS = 7 * 86_400_000;

interface RangeQuery {
  from?: Date | undefined;
  to?: Date | undefined;
  workflow_id?: string | undefined;
}

export function analyticsHandlers({ db: { analytics }, settings }: Services): Handlers<"runAnalytics" | "nodeAnalytics"> {
  const maxRows = settings.ANALYTICS_MAX_ROWS;
  return {
    async runAnalytics({ query, principal }) {
      const range = rangeOf(query);
      const bucketMs = BUCKETS[query.bucket];
      if ((range.to.getTime() - range.from.getTime()) / bucketMs > BUCKETS_MAX) {
        throw invalid("query.bucket", `is too short for that time: more than ${BUCKETS_MAX} of them`);
      }
      const { considered, isTruncated, totals, buckets, workflows } = await analytics.runs(principal.tenantId, range, bucketMs, maxRows);
      return {
        status: 200,
        body: {
          ...shown(range, considered, isTruncated),
          bucket: query.bucket,
          totals: runStats(totals),
          buckets: buckets.map(({ at, ...stats }) => ({ at: at.toISOString(), ...runStats(stats) })),
          workflows: workflows.map(({ workflowId, workflowName, ...stats }) => ({ workflow_id: workflowId, workflow_name: workflowName, ...runStats(stats) })),
        },
      };
    },

    async nodeAnalytics({ query, principal }) {
      const range = rangeOf(query);
      const { considered, isTruncated, nodes } = await analytics.nodes(principal.tenantId, range, maxRows);
      return { status: 200, body: { ...shown(range, considered, isTruncated), nodes: nodes.map(nodeStats) } };
    },
  };
}

function rangeOf({ from, to = new Date(), workflow_id: workflowId }: RangeQuery): AnalyticsRange {
  const begin = from ?? new Date(to.getTime() - DEFAULT_RANGE_MS);
  if (begin >= to) throw invalid("query.from", "must be before `to`");
  return { from: begin, to, ...(workflowId !== undefined && { workflowId }) };
}

function invalid(path: string, message: string): PerdureError {
  return new PerdureError("validation.failed", "The request is not valid.", { findings: [{ code: "validation.range", message, path }] });
}

function shown({ from, to }: AnalyticsRange, considered: number, truncated: boolean) {
  return { from: from.toISOString(), to: to.toISOString(), considered, truncated };
}

function rateOf(completed: number, others: number): number | null {
  return completed + others === 0 ? null : completed / (completed + others);
}

function runStats({ latency, ...counts }: RunStats) {
  return { ...counts, success_rate: rateOf(counts.completed, counts.failed + counts.timed_out), latency_ms: latency };
}

function nodeStats({ nodeType, nodeId, latency, ...counts }: NodeStats) {
  return { node_type: nodeType, node_id: nodeId, ...counts, success_rate: rateOf(counts.completed, counts.failed), latency_ms: latency };
}
