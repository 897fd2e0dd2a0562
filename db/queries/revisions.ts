import { PerdureError } from "#core";

/** @throws PerdureError `precondition.failed` where a change was asked for of another state than the one that is stored. */
export function refuseStale(expected: number | undefined, stored: number, what: string): void {
  if (expected !== undefined && expected !== stored) {
    throw new PerdureError("precondition.failed", `The ${what} was changed meanwhile: its ETag is "${stored}", not "${expected}".`);
  }
}
