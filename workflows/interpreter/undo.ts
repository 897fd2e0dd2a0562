import type { Json } from "#core";
import type { FrameCursor } from "./cursor.ts";
import { Frame, type Place } from "./frame.ts";

/** A node that has done what can be undone: `value` is what it handed on. */
export interface Debt {
  place: Place;
  value: Json;
}

export interface UndoCursor {
  debts: { frame: string; step: number; value: Json }[];
  doubtful: { frame: string; step: number }[];
  /** Iterations that have ended and are owed something, those around others first. */
  frames: { name: string; around: string; owner: number; position: number; item: Json; frame: FrameCursor }[];
}

/** What a run owes if it fails (graph.md 4.11): the last that completed is undone first. */
export class Undo {
  private debts: Debt[] = [];
  /** Calls that were given up, and may have had their effect all the same. */
  private doubtful: Place[] = [];

  owe(place: Place, value: Json): void {
    this.debts.push({ place, value });
  }

  doubt(place: Place): void {
    this.doubtful.push(place);
  }

  get isEmpty(): boolean {
    return this.debts.length === 0 && this.doubtful.length === 0;
  }

  /** What may have happened unseen; asked once, since it is settled then by `owe` or not at all. */
  takeDoubtful(): Place[] {
    const { doubtful } = this;
    this.doubtful = [];
    return doubtful;
  }

  next(): Debt | undefined {
    return this.debts.pop();
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
      frames: [...ended].flatMap(([name, frame]) => {
        const { around } = frame;
        if (!around) return [];
        const { owner, position, item } = around;
        return [{ name, around: nameOf(owner.frame), owner: owner.index, position, item, frame: saveFrame(frame) }];
      }),
    };
  }

  restore(saved: UndoCursor, live: Iterable<Frame>, restoreFrame: (frame: Frame, saved: FrameCursor) => void): void {
    const byName = new Map(Array.from(live, (frame) => [nameOf(frame), frame]));
    for (const { name, around, owner: index, position, item, frame: kept } of saved.frames) {
      const outer = byName.get(around);
      const body = outer?.step(index).body;
      if (!outer || !body) continue;
      const iteration = outer.iteration === "" ? String(position) : `${outer.iteration}.${position}`;
      const frame = new Frame(body, iteration, new Set(), { owner: { frame: outer, index }, item, position });
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
}

/** Ids of nodes are unique in a graph: the owner's tells iterations of two loops apart. */
function nameOf(frame: Frame): string {
  const owner = frame.around?.owner;
  return owner ? `${frame.iteration}@${owner.frame.step(owner.index).id}` : "";
}
