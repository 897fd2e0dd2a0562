import { behind, numbersOf, type Place } from "./places.ts";

/** A node that is to run again; without numbers in all of its iterations. */
export interface Position {
  place: Place;
  /** Of its iteration: as many as it has owners. */
  numbers?: readonly number[];
}

/** Whether a node runs again when `from` does: it is that node, stands behind it, holds it or hangs from it, or comes in a later turn of its loop. */
export function runsAgain(from: Position, place: Place, iteration: string): boolean {
  const numbers = numbersOf(iteration);
  const depth = from.place.owners.length;
  for (let level = 0; ; level++) {
    const theirs = from.place.owners[level] ?? from.place.step;
    const ours = place.owners[level] ?? place.step;
    const body = place.bodies[level];
    if (!body) return false;
    if (theirs.id !== ours.id) return behind(body, theirs.id).has(ours.id);
    if (level === depth || level === place.owners.length) return true;
    const turn = numbers[level] ?? 0;
    const first = from.numbers?.[level];
    if (ours.type === "Loop") {
      // Each turn takes up what the one before returned.
      if (turn !== (first ?? 0)) return turn > (first ?? 0);
    } else if (first !== undefined && turn !== first) return false;
  }
}
