import {
  CancellationScope,
  CancelledFailure,
  condition,
  continueAsNew,
  defineSignal,
  proxyActivities,
  setCurrentDetails,
  setHandler,
  workflowInfo,
} from "@temporalio/workflow";
import { isClosed, type RunStatus } from "#core";
import { type Activities, CHILD_CLOSED_SIGNAL, type ChildClosed, type ScheduledStart } from "./messages.ts";

/** A run tells its end itself; where that word was lost, it is asked after this, then after twice as long, up to the longest. */
const FIRST_LOOK_MS = 30_000;
const LONGEST_BETWEEN_LOOKS_MS = 3_600_000;
const MOST_DOUBLINGS = 7;

const { fireSchedule, endScheduledRun, scheduledRunStatus } = proxyActivities<Pick<Activities, "fireSchedule" | "endScheduledRun" | "scheduledRunStatus">>({
  startToCloseTimeout: "30s",
  retry: { initialInterval: "1s", maximumInterval: "10s" },
});

const runClosed = defineSignal<[ChildClosed]>(CHILD_CLOSED_SIGNAL);

export interface ScheduledEnd {
  outcome: "refused" | RunStatus;
  run_id?: string;
  reason?: string;
}

/**
 * One moment of a schedule. Has the run made (`fireSchedule`, whoever of the workers does it), follows it to its end, and starts it again where it
 * failed and may be. Open as long as the run is, so that Temporal's overlap policies speak of runs. Asked to end, it asks the run.
 */
export async function startScheduledRun(input: ScheduledStart): Promise<ScheduledEnd> {
  const ends = new Map<string, RunStatus>();
  let isCalledOff = false;
  setHandler(runClosed, ({ run_id: runId, status }) => void ends.set(runId, status));
  CancellationScope.current().cancelRequested.catch(() => {
    isCalledOff = true;
  });
  const end = await CancellationScope.nonCancellable(() => follow(input, ends, () => isCalledOff));
  if (isCalledOff) throw new CancelledFailure("The moment was called off by the next one.");
  return end;
}

interface Following {
  input: ScheduledStart;
  moment: { scheduled_at: string; taken_at: string; attempt: number };
  ends: ReadonlyMap<string, RunStatus>;
  isCalledOff(): boolean;
}

async function follow(input: ScheduledStart, ends: ReadonlyMap<string, RunStatus>, isCalledOff: () => boolean): Promise<ScheduledEnd> {
  const { searchAttributes, startTime, workflowId } = workflowInfo();
  const call = {
    tenant_id: input.tenant_id,
    schedule_id: input.schedule_id,
    scheduled_at: input.followed?.scheduled_at ?? momentOf(searchAttributes["TemporalScheduledStartTime"], startTime).toISOString(),
    taken_at: input.followed?.taken_at ?? startTime.toISOString(),
    starter: workflowId.slice(workflowId.indexOf("/") + 1),
  };
  for (let attempt = input.followed?.attempt ?? 1; ; attempt++) {
    const fired = await fireSchedule({ ...call, attempt });
    if (fired.outcome === "refused") {
      setCurrentDetails(fired.reason);
      return fired;
    }
    setCurrentDetails(`Run ${fired.run_id}`);
    const outcome = await endOf(fired.run_id, { input, moment: { ...call, attempt }, ends, isCalledOff });
    const end = { outcome, run_id: fired.run_id };
    if ((outcome !== "failed" && outcome !== "timed_out") || attempt > fired.retries) return end;
    if (isCalledOff() || (await condition(isCalledOff, Math.max(1, fired.retry_delay_ms)))) return end;
  }
}

async function endOf(runId: string, { input, moment, ends, isCalledOff }: Following): Promise<RunStatus> {
  const before = input.followed?.run_id === runId ? input.followed : undefined;
  const tenant = { tenant_id: input.tenant_id };
  let isEnding = before?.is_ending ?? false;
  for (let looks = before?.number_of_looks ?? 0; ;) {
    if (isCalledOff() && !isEnding) {
      isEnding = true;
      await endScheduledRun({ ...tenant, run_id: runId, kind: input.on_cancel });
    }
    const told = ends.get(runId);
    if (told !== undefined) return told;
    const wait = Math.min(LONGEST_BETWEEN_LOOKS_MS, FIRST_LOOK_MS * 2 ** Math.min(looks, MOST_DOUBLINGS));
    if (await condition(() => ends.has(runId) || (isCalledOff() && !isEnding), wait)) continue;
    looks++;
    const status = await scheduledRunStatus({ ...tenant, run_id: runId });
    if (isClosed(status)) return status;
    if (workflowInfo().continueAsNewSuggested && !ends.has(runId) && !isCalledOff()) {
      const { scheduled_at, taken_at, attempt } = moment;
      await continueAsNew<typeof startScheduledRun>({
        ...input,
        followed: { scheduled_at, taken_at, attempt, run_id: runId, number_of_looks: looks, is_ending: isEnding },
      });
    }
  }
}

/** Temporal's search attribute; a workflow that no schedule started has none. */
function momentOf(attribute: unknown, otherwise: Date): Date {
  const [value] = Array.isArray(attribute) ? (attribute as unknown[]) : [];
  const at = value instanceof Date ? value : typeof value === "string" ? new Date(value) : undefined;
  return at === undefined || Number.isNaN(at.getTime()) ? otherwise : at;
}
