import { eventKey, isClosed, PerdureError, type TenantId } from "#core";
import type { AdmissionTerms, ConcurrencyLimits, Database } from "#db";
import { evaluate } from "#graph/runtime";
import type { Env, Logger } from "#platform";
import type { TemporalRuns } from "./temporal.ts";
import type { QueuedStart, Run, StartRun } from "./types.ts";

/** Slots given away in one go; more come in the next. */
const AT_MOST = 50;
/** A run that was given its slot so long ago, and that nobody has noted as started, is started again. */
const START_AGAIN_MS = 10_000;
const DEFAULT_PRIORITY = 3;
/** A concurrency key is cut to this. */
const KEY_CHARACTERS = 200;

export interface AdmissionOptions {
  db: Pick<Database, "admission" | "runs" | "log">;
  temporal: Pick<TemporalRuns, "start">;
  env: Pick<Env, "RUNS_CONCURRENCY_LIMIT" | "ORGANIZATION_CONCURRENCY_LIMIT" | "ORGANIZATION_QUEUE_LIMIT" | "CONCURRENCY_WAITING_MS">;
  logger: Logger;
  /** Temporal refuses the run for good. */
  refused(tenant: TenantId, runId: string, error: PerdureError): Promise<unknown>;
}

export interface RunAdmission {
  /** @throws PerdureError `template.missing`, `expression.failed` where the concurrency key cannot be made. */
  termsOf(request: StartRun): AdmissionTerms | undefined;
  /** Puts a limited run in the queue (again), lets it start if it is its turn, and returns it as it stands then. */
  enter(tenant: TenantId, run: Run, request: StartRun): Promise<Run>;
  /** Gives free slots away and starts who was given one. Calls that come meanwhile share the next time. */
  serve(): Promise<void>;
  /** As `serve`, and reads the whole queue for what crashes may have left behind. */
  serveThoroughly(): Promise<void>;
  /** Resolves when this process has started the run, or the signal is aborted. */
  started(runId: string, over: AbortSignal): Promise<void>;
  /** Counts what is open already, where the operator's settings limit runs. */
  adopt(): Promise<void>;
}

/** Which runs start now and which are queued: decided in Postgres, under one lock, by whoever comes first (docs/decisions/010). */
export function createAdmission({ db, temporal, env, logger, refused }: AdmissionOptions): RunAdmission {
  const limits: ConcurrencyLimits = {
    installation: env.RUNS_CONCURRENCY_LIMIT,
    organization: env.ORGANIZATION_CONCURRENCY_LIMIT,
    waitingMs: env.CONCURRENCY_WAITING_MS,
  };
  const isLimited = limits.installation !== undefined || limits.organization !== undefined;
  const starting = new Map<string, Promise<void>>();
  const waiting = new Map<string, Set<() => void>>();
  let current: Promise<void> | undefined;
  let following: Promise<void> | undefined;

  async function start(tenant: TenantId, runId: string, request: QueuedStart): Promise<void> {
    try {
      await temporal.start(tenant, runId, request);
      await db.admission.started(tenant, runId);
    } catch (error) {
      const isFinal = error instanceof PerdureError && !error.retryable;
      if (isFinal) await refused(tenant, runId, error).catch((cause: unknown) => logger.warn({ err: cause, run_id: runId }, "a refused run was not closed"));
      else logger.warn({ err: error, run_id: runId }, "a queued run was not started, or its start not noted; it will be tried again");
    } finally {
      for (const wake of waiting.get(runId) ?? []) wake();
    }
  }

  async function give(isThorough: boolean): Promise<void> {
    for (let given = AT_MOST; given >= AT_MOST;) {
      const admitted = await db.admission.admit(limits, START_AGAIN_MS, AT_MOST, isThorough);
      for (const { tenantId, runId, request } of admitted) {
        const started = start(tenantId, runId, request).finally(() => starting.delete(runId));
        starting.set(runId, started);
      }
      given = admitted.length;
    }
  }

  function serve(): Promise<void> {
    if (current) {
      return (following ??= current
        .catch(() => undefined)
        .then(() => {
          following = undefined;
          return serve();
        }));
    }
    current = give(false).finally(() => {
      current = undefined;
    });
    return current;
  }

  /** Tells the log of a run that was not let in at once, before anybody can cancel what the answer names: a closed log takes nothing more. */
  async function tellQueued(tenant: TenantId, runId: string, position: number): Promise<void> {
    const key = eventKey("run_queued", "", "", 0, "slot");
    const event = { run_id: runId, key, kind: "run_queued" as const, at: new Date().toISOString(), data: { reason: "concurrency", position } };
    await db.log
      .append([{ tenantId: tenant, event }])
      .catch((error: unknown) => logger.warn({ err: error, run_id: runId }, "a place in the queue was not told"));
  }

  return {
    termsOf(request) {
      if (request.parentId !== undefined) return undefined;
      const { concurrency, priority } = request.plan.settings;
      const own = request.workflowId === null ? undefined : concurrency;
      // What came by a webhook is started by the rounds of the queue where this process does not get to it.
      const knownToBeLimited = isLimited || own !== undefined || request.delivery !== undefined;
      return {
        groupKey: groupKeyOf(request),
        workflowId: request.workflowId,
        priority: priority ?? DEFAULT_PRIORITY,
        maxRuns: own?.limit ?? null,
        maxQueued: own?.max_queued ?? null,
        holdsWhileWaiting: own?.hold_while_waiting ?? false,
        isLimited,
        organizationMaxQueued: env.ORGANIZATION_QUEUE_LIMIT,
        waitingMs: limits.waitingMs,
        ...(knownToBeLimited && { request: queued(request) }),
      };
    },

    async enter(tenant, run, request) {
      if (run.slot === null) await db.admission.offer(tenant, run.id, queued(request));
      let now = run;
      try {
        await serve();
        await starting.get(run.id);
        now = (await db.runs.get(tenant, run.id)) ?? run;
      } catch (error) {
        logger.warn({ err: error, run_id: run.id }, "a run was queued, but the queue was not served; the next round will");
      }
      if (now.error?.code === "run.not_started") throw new PerdureError("run.not_started", now.error.message, { retryable: now.error.retryable });
      if (now.slot?.state === "queued") await tellQueued(tenant, run.id, now.slot.position);
      return now;
    },

    serve,

    async serveThoroughly() {
      await give(true);
    },

    async started(runId, over) {
      if (over.aborted) return;
      await new Promise<void>((resolve) => {
        const wakes = waiting.get(runId) ?? new Set();
        waiting.set(runId, wakes);
        const wake = (): void => {
          over.removeEventListener("abort", wake);
          wakes.delete(wake);
          if (wakes.size === 0) waiting.delete(runId);
          resolve();
        };
        wakes.add(wake);
        over.addEventListener("abort", wake, { once: true });
      });
    },

    async adopt() {
      if (isLimited) await db.admission.adopt();
    },
  };
}

/** Whether a run's end may let another begin. */
export function freesSlot(run: Run): boolean {
  return run.slot !== null && isClosed(run.status);
}

function queued({ idempotency: _idempotency, graph: _graph, delivery: _delivery, ...request }: StartRun): QueuedStart {
  return request;
}

function groupKeyOf({ workflowId, plan, inputs, variables }: StartRun): string {
  if (workflowId === null) return "";
  const key = plan.settings.concurrency?.key;
  if (key === undefined) return workflowId;
  const { value } = evaluate(key, { input: null, inputs, variables, run: {}, errors: {}, node: () => ({ state: "absent" }) });
  const text = typeof value === "string" ? value : JSON.stringify(value);
  return `${workflowId}:${text.slice(0, KEY_CHARACTERS)}`;
}
