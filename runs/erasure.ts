import { type Client, ScheduleNotFoundError } from "@temporalio/client";
import type { TenantId } from "#core";
import type { Database } from "#db";
import type { Env, Logger } from "#platform";
import { eachOf, type Rounds, startRounds } from "./rounds.ts";
import { GRPC, grpcCode } from "./temporal-errors.ts";

const INTERVAL_MS = 2_000;
/** After which an erasure that a worker has taken up and not put back goes to another. */
const LEASE_MS = 10 * 60_000;
const AT_ONCE = 8;
const TENANT_ATTRIBUTE = "PerdureTenant";

export interface ErasureRoundsOptions {
  db: Pick<Database, "erasures">;
  client: Client;
  env: Pick<Env, "ERASURE_SETTLE_MS">;
  logger: Logger;
  /** @default INTERVAL_MS */
  intervalMs?: number;
}

/** Carries out erasures of organizations that were asked for: each step may be done again, so one that is interrupted goes on elsewhere. */
export function createErasureRounds({ db, client, env, logger, intervalMs = INTERVAL_MS }: ErasureRoundsOptions): Rounds {
  return startRounds({
    intervalMs,
    logger,
    name: "erasing organizations",
    round: async () => {
      const job = await db.erasures.take(LEASE_MS);
      if (!job) return;
      const { tenantId: tenant, requestedBy, emptiedMs } = job;
      await db.erasures.shut(tenant);
      const schedules = await eraseSchedules(client, tenant);
      const workflows = await eraseWorkflows(client, tenant);
      const rows = await db.erasures.eraseRows(tenant);
      const isEmpty = schedules + workflows + rows === 0;
      if (!isEmpty) logger.warn({ tenant_id: tenant, requested_by: requestedBy, schedules, workflows, rows }, "an organization is being erased");
      if (isEmpty && emptiedMs !== null && emptiedMs >= env.ERASURE_SETTLE_MS) {
        await db.erasures.finish(tenant);
        logger.warn({ tenant_id: tenant, requested_by: requestedBy }, "an organization was erased");
      } else await db.erasures.emptied(tenant, isEmpty);
    },
  });
}

/** Schedules are named after whom they belong to (`runs/schedules/temporal.ts`); they would go on firing. */
async function eraseSchedules(client: Client, tenant: TenantId): Promise<number> {
  const found: string[] = [];
  for await (const { scheduleId } of client.schedule.list({ pageSize: 200 })) if (scheduleId.startsWith(`${tenant}/`)) found.push(scheduleId);
  await eachOf(found, AT_ONCE, async (scheduleId) => {
    await client.schedule
      .getHandle(scheduleId)
      .delete()
      .catch((error: unknown) => {
        if (!(error instanceof ScheduleNotFoundError)) throw error;
      });
  });
  return found.length;
}

/** Ends and deletes every execution of the organization; returns how many Temporal still showed. */
async function eraseWorkflows(client: Client, tenant: TenantId): Promise<number> {
  const found: { workflowId: string; runId: string }[] = [];
  for await (const { workflowId, runId } of client.workflow.list({ query: `${TENANT_ATTRIBUTE} = '${tenant}'` })) found.push({ workflowId, runId });
  await eachOf(found, AT_ONCE, async (workflowExecution) => {
    try {
      await client.workflowService.deleteWorkflowExecution({ namespace: client.options.namespace, workflowExecution });
    } catch (error) {
      // It has gone meanwhile, or is going.
      if (grpcCode(error) !== GRPC.notFound) throw error;
    }
  });
  return found.length;
}
