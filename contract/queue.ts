import { z } from "@hono/zod-openapi";
import { defineRoute, jsonBody, jsonReply, needs } from "./route.ts";
import { id, timestamp } from "./values.ts";

const tags = ["queue"];
const base = "/api/v1/queue";

const limit = z.int().min(1).max(1_000_000);

export const queue = z
  .object({
    limit: limit.nullable().openapi({ description: "Runs under way at once that the organization allows itself; null: as many as the operator does." }),
    operator_limit: limit.nullable().openapi({ description: "What the operator allows each organization; null: any number." }),
    running: z.int().openapi({ description: "Runs that hold a slot. Only runs that some limit concerns are counted." }),
    queued: z.int(),
    workflows: z.array(
      z.object({
        workflow_id: id.nullable().openapi({ description: "Null of ad-hoc runs." }),
        workflow_name: z.string().nullable(),
        key: z.string().nullable().openapi({ description: "What the workflow's `concurrency.key` came to; each has a limit of its own." }),
        limit: z.int().nullable(),
        running: z.int(),
        queued: z.int(),
        oldest_queued_at: timestamp.nullable(),
      }),
    ),
  })
  .openapi("Queue");

export const queueRoutes = {
  getQueue: defineRoute({
    method: "get",
    path: base,
    operationId: "getQueue",
    summary: "See what is under way and what is queued",
    description: "The longest queues first, 500 at most. `GET /api/v1/executions?status=queued` lists the runs.",
    tags,
    access: needs("run.read"),
    responses: { 200: jsonReply("Limits of concurrency and how much of them is in use.", queue) },
  }),
  setQueueLimit: defineRoute({
    method: "put",
    path: `${base}/limit`,
    operationId: "setQueueLimit",
    summary: "Limit how many runs of the organization are under way at once",
    description: "Takes effect at once: runs under way go on, those beyond the limit are queued. The operator's limit holds beside it.",
    tags,
    access: needs("organization.write"),
    problems: [400, 413, 422],
    request: { body: jsonBody(z.object({ limit: limit.nullable() }).openapi("QueueLimit")) },
    responses: { 200: jsonReply("The queue.", queue) },
  }),
};
