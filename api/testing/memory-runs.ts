import { type EventKind, type Json, PerdureError, type RunStatus, type TenantId, isClosed, uuidv7 } from "#core";
import type { EventReader, FeedingCall, Run, Runs, StoredEvent } from "#runs";
import { type MemoryDatabase, endRun } from "./memory-database.ts";
import { storeDelivery } from "./memory-webhooks.ts";

export interface MemoryRuns extends Runs, EventReader {
  /** Commands as they arrived. */
  readonly commands: { runId: string; command: Parameters<Runs["command"]>[2]; by: string; call?: FeedingCall }[];
  /** Starts as they arrived. */
  readonly starts: Parameters<Runs["start"]>[1][];
  reconciled: number;
  /** How many streams read at this moment. */
  reading: number;
  /** What the next command comes to. */
  outcome: "applied" | "kept";
  emit(runId: string, kind: EventKind, data?: Record<string, Json>): void;
  end(runId: string, status: RunStatus, outputs?: Json): void;
}

/** The life of runs without Temporal: the test itself emits events and ends runs. */
export function createMemoryRuns({ state }: MemoryDatabase): MemoryRuns {
  const keys = new Map<string, { hash: string; run: Run }>();
  const waiters = new Set<() => void>();
  const wake = (): void => waiters.forEach((waiter) => waiter());

  function get(tenant: TenantId, id: string): Run {
    const run = state.runs.find((each) => each.tenantId === tenant && each.id === id);
    if (!run) throw new PerdureError("resource.not_found", "There is no such run.");
    return run;
  }

  const memory: MemoryRuns = {
    commands: [],
    starts: [],
    reconciled: 0,
    reading: 0,
    outcome: "applied",
    emit(runId, kind, data = {}) {
      const events = state.events.get(runId) ?? [];
      const seq = events.length + 1;
      state.events.set(runId, [...events, { seq, run_id: runId, key: `${seq}`, kind, at: new Date().toISOString(), data } satisfies StoredEvent]);
      wake();
    },
    end(runId, status, outputs = null) {
      const run = state.runs.find((each) => each.id === runId);
      if (!run) throw new Error("no such run");
      endRun(run, status, outputs);
      memory.emit(runId, status === "completed" ? "workflow_complete" : "error", { status, result: outputs });
    },
    async start(tenant, request) {
      memory.starts.push(request);
      const key = request.idempotency && `${tenant} ${request.idempotency.key}`;
      const known = key === undefined ? undefined : keys.get(key);
      if (known) {
        if (known.hash !== request.idempotency?.requestHash) throw new PerdureError("idempotency.mismatch", "The key stands for another request.");
        return { run: known.run, created: false };
      }
      const { workflowId, workflowName, version, inputs, trigger, createdBy } = request;
      const run: Run = {
        id: uuidv7(),
        tenantId: tenant,
        workflowId,
        workflowName,
        version,
        status: "queued",
        trigger,
        inputs,
        outputs: null,
        error: null,
        waitingFor: [],
        parentId: null,
        forkedFrom: request.forkedFrom ?? null,
        createdBy,
        createdAt: new Date(),
        startedAt: null,
        completedAt: null,
        slot: null,
      };
      state.runs.push(run);
      if (request.delivery) storeDelivery(state, tenant, request.delivery, run.id);
      if (key !== undefined) keys.set(key, { hash: request.idempotency?.requestHash ?? "", run });
      memory.emit(run.id, "run_queued");
      return { run, created: true };
    },
    async waitForEnd(tenant, runId, timeoutMs, signal) {
      const run = get(tenant, runId);
      const deadline = Date.now() + timeoutMs;
      while (!isClosed(run.status) && Date.now() < deadline && !signal?.aborted) await new Promise((resolve) => setTimeout(resolve, 5));
      return run;
    },
    async command(tenant, runId, command, by, _timeoutMs, call) {
      const run = get(tenant, runId);
      if (isClosed(run.status)) throw new PerdureError("run.closed", `The run is ${run.status}.`);
      memory.commands.push({ runId, command, by, ...(call && { call }) });
      if (memory.outcome === "applied") {
        if (command.kind === "cancel" || command.kind === "terminate") endRun(run, "cancelled");
        if (command.kind === "pause") run.status = "paused";
        if (command.kind === "resume") run.status = "running";
        if (command.kind === "answer") {
          const approval = state.approvals.find((each) => each.runId === runId && each.nodeId === command.node_id);
          if (approval) Object.assign(approval, { status: "answered", decision: command.answer.decision, answeredBy: by, answeredAt: new Date() });
        }
      }
      return { outcome: memory.outcome, run };
    },
    refresh: async (tenant, runId) => get(tenant, runId),
    async reconcile(tenant, runId) {
      memory.reconciled++;
      return get(tenant, runId);
    },
    async *read(_tenant, runId, after, signal) {
      memory.reading++;
      try {
        for (let last = after; !signal.aborted;) {
          const next = (state.events.get(runId) ?? []).find(({ seq }) => seq > last);
          if (next) {
            last = next.seq;
            yield next;
            continue;
          }
          await new Promise<void>((resolve) => {
            const done = (): void => {
              waiters.delete(done);
              signal.removeEventListener("abort", done);
              resolve();
            };
            waiters.add(done);
            signal.addEventListener("abort", done);
          });
        }
      } finally {
        memory.reading--;
      }
    },
    close: async () => undefined,
  };
  return memory;
}
