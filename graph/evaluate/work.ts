const CHARACTERS_A_UNIT = 16;

/**
 * What one evaluation may go through: a value counts 1, sixteen characters of text 1 more. What is used twice counts twice, since names and loops let a short
 * text ask for more than any machine does. Counts alone, and no clocks: a replay comes to the same.
 */
export class Work {
  readonly max: number;
  readonly #exceeded: () => Error;
  readonly #known = new WeakMap<object, number>();
  #done = 0;

  /** @param exceeded - What to throw once it is more. */
  constructor(max: number, exceeded: () => Error) {
    this.max = max;
    this.#exceeded = exceeded;
  }

  /** Counts a value with all that is in it, each unit as `cost`. */
  weigh(value: unknown, cost = 1): void {
    if (typeof value !== "object" || value === null) return this.spend((typeof value === "string" ? 1 + value.length / CHARACTERS_A_UNIT : 1) * cost);
    const known = this.#known.get(value);
    if (known !== undefined) return this.spend(known * cost);
    const before = this.#done;
    this.spend((ArrayBuffer.isView(value) ? 1 + value.byteLength / CHARACTERS_A_UNIT : 1) * cost);
    for (const inner of innerOf(value)) this.weigh(inner, cost);
    this.#known.set(value, (this.#done - before) / cost);
  }

  spend(units: number): void {
    this.#done += units;
    if (this.#done > this.max) throw this.#exceeded();
  }
}

function innerOf(value: object): Iterable<unknown> {
  if (Array.isArray(value) || value instanceof Set) return value;
  if (value instanceof Map) return value.values();
  return value instanceof Date || ArrayBuffer.isView(value) ? [] : Object.values(value);
}
