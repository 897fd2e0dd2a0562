import { isClosed, PerdureError, type RunStatus, type TenantId, tenantId } from "#core";
import type { Database, Schedule, ScheduleFiring } from "#db";
import { type Plan, selectEntries } from "#graph";
import type { Fired, FireCall, ScheduledRunCall } from "#workflows/messages";
import type { CompileGraph } from "../compiler.ts";
import type { Run, Runs } from "../types.ts";
import { type FiringFacts, renderInputs, timerData } from "./inputs.ts";

const TIMER = "TimerStartNode";
/** Who asks a run to end for the next moment of its schedule. */
const BY_SCHEDULE = "schedule";

/** What of a schedule happens in the worker, or by hand in the api. */
export interface ScheduleFirings {
  /** @throws PerdureError that may come right, to be tried again. */
  fire(call: FireCall): Promise<Fired>;
  /** Starts a run now, beside the moments of the schedule. @throws PerdureError `resource.not_found` and what `Runs.start` throws. */
  fireByHand(tenant: TenantId, id: string, key: string | undefined): Promise<Run>;
  end(call: ScheduledRunCall & { kind: "cancel" | "terminate" }): Promise<void>;
  status(call: ScheduledRunCall): Promise<RunStatus>;
}

export interface FiringOptions {
  db: Pick<Database, "schedules" | "workflows" | "runs">;
  runs: Pick<Runs, "start" | "command" | "reconcile">;
  compile: CompileGraph;
}

export function createFirings({ db, runs, compile }: FiringOptions): ScheduleFirings {
  /** The run of a firing, as of the version that runs at this moment. The idempotency key makes it one run, however often it is asked for. */
  async function start(tenant: TenantId, schedule: Schedule, firing: ScheduleFiring, startedBy: string | undefined): Promise<Run> {
    const found = await db.workflows.runnable(tenant, schedule.workflowId);
    if (!found) throw new PerdureError("resource.not_found", "The workflow of the schedule is not there any more.");
    const { workflow, version } = found;
    const plan = version.plan ?? (await planOf(tenant, version.graph, workflow.id));
    const { entries, isTimer } = entriesOf(plan, schedule.nodeId);
    const facts: FiringFacts = { schedule, scheduledAt: firing.scheduledAt, firedAt: firing.firedAt, number: firing.number, attempt: firing.attempt };
    const given = renderInputs(schedule.inputs, facts);
    const { run } = await runs.start(tenant, {
      workflowId: workflow.id,
      workflowName: workflow.name,
      version: version.version,
      plan,
      inputs: isTimer ? { ...given, ...timerData(facts) } : given,
      variables: {},
      entries,
      trigger: "schedule",
      createdBy: null,
      scheduleId: schedule.id,
      ...(startedBy !== undefined && { startedBy }),
      idempotency: { key: firing.key, requestHash: schedule.id },
    });
    return run;
  }

  async function planOf(tenant: TenantId, graph: unknown, workflowId: string): Promise<Plan> {
    const compiled = await compile(tenant, graph, workflowId);
    if (compiled.ok) return compiled.plan;
    throw new PerdureError("graph.invalid", "The workflow has no version that can run.", { findings: compiled.problems });
  }

  return {
    async fire({ tenant_id, schedule_id: scheduleId, scheduled_at, taken_at, attempt, starter }) {
      const tenant = tenantId(tenant_id);
      const fired = await db.schedules.fire(tenant, { scheduleId, scheduledAt: new Date(scheduled_at), attempt, isManual: false, starter });
      if (!fired) return { outcome: "refused", reason: "The schedule is gone, paused, or has fired as often as it may." };
      const { schedule, firing } = fired;
      const { retry_on_failure: retries, retry_count: count, retry_delay_seconds: delay, catchup_window_seconds: window } = schedule.definition;
      const started = (runId: string): Fired => ({
        outcome: "started",
        run_id: runId,
        retries: retries && schedule.deletedAt === null ? count : 0,
        retry_delay_ms: delay * 1000,
      });
      if (firing.runId !== null) return started(firing.runId);
      if (firing.outcome !== "pending") return { outcome: "refused", reason: firing.error?.message ?? "It was not fired." };
      const isLate = Date.now() - Date.parse(taken_at) > window * 1000;
      try {
        // Who was killed after it had stored the run, and before it had said so, was not late.
        if (isLate && attempt === 1 && (await db.schedules.runOf(tenant, firing.key)) === undefined)
          throw new PerdureError("run.not_started", `No worker could start the run within ${window} s.`, { retryable: false });
        const run = await start(tenant, schedule, firing, starter);
        await db.schedules.settle(tenant, firing, { outcome: "started", runId: run.id });
        return started(run.id);
      } catch (error) {
        if (!(error instanceof PerdureError) || error.retryable) throw error;
        await db.schedules.settle(tenant, firing, { outcome: isLate ? "missed" : "refused", error: error.toValue() });
        return { outcome: "refused", reason: error.message };
      }
    },

    async fireByHand(tenant, id, key) {
      const fired = await db.schedules.fire(tenant, {
        scheduleId: id,
        scheduledAt: new Date(),
        attempt: 1,
        isManual: true,
        ...(key !== undefined && { starter: `key ${key}` }),
      });
      if (!fired) throw new PerdureError("resource.not_found", "There is no such schedule.");
      const { schedule, firing } = fired;
      try {
        const run = await start(tenant, schedule, firing, undefined);
        await db.schedules.settle(tenant, firing, { outcome: "started", runId: run.id });
        return run;
      } catch (error) {
        if (error instanceof PerdureError && !error.retryable) await db.schedules.settle(tenant, firing, { outcome: "refused", error: error.toValue() });
        throw error;
      }
    },

    async end({ tenant_id, run_id: runId, kind }) {
      const tenant = tenantId(tenant_id);
      const run = await db.runs.get(tenant, runId);
      if (!run || isClosed(run.status)) return;
      try {
        await runs.command(tenant, runId, { kind, reason: "the next moment of its schedule has come" }, BY_SCHEDULE, 1);
      } catch (error) {
        if (!(error instanceof PerdureError && (error.code === "run.closed" || error.code === "run.state"))) throw error;
      }
    },

    async status({ tenant_id, run_id: runId }) {
      return (await runs.reconcile(tenantId(tenant_id), runId)).status;
    },
  };
}

/** Where the run begins: at the timer of the schedule, else as by hand; else at the only timer that there is. */
function entriesOf(plan: Plan, nodeId: string | null): { entries: string[]; isTimer: boolean } {
  const selected = selectEntries(plan, nodeId ?? undefined);
  if ("problem" in selected) throw new PerdureError("entry.required", selected.problem.message, { findings: [selected.problem] });
  return { entries: selected.entries, isTimer: plan.steps.some(({ id, type }) => type === TIMER && selected.entries.includes(id)) };
}
