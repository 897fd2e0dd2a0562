import type { HubMessage, HubTopic } from "./hub.ts";

/** Of a topic about many runs; the server takes no more by default (LIVE_RESUME_RUNS_MAX). */
const RUNS_KEPT = 200;
/** Clocks differ, and a run may have begun just before its first event was missed. */
const MARGIN_MS = 10_000;
const WIDE = /^(?:organization|workflow_updates|user|workflow:.*)$/;
const CLOSING: ReadonlySet<string> = new Set(["workflow_complete", "error"]);

/** Of one run, by its topic. */
interface Position {
  seq: number;
  hasEnded: boolean;
}

/** How far each topic was heard, so that the next connection goes on there. */
export class HubPositions {
  readonly #topics: Map<string, HubTopic>;
  /** By topic, then by run; the run that said nothing for the longest time first. */
  readonly #runs = new Map<string, Map<string, Position>>();
  #heardAt: number | undefined;

  constructor(topics: readonly HubTopic[]) {
    this.#topics = new Map(topics.map((each) => [each.topic, each]));
  }

  /** Topics that have not ended. */
  get size(): number {
    return this.#topics.size;
  }

  heard(): void {
    this.#heardAt = Date.now();
  }

  /** As a subscription takes them. */
  wanted(): HubTopic[] {
    return [...this.#topics.values()].map((given) => {
      const runs = [...(this.#runs.get(given.topic) ?? [])];
      if (given.topic.startsWith("run:")) return runs[0] ? { ...given, after: runs[0][1].seq } : given;
      if (!WIDE.test(given.topic) || this.#heardAt === undefined) return given;
      const after = { ...(typeof given.after === "object" && given.after), ...Object.fromEntries(runs.map(([run, { seq }]) => [run, seq])) };
      for (const [run, { hasEnded }] of runs) if (hasEnded) delete after[run];
      return { ...given, after, since: new Date(this.#heardAt - MARGIN_MS).toISOString() };
    });
  }

  /** False for an event that was heard before. */
  isNew({ type, data }: HubMessage): boolean {
    if (type === "Ended") this.#topics.delete(data.topic);
    if (type !== "Event") return true;
    const runs = this.#runs.get(data.topic) ?? new Map<string, Position>();
    const before = runs.get(data.run_id);
    if (before && data.id <= before.seq) return false;
    runs.delete(data.run_id);
    runs.set(data.run_id, { seq: data.id, hasEnded: CLOSING.has(data.kind) });
    for (const oldest of runs.keys()) {
      if (runs.size <= RUNS_KEPT) break;
      runs.delete(oldest);
    }
    this.#runs.set(data.topic, runs);
    return true;
  }
}
