import type { FailureValue, Json, RunEvent } from "#core";
import type { Step } from "#graph";
import type { ChildCall, NodeCall, NodeResult } from "../messages.ts";
import type { Cursor } from "./cursor.ts";

/** Something begun that can be called off. A call-off rejects `promise` with `Cancelled`. */
export interface Cancellable<T> {
  promise: Promise<T>;
  cancel(): void;
}

/** Thrown into a step that was called off. */
export class Cancelled extends Error {
  override readonly name = "Cancelled";
}

/** An activity that will not be tried again. `told` says that the worker has already put it into the log. */
export class StepFailed extends Error {
  override readonly name = "StepFailed";
  readonly failure: FailureValue;
  readonly told: boolean;

  constructor(failure: FailureValue, told: boolean) {
    super(failure.message);
    this.failure = failure;
    this.told = told;
  }
}

/** Changes of the interpreter that change what it asks of Temporal, each asked about only where it matters. */
export type Patch =
  /** A loop or map that ends begins nothing more, although it was to go on. */
  | "ending-owners-rest"
  /** A call that a person has skipped may have been made, and is then undone. */
  | "skipped-calls-are-doubted"
  /** What undoes goes on where the run was paused, child runs too. */
  | "undo-is-not-paused"
  /** A run that has much to undo continues as new between two compensations. */
  | "undo-continues-as-new"
  /** Who asks for another version is answered once the run goes on by it. */
  | "moves-are-awaited"
  /** A run that was cancelled in an earlier link ends in Temporal as cancelled. */
  | "later-links-end-as-cancelled";

/** All that the interpreter may ask of the world: Temporal in a run, virtual time in the property test. */
export interface Host {
  /** Milliseconds since the epoch; stands still within one activation. */
  now(): number;
  /** Rejects with `StepFailed` or `Cancelled`. */
  runNode(step: Step, call: NodeCall): Cancellable<NodeResult>;
  timer(ms: number, summary: string): Cancellable<void>;
  /** Stores and starts a child run; resolves with its id once it has started. Rejects with `StepFailed`. Not called off: it is told to end. */
  openChild(step: Step, call: Pick<ChildCall, "workflow_id" | "version" | "inputs"> & { iteration: string }): Promise<string>;
  tellChild(runId: string, what: "cancel" | "pause" | "resume"): void;
  /** What calls that were given up left behind all the same, in the order asked for. */
  receiptsOf(nodes: { node_id: string; iteration: string }[]): Promise<({ value: Json } | null)[]>;
  /** Tells facts; never awaited, may be lost with the process. */
  record(events: RunEvent[]): void;
  /** Writes facts durably; resolves when they are in the log. */
  confirm(events: RunEvent[]): Cancellable<void>;
  /** Lets the server breathe in a long stretch of inline steps. */
  breathe(): Promise<void>;
  /** Whether the history has grown so far that the run should continue as new. */
  isFull(): boolean;
  /** Whether a run that takes this along is small enough to be started. */
  fits(cursor: Cursor): boolean;
  /** Whether the run goes by that change of the interpreter: false only while what ran without it is replayed. */
  isPatched(change: Patch): boolean;
  /** Shown in the Temporal Web UI. */
  describe(text: string): void;
}
