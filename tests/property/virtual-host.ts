import type { RunEvent } from "#core";
import type { Cancellable, Host } from "../../workflows/interpreter/host.ts";
import { Cancelled } from "../../workflows/interpreter/host.ts";

interface Pending {
  at: number;
  order: number;
  fire(): void;
}

/** Virtual time for the interpreter: moves on only when nothing is left to do at the present moment. */
export class VirtualClock {
  now = 0;
  private order = 0;
  private pending: Pending[] = [];
  private landing: (() => void)[] = [];

  schedule<T>(ms: number, make: () => { value: T } | { error: unknown }, landsLater = true): Cancellable<T> {
    let drop = (): void => undefined;
    const promise = new Promise<T>((resolve, reject) => {
      const entry: Pending = {
        at: this.now + ms,
        order: this.order++,
        fire() {
          const made = make();
          if ("error" in made) reject(made.error);
          else resolve(made.value);
        },
      };
      this.pending.push(entry);
      drop = () => {
        this.pending = this.pending.filter((other) => other !== entry);
        if (landsLater) this.landing.push(() => reject(new Cancelled()));
        else reject(new Cancelled());
      };
    });
    promise.catch(() => undefined);
    return { promise, cancel: () => drop() };
  }

  get nextAt(): number {
    return Math.min(...this.pending.map(({ at }) => at));
  }

  /** Lets the next thing happen, which is that called-off work ends, where there is any; false when nothing is left. */
  step(): boolean {
    const landing = this.landing.splice(0);
    for (const land of landing) land();
    if (landing.length > 0) return true;
    const next = this.pending.toSorted((a, b) => a.at - b.at || a.order - b.order)[0];
    if (!next) return false;
    this.pending = this.pending.filter((entry) => entry !== next);
    this.now = next.at;
    next.fire();
    return true;
  }
}

/** Every promise that can settle without time passing has settled afterwards. */
export function quiet(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}

export function virtualHost(clock: VirtualClock, run: Pick<Host, "runNode" | "isFull" | "openChild" | "tellChild" | "receiptsOf">, facts: RunEvent[]): Host {
  return {
    ...run,
    now: () => clock.now,
    timer: (ms) => clock.schedule(ms, () => ({ value: undefined }), false),
    record: (events) => {
      facts.push(...events);
    },
    confirm(events) {
      facts.push(...events);
      return { promise: Promise.resolve(), cancel: () => undefined };
    },
    breathe: () => Promise.resolve(),
    fits: () => true,
    isPatched: () => true,
    describe: () => undefined,
  };
}
