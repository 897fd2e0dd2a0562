import type { JsonObject, RunStatus } from "#core";
import { type EdgeState, type Frame, SETTLED, type StepState } from "./frame.ts";

/** What a run takes along when it continues as new. */
export interface Cursor {
  steps: StepState[];
  /** One letter an edge: `o`pen, `t`aken, `s`kipped. */
  edges: string;
  /** Steps that were ready, in their order. */
  ready: number[];
  /** Open waits and timers: step → when it began and when it ends. */
  waits: { step: number; since: number; expiresAt?: number }[];
  variables: JsonObject;
  paused: boolean;
  status: RunStatus;
  startedAt: number;
  /** Numbers the run's own status events. */
  statusEvents: number;
}

const LETTER: Record<EdgeState, string> = { open: "o", taken: "t", skipped: "s" };
const STATE: Record<string, EdgeState> = { o: "open", t: "taken", s: "skipped" };

export function edgesToText(edges: readonly EdgeState[]): string {
  return edges.map((edge) => LETTER[edge]).join("");
}

export function edgesFromText(text: string): EdgeState[] {
  return Array.from(text, (letter) => STATE[letter] ?? "open");
}

/** Step states without the values that nothing still to come can read. */
export function keptStates(frame: Frame): StepState[] {
  const needed = new Set<string>();
  frame.body.steps.forEach((step, index) => {
    if (SETTLED.has(frame.state(index).status)) return;
    for (const edgeIndex of step.in) needed.add(frame.body.edges[edgeIndex]?.source as string);
    for (const id of step.reads) needed.add(id);
  });
  return frame.steps.map((state, index) => {
    const step = frame.step(index);
    if (state.value === undefined || needed.has(step.id) || step.type === "End" || frame.isReachedLeaf(index)) return state;
    const { value: _dropped, ...rest } = state;
    return state.status === "failed" ? { ...rest, value: null } : rest;
  });
}
