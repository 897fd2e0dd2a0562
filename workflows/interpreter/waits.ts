import { type JsonObject, PerdureError } from "#core";
import type { Answer, SentEvent, WaitSnapshot } from "../messages.ts";
import type { Wait, WaitEnd } from "../control/index.ts";
import type { FrameCursor } from "./cursor.ts";
import { type Frame, keyOf, type Place } from "./frame.ts";
import type { Cancellable, Host } from "./host.ts";
import { iso } from "./facts.ts";

export interface OpenWait extends Wait {
  place: Place;
  since: number;
  /** What it was begun with: the next link of the chain waits for the same, whatever has become of the variables. */
  inputs: JsonObject;
}

/** The open waits of a run and their timers. */
export class Waits {
  private readonly host: Host;
  private readonly onEnd: (wait: OpenWait, end: WaitEnd, answer?: Answer) => void;
  private readonly open = new Map<string, OpenWait>();
  private readonly timers = new Map<string, Cancellable<void>>();

  /** `onEnd` settles the step; it is called for an answer and for a wait that ran out, never for one that was called off. */
  constructor(host: Host, onEnd: (wait: OpenWait, end: WaitEnd, answer?: Answer) => void) {
    this.host = host;
    this.onEnd = onEnd;
  }

  get size(): number {
    return this.open.size;
  }

  all(): Iterable<OpenWait> {
    return this.open.values();
  }

  find(nodeId: string, iteration: string): OpenWait | undefined {
    return this.open.get(`${iteration}:${nodeId}`);
  }

  begin(wait: OpenWait): void {
    const key = keyOf(wait.place);
    this.open.set(key, wait);
    if (wait.expiresAt === undefined) return;
    const step = wait.place.frame.step(wait.place.index);
    const timer = this.host.timer(Math.max(0, wait.expiresAt - this.host.now()), `${step.name} (${step.type})`);
    this.timers.set(key, timer);
    timer.promise.then(
      () => {
        this.timers.delete(key);
        if (this.open.get(key) === wait) this.end(wait, wait.expire());
      },
      () => undefined,
    );
  }

  answer(wait: OpenWait, answer: Answer): void {
    if (!wait.answer) throw new PerdureError("run.state", "Nobody can answer this wait.");
    this.end(wait, wait.answer(answer), answer);
  }

  /** Gives an event to the wait that has waited for it longest. @returns whether there was one. */
  deliver(event: SentEvent): boolean {
    const oldestFirst = Array.from(this.open.values()).sort((a, b) => a.since - b.since);
    for (const wait of oldestFirst) {
      const end = wait.receive?.(event);
      if (!end) continue;
      this.end(wait, end);
      return true;
    }
    return false;
  }

  /** Forgets a wait; the step is the caller's to settle. */
  drop(place: Place): boolean {
    const key = keyOf(place);
    this.timers.get(key)?.cancel();
    this.timers.delete(key);
    return this.open.delete(key);
  }

  /** Stops the timers; the waits go on elsewhere. */
  suspend(): void {
    for (const timer of this.timers.values()) timer.cancel();
    this.timers.clear();
  }

  save(frame: Frame): FrameCursor["waits"] {
    const mine = Array.from(this.open.values()).filter((wait) => wait.place.frame === frame);
    return mine.map(({ place, since, expiresAt, inputs }) => ({ step: place.index, since, inputs, ...(expiresAt !== undefined && { expiresAt }) }));
  }

  snapshot(): WaitSnapshot[] {
    return Array.from(this.open.values(), (wait) => {
      const { frame, index } = wait.place;
      return { kind: wait.kind, node_id: frame.step(index).id, iteration: frame.iteration, since: iso(wait.since), ...shownOf(wait) };
    });
  }

  private end(wait: OpenWait, end: WaitEnd, answer?: Answer): void {
    this.drop(wait.place);
    this.onEnd(wait, end, answer);
  }
}

/** What a person is shown of a wait. */
export function shownOf(wait: OpenWait): Pick<WaitSnapshot, "prompt" | "data" | "schema" | "assignees" | "event" | "correlation" | "expires_at"> {
  return { ...wait.show, ...(wait.expiresAt !== undefined && { expires_at: iso(wait.expiresAt) }) };
}
