import type { Body, Plan, Step } from "#graph";

/** Where a step stands in a plan. */
export interface Place {
  step: Step;
  /** The loops and maps around it, the outermost first. */
  owners: readonly Step[];
  /** The bodies on the way to it, the plan first and its own last: one more than owners. */
  bodies: readonly Body[];
  /** The step that it helps to undo: it is no part of the way forward. */
  undoes: Step | undefined;
}

export type Places = ReadonlyMap<string, Place>;

export function placesOf(plan: Plan): Places {
  const places = new Map<string, Place>();
  const open: Omit<Place, "step">[] = [{ owners: [], bodies: [plan], undoes: undefined }];
  for (let next = open.pop(); next; next = open.pop()) {
    const { owners, bodies, undoes } = next;
    for (const step of bodies.at(-1)?.steps ?? []) {
      places.set(step.id, { step, ...next });
      if (step.body) open.push({ owners: [...owners, step], bodies: [...bodies, step.body], undoes });
      if (step.compensate) open.push({ owners, bodies: [...bodies.slice(0, -1), step.compensate], undoes: step });
    }
  }
  return places;
}

/** The numbers of an iteration's name, the outermost first: `"2.5"` is `[2, 5]`. */
export function numbersOf(iteration: string): number[] {
  return iteration === "" ? [] : iteration.split(".").map(Number);
}

/** The first so many numbers as a name: of `[2, 5]` the first one is `"2"`. */
export function nameOf(numbers: readonly number[], depth: number): string {
  return numbers.slice(0, depth).join(".");
}

/** Ids of the steps of a body that edges lead to from one of them, itself not among them. */
export function behind(body: Body, id: string): ReadonlySet<string> {
  let known = memo.get(body);
  if (!known) memo.set(body, (known = new Map()));
  let found = known.get(id);
  if (!found) known.set(id, (found = walk(body, id)));
  return found;
}

const memo = new WeakMap<Body, Map<string, ReadonlySet<string>>>();

function walk(body: Body, id: string): ReadonlySet<string> {
  const steps = new Map(body.steps.map((step) => [step.id, step]));
  const found = new Set<string>();
  const open = [id];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    for (const edgeIndex of steps.get(next)?.out ?? []) {
      const target = body.edges[edgeIndex]?.target;
      if (target === undefined || found.has(target) || !steps.has(target)) continue;
      found.add(target);
      open.push(target);
    }
  }
  return found;
}
