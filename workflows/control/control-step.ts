import type { Finding, Json, JsonObject, PerdureError } from "#core";
import type { Step } from "#graph";
import type { Answer, SentEvent, WaitSnapshot } from "../messages.ts";

export type WaitEnd = { ok: true; value: Json; route?: string } | { ok: false; error: PerdureError };

/** What a control node waits for. Pure: the interpreter holds the timers and takes the answers. */
export interface Wait {
  kind: WaitSnapshot["kind"];
  /** Set where there is nothing to wait for. */
  done?: WaitEnd;
  /** Milliseconds since the epoch. */
  expiresAt?: number;
  expire(): WaitEnd;
  /** Findings against an answer; empty when it fits. Absent where nobody can answer. */
  accept?(answer: Answer): Finding[];
  answer?(answer: Answer): WaitEnd;
  /** Takes an event, or says by `undefined` that it waits for another. Absent where it waits for none. */
  receive?(event: SentEvent): WaitEnd | undefined;
  /** What a person, or who sends events, is shown. */
  show?: { prompt?: string; data?: Json; schema?: JsonObject; assignees?: string[]; event?: string; correlation?: string };
}

export interface ControlContext {
  step: Step;
  inputs: JsonObject;
  input: Json;
  /** When the wait began, in milliseconds since the epoch. */
  now: number;
  /** Whether an edge leaves the node by that route. */
  hasEdge(route: string): boolean;
}

export interface ControlStep {
  /** @throws PerdureError when the inputs make no wait. */
  begin(context: ControlContext): Wait;
}
