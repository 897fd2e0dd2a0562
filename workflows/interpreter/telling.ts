import type { EventData, EventKind, FailureValue, JsonObject, NodeStatus, RunEvent } from "#core";
import type { ToldFacts } from "../messages.ts";
import { Facts } from "./facts.ts";
import type { Place } from "./frame.ts";
import type { Host } from "./host.ts";
import type { Counts } from "./outcome.ts";

/** Facts in one `confirm`, so that its argument stays small. */
const FACTS_PER_CONFIRM = 200;
/** The same in characters of JSON. */
const FACTS_PER_CONFIRM_CHARACTERS = 64 * 1024 * 1024;
/** Of the facts in one answer to a query, in characters of JSON; a message may have 4 MiB. */
const FACTS_PER_ANSWER_CHARACTERS = 500_000;
/** Facts kept for confirmation; beyond it they are confirmed at once, so that a long loop keeps little in memory. */
const FACTS_UNCONFIRMED = 10_000;

/** What of a step is in the log already. */
export type Told = "nothing" | "start" | "all";

/**
 * What the run tells the log, and what of it nobody has confirmed yet: the sink that takes it may lose it with its process, so a link of the
 * chain keeps it until an activity has written it (architecture.md 2.4).
 */
export class Telling {
  /** Rows that have their last status. */
  readonly tally: Counts = {};
  private readonly facts: Facts;
  private readonly host: Host;
  private unconfirmed: RunEvent[] = [];

  constructor(runId: string, host: Host) {
    this.host = host;
    this.facts = new Facts(runId, () => host.now());
  }

  /** Of the run itself; `count` tells several of one kind apart. */
  run(kind: EventKind, data: EventData, count?: number): void {
    this.facts.run(kind, data, count);
  }

  start({ frame, index }: Place, inputs?: JsonObject): void {
    const step = frame.step(index);
    const { startedAt } = frame.state(index);
    this.facts.node("node_start", step, frame.iteration, 1, { type: step.type, name: step.name, ...(inputs && { input: inputs }) }, startedAt);
  }

  /** `told`: `all` where a worker has said it. A start that was told here comes again before its end, since it may have died with a process; the log takes it once. */
  completed(place: Place, data: EventData, told: Told, inputs?: JsonObject): void {
    const { frame, index } = place;
    if (told !== "all") this.start(place, inputs);
    const end = { ...data, ...this.duration(place) };
    if (told === "all") {
      this.keep(place, "node_start", 1, {}, frame.state(index).startedAt);
      this.keep(place, "node_end", 1, { status: "completed", ...end });
    } else this.facts.end("completed", frame.step(index), frame.iteration, end);
  }

  failed(place: Place, error: FailureValue, isTold: boolean): void {
    const { frame, index } = place;
    const step = frame.step(index);
    const data = { error, ...this.duration(place) };
    if (isTold) this.keep(place, "node_error", 0, data);
    else this.facts.node("node_error", step, frame.iteration, 0, { type: step.type, name: step.name, ...data });
  }

  cancelled(place: Place): void {
    const { frame, index } = place;
    this.facts.end("cancelled", frame.step(index), frame.iteration, this.duration(place));
  }

  skipped({ frame, index }: Place): void {
    this.facts.end("skipped", frame.step(index), frame.iteration, {});
  }

  resumed({ frame, index }: Place, data: EventData): void {
    this.facts.node("resumed", frame.step(index), frame.iteration, 1, data);
  }

  /** That the node waits; told here, or confirmed where the caller sees to it. */
  waiting({ frame, index }: Place, data: EventData): RunEvent {
    const step = frame.step(index);
    return this.facts.make("waiting", step, frame.iteration, 1, { type: step.type, name: step.name, ...data });
  }

  add(fact: RunEvent): void {
    this.facts.add(fact);
  }

  count(status: NodeStatus): void {
    this.tally[status] = (this.tally[status] ?? 0) + 1;
  }

  get settledSteps(): number {
    return Object.values(this.tally).reduce((sum, count) => sum + count, 0);
  }

  /** Hands what was told since the last time to the log, in one call. */
  flush(): void {
    const facts = this.facts.take();
    if (facts.length === 0) return;
    this.host.record(facts);
    for (const fact of facts) this.unconfirmed.push(fact);
  }

  get keepsTooMuch(): boolean {
    return this.unconfirmed.length > FACTS_UNCONFIRMED;
  }

  /** Resolves when everything, also what is told meanwhile, is in the log for good. */
  async confirmAll(): Promise<void> {
    for (this.flush(); this.unconfirmed.length > 0; this.flush()) {
      const facts = this.unconfirmed;
      this.unconfirmed = [];
      for (const group of groupsOf(facts)) await this.host.confirm(group).promise;
    }
  }

  /** What the log must hold of this link and nobody has confirmed, from `after` on: what the workflow told, and the ends that workers told. */
  toldFacts(after: number): ToldFacts {
    let size = 0;
    let next = after;
    for (; next < this.unconfirmed.length && size < FACTS_PER_ANSWER_CHARACTERS; next++) size += JSON.stringify(this.unconfirmed[next]).length;
    return { facts: this.unconfirmed.slice(after, next), ...(next < this.unconfirmed.length && { next }) };
  }

  /** A fact that a worker has told, under the same key: its word may have died with it. */
  private keep({ frame, index }: Place, kind: EventKind, attempt: number, data: EventData, at?: number): void {
    const step = frame.step(index);
    this.unconfirmed.push(this.facts.make(kind, step, frame.iteration, attempt, { type: step.type, name: step.name, ...data }, at));
  }

  private duration({ frame, index }: Place): { duration_ms?: number } {
    const { startedAt } = frame.state(index);
    return startedAt === undefined ? {} : { duration_ms: this.host.now() - startedAt };
  }
}

function* groupsOf(facts: readonly RunEvent[]): Iterable<RunEvent[]> {
  for (let at = 0; at < facts.length;) {
    const group: RunEvent[] = [];
    for (let size = 0; at < facts.length && group.length < FACTS_PER_CONFIRM; at++) {
      const fact = facts[at] as RunEvent;
      size += JSON.stringify(fact).length;
      if (group.length > 0 && size > FACTS_PER_CONFIRM_CHARACTERS) break;
      group.push(fact);
    }
    yield group;
  }
}
