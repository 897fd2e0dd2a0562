import { type FailureValue, isObject, type Json, type JsonObject, PerdureError } from "#core";
import type { Step } from "#graph";
import { combine, type Frame, type Place } from "./frame.ts";

/** How a loop or map goes on: with another iteration, not yet, or no more. */
export type Turn = { go: "iterate"; item: Json; position: number } | { go: "wait" } | { go: "done"; value: Json } | { go: "fail"; error: PerdureError };

/** A loop or map at work: which iterations live, and what the others gave. */
export interface Iterating {
  readonly owner: Place;
  readonly live: Set<Frame>;
  /** How many iterations have begun. */
  begun: number;
  /** Asks what to do next; called again until it says `wait`, `done` or `fail`. `holds` evaluates the loop's `while` for an item. */
  turn(holds: (item: Json, position: number) => boolean): Turn;
  /** Takes the end of an iteration. Returns the failure when it is the owner's as well. */
  ended(frame: Frame): FailureValue | undefined;
  /** What must go on with it into the next link of the chain. */
  save(): JsonObject;
}

/** The item of the first iteration is the loop's input, then what the iteration before returned. */
class Loop implements Iterating {
  readonly owner: Place;
  readonly live = new Set<Frame>();
  begun = 0;
  private readonly times: number | undefined;
  private readonly maximum: number;
  private last: Json;
  private broken = false;

  constructor(owner: Place, inputs: JsonObject, input: Json, saved?: JsonObject) {
    this.owner = owner;
    this.times = typeof inputs["times"] === "number" ? inputs["times"] : undefined;
    this.maximum = Number(inputs["max_iterations"]);
    this.last = input;
    if (saved) {
      this.begun = saved["begun"] as number;
      this.last = saved["last"] as Json;
      this.broken = saved["broken"] === true;
    }
  }

  turn(holds: (item: Json, position: number) => boolean): Turn {
    if (this.live.size > 0) return { go: "wait" };
    const done = this.broken || (this.times !== undefined && this.begun >= this.times) || !holds(this.last, this.begun);
    if (done) return { go: "done", value: { last: this.last, iterations: this.begun } };
    if (this.begun >= this.maximum) {
      return { go: "fail", error: new PerdureError("loop.limit", `The loop reached its ${this.maximum} iterations and its condition still holds.`) };
    }
    return { go: "iterate", item: this.last, position: this.begun++ };
  }

  ended(frame: Frame): FailureValue | undefined {
    this.live.delete(frame);
    if (frame.ending) return frame.ending === "cancelled" ? undefined : frame.ending.error;
    const stopped = frame.leaving("break");
    const returned = stopped.length > 0 ? stopped : frame.leaving("return");
    this.broken = stopped.length > 0;
    this.last = returned.length > 0 ? combine(returned) : null;
    return undefined;
  }

  save(): JsonObject {
    return { begun: this.begun, last: this.last, broken: this.broken };
  }
}

/** Every item has an iteration; so many at a time; results in the order of the items. */
class MapReduce implements Iterating {
  readonly owner: Place;
  readonly live = new Set<Frame>();
  begun = 0;
  /** Those from `from` on; the ones before have begun, and each iteration that lives has its own. */
  private readonly items: Json[];
  private readonly from: number;
  private readonly concurrency: number;
  private readonly onItemError: Json;
  /** By position; of a skipped item there is none. */
  private readonly results: ({ value: Json } | null)[];

  constructor(owner: Place, inputs: JsonObject, saved?: JsonObject) {
    this.owner = owner;
    const items = saved ? saved["items"] : inputs["items"];
    if (!Array.isArray(items))
      throw new PerdureError("validation.failed", `"${owner.frame.step(owner.index).id}" needs a list of items, and was given ${nameOf(items)}.`);
    this.items = items;
    this.from = (saved?.["from"] as number | undefined) ?? 0;
    this.concurrency = Number(inputs["concurrency"]);
    this.onItemError = inputs["on_item_error"] ?? "fail";
    this.results = saved ? resultsOf(saved) : [];
    if (saved) this.begun = saved["begun"] as number;
  }

  turn(): Turn {
    if (this.begun < this.from + this.items.length) {
      if (this.live.size >= this.concurrency) return { go: "wait" };
      const position = this.begun++;
      return { go: "iterate", item: this.items[position - this.from] ?? null, position };
    }
    return this.live.size > 0 ? { go: "wait" } : { go: "done", value: this.results.flatMap((result) => (result ? [result.value] : [])) };
  }

  ended(frame: Frame): FailureValue | undefined {
    this.live.delete(frame);
    const position = frame.around?.position ?? 0;
    this.results[position] = null;
    if (frame.ending === "cancelled") return undefined;
    if (frame.ending) {
      if (this.onItemError === "fail") return frame.ending.error;
      if (this.onItemError === "collect") this.results[position] = { value: { error: frame.ending.error as unknown as Json } };
      return undefined;
    }
    const returned = frame.leaving("return");
    this.results[position] = { value: returned.length > 0 ? combine(returned) : null };
    return undefined;
  }

  save(): JsonObject {
    const { begun, from } = this;
    const values = Array.from({ length: begun }, (_nothing, position) => this.results[position]?.value ?? null);
    const without = values.flatMap((value, position) => (value === null && !this.results[position] ? [position] : []));
    return { begun, from: begun, items: this.items.slice(begun - from), values, without };
  }
}

/** `values` by position, null at the positions `without` one; `results` in cursors of before. */
function resultsOf({ values, without, results }: JsonObject): ({ value: Json } | null)[] {
  if (!Array.isArray(values)) return results as ({ value: Json } | null)[];
  const missing = new Set(without as number[]);
  return values.map((value, position) => (missing.has(position) ? null : { value }));
}

/** @throws PerdureError `validation.failed` where there is nothing to iterate over. */
export function beginIterating(owner: Place, step: Step, inputs: JsonObject, input: Json, saved?: JsonObject): Iterating {
  return step.type === "Loop" ? new Loop(owner, inputs, input, saved) : new MapReduce(owner, inputs, saved);
}

/** The name of an iteration, here and in every command: `"2.5"` is item 5 in item 2. */
export function iterationName(around: Frame, position: number): string {
  return around.iteration === "" ? String(position) : `${around.iteration}.${position}`;
}

function nameOf(value: unknown): string {
  return value === null || value === undefined ? "nothing" : isObject(value) ? "an object" : `a ${typeof value}`;
}
