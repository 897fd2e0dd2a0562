import {
  ActivityFailure,
  ApplicationFailure,
  CancellationScope,
  CancelledFailure,
  type CancellationScopeOptions,
  condition,
  allHandlersFinished,
  continueAsNew,
  defineQuery,
  defineUpdate,
  isCancellation,
  proxyActivities,
  proxyLocalActivities,
  proxySinks,
  setCurrentDetails,
  setHandler,
  sleep,
  TimeoutFailure,
  workflowInfo,
} from "@temporalio/workflow";
import { type FailureValue, isObject, toFailureValue } from "#core";
import type { Plan, Step } from "#graph";
import { inlineDefinition } from "./inline.ts";
import { Cancelled, type Cancellable, type Host, StepFailed } from "./interpreter/host.ts";
import { Interpreter } from "./interpreter/interpreter.ts";
import type { Cursor } from "./interpreter/cursor.ts";
import type { Outcome } from "./interpreter/outcome.ts";
import {
  type Activities,
  COMMAND_UPDATE,
  type CommandEnvelope,
  type EventSinks,
  FACTS_QUERY,
  type RunGraphArguments,
  type RunGraphFailure,
  type RunGraphInput,
  type RunGraphResult,
  type RunSnapshot,
  SNAPSHOT_QUERY,
  type ToldFacts,
} from "./messages.ts";

/** Below the server's own suggestion (4,096 events, 4 MiB), so that a burst of nodes still fits. */
const FULL_AT_EVENTS = 4_000;
const FULL_AT_BYTES = 2 * 1024 * 1024;
/** What a cursor takes along travels beside Temporal; this keeps the work of one workflow task within the 5 s it may take. */
const ARGUMENTS_MAX_BYTES = 128 * 1024 * 1024;
/** The server delays a continue-as-new of a run younger than this by a second (`history.workflowIdReuseMinimalInterval`). */
const NEVER_FULL_BEFORE_MS = 1_000;
/** Beyond the attempt's own time-out, which the activity keeps itself: only a worker that hangs reaches this. */
const ATTEMPT_GRACE_MS = 10_000;
/** Summaries may be 400 bytes when they are sealed; characters may be four. */
const SUMMARY_CHARACTERS = 80;
const DETAILS_CHARACTERS = 4_000;
/** Two weeks: a wait event is confirmed until Postgres is back. */
const CONFIRM_DEADLINE_MS = 14 * 864e5;

export const commandUpdate = defineUpdate<void, [CommandEnvelope]>(COMMAND_UPDATE);
export const snapshotQuery = defineQuery<RunSnapshot>(SNAPSHOT_QUERY);
export const factsQuery = defineQuery<ToldFacts, [number]>(FACTS_QUERY);

const { events } = proxySinks<{ events: EventSinks["events"] }>();

/**
 * Runs any stored graph (A3). Replayed: every change of the order of its commands needs `patched` or a new `plan.format_version`.
 * Ends as Temporal's own completed, failed (with `RunGraphFailure` as details) or cancelled.
 */
export async function runGraph(given: RunGraphArguments[0], plan?: RunGraphArguments[1]): Promise<RunGraphResult> {
  const input: RunGraphInput = { ...given, plan: (plan ?? given.plan) as Plan };
  let interpreter: Interpreter;
  try {
    interpreter = interpreterOf(input);
  } catch (error) {
    return finish(defect(error), input);
  }
  setHandler(snapshotQuery, () => interpreter.snapshot());
  setHandler(factsQuery, (after) => interpreter.toldFacts(after));
  setHandler(commandUpdate, ({ command }) => interpreter.apply(command), {
    validator: ({ command }) => {
      const refusal = interpreter.refuse(command);
      if (refusal) throw toApplicationFailure(refusal.toValue(), [...refusal.findings]);
    },
  });
  CancellationScope.current().cancelRequested.catch(() => interpreter.cancel());
  const outcome = await CancellationScope.nonCancellable(() => settle(interpreter));
  return finish(outcome, input);
}

function interpreterOf(input: RunGraphInput): Interpreter {
  return new Interpreter({
    plan: input.plan,
    identity: {
      runId: input.run_id,
      tenantId: input.tenant_id,
      run: {
        id: input.run_id,
        workflow_id: input.workflow_id,
        workflow_name: input.workflow_name,
        version: input.version,
        trigger: input.trigger,
        started_at: new Date((input.cursor as Cursor | undefined)?.startedAt ?? Date.now()).toISOString(),
      },
    },
    inputs: input.inputs,
    variables: input.variables,
    entries: input.entries,
    ...(input.given && { given: input.given }),
    host: temporalHost(input),
    inline: inlineDefinition,
    ...(input.cursor !== undefined && { cursor: input.cursor as Cursor }),
  });
}

async function settle(interpreter: Interpreter): Promise<Outcome> {
  let outcome: Outcome;
  try {
    outcome = await interpreter.run();
  } catch (error) {
    outcome = defect(error);
  }
  await condition(allHandlersFinished);
  return outcome;
}

/** A defect of ours must end the run where it can be seen, not block it for ever. */
function defect(error: unknown): Outcome {
  return { kind: "failed", error: { ...toFailureValue(error), code: "internal", retryable: false }, counts: {} };
}

async function finish(outcome: Outcome, input: RunGraphInput): Promise<RunGraphResult> {
  if (outcome.kind !== "continue") events.ending(input.tenant_id, input.run_id);
  switch (outcome.kind) {
    case "completed":
      return { status: "completed", outputs: outcome.outputs, counts: outcome.counts };
    case "continue": {
      const { plan, ...rest } = input;
      return continueAsNew<typeof runGraph>({ ...rest, cursor: outcome.cursor }, plan);
    }
    case "cancelled":
      throw new CancelledFailure("The run was cancelled.");
    case "failed": {
      const details: RunGraphFailure = { error: outcome.error, counts: outcome.counts };
      throw toApplicationFailure(outcome.error, details);
    }
  }
}

function temporalHost(input: RunGraphInput): Host {
  const info = workflowInfo();
  const heartbeatTimeout = input.heartbeat_timeout_ms;
  const local = proxyLocalActivities<Activities>({
    startToCloseTimeout: "30s",
    scheduleToCloseTimeout: CONFIRM_DEADLINE_MS,
    retry: { maximumInterval: "30s" },
  });
  return {
    now: () => Date.now(),
    runNode: (step, call) =>
      inScope({ cancellable: true }, () => {
        const shared = {
          startToCloseTimeout: Math.min(call.policy.timeout_ms + ATTEMPT_GRACE_MS, call.policy.deadline_ms),
          scheduleToCloseTimeout: call.policy.deadline_ms,
          summary: summaryOf(step),
          retry: {
            initialInterval: call.policy.initial_interval_ms,
            backoffCoefficient: call.policy.backoff_coefficient,
            maximumInterval: Math.max(call.policy.maximum_interval_ms, call.policy.initial_interval_ms),
          },
        };
        const { runNode } = step.local ? proxyLocalActivities<Activities>(shared) : proxyActivities<Activities>({ ...shared, heartbeatTimeout });
        return runNode(call).catch((error: unknown) => {
          throw toStepError(error);
        });
      }),
    timer: (ms, summary) => inScope({ cancellable: true }, () => sleep(Math.max(1, ms), { summary: summary.slice(0, SUMMARY_CHARACTERS) })),
    record: (facts) => events.record(input.tenant_id, facts),
    confirm: (facts) => inScope({ cancellable: true }, () => local.recordFacts({ tenant_id: input.tenant_id, events: facts })),
    breathe: () => sleep(1),
    isFull() {
      const { continueAsNewSuggested, historyLength, historySize } = workflowInfo();
      return (
        (continueAsNewSuggested || historyLength >= FULL_AT_EVENTS || historySize >= FULL_AT_BYTES) &&
        Date.now() - info.runStartTime.getTime() >= NEVER_FULL_BEFORE_MS
      );
    },
    fits: (cursor) => fits({ ...input, cursor }),
    describe: (text) => setCurrentDetails(text.slice(0, DETAILS_CHARACTERS)),
  };
}

function fits(input: RunGraphInput): boolean {
  try {
    return new TextEncoder().encode(JSON.stringify(input)).length < ARGUMENTS_MAX_BYTES;
  } catch {
    // Longer than any text can be.
    return false;
  }
}

function inScope<T>(options: CancellationScopeOptions, begin: () => Promise<T>): Cancellable<T> {
  const scope = new CancellationScope(options);
  return { promise: scope.run(begin), cancel: () => scope.cancel() };
}

/** What the Temporal Web UI lists for the node. */
function summaryOf(step: Step): string {
  return `${step.name} (${step.type})`.slice(0, SUMMARY_CHARACTERS);
}

function toStepError(error: unknown): Error {
  if (isCancellation(error)) return new Cancelled();
  const cause = error instanceof ActivityFailure ? error.cause : error;
  if (cause instanceof ApplicationFailure) {
    const [value, log] = cause.details ?? [];
    const told = isObject(log) && log["told"] === true;
    if (isObject(value) && typeof value["code"] === "string") return new StepFailed(value as unknown as FailureValue, told);
  }
  if (cause instanceof TimeoutFailure)
    return new StepFailed({ code: "node.timed_out", message: "The node did not finish before its deadline.", retryable: false }, false);
  return new StepFailed(toFailureValue(cause), false);
}

function toApplicationFailure(error: FailureValue, details: unknown): ApplicationFailure {
  return ApplicationFailure.create({ message: error.message, type: error.code, nonRetryable: true, details: [details] });
}
