import { z } from "@hono/zod-openapi";
import { RUN_STATUSES } from "#core";
import { MAX_ID_LENGTH } from "#graph";
import { run } from "./executions.ts";
import { defineRoute, jsonBody, jsonReply, needs } from "./route.ts";
import { failure, id, idParam, jsonObject, momentParam, pageHeaders, pageQuery, timestamp } from "./values.ts";

const tags = ["bulk operations"];
const base = "/api/v1/bulk-operations";
const byId = z.object({ id: idParam });

export const BULK_ACTIONS = ["retry", "fork", "cancel", "terminate", "migrate"] as const;
export const BULK_STATUSES = ["pending", "running", "completed", "cancelled"] as const;
/** Runs a minute. */
const RATE_DEFAULT = 300;
const RATE_MAX = 6_000;
const IDS_MAX = 1_000;

const filter = z
  .object({
    workflow_id: idParam.optional(),
    status: z.union([z.enum(RUN_STATUSES).transform((one) => [one]), z.array(z.enum(RUN_STATUSES)).min(1)]).optional(),
    from: momentParam.optional(),
    to: momentParam.optional(),
    error_code: z.string().min(1).max(100).optional().openapi({ description: "Of the failure they ended with." }),
    ids: z.array(idParam).min(1).max(IDS_MAX).optional(),
  })
  .strict()
  .refine((given) => Object.values(given).some((value) => value !== undefined), "must say something of the runs that are meant")
  .openapi({
    minProperties: 1,
    description: "Which runs are meant: those of which all of this is true. Of them, those that the action finds in a status in which it can do something.",
  });

export const bulkOperation = z
  .object({
    id,
    action: z.enum(BULK_ACTIONS),
    filter: jsonObject,
    options: jsonObject,
    status: z.enum(BULK_STATUSES),
    rate_per_minute: z.int(),
    total: z.int(),
    done: z.int(),
    failed: z.int(),
    pending: z.int().openapi({ description: "Not dealt with yet; once it is cancelled, what never will be." }),
    created_by: id,
    created_at: timestamp,
    completed_at: timestamp.nullable(),
  })
  .openapi("BulkOperation");

export const bulkPreview = z
  .object({ dry_run: z.literal(true), action: z.enum(BULK_ACTIONS), total: z.int(), is_too_many: z.boolean(), sample: z.array(run) })
  .openapi("BulkPreview");

export const bulkItem = z
  .object({
    execution_id: id,
    status: z.enum(["pending", "done", "failed"]),
    attempts: z.int(),
    result_execution_id: id.nullable().openapi({ description: "The run that came of it." }),
    error: failure.nullable(),
    settled_at: timestamp.nullable(),
  })
  .openapi("BulkItem");

export const bulkRoutes = {
  createBulkOperation: defineRoute({
    method: "post",
    path: base,
    operationId: "createBulkOperation",
    rules: "the action can deal with runs in one of the statuses of `filter`.",
    summary: "Do the same to many runs",
    description: "The runs are chosen now and dealt with one after the other, also when processes die meanwhile. `dry_run` counts them and shows some.",
    tags,
    access: needs("run.control"),
    problems: [400, 413, 422],
    request: {
      body: jsonBody(
        z
          .object({
            action: z.enum(BULK_ACTIONS),
            filter,
            dry_run: z.boolean().default(false),
            rate_per_minute: z.int().min(1).max(RATE_MAX).default(RATE_DEFAULT).openapi({ description: "Runs a minute." }),
            version: z
              .union([z.int().min(1).max(2_147_483_647), z.literal("current")])
              .optional()
              .openapi({ description: "Of `retry`, `fork` and `migrate`." }),
            from_node: z.string().min(1).max(MAX_ID_LENGTH).optional().openapi({ description: "Of `fork`." }),
            reason: z.string().max(1_000).optional().openapi({ description: "Of `cancel` and `terminate`." }),
          })
          .refine(({ action, from_node: node }) => action !== "fork" || node !== undefined, { error: "is required to fork", path: ["from_node"] })
          .refine(({ action, version }) => action !== "migrate" || typeof version === "number", { error: "is required to migrate", path: ["version"] })
          .openapi("BulkRequest", { example: { action: "retry", filter: { status: "failed", error_code: "upstream.failed" }, dry_run: true } }),
      ),
    },
    responses: { 200: jsonReply("`dry_run`: nothing is done.", bulkPreview), 202: jsonReply("It has been taken on.", bulkOperation) },
  }),
  listBulkOperations: defineRoute({
    method: "get",
    path: base,
    operationId: "listBulkOperations",
    summary: "List bulk operations",
    tags,
    access: needs("run.read"),
    problems: [400, 422],
    request: { query: pageQuery },
    responses: { 200: { ...jsonReply("One page, the newest first.", z.array(bulkOperation)), headers: pageHeaders } },
  }),
  getBulkOperation: defineRoute({
    method: "get",
    path: `${base}/{id}`,
    operationId: "getBulkOperation",
    summary: "Read how far a bulk operation has come",
    tags,
    access: needs("run.read"),
    problems: [404],
    request: { params: byId },
    responses: { 200: jsonReply("The operation.", bulkOperation) },
  }),
  listBulkItems: defineRoute({
    method: "get",
    path: `${base}/{id}/items`,
    operationId: "listBulkItems",
    summary: "List the runs of a bulk operation",
    tags,
    access: needs("run.read"),
    problems: [400, 404, 422],
    request: { params: byId, query: pageQuery.extend({ status: z.enum(["pending", "done", "failed"]).optional() }) },
    responses: { 200: { ...jsonReply("One page, by the ids of the runs.", z.array(bulkItem)), headers: pageHeaders } },
  }),
  cancelBulkOperation: defineRoute({
    method: "post",
    path: `${base}/{id}/cancel`,
    operationId: "cancelBulkOperation",
    summary: "Take up no more runs",
    description: "What has been done stays done.",
    tags,
    access: needs("run.control"),
    problems: [404],
    request: { params: byId },
    responses: { 200: jsonReply("The operation as it stands.", bulkOperation) },
  }),
};
