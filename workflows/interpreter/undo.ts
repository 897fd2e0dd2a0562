import type { Json } from "#core";
import type { FrameCursor } from "./cursor.ts";
import { Frame, type Place } from "./frame.ts";
import type { Cancellable, Host } from "./host.ts";
import { iterationName } from "./iterating.ts";

/** A node that has done what can be undone: `value` is what it handed on. */
export interface Debt {
  place: Place;
  value: Json;
}

export interface UndoCursor {
  debts: { frame: string; step: number; value: Json }[];
  doubtful: { frame: string; step: number }[];
  /** When it must be done, in milliseconds since the epoch; absent where it has not begun. */
  until?: number;
  /** Iterations that have ended and are owed something, those around others first. */
  frames: { name: string; around: string; owner: number; position: number; item: Json; frame: FrameCursor }[];
}

/** What a run that failed may take to undo what it has done, where its plan does not say. */
const CLEANUP_MS = 3_600_000;

export interface UndoSteps {
  /** Begins what hangs from a `compensate` handle. */
  begin(frame: Frame): void;
  callOff(frame: Frame): void;
  /** Settles a step that will not be undone any more. */
  giveUp(place: Place): void;
  poke(): void;
}

/** What a run owes if it fails, and the paying of it (graph.md 4.11): the last that completed is undone first, one after the other. */
export class Undo {
  /** The compensation at work. */
  frame: Frame | undefined;
  private readonly host: Host;
  private readonly cleanupMs: number;
  private readonly steps: UndoSteps;
  private debts: Debt[] = [];
  /** Calls that were given up, and may have had their effect all the same. */
  private doubtful: Place[] = [];
  private deadline: Cancellable<void> | undefined;
  private until: number | undefined;
  private isOverTime = false;

  constructor(host: Host, cleanupMs: number | undefined, steps: UndoSteps) {
    this.host = host;
    this.cleanupMs = cleanupMs ?? CLEANUP_MS;
    this.steps = steps;
  }

  owe(place: Place, value: Json): void {
    this.debts.push({ place, value });
  }

  doubt(place: Place): void {
    this.doubtful.push(place);
  }

  /** Whether there is, or may be, something left to undo. */
  get isOwing(): boolean {
    return this.debts.length + this.doubtful.length > 0;
  }

  /** Begins to undo what completed last of all that is not undone. @returns whether there is anything to wait for. */
  async beginNext(): Promise<boolean> {
    if (!this.isOwing) return false;
    this.deadline ??= this.watch();
    await this.learnOfDoubtful();
    const debt = this.debts.pop();
    if (!debt) return false;
    const { place, value } = debt;
    const { frame, index } = place;
    const body = frame.step(index).compensate ?? { steps: [], edges: [] };
    const undoing = new Frame(body, frame.iteration, new Set(), { owner: place, item: value, position: 0, isUndo: true });
    this.frame = undoing;
    if (this.isOverTime) {
      undoing.ending = "cancelled";
      body.steps.forEach((_step, at) => this.steps.giveUp({ frame: undoing, index: at }));
    } else this.steps.begin(undoing);
    return true;
  }

  end(): void {
    this.deadline?.cancel();
  }

  /** @param isLive - Whether a frame is saved elsewhere. */
  save(isLive: (frame: Frame) => boolean, saveFrame: (frame: Frame) => FrameCursor): UndoCursor {
    const ended = new Map<string, Frame>();
    const keep = (frame: Frame): void => {
      if (!frame.around || isLive(frame)) return;
      keep(frame.around.owner.frame);
      ended.set(nameOf(frame), frame);
    };
    for (const { frame } of [...this.debts.map(({ place }) => place), ...this.doubtful]) keep(frame);
    return {
      debts: this.debts.map(({ place, value }) => ({ frame: nameOf(place.frame), step: place.index, value })),
      doubtful: this.doubtful.map(({ frame, index }) => ({ frame: nameOf(frame), step: index })),
      ...(this.until !== undefined && { until: this.until }),
      frames: [...ended].flatMap(([name, frame]) => {
        const { around } = frame;
        if (!around) return [];
        const { owner, position, item } = around;
        return [{ name, around: nameOf(owner.frame), owner: owner.index, position, item, frame: saveFrame(frame) }];
      }),
    };
  }

  restore(saved: UndoCursor, live: Iterable<Frame>, restoreFrame: (frame: Frame, saved: FrameCursor) => void): void {
    this.until = saved.until;
    const byName = new Map(Array.from(live, (frame) => [nameOf(frame), frame]));
    for (const { name, around, owner: index, position, item, frame: kept } of saved.frames) {
      const outer = byName.get(around);
      const body = outer?.step(index).body;
      if (!outer || !body) continue;
      const frame = new Frame(body, iterationName(outer, position), new Set(), { owner: { frame: outer, index }, item, position });
      restoreFrame(frame, kept);
      byName.set(name, frame);
    }
    const at = ({ frame: name, step: index }: { frame: string; step: number }): Place[] => {
      const frame = byName.get(name);
      return frame ? [{ frame, index }] : [];
    };
    for (const debt of saved.debts) for (const place of at(debt)) this.owe(place, debt.value);
    for (const each of saved.doubtful) for (const place of at(each)) this.doubt(place);
  }

  /** A call that was given up may have been made: where it left a receipt, it is undone as if it had completed. */
  private async learnOfDoubtful(): Promise<void> {
    const places = this.doubtful;
    this.doubtful = [];
    if (places.length === 0) return;
    const found = await this.host.receiptsOf(places.map(({ frame, index }) => ({ node_id: frame.step(index).id, iteration: frame.iteration })));
    for (const [at, place] of places.entries()) {
      const receipt = found[at];
      if (!receipt) continue;
      Object.assign(place.frame.state(place.index), { recovered: true, value: receipt.value });
      this.owe(place, receipt.value);
    }
  }

  private watch(): Cancellable<void> {
    this.until ??= this.host.now() + this.cleanupMs;
    const timer = this.host.timer(Math.max(0, this.until - this.host.now()), "Deadline of the compensations");
    timer.promise.then(
      () => {
        this.isOverTime = true;
        if (this.frame) this.steps.callOff(this.frame);
        this.steps.poke();
      },
      () => undefined,
    );
    return timer;
  }
}

/** Ids of nodes are unique in a graph: the owner's tells iterations of two loops apart. */
function nameOf(frame: Frame): string {
  const owner = frame.around?.owner;
  return owner ? `${frame.iteration}@${owner.frame.step(owner.index).id}` : "";
}
