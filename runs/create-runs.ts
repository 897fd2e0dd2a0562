import type { Client } from "@temporalio/client";
import { isClosed, type JsonObject, PerdureError, type TenantId, uuidv7 } from "#core";
import type { CommandRow, Database } from "#db";
import { type Env, type Logger, logContext } from "#platform";
import { runSpanId, TRACING_OFF, type Tracing } from "#telemetry";
import { createAdmission, freesSlot } from "./admission.ts";
import { createClosing } from "./closing.ts";
import { createCommanding, type Delivery } from "./commanding.ts";
import { createSubRuns, type SubRuns } from "./sub-runs.ts";
import { createTemporalRuns } from "./temporal.ts";
import type { Run, Runs, StartRun } from "./types.ts";

/** A run that Temporal does not know may still be on its way there for so long. */
const START_IN_FLIGHT_MS = 10_000;
/** While Temporal is away, a waiter asks again after this. */
const ASK_AGAIN_MS = 250;
/** While a run is queued for a slot, a waiter asks again after this. */
const ASK_QUEUE_AGAIN_MS = 1_000;
const SCHEDULE = "schedule";
const GIVEN_UP = "The run had been given up as not started.";

export interface RunsOptions {
  db: Database;
  client: Client;
  env: Pick<
    Env,
    | "TEMPORAL_TASK_QUEUE"
    | "NODE_HEARTBEAT_TIMEOUT_MS"
    | "SUB_WORKFLOW_MAX_DEPTH"
    | "COMMAND_WAIT_MS"
    | "SWEEP_SILENT_MS"
    | "PRIORITY_SCOPE"
    | "RUNS_CONCURRENCY_LIMIT"
    | "ORGANIZATION_CONCURRENCY_LIMIT"
    | "ORGANIZATION_QUEUE_LIMIT"
    | "CONCURRENCY_WAITING_MS"
  >;
  logger: Logger;
  /** @default nothing is traced */
  tracing?: Pick<Tracing, "isOn" | "current" | "begin">;
  /** Called whenever this process has written the end of a run, or found it written. */
  onClosed?: (run: Run) => void;
}

/** `Runs`, and what the relay, the activities and the rounds of the queue need. */
export interface RunsService extends Runs {
  openChild: SubRuns["openChild"];
  deliver(row: CommandRow): Promise<Delivery>;
  serveQueue(isThorough: boolean): Promise<void>;
  adoptRuns(): Promise<void>;
}

export function createRuns({ db, client, env, logger, tracing = TRACING_OFF, onClosed }: RunsOptions): RunsService {
  const temporal = createTemporalRuns(client, {
    taskQueue: env.TEMPORAL_TASK_QUEUE,
    heartbeatTimeoutMs: env.NODE_HEARTBEAT_TIMEOUT_MS,
    priorityScope: env.PRIORITY_SCOPE,
  });
  const subRuns = createSubRuns({ db, heartbeatTimeoutMs: env.NODE_HEARTBEAT_TIMEOUT_MS, maxDepth: env.SUB_WORKFLOW_MAX_DEPTH });
  const admission = createAdmission({ db, temporal, env, logger, refused: (tenant, runId, { message }) => closeNotStarted(tenant, runId, message, false) });
  const closing = createClosing({ db, temporal, reconcile: settleLater, onClosed: ended });

  function ended(run: Run): void {
    if (freesSlot(run)) serve();
    if (run.trigger === SCHEDULE && run.status !== "completed") tellStarter(run);
    onClosed?.(run);
  }

  /** What ended without a word of its own (terminated, refused, withdrawn from the queue) is told here. A word that is lost, the starter asks for some time. */
  function tellStarter({ tenantId: tenant, id, status }: Run): void {
    void db.schedules
      .starterOf(tenant, id)
      .then((starter) => (starter === undefined ? undefined : temporal.childClosed(tenant, starter, { run_id: id, status })))
      .catch((error: unknown) => logger.warn({ err: error, run_id: id }, "who waits for a run of a schedule was not told of its end"));
  }

  function settleLater(tenant: TenantId, runId: string): void {
    void runs
      .reconcile(tenant, runId)
      .catch((error: unknown) => logger.warn({ err: error, run_id: runId }, "the end of a child run was not written; the sweeper will"));
  }

  function serve(): void {
    admission.serve().catch((error: unknown) => logger.warn({ err: error }, "the queue of runs was not served; the next round will"));
  }

  /** `retryable`: nothing of it has happened, so the same idempotency key begins it anew. */
  async function closeNotStarted(tenant: TenantId, runId: string, message: string, retryable: boolean): Promise<Run> {
    const run = await db.runs.close(tenant, runId, { status: "failed", error: { code: "run.not_started", message, retryable }, at: new Date() });
    ended(run);
    return run;
  }

  /** As they stand now; a retry, fork or replay goes on with those of the run before. */
  async function variablesOf(tenant: TenantId, { workflowId, variables, forkedFrom }: StartRun, known?: { variables: JsonObject }): Promise<JsonObject> {
    return forkedFrom === undefined ? { ...(known?.variables ?? (await db.variables.forRun(tenant, workflowId))), ...variables } : variables;
  }

  async function markStarted(tenant: TenantId, runId: string): Promise<void> {
    await db.runs
      .markStarted(tenant, runId)
      .catch((error: unknown) => logger.warn({ err: error, run_id: runId }, "the start of a run was not noted; the sweeper will"));
  }

  /** A start that took long, or came again, may find that the sweeper has given the run up: it must not run unseen. */
  async function callBackIfGivenUp(tenant: TenantId, runId: string): Promise<void> {
    const run = await db.runs.get(tenant, runId);
    if (run?.error?.code !== "run.not_started") return;
    await temporal
      .terminate(tenant, runId, GIVEN_UP)
      .catch((error: unknown) => logger.warn({ err: error, run_id: runId }, "a run that had been given up was not called back"));
    throw new PerdureError("temporal.unavailable", "The run was not started in time.", { retryAfterMs: 1_000 });
  }

  /** What asks for the run, so that its logs and its trace can be put together with it. */
  function originOf(runId: string): Pick<StartRun, "traceparent" | "correlationId"> {
    const correlationId = logContext()?.["correlation_id"];
    return {
      ...(correlationId !== undefined && { correlationId }),
      ...(tracing.isOn && { traceparent: tracing.current() ?? tracing.begin(runSpanId(runId)) }),
    };
  }

  const runs: Runs = {
    async start(tenant, request, known) {
      const askedAt = Date.now();
      const [subVersions, variables] = await Promise.all([subRuns.pinnedVersions(tenant, request.plan), variablesOf(tenant, request, known)]);
      const id = uuidv7();
      const begun: StartRun = { ...request, ...originOf(id), variables, ...(Object.keys(subVersions).length > 0 && { subVersions }) };
      const { run, created, limited } = await db.runs.insert(tenant, id, begun, admission.termsOf(begun));
      if (run.status !== "queued") return { run, created };
      const asked = created ? begun : { ...begun, variables: (await db.runs.origin(tenant, run.id))?.variables ?? variables };
      if (limited) return { run: await admission.enter(tenant, run, asked), created };
      try {
        await temporal.start(tenant, run.id, asked);
        if (asked.delivery) await db.admission.started(tenant, run.id);
      } catch (error) {
        const isFinal = error instanceof PerdureError && !error.retryable;
        if (isFinal) await closeNotStarted(tenant, run.id, error.message, false);
        else if (asked.delivery) {
          logger.warn({ err: error, run_id: run.id }, "a webhook's run was not started, or its start not noted; the rounds of the queue will");
          return { run, created };
        }
        throw error;
      }
      if (asked.delivery) return { run, created };
      if (Date.now() - Math.min(askedAt, run.createdAt.getTime()) >= START_IN_FLIGHT_MS / 2) await callBackIfGivenUp(tenant, run.id);
      return { run, created };
    },

    async waitForEnd(tenant, runId, timeoutMs, signal) {
      const over = AbortSignal.any([AbortSignal.timeout(Math.max(1, timeoutMs)), ...(signal ? [signal] : [])]);
      while (!over.aborted) {
        try {
          const ending = await temporal.end(tenant, runId, over);
          if (ending === undefined) break;
          const run = await (ending === "unknown" ? runs.reconcile(tenant, runId) : closing.close(tenant, runId, ending));
          if (isClosed(run.status)) return run;
          if (run.slot?.state === "queued") await admission.started(runId, AbortSignal.any([over, AbortSignal.timeout(ASK_QUEUE_AGAIN_MS)]));
        } catch (error) {
          if (!(error instanceof PerdureError && error.retryable)) throw error;
        }
        await pause(ASK_AGAIN_MS, over);
      }
      return found(await db.runs.get(tenant, runId));
    },

    command: (tenant, runId, command, by, timeoutMs, call) => commanding.command(tenant, runId, command, by, timeoutMs, call),

    async refresh(tenant, runId) {
      const run = await runs.reconcile(tenant, runId);
      if (isClosed(run.status)) return run;
      await closing.gatherOpen(tenant, runId);
      return found(await db.runs.get(tenant, runId));
    },

    async reconcile(tenant, runId) {
      const { run, started, silentMs } = found(await db.runs.standing(tenant, runId));
      if (isClosed(run.status) || run.slot?.state === "queued") return run;
      const known = await temporal.state(tenant, runId);
      if (known.state === "unknown") {
        // After a restore a parent comes again to where it starts the child.
        if (started && (await mayStillBegin(tenant, run))) return run;
        if (started) return closeNotStarted(tenant, runId, "Temporal no longer knows this run.", false);
        // It is started again, and again, by the rounds of the queue.
        if (run.slot !== null) return run;
        if (Date.now() - run.createdAt.getTime() < START_IN_FLIGHT_MS || (await mayStillBegin(tenant, run))) return run;
        const closed = await closeNotStarted(tenant, runId, "The run was stored, but Temporal never took it.", true);
        if ((await temporal.state(tenant, runId)).state === "open") await temporal.terminate(tenant, runId, GIVEN_UP);
        return closed;
      }
      if (!started) await markStarted(tenant, runId);
      if (known.state === "open") {
        if (silentMs < env.SWEEP_SILENT_MS) return run;
        await closing.repairOpen(tenant, runId);
        return found(await db.runs.get(tenant, runId));
      }
      const ending = await temporal.end(tenant, runId, AbortSignal.timeout(START_IN_FLIGHT_MS));
      return ending === undefined || ending === "unknown" ? run : closing.close(tenant, runId, { ...ending, at: known.at });
    },
  };

  /** What a workflow starts (a parent its child, a schedule's moment its run) it may start yet, however long it has had no worker. Asked of it first: it may do so meanwhile, and end. */
  async function mayStillBegin(tenant: TenantId, { id, parentId, trigger }: Run): Promise<boolean> {
    const starter = parentId ?? (trigger === SCHEDULE ? await db.schedules.pendingStarterOf(tenant, id) : undefined);
    if (starter === undefined) return false;
    return (await temporal.state(tenant, starter)).state === "open" || (await temporal.state(tenant, id)).state !== "unknown";
  }

  const commanding = createCommanding({ db, temporal, runs, serve, waitMs: env.COMMAND_WAIT_MS, logger });
  return {
    ...runs,
    openChild: (call) => subRuns.openChild(call),
    deliver: (row) => commanding.deliver(row),
    serveQueue: (isThorough) => (isThorough ? admission.serveThoroughly() : admission.serve()),
    adoptRuns: () => admission.adopt(),
  };
}

function found<T>(value: T | undefined): T {
  if (value === undefined) throw new PerdureError("resource.not_found", "There is no such run.");
  return value;
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    signal.addEventListener("abort", end, { once: true });
    if (signal.aborted) end();
  });
}
