import type { z } from "@hono/zod-openapi";
import type { bulkItem, bulkOperation } from "#contract/bulk.ts";
import { type JsonObject, PerdureError, uuidv7 } from "#core";
import type { BulkItem, BulkJob, RunFilter } from "#db";
import { BULK_STATUSES, type BulkOptions } from "#runs";
import type { Handlers } from "../mount.ts";
import { pageHeadersOf, toPage } from "../paging.ts";
import { notFound } from "../problem.ts";
import { runJson } from "../runs/run-json.ts";
import { allows } from "../security/principal.ts";
import type { Services } from "../services.ts";

type BulkRoute = "createBulkOperation" | "listBulkOperations" | "getBulkOperation" | "listBulkItems" | "cancelBulkOperation";

/** Runs that a preview shows. */
const SAMPLE_SIZE = 10;

export function bulkHandlers({ db, settings }: Services): Handlers<BulkRoute> {
  return {
    async createBulkOperation({ body, rawBody, principal }) {
      const { action, filter, version, from_node, reason } = body;
      if ((action === "retry" || action === "fork") && !allows(principal, "run.start")) {
        throw new PerdureError("auth.forbidden", `The role "${principal.role}" may not do this (run.start).`);
      }
      const able = BULK_STATUSES[action];
      const status = filter.status ? able.filter((each) => filter.status?.includes(each)) : [...able];
      if (status.length === 0) {
        throw new PerdureError("validation.failed", "The request is not valid.", {
          findings: [
            { code: "bulk.status", message: `none of these is a status in which a run can be dealt with; those are ${able.join(", ")}`, path: "filter.status" },
          ],
        });
      }
      const wanted: RunFilter = {
        status,
        ...(filter.workflow_id !== undefined && { workflowId: filter.workflow_id }),
        ...(filter.from && { from: filter.from }),
        ...(filter.to && { to: filter.to }),
        ...(filter.error_code !== undefined && { errorCode: filter.error_code }),
        ...(filter.ids && { ids: filter.ids }),
      };
      if (body.dry_run) {
        const { total, sample } = await db.bulk.preview(principal.tenantId, wanted, settings.BULK_MAX_RUNS + 1, SAMPLE_SIZE);
        const isTooMany = total > settings.BULK_MAX_RUNS;
        return { status: 200, body: { dry_run: true, action, total, is_too_many: isTooMany, sample: sample.map((run) => runJson(run, settings)) } };
      }
      const options: BulkOptions = {
        ...(version !== undefined && { version }),
        ...(from_node !== undefined && { from_node }),
        ...(reason !== undefined && { reason }),
      };
      const job = await db.bulk.create(
        principal.tenantId,
        {
          id: uuidv7(),
          action,
          filter: (rawBody as { filter: JsonObject }).filter,
          options: options as JsonObject,
          ratePerMinute: body.rate_per_minute,
          createdBy: principal.userId,
        },
        wanted,
        settings.BULK_MAX_RUNS,
      );
      return { status: 202, body: jobJson(job) };
    },

    async listBulkOperations({ query, principal, c }) {
      const page = await db.bulk.list(principal.tenantId, toPage(query));
      return { status: 200, body: page.rows.map(jobJson), headers: pageHeadersOf(c, page) };
    },

    async getBulkOperation({ params, principal }) {
      const job = await db.bulk.get(principal.tenantId, params.id);
      if (!job) throw notFound("bulk operation");
      return { status: 200, body: jobJson(job) };
    },

    async listBulkItems({ params, query, principal, c }) {
      const page = await db.bulk.items(principal.tenantId, params.id, { ...(query.status && { status: query.status }) }, toPage(query));
      if (!page) throw notFound("bulk operation");
      return { status: 200, body: page.rows.map(itemJson), headers: pageHeadersOf(c, page) };
    },

    async cancelBulkOperation({ params, principal }) {
      const job = await db.bulk.cancel(principal.tenantId, params.id);
      if (!job) throw notFound("bulk operation");
      return { status: 200, body: jobJson(job) };
    },
  };
}

function jobJson(job: BulkJob): z.input<typeof bulkOperation> {
  const { id, action, filter, options, status, done, failed, pending } = job;
  return {
    id,
    action,
    filter,
    options,
    status,
    rate_per_minute: job.ratePerMinute,
    total: done + failed + pending,
    done,
    failed,
    pending,
    created_by: job.createdBy,
    created_at: job.createdAt.toISOString(),
    completed_at: job.completedAt?.toISOString() ?? null,
  };
}

function itemJson({ runId, status, attempts, resultRunId, error, settledAt }: BulkItem): z.input<typeof bulkItem> {
  return { execution_id: runId, status, attempts, result_execution_id: resultRunId, error, settled_at: settledAt?.toISOString() ?? null };
}
