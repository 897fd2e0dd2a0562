import type { Compiled, Plan, Step } from "#graph";
import { behind, nameOf, numbersOf, placesOf } from "./places.ts";

/** Those of the nodes that ask people, and name who may answer: in a list, or by what the run will come to. */
export function assignedNodes(plan: Plan, nodeIds: readonly string[]): string[] {
  const places = placesOf(plan);
  return nodeIds.filter((id) => {
    const step = places.get(id)?.step;
    return step !== undefined && asksSomebody(step);
  });
}

/**
 * Those of `assignedNodes` that a run would pass over by going on behind a node of an iteration: in its body, in those around it, in the bodies of what
 * comes before it, and in its own. `hasEnded`: of a node and an iteration.
 */
export function passedOver(plan: Plan, node: { id: string; iteration: string }, hasEnded: (id: string, iteration: string) => boolean): string[] {
  const place = placesOf(plan).get(node.id);
  if (!place) return [];
  const { step, owners, bodies } = place;
  const numbers = numbersOf(node.iteration);
  const before = bodies.flatMap((body, depth) => {
    const target = (owners[depth] ?? step).id;
    return body.steps.filter(({ id }) => id !== target && behind(body, id).has(target) && !hasEnded(id, nameOf(numbers, depth)));
  });
  return [...before.flatMap(asking), ...(step.body?.steps ?? []).flatMap(asking)];
}

/** The step and those of its bodies that ask named people. */
function asking(step: Step): string[] {
  return [...(asksSomebody(step) ? [step.id] : []), ...(step.body?.steps ?? []).flatMap(asking)];
}

function asksSomebody({ kind, inputs }: Step): boolean {
  return kind === "control" && namesSomebody(inputs);
}

function namesSomebody(inputs: Compiled): boolean {
  if (inputs.k === "lit") {
    const assignees = typeof inputs.v === "object" && inputs.v !== null && !Array.isArray(inputs.v) ? inputs.v["assignees"] : undefined;
    return assignees != null && !(Array.isArray(assignees) && assignees.length === 0);
  }
  if (inputs.k !== "object") return false;
  const field = inputs.fields.find(([name]) => name === "assignees")?.[1];
  return field !== undefined && !(field.k === "lit" && Array.isArray(field.v) && field.v.length === 0) && !(field.k === "list" && field.items.length === 0);
}
