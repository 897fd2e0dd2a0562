import { type Anything, reference, type ReferenceTo } from "./reference.ts";

/** What arrives at the node that reads it. */
export const input = reference<Anything>(["input"]);
/** Of the run; they can be changed while it runs. */
export const variables = reference<Anything>(["variables"]);
/** In the body of a map the item, in that of a loop what the iteration before returned. */
export const item = reference<Anything>(["item"]);
/** Number of the iteration, from 0. */
export const index = reference<number>(["index"]);
/** The same of the loop around. */
export const outer: ReferenceTo<Outer> = reference<Outer>(["outer"]);
export const run = reference<{ id: string; workflow_id: string | null; workflow_name: string; version: number | null; trigger: string; started_at: string }>([
  "run",
]);

interface Outer {
  item: Anything;
  index: number;
  outer: Outer;
}

/** Read at the moment of sending, by nodes that send them: `secret("SHOP_TOKEN")` is `{{secrets.SHOP_TOKEN}}`. */
export function secret(name: string): ReferenceTo<string> {
  return reference<string>(["secrets", name]);
}
