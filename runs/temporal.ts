import { type Client, type WorkflowHandle, WorkflowExecutionAlreadyStartedError, WorkflowNotFoundError } from "@temporalio/client";
import { PerdureError, type TenantId } from "#core";
import {
  CHILD_CLOSED_SIGNAL,
  type ChildClosed,
  COMMAND_UPDATE,
  type CommandEnvelope,
  RUN_GRAPH,
  type RunGraphArguments,
  type RunGraphResult,
  type RunSnapshot,
  SNAPSHOT_QUERY,
  temporalWorkflowId,
  type ToldFacts,
  FACTS_QUERY,
} from "#workflows/messages";
import { searchAttributesOf } from "#workflows/search-attributes";
import { endingOfFailure, endingOfResult, type Ending } from "./ending.ts";
import { runGraphInput, summaryOf } from "./run-input.ts";
import { grpcDetails, isRefusal, isSilence, unavailable } from "./temporal-errors.ts";
import type { QueuedStart } from "./types.ts";

/** Of one call that does not wait for the workflow. */
const CALL_TIMEOUT_MS = 5_000;
/** A snapshot needs a live worker, which may have to replay the run. */
const SNAPSHOT_TIMEOUT_MS = 2_000;

/** What we ask of Temporal about one run, in our words. Every call is bounded and throws `temporal.unavailable` when nothing answers. */
export interface TemporalRuns {
  /** Idempotent by the run's id. @throws PerdureError `run.not_started` or `request.too_large` when Temporal refuses it for good. */
  start(tenant: TenantId, runId: string, request: QueuedStart): Promise<void>;
  /** Waits until the run is closed; undefined when the signal says enough. `"unknown"`: Temporal has no such run. */
  end(tenant: TenantId, runId: string, signal: AbortSignal): Promise<Ending | "unknown" | undefined>;
  state(tenant: TenantId, runId: string): Promise<{ state: "open" } | { state: "unknown" } | { state: "closed"; at: Date }>;
  /** Undefined where no worker answers in time. */
  snapshot(tenant: TenantId, runId: string): Promise<RunSnapshot | undefined>;
  /** As `snapshot`, of the facts that nobody has confirmed to be in the log. */
  toldFacts(tenant: TenantId, runId: string, after: number): Promise<ToldFacts | undefined>;
  /** Of a `migrate`: by which version the run goes on; undefined where its worker does not say so. @throws the client's errors. */
  update(tenant: TenantId, runId: string, envelope: CommandEnvelope, timeoutMs: number): Promise<number | undefined>;
  cancel(tenant: TenantId, runId: string): Promise<void>;
  terminate(tenant: TenantId, runId: string, reason: string): Promise<void>;
  /** Ends what a parent that is gone has left behind. Harmless to repeat, and where it has ended. */
  endChild(tenant: TenantId, runId: string, how: "cancel" | "terminate", reason: string): Promise<void>;
  /** Tells a parent that its child has closed, for a child that could not say so itself. Harmless to repeat. */
  childClosed(tenant: TenantId, parentId: string, end: ChildClosed): Promise<void>;
}

export interface TemporalRunsSettings {
  taskQueue: string;
  heartbeatTimeoutMs: number;
  /** Whether a run's priority counts among the runs of all organizations: in Temporal it goes before fairness. */
  priorityScope: "installation" | "organization";
}

export function createTemporalRuns(client: Client, settings: TemporalRunsSettings): TemporalRuns {
  const handle = (tenant: TenantId, runId: string): WorkflowHandle<(...given: RunGraphArguments) => Promise<RunGraphResult>> =>
    client.workflow.getHandle(temporalWorkflowId(tenant, runId));
  const within = <T>(ms: number, call: () => Promise<T>): Promise<T> => client.connection.withDeadline(Date.now() + ms, call);

  return {
    async start(tenant, runId, request) {
      const input = runGraphInput(tenant, runId, request, settings.heartbeatTimeoutMs);
      const priority = settings.priorityScope === "installation" ? request.plan.settings.priority : undefined;
      try {
        await within(CALL_TIMEOUT_MS, () =>
          client.workflow.start(RUN_GRAPH, {
            workflowId: temporalWorkflowId(tenant, runId),
            taskQueue: settings.taskQueue,
            args: [input, request.plan],
            staticSummary: summaryOf(request),
            typedSearchAttributes: searchAttributesOf(input),
            workflowIdConflictPolicy: "USE_EXISTING",
            workflowIdReusePolicy: "REJECT_DUPLICATE",
            priority: { fairnessKey: tenant, ...(priority !== undefined && { priorityKey: priority }) },
          }),
        );
      } catch (error) {
        if (error instanceof WorkflowExecutionAlreadyStartedError) return;
        if (error instanceof PerdureError) throw error;
        throw refusalOf(error) ?? unavailable(error);
      }
    },

    async end(tenant, runId, signal) {
      try {
        const result = await client.connection.withAbortSignal(signal, () => handle(tenant, runId).result());
        return endingOfResult(result, new Date());
      } catch (error) {
        if (signal.aborted) return undefined;
        if (error instanceof WorkflowNotFoundError) return "unknown";
        const ending = endingOfFailure(error, new Date());
        if (ending) return ending;
        throw isSilence(error) ? unavailable(error) : error;
      }
    },

    async state(tenant, runId) {
      try {
        const { status, closeTime } = await within(CALL_TIMEOUT_MS, () => handle(tenant, runId).describe());
        return status.name === "RUNNING" || status.name === "CONTINUED_AS_NEW" || status.name === "PAUSED"
          ? { state: "open" }
          : { state: "closed", at: closeTime ?? new Date() };
      } catch (error) {
        if (error instanceof WorkflowNotFoundError) return { state: "unknown" };
        throw isSilence(error) ? unavailable(error) : error;
      }
    },

    async snapshot(tenant, runId) {
      try {
        return await within(SNAPSHOT_TIMEOUT_MS, () => handle(tenant, runId).query<RunSnapshot>(SNAPSHOT_QUERY));
      } catch {
        return undefined;
      }
    },

    async toldFacts(tenant, runId, after) {
      try {
        return await within(SNAPSHOT_TIMEOUT_MS, () => handle(tenant, runId).query<ToldFacts, [number]>(FACTS_QUERY, after));
      } catch {
        return undefined;
      }
    },

    update: (tenant, runId, envelope, timeoutMs) =>
      within(timeoutMs, () =>
        handle(tenant, runId).executeUpdate<number | undefined, [CommandEnvelope]>(COMMAND_UPDATE, { updateId: envelope.command_id, args: [envelope] }),
      ),
    async cancel(tenant, runId) {
      await within(CALL_TIMEOUT_MS, () => handle(tenant, runId).cancel());
    },
    async terminate(tenant, runId, reason) {
      await within(CALL_TIMEOUT_MS, () => handle(tenant, runId).terminate(reason));
    },
    async endChild(tenant, runId, how, reason) {
      try {
        await within(CALL_TIMEOUT_MS, () => (how === "cancel" ? handle(tenant, runId).cancel() : handle(tenant, runId).terminate(reason)));
      } catch (error) {
        if (!(error instanceof WorkflowNotFoundError)) throw isSilence(error) ? unavailable(error) : error;
      }
    },
    async childClosed(tenant, parentId, end) {
      try {
        await within(CALL_TIMEOUT_MS, () => handle(tenant, parentId).signal(CHILD_CLOSED_SIGNAL, end));
      } catch (error) {
        if (!(error instanceof WorkflowNotFoundError)) throw isSilence(error) ? unavailable(error) : error;
      }
    },
  };
}

function refusalOf(error: unknown): PerdureError | undefined {
  const details = grpcDetails(error);
  if (/size exceeds|larger than max|too large/i.test(details)) return tooLarge(error);
  return isRefusal(error) ? new PerdureError("run.not_started", "Temporal refused to start the run.", { cause: error, retryable: false }) : undefined;
}

function tooLarge(cause: unknown): PerdureError {
  return new PerdureError("request.too_large", "The graph and its inputs are larger than Temporal takes.", { cause });
}
