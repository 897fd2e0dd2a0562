import { type EventData, type EventKind, eventKey, type NodeStatus, type RunEvent } from "#core";
import type { Step } from "#graph";

/**
 * What the interpreter tells of a run, gathered between two awaits and handed on in one piece. Keys name the fact, never the telling
 * (`node:iteration:attempt:kind`); attempt 0 stands for what no attempt did: skips, cancellations, a failure that no worker told.
 */
export class Facts {
  private readonly runId: string;
  private readonly now: () => number;
  private fresh: RunEvent[] = [];

  constructor(runId: string, now: () => number) {
    this.runId = runId;
    this.now = now;
  }

  /** What has been told since the last call. */
  take(): RunEvent[] {
    const { fresh } = this;
    this.fresh = [];
    return fresh;
  }

  /** Of the run itself; `count` tells several of one kind apart. */
  run(kind: EventKind, data: EventData, count?: number): void {
    this.fresh.push({ run_id: this.runId, key: eventKey(kind, "", "", 0, count ?? ""), kind, at: iso(this.now()), data });
  }

  node(kind: EventKind, step: Step, iteration: string, attempt: number, data: EventData, at?: number): void {
    this.fresh.push(this.make(kind, step, iteration, attempt, data, at));
  }

  end(status: NodeStatus, step: Step, iteration: string, data: EventData): void {
    this.node("node_end", step, iteration, status === "completed" ? 1 : 0, { status, type: step.type, name: step.name, ...data });
  }

  add(fact: RunEvent): void {
    this.fresh.push(fact);
  }

  make(kind: EventKind, step: Step, iteration: string, attempt: number, data: EventData, at: number = this.now()): RunEvent {
    return {
      run_id: this.runId,
      key: eventKey(kind, step.id, iteration, attempt),
      kind,
      at: iso(at),
      node_id: step.id,
      iteration,
      attempt: Math.max(1, attempt),
      data,
    };
  }
}

export function iso(ms: number): string {
  return new Date(ms).toISOString();
}
