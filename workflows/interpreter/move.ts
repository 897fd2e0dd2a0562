import type { Finding } from "#core";
import type { Body, Plan, Step } from "#graph";
import type { Cursor, FrameCursor } from "./cursor.ts";
import { edgesToText, isOwedWithin } from "./cursor.ts";
import { type EdgeState, type Frame, SETTLED, type StepState } from "./frame.ts";

/**
 * Nodes of another plan that would read what this run no longer has: of what has ended, earlier links of its chain took along only what their own
 * plan still read.
 */
export function readersOfLost(live: Iterable<Frame>, to: Plan): Finding[] {
  return Array.from(live).flatMap((frame) => {
    const owner = frame.around?.owner;
    const body = owner ? find(to, owner.frame.step(owner.index).id) : to;
    return (body?.steps ?? []).flatMap((step) =>
      readBy(step, body as Body, frame)
        .filter((id) => isLost(frame, id))
        .map((id) => ({ code: "migration.obstacle", message: `Node \`${step.id}\` reads \`${id}\`, whose output the run has let go of.`, node_id: step.id })),
    );
  });
}

/** Ids of what a step has yet to read, or its body, or what undoes it. */
function readBy(step: Step, body: Body, frame: Frame): string[] {
  const index = frame.find(step.id);
  const status = index === undefined ? "pending" : frame.state(index).status;
  if (index === undefined || status === "pending") return [...new Set([...step.in.map((edgeIndex) => body.edges[edgeIndex]?.source as string), ...step.reads])];
  if (isOwedWithin(frame.step(index))) return step.reads;
  if (SETTLED.has(status)) return [];
  return [...new Set(step.body?.steps.flatMap(({ reads }) => reads))];
}

function isLost(from: Frame, id: string): boolean {
  for (let frame: Frame | undefined = from; frame; frame = frame.around?.owner.frame) {
    const index = frame.find(id);
    if (index !== undefined) return frame.state(index).status === "completed" && frame.state(index).value === undefined;
  }
  return false;
}

/**
 * A cursor of a run by one plan, as the cursor of the same run by another: steps are found by their ids, and each edge is as the step it
 * leaves has ended. What may run or must be skipped by the new edges is decided when it is restored (`moved`).
 */
export function moveCursor(cursor: Cursor, from: Plan, to: Plan, entries: ReadonlySet<string>): Cursor {
  const root = moveFrame(cursor.root, from, to);
  const mayRun = new Set(to.steps.filter((step) => entries.has(step.id) || isReady(step, root.edges)).map(({ id }) => id));
  return {
    ...cursor,
    root,
    ready: cursor.ready.filter(({ iteration, id }) => iteration !== "" || mayRun.has(id)),
    unfired: to.steps.filter((step, index) => root.steps[index]?.status === "pending" && !entries.has(step.id) && beginsOnlyFired(step)).map(({ id }) => id),
    undo: moveUndo(cursor, from, to),
    moved: true,
  };
}

/** A step that runs where it is an entry of the run, or not at all. */
export function beginsOnlyFired({ in: edges, kind, type }: Step): boolean {
  return edges.length === 0 || (kind === "trigger" && type !== "Start");
}

/** What was ready by the old edges may have to wait by the new ones. */
function isReady({ in: edges, join }: Step, letters: string): boolean {
  const states = edges.map((edgeIndex) => letters[edgeIndex]);
  return states.includes("t") && (join === "any" || !states.includes("o"));
}

function moveFrame(frame: FrameCursor, from: Body, to: Body): FrameCursor {
  const before = new Map(from.steps.map(({ id }, index) => [id, frame.steps[index]]));
  const steps = to.steps.map(({ id }): StepState => before.get(id) ?? { status: "pending" });
  const at = indexIn(from, to);
  return {
    steps: steps.map((state) => {
      const { firedBy: _was, ...rest } = state;
      return { ...rest, ...firedBy(state, from, to) };
    }),
    edges: edgesToText(to.edges.map((_edge, index) => edgeState(to, index, steps))),
    errors: frame.errors,
    ...(frame.ending && { ending: frame.ending }),
    waits: frame.waits.flatMap((wait) => at(wait.step).map((step) => ({ ...wait, step }))),
    children: frame.children.flatMap((child) => at(child.step).map((step) => ({ ...child, step }))),
    iterating: frame.iterating.flatMap((owner) =>
      at(owner.step).map((step) => ({
        ...owner,
        step,
        live: owner.live.map((live) => ({ ...live, frame: moveFrame(live.frame, bodyOf(from, owner.step), bodyOf(to, step)) })),
      })),
    ),
  };
}

function moveUndo({ undo }: Cursor, from: Plan, to: Plan): Cursor["undo"] {
  const bodies = new Map<string, { from: Body; to: Body }>([["", { from, to }]]);
  // Iterations that live are named by their owners too.
  const bodyAt = (name: string): { from: Body; to: Body } => bodies.get(name) ?? ownedBy(name.slice(name.indexOf("@") + 1), from, to);
  const frames = undo.frames.flatMap((kept) => {
    const outer = bodyAt(kept.around);
    return indexIn(
      outer.from,
      outer.to,
    )(kept.owner).map((owner) => {
      const inner = { from: bodyOf(outer.from, kept.owner), to: bodyOf(outer.to, owner) };
      bodies.set(kept.name, inner);
      return { ...kept, owner, frame: moveFrame(kept.frame, inner.from, inner.to) };
    });
  });
  const move = <T extends { frame: string; step: number }>(each: T): T[] => {
    const body = bodyAt(each.frame);
    return indexIn(body.from, body.to)(each.step).map((step) => ({ ...each, step }));
  };
  return { frames, debts: undo.debts.flatMap(move), doubtful: undo.doubtful.flatMap(move) };
}

const EMPTY: Body = { steps: [], edges: [] };

function bodyOf(body: Body, step: number): Body {
  return body.steps[step]?.body ?? EMPTY;
}

function ownedBy(id: string, from: Plan, to: Plan): { from: Body; to: Body } {
  return { from: find(from, id) ?? EMPTY, to: find(to, id) ?? EMPTY };
}

function find(body: Body, id: string): Body | undefined {
  for (const step of body.steps) {
    if (step.id === id) return step.body;
    const inner = step.body && find(step.body, id);
    if (inner) return inner;
  }
  return undefined;
}

function indexIn(from: Body, to: Body): (step: number) => number[] {
  return (step) => {
    const index = to.steps.findIndex(({ id }) => id === from.steps[step]?.id);
    return index < 0 ? [] : [index];
  };
}

function edgeState(body: Body, edgeIndex: number, steps: readonly StepState[]): EdgeState {
  const edge = body.edges[edgeIndex];
  const source = body.steps.findIndex(({ id }) => id === edge?.source);
  // What enters a body comes from its owner, and came when the iteration began.
  if (source < 0) return "taken";
  const { status, route = "output", value } = steps[source] as StepState;
  if (status === "skipped") return "skipped";
  const wentOn = status === "completed" || (status === "failed" && (route === "error" || value !== undefined));
  return wentOn ? (edge?.route === route ? "taken" : "skipped") : "open";
}

/** A `join: any` step that has begun was made to run by one edge, wherever that stands now. */
function firedBy({ firedBy: was }: StepState, from: Body, to: Body): { firedBy?: number } {
  const edge = was === undefined ? undefined : from.edges[was];
  const now = to.edges.findIndex(
    ({ source, route, target, handle }) => source === edge?.source && route === edge.route && target === edge.target && handle === edge.handle,
  );
  return now < 0 ? {} : { firedBy: now };
}
