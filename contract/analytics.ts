import { z } from "@hono/zod-openapi";
import { defineRoute, jsonReply, needs } from "./route.ts";
import { id, idParam, momentParam, timestamp } from "./values.ts";

const tags = ["analytics"];
const base = "/api/v1/analytics";

/** Lengths of a bucket, in milliseconds. */
export const BUCKETS = { minute: 60_000, hour: 3_600_000, day: 86_400_000, week: 7 * 86_400_000 } as const;
export type BucketName = keyof typeof BUCKETS;
/** Buckets of one answer; of a longer time, larger ones can be asked for. */
export const BUCKETS_MAX = 1_000;

const range = z.object({
  from: momentParam.optional().openapi({ description: "Runs accepted from then on. A week before `to` where nothing is said." }),
  to: momentParam.optional().openapi({ description: "Runs accepted before then. Now where nothing is said." }),
  workflow_id: idParam.optional(),
});

const latency = z
  .object({ p50: z.number(), p90: z.number(), p95: z.number(), p99: z.number(), mean: z.number() })
  .nullable()
  .openapi("Latency", { description: "Milliseconds, of those that completed; null where none has." });
const rate = z.number().min(0).max(1).nullable();

const runStats = {
  runs: z.int(),
  completed: z.int(),
  failed: z.int(),
  timed_out: z.int(),
  cancelled: z.int(),
  open: z.int().openapi({ description: "Not ended yet." }),
  success_rate: rate.openapi({ description: "Completed, of those that completed, failed or timed out; null where none has." }),
  latency_ms: latency,
};
const considered = {
  from: timestamp,
  to: timestamp,
  considered: z.int().openapi({ description: "Rows that were looked at, the newest first." }),
  truncated: z.boolean().openapi({ description: "There are more than ANALYTICS_MAX_ROWS: older ones are left out. A shorter time shows all of it." }),
};

export const runAnalytics = z
  .object({
    ...considered,
    bucket: z.enum(["minute", "hour", "day", "week"]),
    totals: z.object(runStats),
    buckets: z
      .array(z.object({ at: timestamp, ...runStats }))
      .openapi({ description: "In UTC, in order, those without runs left out. Weeks begin on Monday." }),
    workflows: z
      .array(z.object({ workflow_id: id.nullable().openapi({ description: "Null of ad-hoc runs." }), workflow_name: z.string(), ...runStats }))
      .openapi({ description: "Those with the most runs first, 100 at most." }),
  })
  .openapi("RunAnalytics");

export const nodeAnalytics = z
  .object({
    ...considered,
    nodes: z
      .array(
        z.object({
          node_type: z.string(),
          node_id: z.string().nullable().openapi({ description: "Where one workflow was asked for: each of its nodes for itself." }),
          name: z.string().nullable(),
          executions: z.int(),
          completed: z.int(),
          failed: z.int(),
          skipped: z.int(),
          cancelled: z.int(),
          open: z.int(),
          retries: z.int().openapi({ description: "Attempts beyond the first." }),
          success_rate: rate.openapi({ description: "Completed, of those that completed or failed." }),
          latency_ms: latency,
        }),
      )
      .openapi({ description: "Those with the most executions first, 200 at most." }),
  })
  .openapi("NodeAnalytics");

export const analyticsRoutes = {
  runAnalytics: defineRoute({
    method: "get",
    path: `${base}/runs`,
    operationId: "runAnalytics",
    rules: `\`from\` is before \`to\`, and ${BUCKETS_MAX} buckets reach from one to the other.`,
    summary: "Count runs, by result, time and workflow",
    description: "Of the caller's organization. A run belongs to the time at which it was accepted.",
    tags,
    access: needs("run.read"),
    problems: [422],
    request: { query: range.extend({ bucket: z.enum(["minute", "hour", "day", "week"]).default("day") }) },
    responses: { 200: jsonReply("Counts, success rates and latencies.", runAnalytics) },
  }),
  nodeAnalytics: defineRoute({
    method: "get",
    path: `${base}/nodes`,
    operationId: "nodeAnalytics",
    rules: "`from` is before `to`.",
    summary: "Count what nodes came to, by type or by node",
    description: "Of runs of the caller's organization that were accepted in that time; by type, or by node where one workflow is asked for.",
    tags,
    access: needs("run.read"),
    problems: [422],
    request: { query: range },
    responses: { 200: jsonReply("Counts, retries, success rates and latencies.", nodeAnalytics) },
  }),
};
