import {
  ActivityCancellationType,
  ActivityFailure,
  ApplicationFailure,
  CancellationScope,
  CancelledFailure,
  type CancellationScopeOptions,
  condition,
  allHandlersFinished,
  continueAsNew,
  defineQuery,
  defineSignal,
  defineUpdate,
  getExternalWorkflowHandle,
  isCancellation,
  patched,
  proxyActivities,
  proxyLocalActivities,
  proxySinks,
  setCurrentDetails,
  setHandler,
  sleep,
  startChild,
  TimeoutFailure,
  uuid4,
  workflowInfo,
} from "@temporalio/workflow";
import { type FailureValue, isObject, PerdureError, toFailureValue } from "#core";
import type { Plan, Step } from "#graph";
import { inlineDefinition } from "./inline.ts";
import { Cancelled, type Cancellable, type Host, StepFailed } from "./interpreter/host.ts";
import { Interpreter } from "./interpreter/interpreter.ts";
import type { Cursor } from "./interpreter/cursor.ts";
import type { Outcome } from "./interpreter/outcome.ts";
import {
  type Activities,
  CHILD_CLOSED_SIGNAL,
  type ChildClosed,
  type Command,
  COMMAND_UPDATE,
  type CommandEnvelope,
  type EventSinks,
  FACTS_QUERY,
  PARENT_SIGNAL,
  type RunGraphArguments,
  type RunGraphFailure,
  type RunGraphInput,
  type RunGraphResult,
  type RunSnapshot,
  SNAPSHOT_QUERY,
  subVersionKey,
  temporalWorkflowId,
  type ToldFacts,
} from "./messages.ts";
import { inTurn } from "./one-by-one.ts";
import { searchAttributesOf } from "./search-attributes.ts";

/** Below the server's own suggestion (4,096 events, 4 MiB), so that a burst of nodes still fits. */
const FULL_AT_EVENTS = 4_000;
const FULL_AT_BYTES = 2 * 1024 * 1024;
/** What a cursor takes along travels beside Temporal; this keeps the work of one workflow task within the 5 s it may take. */
const ARGUMENTS_MAX_BYTES = 128 * 1024 * 1024;
/** The server delays a continue-as-new of a run younger than this by a second (`history.workflowIdReuseMinimalInterval`). */
const NEVER_FULL_BEFORE_MS = 1_000;
/** Beyond the attempt's own time-out, which the activity keeps itself: only a worker that hangs reaches this. */
const ATTEMPT_GRACE_MS = 10_000;
/** A local activity that is tried again later than this waits by a timer of the workflow, which ends with a cancel at once. */
const RETRIED_IN_MEMORY = "1s";
/** Summaries may be 400 bytes when they are sealed; characters may be four. */
const SUMMARY_CHARACTERS = 80;
const DETAILS_CHARACTERS = 4_000;
const ASK_CANCEL_WITHIN = "30s";
/** Two weeks: a wait event is confirmed until Postgres is back. */
const CONFIRM_DEADLINE_MS = 14 * 864e5;

/** The result: of a `migrate` by which version the run goes on. */
export const commandUpdate = defineUpdate<number | undefined, [CommandEnvelope]>(COMMAND_UPDATE);
export const snapshotQuery = defineQuery<RunSnapshot>(SNAPSHOT_QUERY);
export const factsQuery = defineQuery<ToldFacts, [number]>(FACTS_QUERY);
export const childClosedSignal = defineSignal<[ChildClosed]>(CHILD_CLOSED_SIGNAL);
export const parentSignal = defineSignal<["pause" | "resume"]>(PARENT_SIGNAL);

const { events } = proxySinks<{ events: EventSinks["events"] }>();

/**
 * Runs any stored graph (A3). Replayed: every change of the order of its commands needs `patched` or a new `plan.format_version`.
 * Ends as Temporal's own completed, failed (with `RunGraphFailure` as details) or cancelled.
 */
export async function runGraph(given: RunGraphArguments[0], plan?: RunGraphArguments[1]): Promise<RunGraphResult> {
  const input: RunGraphInput = { ...given, plan: (plan ?? given.plan) as Plan };
  const host = temporalHost(input);
  let interpreter: Interpreter;
  let tellLinkEnd: (outcome: Outcome) => void = () => undefined;
  const linkEnd = new Promise<Outcome>((resolve) => {
    tellLinkEnd = resolve;
  });
  /** Answers who waits for a move that another one comes before. */
  let replaceMove: () => void = () => undefined;
  try {
    interpreter = interpreterOf(input, host);
  } catch (error) {
    return finish(defect(error), input, host);
  }
  const check = (command: Command): void => {
    const refusal = interpreter.refuse(command);
    if (refusal) throw toApplicationFailure(refusal.toValue(), [...refusal.findings]);
  };
  setHandler(snapshotQuery, () => interpreter.snapshot());
  setHandler(factsQuery, (after) => interpreter.toldFacts(after));
  setHandler(
    commandUpdate,
    async ({ command, command_id: id }) => {
      const arrived = interpreter.expect();
      await inTurn(Promise.resolve());
      arrived();
      const version = command.kind === "migrate" ? (input.version ?? undefined) : undefined;
      if (interpreter.hasApplied(id)) return version;
      // What came with it may have changed what the validator saw.
      check(command);
      interpreter.apply(command);
      interpreter.rememberApplied(id);
      if (command.kind !== "migrate" || !host.isPatched("moves-are-awaited")) return undefined;
      // Temporal takes ten open updates of a workflow: one that waits must not keep out what would free the run.
      replaceMove();
      const replaced = new Promise<undefined>((resolve) => {
        replaceMove = () => resolve(undefined);
      });
      // Only what is under way may still end the run, or another move come before it.
      const end = await Promise.race([linkEnd, replaced]);
      if (end?.kind === "continue" && end.moved?.version === command.version) return command.version;
      interpreter.forgetApplied(id);
      const isReplaced = end === undefined || (end.kind === "continue" && end.moved !== undefined);
      const why = isReplaced ? "Another version was asked for meanwhile." : "The run ended before it could go on by that version.";
      throw toApplicationFailure(new PerdureError(isReplaced ? "run.state" : "run.closed", why).toValue(), []);
    },
    {
      validator({ command, command_id: id }) {
        if (!interpreter.hasApplied(id)) check(command);
      },
    },
  );
  setHandler(childClosedSignal, (end) => interpreter.childClosed(end));
  setHandler(parentSignal, (what) => interpreter.parentSays(what));
  CancellationScope.current().cancelRequested.catch(() => interpreter.cancel());
  const outcome = await CancellationScope.nonCancellable(() => settle(interpreter, tellLinkEnd));
  return finish(outcome, input, host);
}

function interpreterOf(input: RunGraphInput, host: Host): Interpreter {
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
    ...(input.recorded_only && { recordedOnly: true }),
    host,
    inline: inlineDefinition,
    ...(input.cursor !== undefined && { cursor: input.cursor as Cursor }),
  });
}

/** `tellEnd`: told before the handlers are waited for. */
async function settle(interpreter: Interpreter, tellEnd: (outcome: Outcome) => void): Promise<Outcome> {
  let outcome: Outcome;
  try {
    outcome = await interpreter.run();
  } catch (error) {
    outcome = defect(error);
  }
  tellEnd(outcome);
  await condition(allHandlersFinished);
  return outcome;
}

/** A defect of ours must end the run where it can be seen, not block it for ever. */
function defect(error: unknown): Outcome {
  return { kind: "failed", error: { ...toFailureValue(error), code: "internal", retryable: false }, counts: {} };
}

async function finish(outcome: Outcome, input: RunGraphInput, { isPatched }: Pick<Host, "isPatched">): Promise<RunGraphResult> {
  if (outcome.kind !== "continue") {
    if (input.parent) await tellParent(input.tenant_id, input.parent.run_id, closedOf(outcome, input.run_id));
    events.ending(input.tenant_id, input.run_id);
  }
  const by = input.has_moved && input.version !== null ? { version: input.version } : {};
  switch (outcome.kind) {
    case "completed":
      return { status: "completed", outputs: outcome.outputs, counts: outcome.counts, ...by };
    case "continue": {
      const { plan, ...rest } = { ...input, ...(outcome.moved && { ...outcome.moved, has_moved: true as const }) };
      return continueAsNew<typeof runGraph>({ ...rest, cursor: outcome.cursor }, plan);
    }
    case "cancelled":
      if (!CancellationScope.current().consideredCancelled && isPatched("later-links-end-as-cancelled")) await askToBeCancelled();
      throw new CancelledFailure("The run was cancelled.");
    case "failed": {
      const details: RunGraphFailure = { error: outcome.error, counts: outcome.counts, ...by };
      throw toApplicationFailure(outcome.error, details);
    }
  }
}

function closedOf(outcome: Exclude<Outcome, { kind: "continue" }>, runId: string): ChildClosed {
  switch (outcome.kind) {
    case "completed":
      return { run_id: runId, status: "completed", outputs: outcome.outputs };
    case "cancelled":
      return { run_id: runId, status: "cancelled" };
    case "failed":
      return { run_id: runId, status: outcome.error.code === "run.timed_out" ? "timed_out" : "failed", error: outcome.error };
  }
}

/**
 * Temporal lets a workflow end as cancelled that was asked to in this very link, and fails any other; the cancel came in an earlier one. A workflow cannot ask
 * itself. Where nobody can ask either, it ends as failed by a cancellation, which closes the run as cancelled all the same.
 */
async function askToBeCancelled(): Promise<void> {
  const asked = CancellationScope.current();
  const local = proxyLocalActivities<Activities>({ startToCloseTimeout: "5s", scheduleToCloseTimeout: ASK_CANCEL_WITHIN });
  await CancellationScope.nonCancellable(async () => {
    await local.askToBeCancelled();
    await condition(() => asked.consideredCancelled, ASK_CANCEL_WITHIN);
  }).catch(() => undefined);
}

/** A parent that is gone needs no word. */
async function tellParent(tenantId: string, runId: string, end: ChildClosed): Promise<void> {
  const parent = getExternalWorkflowHandle(temporalWorkflowId(tenantId, runId));
  await CancellationScope.nonCancellable(() => parent.signal(childClosedSignal, end)).catch(() => undefined);
}

function temporalHost(input: RunGraphInput): Host {
  const info = workflowInfo();
  const markers = markersToCome();
  const heartbeatTimeout = input.heartbeat_timeout_ms;
  const local = proxyLocalActivities<Activities>({
    startToCloseTimeout: "30s",
    scheduleToCloseTimeout: CONFIRM_DEADLINE_MS,
    retry: { maximumInterval: "30s" },
    localRetryThreshold: RETRIED_IN_MEMORY,
  });
  const { traceparent, correlation_id } = input;
  const origin = { ...(traceparent !== undefined && { traceparent }), ...(correlation_id !== undefined && { correlation_id }) };
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
          // What a call that is given up has done must be known before it is undone.
          cancellationType: ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
        };
        if (step.local) markers.add();
        const { runNode } = step.local
          ? proxyLocalActivities<Activities>({ ...shared, localRetryThreshold: RETRIED_IN_MEMORY })
          : proxyActivities<Activities>({ ...shared, heartbeatTimeout });
        const asked = { ...call, ...origin };
        return runNode(asked).catch((error: unknown) => {
          throw toStepError(error);
        });
      }),
    timer: (ms, summary) => inScope({ cancellable: true }, () => sleep(Math.max(1, ms), { summary: summary.slice(0, SUMMARY_CHARACTERS) })),
    openChild: (step, { iteration, ...child }) => {
      const runId = uuid4();
      const parent = { run_id: input.run_id, node_id: step.id, iteration, depth: (input.parent?.depth ?? 0) + 1 };
      return CancellationScope.nonCancellable(async () => {
        try {
          const version = typeof child.version === "number" ? child.version : input.sub_versions?.[subVersionKey(child.workflow_id, child.version)];
          const opened = await local.openChild({
            ...child,
            ...origin,
            ...(version !== undefined && { version }),
            run_id: runId,
            tenant_id: input.tenant_id,
            parent,
          });
          await startChild(runGraph, {
            workflowId: temporalWorkflowId(input.tenant_id, runId),
            args: [opened.input, opened.plan],
            parentClosePolicy: "ABANDON",
            staticSummary: opened.summary,
            typedSearchAttributes: searchAttributesOf(opened.input),
          });
          return runId;
        } catch (error) {
          throw toStepError(error);
        }
      });
    },
    tellChild(runId, what) {
      const child = getExternalWorkflowHandle(temporalWorkflowId(input.tenant_id, runId));
      const told = CancellationScope.nonCancellable(() => (what === "cancel" ? child.cancel() : child.signal(parentSignal, what)));
      // It may have closed meanwhile; then its own word is on its way.
      told.catch(() => undefined);
    },
    receiptsOf: (nodes) => CancellationScope.nonCancellable(() => local.receiptsOf({ tenant_id: input.tenant_id, run_id: input.run_id, nodes })),
    record: (facts) => events.record(input.tenant_id, facts),
    confirm: (facts) =>
      inScope({ cancellable: true }, () => {
        markers.add();
        return local.recordFacts({ tenant_id: input.tenant_id, events: facts });
      }),
    breathe: () => sleep(1),
    isFull() {
      const { continueAsNewSuggested, historyLength, historySize } = workflowInfo();
      return (
        (continueAsNewSuggested || historyLength + markers.count() >= FULL_AT_EVENTS || historySize >= FULL_AT_BYTES) &&
        Date.now() - info.runStartTime.getTime() >= NEVER_FULL_BEFORE_MS
      );
    },
    fits: (cursor) => fits({ ...input, cursor }),
    isPatched: (change) => patched(change),
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

/**
 * Local activities of the workflow task that is under way: each will be one event, but the history shows none of them before the task ends, which
 * may be thousands later.
 */
function markersToCome(): { add(): void; count(): number } {
  let told = 0;
  let begun = 0;
  const count = (): number => {
    const { historyLength } = workflowInfo();
    if (historyLength !== told) begun = 0;
    told = historyLength;
    return begun;
  };
  return {
    add: () => {
      begun = count() + 1;
    },
    count,
  };
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
