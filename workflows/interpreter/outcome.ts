import type { FailureValue, Json, NodeStatus } from "#core";
import type { Plan } from "#graph";
import type { Cursor } from "./cursor.ts";
import type { Frame } from "./frame.ts";

export type Counts = Partial<Record<NodeStatus, number>>;

export type Outcome =
  | { kind: "completed"; outputs: Json; counts: Counts }
  | { kind: "failed"; error: FailureValue; counts: Counts }
  | { kind: "cancelled"; counts: Counts }
  /** `moved`: by another plan. */
  | { kind: "continue"; cursor: Cursor; moved?: { version: number; plan: Plan } };

/** The result of a run (graph.md 4.10): the value at `End`, several by id; without any, the values of the reached leaves. */
export function resultOf(frame: Frame): Json {
  const ends: number[] = [];
  const leaves: number[] = [];
  frame.body.steps.forEach((step, index) => {
    if (step.type === "End" && frame.state(index).status === "completed") ends.push(index);
    else if (frame.isReachedLeaf(index)) leaves.push(index);
  });
  const chosen = ends.length > 0 ? ends : leaves;
  const value = (index: number): Json => frame.state(index).value ?? null;
  if (chosen.length === 0) return null;
  if (chosen.length === 1) return value(chosen[0] as number);
  return Object.fromEntries(chosen.map((index) => [frame.step(index).id, value(index)]));
}
