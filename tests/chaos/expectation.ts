import type { Json } from "#core";
import { type Body, compile, type Plan } from "#graph";
import { catalogue } from "#nodes";
import { modelGraph } from "../property/random-graph.ts";
import { type ModelResult, runModel } from "../property/reference-model.ts";
import type { Dice } from "./dice.ts";
import type { ChaosGraph } from "./graphs.ts";

/** What the reference model says of a graph, whatever is killed meanwhile. */
export interface Expectation {
  status: "completed" | "failed";
  outputs: Json;
  failedNode: string | undefined;
  /** By `iteration:id`, all but the free ones. */
  nodes: Record<string, { status: string; value?: Json }>;
  /** Whether a node stands where a failure calls off what is under way: how far that had come hangs on timing, which is no part of the meaning. */
  isFree(nodeId: string, iteration: string): boolean;
}

/** How often the model is asked again with other durations; what it says must not change. */
const TIMINGS = 6;

/** @throws Error when the graph does not compile, or the model's word hangs on timing where it should not. */
export function expectationOf(drawn: ChaosGraph, dice: Dice): Expectation {
  const compiled = compile(drawn.graph, catalogue);
  if (!compiled.ok) throw new Error(`The generator drew a graph with problems: ${JSON.stringify(compiled.problems)}`);
  const first = ask(drawn, compiled.plan);
  const isFree = freedom(drawn, compiled.plan, first);
  const nodes = Object.fromEntries(Object.entries(first.nodes).filter(([key]) => !isFree(...split(key))));
  const fixed = (result: ModelResult): string =>
    JSON.stringify([
      result.kind,
      result.outputs,
      result.failedNode,
      Object.entries(result.nodes)
        .filter(([key]) => !isFree(...split(key)))
        .toSorted(([a], [b]) => (a < b ? -1 : 1)),
    ]);
  for (let n = 0; n < TIMINGS; n++) {
    for (const node of drawn.nodes.values()) node.duration = dice.chance(0.5) ? dice.between(1, 100) : dice.between(1, 100_000);
    if (fixed(ask(drawn, compiled.plan)) !== fixed(first)) throw new Error("The generator drew a graph whose end hangs on timing.");
  }
  if (first.kind === "cancelled") throw new Error("Nobody cancels here.");
  return { status: first.kind, outputs: first.outputs ?? null, failedNode: first.failedNode, nodes, isFree };
}

function ask({ graph, nodes }: ChaosGraph, plan: Plan): ModelResult {
  return runModel(modelGraph({ graph, nodes, commands: {}, fullEvery: 0 }, plan), {});
}

/** `iteration:id` as id and iteration. */
export function split(key: string): [nodeId: string, iteration: string] {
  const at = key.indexOf(":");
  return [key.slice(at + 1), key.slice(0, at)];
}

/** A place where a body has failed: in these iterations all of these nodes are free, and all that is inside of them. */
interface Freed {
  nodes: ReadonlySet<string>;
  holds(iteration: string): boolean;
}

function freedom({ nodes }: ChaosGraph, plan: Plan, result: ModelResult): Expectation["isFree"] {
  const freed: Freed[] = [];
  const visit = (body: Body): void => {
    for (const step of body.steps) {
      const node = nodes.get(step.id);
      const failedIn = Object.entries(result.nodes).flatMap(([key, { status }]) => {
        const [id, iteration] = split(key);
        return id === step.id && status === "failed" ? [iteration] : [];
      });
      if (node?.onError === "fail" && failedIn.length > 0) {
        const before = ancestorsOf(body, step.id);
        const others = body.steps
          .filter(({ id }) => id !== step.id && !before.has(id))
          .flatMap((other) => [other.id, ...idsInside(other.body), ...idsInside(other.compensate)]);
        freed.push({
          nodes: new Set(others),
          // Of a node that fails in odd iterations only, each of these is named.
          holds: (iteration) => failedIn.some((failed) => within(iteration, failed)),
        });
      }
      if (step.body) {
        // A loop or map that failed has called off whatever iterations it had.
        if (failedIn.length > 0)
          freed.push({ nodes: new Set(idsInside(step.body)), holds: (iteration) => failedIn.some((failed) => within(iteration, failed)) });
        visit(step.body);
      }
    }
  };
  visit(plan);
  return (nodeId, iteration) => freed.some(({ nodes: free, holds }) => free.has(nodeId) && holds(iteration));
}

/** Whether an iteration is this one or inside of it. */
function within(iteration: string, outer: string): boolean {
  return outer === "" || iteration === outer || iteration.startsWith(`${outer}.`);
}

function idsInside(body: Body | undefined): string[] {
  return (body?.steps ?? []).flatMap((step) => [step.id, ...idsInside(step.body), ...idsInside(step.compensate)]);
}

/** Everything that must be settled before the node can begin. */
export function ancestorsOf(body: Pick<Body, "edges">, id: string): Set<string> {
  const found = new Set<string>();
  for (const work = [id]; work.length > 0;) {
    const target = work.pop();
    for (const edge of body.edges) {
      if (edge.target !== target || edge.handle !== "input" || found.has(edge.source)) continue;
      found.add(edge.source);
      work.push(edge.source);
    }
  }
  return found;
}
