import type { FailureValue, Json, JsonObject, NodeStatus, RunStatus } from "#core";
import type { Step } from "#graph";
import { type EdgeState, type Frame, SETTLED, type Settlement, type StepState } from "./frame.ts";
import type { ChildCursor } from "./children.ts";
import type { SentEvent } from "../messages.ts";
import type { UndoCursor } from "./undo.ts";
import type { Counts } from "./outcome.ts";

/** What a run takes along when it continues as new. No activity is in flight then. */
export interface Cursor {
  root: FrameCursor;
  /** Steps that were ready, in their order. */
  ready: { iteration: string; id: string }[];
  /** Loops and maps that may go on, in their order; absent where there are none, and in cursors of before. */
  turns?: { iteration: string; id: string }[];
  variables: JsonObject;
  paused: boolean;
  status: RunStatus;
  startedAt: number;
  /** Numbers the run's own status events. */
  statusEvents: number;
  /** Rows that have their last status. */
  tally: Counts;
  /** Commands that have been applied, the newest last, so that one that comes again is not. */
  applied: string[];
  events: SentEvent[];
  undo: UndoCursor;
  /** Steps that are being called off and will be settled as a command has said. */
  decided?: { iteration: string; id: string; settlement: Settlement }[];
  /** Of a run that moves to another plan: triggers that this has and that have not fired. */
  unfired?: string[];
  /** Set where the plan is another one than that in which the run stood before. */
  moved?: true;
}

export interface FrameCursor {
  steps: StepState[];
  /** One letter an edge: `o`pen, `t`aken, `s`kipped. */
  edges: string;
  errors: Record<string, Json>;
  /** `inputs`: absent in cursors of before. */
  waits: { step: number; since: number; expiresAt?: number; inputs?: JsonObject }[];
  /** Of an iteration that is being called off. */
  ending?: Frame["ending"];
  children: ChildCursor[];
  /** Loops and maps at work, with the iterations that live. */
  iterating: {
    step: number;
    inputs: JsonObject;
    state: JsonObject;
    /** Why it begins no more iterations. */
    ending?: FailureValue | "cancelled";
    live: { position: number; item: Json; frame: FrameCursor }[];
  }[];
}

const LETTER: Record<EdgeState, string> = { open: "o", taken: "t", skipped: "s" };
const STATE: Record<string, EdgeState> = { o: "open", t: "taken", s: "skipped" };

export function edgesToText(edges: readonly EdgeState[]): string {
  return edges.map((edge) => LETTER[edge]).join("");
}

export function edgesFromText(text: string): EdgeState[] {
  return Array.from(text, (letter) => STATE[letter] ?? "open");
}

/** What a loop or map at work was given, without the items: those still to come are part of its state. */
export function keptInputs({ items: _kept, ...inputs }: JsonObject): JsonObject {
  return inputs;
}

/** Its items are its own by now: what they came from is read by its body alone, or by what reduces the results. */
function isMapAtWork(step: Step, status: NodeStatus): boolean {
  return step.type === "MapReduce" && status === "running" && step.scope_roots === undefined;
}

/** What hangs from an iteration that has ended is undone later, and reads what is around its loop or map. */
export function isOwedWithin({ compensate, body }: Step): boolean {
  return compensate !== undefined || (body?.steps.some(isOwedWithin) ?? false);
}

/** Step states without the values that nothing still to come can read. */
export function keptStates(frame: Frame): StepState[] {
  const needed = new Set<string>();
  const need = (step: Step): void => {
    for (const edgeIndex of step.in) needed.add(frame.body.edges[edgeIndex]?.source as string);
    for (const id of step.reads) needed.add(id);
  };
  frame.body.steps.forEach((step, index) => {
    const { status } = frame.state(index);
    if (isMapAtWork(step, status) && !step.compensate) for (const inner of step.body?.steps ?? []) for (const id of inner.reads) needed.add(id);
    else if (!SETTLED.has(status) || isOwedWithin(step)) need(step);
    if (step.compensate) needed.add(step.id);
  });
  // What goes out of an iteration is read when it ends.
  for (const edge of frame.body.edges) if (frame.find(edge.target) === undefined) needed.add(edge.source);
  return frame.steps.map((state, index) => {
    const step = frame.step(index);
    if (state.value === undefined || needed.has(step.id) || step.type === "End" || (frame.around === undefined && frame.isReachedLeaf(index))) return state;
    const { value: _dropped, ...rest } = state;
    return state.status === "failed" ? { ...rest, value: null } : rest;
  });
}
