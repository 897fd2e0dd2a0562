import { type NodeStatus, stableStringify } from "#core";
import type { Plan, Step } from "#graph";
import { givenKey } from "#workflows/messages";
import { type Position, runsAgain } from "./again.ts";
import { nameOf, numbersOf, type Place, type Places, placesOf } from "./places.ts";
import type { RecordedNode } from "../types.ts";
import type { Taken } from "./given.ts";

export interface SelectOptions {
  /** The plan the run went by. */
  from: Plan;
  /** The plan the new run goes by; nodes are known by their ids. */
  to: Plan;
  nodes: readonly RecordedNode[];
  /** `givenKey`s of calls that left a receipt, though no row says how the node ended. */
  receipts: ReadonlySet<string>;
  /** What is to run again, with all that is behind it. */
  again: readonly Position[];
  /** Ids of nodes whose output is another than it was; `"all"` where the inputs of the run or its variables are. */
  edited: ReadonlySet<string> | "all";
  /** Whether items of maps that failed, and that their map went on from, stand as failures or run again. */
  failedItems: "stand" | "again";
  /** Whether a node of this type may run again without anybody noticing. */
  isEffectFree(type: string): boolean;
}

export interface Selection {
  taken: Taken[];
  /** Ended and kept, but their outputs are not fully there, and running them again has an effect. */
  lost: RecordedNode[];
}

/**
 * What of a run stands for nodes of a run that goes on from it (graph.md 4.13): what has ended, is not to run again, and means the same in the
 * plan of the new run. Not given: triggers (they hand on the new run's own inputs), nodes of a loop or map that is given itself, what was skipped
 * (follows again, unless a person did it), failures that ended the run, and what had been undone.
 */
export function select(options: SelectOptions): Selection {
  const now = placesOf(options.to);
  const old = placesOf(options.from);
  const again = [...options.again, ...undone(options.nodes, old, now)];
  const fitting: { node: RecordedNode; place: Place }[] = [];
  for (const node of options.nodes) {
    const place = now.get(node.node_id);
    if (!place || place.undoes || place.step.kind === "trigger" || place.owners.length !== numbersOf(node.iteration).length) continue;
    if (isSame(place, old.get(node.node_id), node)) fitting.push({ node, place });
    else if (hasRun(node)) again.push({ place, numbers: numbersOf(node.iteration) });
  }
  const kept = fitting.filter(({ node, place }) => !again.some((position) => runsAgain(position, place, node.iteration)));
  const statuses = new Map(options.nodes.map(({ node_id, iteration, status }) => [givenKey(node_id, iteration), status]));
  const results = kept.map(({ node, place }) => {
    const isHandled = place.step.on_error !== "fail" || (options.failedItems === "stand" && wentOn(place, node.iteration, statuses));
    return { node, place, result: resultOf(node, place.step, isHandled, options) };
  });
  const whole = new Set(
    results.flatMap(({ node, place, result }) => (place.step.body && typeof result === "object" ? [givenKey(node.node_id, node.iteration)] : [])),
  );
  const changed = changedOwners(now, old, options.edited);
  const needed = results.filter(({ node, place }) => !isHeld(place, node.iteration, whole) && !place.owners.some((owner) => changed.has(owner.id)));
  return {
    taken: needed.flatMap(({ result }) => (typeof result === "object" ? [result] : [])),
    lost: needed.flatMap(({ node, result }) => (result === "lost" ? [node] : [])),
  };
}

/** What had been undone, or may have been in part, has to be done again. */
function undone(nodes: readonly RecordedNode[], old: Places, now: Places): Position[] {
  return nodes.flatMap(({ node_id, iteration, status, never_began: neverBegan }) => {
    const by = old.get(node_id)?.undoes;
    const place = by && status !== "skipped" && status !== "pending" && !neverBegan ? now.get(by.id) : undefined;
    return place ? [{ place, numbers: numbersOf(iteration).slice(0, place.owners.length) }] : [];
  });
}

function hasRun({ status }: RecordedNode): boolean {
  return status === "completed" || status === "failed";
}

/** The same node in the same bodies; a changed one has the same id and is still known by it, unless it is of another type. */
function isSame({ step, owners }: Place, before: Place | undefined, node: RecordedNode): boolean {
  const ids = (steps: readonly Step[]): string => stableStringify(steps.map(({ id }) => id));
  return step.type === node.type && (before === undefined || ids(before.owners) === ids(owners));
}

/** What stands for the node; `"lost"` where that is not there any more. Undefined: it runs. */
function resultOf(node: RecordedNode, step: Step, isHandled: boolean, { receipts, isEffectFree }: SelectOptions): Taken | "lost" | undefined {
  const { node_id, iteration, status, route, output_bytes: bytes } = node;
  const about = { node_id, iteration };
  const hasReceipt = receipts.has(givenKey(node_id, iteration));
  if (status === "failed") return isHandled && node.error ? { ...about, source: "failure" } : undefined;
  if (status === "skipped") return node.by_hand && { ...about, source: "skip" };
  if (status !== "completed") return step.kind === "activity" && hasReceipt ? { ...about, source: "receipt" } : undefined;
  if (!leavesBy(step, route)) return undefined;
  const taken = { ...about, ...(route !== null && { route }) };
  if (bytes !== null) return { ...taken, source: "row" };
  if (hasReceipt) return { ...taken, source: "receipt" };
  return step.kind === "inline" || step.body || (step.kind === "activity" && isEffectFree(step.type)) ? undefined : "lost";
}

/** Whether the map around a node went on from its failure. */
function wentOn({ owners }: Place, iteration: string, statuses: ReadonlyMap<string, NodeStatus>): boolean {
  const owner = owners.at(-1);
  const status = owner && statuses.get(givenKey(owner.id, nameOf(numbersOf(iteration), owners.length - 1)));
  return status !== undefined && status !== "failed" && status !== "cancelled";
}

/** Whether the step still has the way by which the node was left. */
function leavesBy(step: Step, route: string | null): boolean {
  if (route === null) return step.routes === undefined || step.body !== undefined;
  return step.routes?.includes(route) ?? false;
}

/** Whether a loop or map around it is given as a whole. */
function isHeld(place: Place, iteration: string, whole: ReadonlySet<string>): boolean {
  const numbers = numbersOf(iteration);
  return place.owners.some((owner, depth) => whole.has(givenKey(owner.id, nameOf(numbers, depth))));
}

/** Loops and maps that may go through other items than they did: their iterations mean nothing to the new run. */
function changedOwners(now: Places, old: Places, edited: SelectOptions["edited"]): ReadonlySet<string> {
  const goesBy = ({ step }: Place): string => stableStringify([step.type, step.inputs, step.while ?? null]);
  const changed = new Set<string>();
  for (const [id, place] of now) {
    if (!place.step.body) continue;
    const before = old.get(id);
    const isBehindEdit = edited === "all" || [...edited].some((other) => comesAfter(place, now.get(other)));
    if (isBehindEdit || !before || goesBy(before) !== goesBy(place)) changed.add(id);
  }
  return changed;
}

function comesAfter(place: Place, edited: Place | undefined): boolean {
  if (!edited || edited.owners.includes(place.step)) return false;
  return runsAgain({ place: edited }, place, place.owners.map(() => "0").join("."));
}

/**
 * What of a run stands for its activities and waits when it is replayed: how each of them ended, failures too, and what a person skipped. What is evaluated in the workflow
 * (inline nodes, loops, joins) is evaluated anew.
 */
export function selectRecording({ to, nodes, receipts }: Pick<SelectOptions, "to" | "nodes" | "receipts">): Selection {
  const places = placesOf(to);
  const selection: Selection = { taken: [], lost: [] };
  for (const node of nodes) {
    const { node_id, iteration, status, route, output_bytes: bytes } = node;
    const place = places.get(node_id);
    if (!place || place.step.type !== node.type || place.owners.length !== numbersOf(iteration).length) continue;
    if (node.by_hand) selection.taken.push({ node_id, iteration, source: "skip" });
    if (place.step.body || (place.step.kind !== "activity" && place.step.kind !== "control")) continue;
    const about = { node_id, iteration, ...(route !== null && { route }) };
    const hasReceipt = receipts.has(givenKey(node_id, iteration));
    if (status === "failed") selection.taken.push({ node_id, iteration, source: "failure" });
    else if (status === "completed" && bytes !== null) selection.taken.push({ ...about, source: "row" });
    else if (hasReceipt) selection.taken.push({ ...about, source: "receipt" });
    else if (status === "completed") selection.lost.push(node);
  }
  return selection;
}
