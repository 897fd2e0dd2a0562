import type { FailureValue, Json, JsonObject } from "#core";
import type { Step } from "#graph";
import { type FrameCursor, keptInputs } from "./cursor.ts";
import { Frame, keyOf, type Place } from "./frame.ts";
import { Cancelled, type Host, StepFailed } from "./host.ts";
import { beginIterating, type Iterating, iterationName } from "./iterating.ts";

/** A loop or map at work. */
export interface Owner {
  place: Place;
  step: Step;
  inputs: JsonObject;
  iterating: Iterating;
  /** Why it begins no more iterations, and how it ends once those that live have ended. */
  ending?: FailureValue | "cancelled";
}

export interface LoopSteps {
  /** Begins what the item enters. */
  enter(iteration: Frame): void;
  callOff(iteration: Frame): void;
  /** Whether the loop's `while` holds for an item. */
  holds(owner: Owner, item: Json, position: number): boolean;
  complete(owner: Owner, value: Json): void;
  fail(place: Place, error: unknown): void;
  /** Counts a turn of a loop or map. */
  spend(): void;
  /** Whether the server needs a breath before the next turn. */
  isSpent(): boolean;
}

const NONE: ReadonlySet<string> = new Set();

/** Loops and maps at work, and the turns they take (graph.md 4.7). */
export class Loops {
  private readonly host: Host;
  private readonly steps: LoopSteps;
  private readonly owners = new Map<string, Owner>();
  /** Those that may go on. */
  private readonly turns: Owner[] = [];

  constructor(host: Host, steps: LoopSteps) {
    this.host = host;
    this.steps = steps;
  }

  get isIdle(): boolean {
    return this.turns.length === 0;
  }

  /** All iterations that live. */
  *frames(): Iterable<Frame> {
    for (const owner of this.owners.values()) yield* owner.iterating.live;
  }

  /** @throws PerdureError `validation.failed` where there is nothing to iterate over. */
  begin(place: Place, step: Step, inputs: JsonObject, input: Json, saved?: JsonObject, ending?: Owner["ending"]): Owner {
    const owner: Owner = { place, step, inputs, iterating: beginIterating(place, step, inputs, input, saved), ...(ending !== undefined && { ending }) };
    this.owners.set(keyOf(place), owner);
    if (ending === undefined) this.turns.push(owner);
    return owner;
  }

  /** Lets the next of those that may go on begin as many iterations as may begin, or end. @returns whether there was one. */
  advanceNext(): boolean {
    const owner = this.turns.shift();
    if (owner) this.advance(owner);
    return owner !== undefined;
  }

  /** An iteration has ended: its owner goes on, or ends with it. */
  frameOver(frame: Frame): void {
    if (!frame.around) return;
    const owner = this.owners.get(keyOf(frame.around.owner));
    if (!owner?.iterating.live.has(frame)) return;
    const failure = owner.iterating.ended(frame);
    if (failure && owner.ending === undefined) {
      owner.ending = failure;
      for (const other of owner.iterating.live) this.steps.callOff(other);
    }
    if (owner.ending === undefined) this.turns.push(owner);
    else this.endIfOver(owner);
  }

  /** Calls off the iterations of a step; it is settled when they have ended. @returns whether it is a loop or map at work. */
  stop(place: Place): boolean {
    const owner = this.owners.get(keyOf(place));
    if (!owner) return false;
    owner.ending ??= "cancelled";
    for (const live of owner.iterating.live) this.steps.callOff(live);
    this.endIfOver(owner);
    return true;
  }

  save(frame: Frame, saveFrame: (frame: Frame) => FrameCursor): FrameCursor["iterating"] {
    const mine = Array.from(this.owners.values()).filter((owner) => owner.place.frame === frame);
    return mine.map(({ place, inputs, iterating, ending }) => ({
      step: place.index,
      inputs: keptInputs(inputs),
      state: iterating.save(),
      ...(ending !== undefined && { ending }),
      live: Array.from(iterating.live, (live) => ({ position: live.around?.position ?? 0, item: live.around?.item ?? null, frame: saveFrame(live) })),
    }));
  }

  restore(frame: Frame, saved: FrameCursor["iterating"], restoreFrame: (frame: Frame, saved: FrameCursor) => void): void {
    for (const { step: index, inputs, state, ending, live } of saved) {
      const owner = this.begin({ frame, index }, frame.step(index), inputs, null, state, ending);
      for (const { position, item, frame: inner } of live) restoreFrame(this.iterate(owner, item, position), inner);
    }
  }

  saveTurns(): { iteration: string; id: string }[] {
    return this.turns.map(({ place, step }) => ({ iteration: place.frame.iteration, id: step.id }));
  }

  /** Puts those that were restored into the order in which they were to go on. */
  restoreTurns(saved: readonly { iteration: string; id: string }[]): void {
    const inOrder = saved.map(({ iteration, id }) => `${iteration}:${id}`);
    const turnOf = ({ place }: Owner): number => {
      const at = inOrder.indexOf(keyOf(place));
      return at < 0 ? inOrder.length : at;
    };
    this.turns.sort((a, b) => turnOf(a) - turnOf(b));
  }

  private advance(owner: Owner): void {
    const { place, iterating } = owner;
    if (this.owners.get(keyOf(place)) !== owner) return;
    if (owner.ending !== undefined && this.host.isPatched("ending-owners-rest")) return;
    try {
      for (;;) {
        this.steps.spend();
        const turn = iterating.turn((item, position) => this.steps.holds(owner, item, position));
        if (turn.go === "wait") return;
        if (turn.go === "fail") throw turn.error;
        if (turn.go === "done") {
          this.owners.delete(keyOf(place));
          return this.steps.complete(owner, turn.value);
        }
        const frame = this.iterate(owner, turn.item, turn.position);
        this.steps.enter(frame);
        if (frame.over) return this.frameOver(frame);
        if (this.steps.isSpent()) {
          this.turns.unshift(owner);
          return;
        }
      }
    } catch (error) {
      this.owners.delete(keyOf(place));
      this.steps.fail(place, error);
    }
  }

  private iterate({ place, step, iterating }: Owner, item: Json, position: number): Frame {
    const frame = new Frame(step.body ?? { steps: [], edges: [] }, iterationName(place.frame, position), NONE, { owner: place, item, position });
    iterating.live.add(frame);
    return frame;
  }

  /** Ends one that was called off or has failed, once its iterations have ended. */
  private endIfOver(owner: Owner): void {
    const { place, ending } = owner;
    if (owner.iterating.live.size > 0 || this.owners.get(keyOf(place)) !== owner || ending === undefined) return;
    this.owners.delete(keyOf(place));
    this.steps.fail(place, ending === "cancelled" ? new Cancelled() : new StepFailed(ending, false));
  }
}
