import { isObject, type Json, type JsonObject } from "#core";
import type { Step } from "#graph";
import type { ChildClosed } from "../messages.ts";
import type { Frame, Place } from "./frame.ts";
import type { Host } from "./host.ts";

/** A child run, from when it is asked for. */
interface Child {
  place: Place;
  /** Unknown while it is being started. */
  runId?: string;
  /** It has been, or will be, told to end. */
  isCalledOff: boolean;
}

export interface ChildCursor {
  step: number;
  run_id: string;
  called_off: boolean;
}

/** Child runs that have been asked for and have not closed (graph.md 4.8). */
export class Children {
  private readonly host: Host;
  private readonly onEnd: (place: Place, end: ChildClosed | { failed: unknown }, isCalledOff: boolean) => void;
  private readonly starting = new Set<Child>();
  private readonly live = new Map<string, Child>();
  /** Words of children whose start has not been heard of yet. */
  private readonly early = new Map<string, ChildClosed>();
  private isPaused = false;

  /** `onEnd` settles the step, once for each child: with its end, or with why it could not be started. */
  constructor(host: Host, onEnd: Children["onEnd"]) {
    this.host = host;
    this.onEnd = onEnd;
  }

  get size(): number {
    return this.starting.size + this.live.size;
  }

  /** While one is, the run cannot continue as new: nobody would hear of it. */
  get areStarting(): boolean {
    return this.starting.size > 0;
  }

  begin(place: Place, step: Step, inputs: JsonObject, input: Json): void {
    const child: Child = { place, isCalledOff: false };
    this.starting.add(child);
    const { workflow_id: workflowId, version, inputs: given = input } = inputs;
    const call = {
      iteration: place.frame.iteration,
      workflow_id: String(workflowId),
      ...(version === "latest" ? { version: "latest" as const } : typeof version === "number" ? { version } : {}),
      inputs: isObject(given) ? given : given === null ? {} : { input: given },
    };
    this.host.openChild(step, call).then(
      (runId) => {
        this.starting.delete(child);
        this.opened(child, runId);
      },
      (error: unknown) => {
        this.starting.delete(child);
        this.onEnd(place, { failed: error }, child.isCalledOff);
      },
    );
  }

  /** A child's own word, or that of who found it closed; of others than those that live it is harmless. */
  closed(end: ChildClosed): void {
    const child = this.live.get(end.run_id);
    this.live.delete(end.run_id);
    if (child) this.onEnd(child.place, end, child.isCalledOff);
    else if (this.areStarting) this.early.set(end.run_id, end);
  }

  /** Tells the child of a step to end; its word settles the step. @returns whether there is one. */
  stop({ frame, index }: Place): boolean {
    for (const child of [...this.starting, ...this.live.values()]) {
      if (child.place.frame !== frame || child.place.index !== index) continue;
      if (!child.isCalledOff && child.runId !== undefined) this.host.tellChild(child.runId, "cancel");
      child.isCalledOff = true;
      return true;
    }
    return false;
  }

  setPaused(paused: boolean): void {
    this.isPaused = paused;
    for (const runId of this.live.keys()) this.host.tellChild(runId, paused ? "pause" : "resume");
  }

  save(frame: Frame): ChildCursor[] {
    return Array.from(this.live).flatMap(([runId, { place, isCalledOff }]) =>
      place.frame === frame ? [{ step: place.index, run_id: runId, called_off: isCalledOff }] : [],
    );
  }

  restore(frame: Frame, saved: readonly ChildCursor[]): void {
    for (const { step: index, run_id: runId, called_off: isCalledOff } of saved) this.live.set(runId, { place: { frame, index }, runId, isCalledOff });
  }

  private opened(child: Child, runId: string): void {
    const end = this.early.get(runId);
    this.early.delete(runId);
    if (end) return this.onEnd(child.place, end, child.isCalledOff);
    child.runId = runId;
    this.live.set(runId, child);
    if (child.isCalledOff) this.host.tellChild(runId, "cancel");
    else if (this.isPaused) this.host.tellChild(runId, "pause");
  }
}
