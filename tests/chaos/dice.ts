/** Randomness that a seed repeats. */
export interface Dice {
  /** From 0 up to, not including, `below`. */
  below(below: number): number;
  between(from: number, to: number): number;
  chance(of: number): boolean;
  pick<T>(from: readonly T[]): T;
  /** Dice of their own, so that what is thrown there changes nothing here. */
  split(): Dice;
}

export function dice(seed: number): Dice {
  let state = seed >>> 0;
  /** Mulberry32. */
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  const below = (limit: number): number => Math.floor(next() * limit);
  return {
    below,
    between: (from, to) => from + below(to - from + 1),
    chance: (of) => next() < of,
    pick: <T>(from: readonly T[]): T => from[below(from.length)] as T,
    split: () => dice(below(2 ** 32)),
  };
}
