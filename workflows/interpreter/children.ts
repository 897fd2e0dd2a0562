import type { ChildClosed } from "../messages.ts";
import type { Place } from "./frame.ts";

export interface Child {
  place: Place;
  runId: string;
  /** It has been told to end. */
  isCalledOff: boolean;
}

/** Child runs that have started and not closed. */
export class Children {
  private readonly byRun = new Map<string, Child>();
  /** Words of children whose start has not been heard of yet. */
  private readonly early = new Map<string, ChildClosed>();

  get size(): number {
    return this.byRun.size;
  }

  all(): Iterable<Child> {
    return this.byRun.values();
  }

  at({ frame, index }: Place): Child | undefined {
    for (const child of this.byRun.values()) if (child.place.frame === frame && child.place.index === index) return child;
    return undefined;
  }

  /** @returns its end, where that came first. */
  opened(child: Child): ChildClosed | undefined {
    const closed = this.early.get(child.runId);
    this.early.delete(child.runId);
    if (!closed) this.byRun.set(child.runId, child);
    return closed;
  }

  /** @returns the child, where it was waited for. `mayBeEarly`: another child is starting, and this may be its word. */
  closed(end: ChildClosed, mayBeEarly: boolean): Child | undefined {
    const child = this.byRun.get(end.run_id);
    if (!child && mayBeEarly) this.early.set(end.run_id, end);
    this.byRun.delete(end.run_id);
    return child;
  }
}
