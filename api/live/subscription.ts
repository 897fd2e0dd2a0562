import type { JsonObject, TenantId } from "#core";
import type { Database } from "#db";
import type { StoredEvent } from "#runs";
import { eventJson } from "../runs/event-json.ts";
import { type Connection, type Frame, frameOf } from "./connection.ts";
import type { LiveEvent, Sink } from "./feeds.ts";
import type { Rule } from "./rules.ts";
import type { Topic } from "./topics.ts";

/** Events of one query of a run that is resumed. */
const BATCH = 200;
const BATCH_BYTES = 256 * 1024;

export interface SubscriptionFields {
  readonly connection: Connection;
  readonly tenant: TenantId;
  readonly userId: string;
  readonly topic: Topic;
  /** As it was asked for. */
  readonly name: string;
  readonly rule: Rule | undefined;
  readonly seesPresence: boolean;
  /** Counts what was not sent. */
  readonly onDropped: (name: string) => void;
  readonly onEnded: (subscription: Subscription) => void;
  readonly onFailed: () => void;
}

/** A topic on one connection. */
export class Subscription {
  readonly tenant: TenantId;
  readonly userId: string;
  readonly topic: Topic;
  readonly name: string;
  readonly rule: Rule | undefined;
  readonly seesPresence: boolean;
  readonly #fields: SubscriptionFields;
  /** Runs that are read from the log at this moment, with the newest event that came live meanwhile. */
  #resuming: Map<string, number> | undefined;
  /** Runs that were read from the log, with the last event of it. */
  #seen: Map<string, number> | undefined;
  #isOver = false;
  /** Ends the reading of a run's topic. */
  stop: (() => void) | undefined;

  constructor(fields: SubscriptionFields) {
    const { tenant, userId, topic, name, rule, seesPresence } = fields;
    this.tenant = tenant;
    this.userId = userId;
    this.topic = topic;
    this.name = name;
    this.rule = rule;
    this.seesPresence = seesPresence;
    this.#fields = fields;
  }

  end(): void {
    this.#isOver = true;
    this.stop?.();
  }

  /** Sends what is kept nowhere, or drops it where the reader is behind. */
  offer(frame: Frame): void {
    const { connection, onDropped } = this.#fields;
    if (connection.isFull) onDropped(this.name);
    else connection.send(frame);
  }

  /** An event of one of many runs. */
  happened(event: LiveEvent, workflowId: string | null): void {
    const { run_id: runId, seq } = event.stored;
    const resumed = this.#resuming?.get(runId);
    if (resumed !== undefined) {
      this.#resuming?.set(runId, Math.max(resumed, seq));
      return;
    }
    const seen = this.#seen?.get(runId);
    if (seen !== undefined && seq <= seen) return;
    if (seen !== undefined) this.#seen?.delete(runId);
    this.offer(event.frame(this.name, (stored) => this.#frame(stored, workflowId)));
  }

  /** Events of the topic's one run. */
  get sink(): Sink {
    const { connection, onEnded, onFailed } = this.#fields;
    return {
      get isFull() {
        return connection.isFull;
      },
      room: () => connection.room(),
      deliver: (event) => {
        if (this.#wants(event.stored)) connection.send(event.frame(this.name, (stored) => this.#frame(stored)));
      },
      ended: (error) => (error === undefined ? onEnded(this) : onFailed()),
    };
  }

  /** Reads these runs from the log, each from the event after the number on; then goes on live. */
  async resume(runs: ReadonlyMap<string, { after: number; workflowId: string | null }>, rows: Database["runs"]): Promise<void> {
    const { connection, onFailed } = this.#fields;
    this.#resuming = new Map([...runs.keys()].map((id) => [id, 0]));
    this.#seen = new Map();
    try {
      for (const [runId, { after, workflowId }] of runs) {
        for (let last = after; !this.#isOver;) {
          const { events } = await rows.eventPage(this.tenant, runId, last, BATCH, BATCH_BYTES);
          for (const stored of events) {
            if (connection.isFull) await connection.room();
            if (this.#isOver) return;
            last = stored.seq;
            if (this.#wants(stored)) connection.send(this.#frame(stored, workflowId));
          }
          if (events.length > 0 || (this.#resuming.get(runId) ?? 0) > last) continue;
          this.#resuming.delete(runId);
          this.#seen.set(runId, last);
          break;
        }
      }
      this.#resuming = undefined;
    } catch {
      onFailed();
    }
  }

  #wants(stored: StoredEvent): boolean {
    return this.rule?.wants(stored.kind, () => eventJson(stored) as JsonObject) ?? true;
  }

  #frame(stored: StoredEvent, workflowId?: string | null): Frame {
    return frameOf({
      type: "Event",
      data: { ...eventJson(stored), id: stored.seq, topic: this.name, ...(workflowId !== undefined && { workflow_id: workflowId }) },
    });
  }
}
