import type { FailureValue, Json, NodeStatus } from "#core";
import type { Body, Step } from "#graph";

export type EdgeState = "open" | "taken" | "skipped";

/** Where one step of a body stands. */
export interface StepState {
  status: NodeStatus;
  route?: string;
  value?: Json;
  error?: FailureValue;
  /** The edge that made a `join: any` step run. */
  firedBy?: number;
  startedAt?: number;
  completedAt?: number;
  /** It did not complete, but its call had its effect: `value` is what the receipt says. */
  recovered?: true;
}

export type Settlement =
  | { status: "completed"; value: Json; route?: string }
  /** `handled` as the step's `on_error` says; unhandled failures settle nothing behind them. */
  | { status: "failed"; error: FailureValue; handled: boolean }
  | { status: "skipped" }
  | { status: "cancelled" };

export interface Consequences {
  /** Steps that may run now, in the order of the plan. */
  ready: number[];
  /** Steps that will not run, in the order of the plan. */
  skipped: number[];
}

/** What came over one edge. `key` is the source's id, or `id.handle` where one source comes twice. */
export interface Arrival {
  key: string;
  value: Json;
}

/** The value of a handle (graph.md 4.4): one arrival gives its value, several an object by key. */
export function combine(arrivals: readonly Arrival[]): Json {
  const [only] = arrivals;
  return arrivals.length === 1 && only ? only.value : Object.fromEntries(arrivals.map(({ key, value }) => [key, value]));
}

const OUTPUT = "output";
const ERROR = "error";

/** Where in an iteration a step stands. */
export interface Place {
  frame: Frame;
  index: number;
}

/** What an iteration is part of. */
export interface Around {
  /** The loop or map. */
  owner: Place;
  item: Json;
  position: number;
  /** It undoes the owner and is no iteration of it: `item` is only what enters it. */
  isUndo?: true;
}

/**
 * One walk over a body: every flow edge ends taken or skipped (graph.md 4, points 2, 5, 6). Pure bookkeeping, no effects; the interpreter
 * decides what to run. One frame for the run itself, and one for each iteration of a loop.
 */
export class Frame {
  readonly steps: StepState[];
  readonly edges: EdgeState[];
  readonly body: Body;
  /** `""` for the run itself, `"2.5"` for item 5 in item 2. */
  readonly iteration: string;
  readonly around: Around | undefined;
  /** Failures that the run goes on from, by node id. */
  readonly errors: Record<string, Json> = Object.create(null) as Record<string, Json>;
  /** Why nothing more begins in it. */
  ending: { error: FailureValue } | "cancelled" | undefined;
  /** Steps that have begun and not settled. */
  inFlight = 0;
  private readonly indexById: ReadonlyMap<string, number>;
  private readonly open: number[];
  private readonly taken: number[];
  private readonly entries: ReadonlySet<string>;
  private unsettled: number;

  /** `entries`: ids of steps that run of themselves; what their in-edges say is ignored. */
  constructor(body: Body, iteration: string, entries: ReadonlySet<string>, around?: Around) {
    this.body = body;
    this.iteration = iteration;
    this.entries = entries;
    this.around = around;
    this.steps = body.steps.map(() => ({ status: "pending" }));
    this.edges = body.edges.map(() => "open");
    this.open = body.steps.map((step) => step.in.length);
    this.taken = body.steps.map(() => 0);
    this.indexById = indexOf(body);
    this.unsettled = body.steps.length;
  }

  /** Takes the edges that come from the owner, with the item as value; what may run then. */
  enter(): number[] {
    const ready: number[] = [];
    this.body.edges.forEach((edge, edgeIndex) => {
      if (this.indexById.has(edge.source)) return;
      this.edges[edgeIndex] = "taken";
      const target = this.indexById.get(edge.target);
      if (target !== undefined && this.arrive(target, edgeIndex, true) === "ready") ready.push(target);
    });
    return ready.sort((a, b) => a - b);
  }

  /** What was taken out of the body into a handle of the owner. */
  leaving(handle: "return" | "break"): Arrival[] {
    const edgeIndices = this.body.edges.flatMap((edge, edgeIndex) =>
      edge.handle === handle && !this.indexById.has(edge.target) && this.edges[edgeIndex] === "taken" ? [edgeIndex] : [],
    );
    return this.named(edgeIndices);
  }

  /** Nothing is left to do in it: all is settled, or it ends and what had begun has ended. */
  get over(): boolean {
    return this.ending === undefined ? this.unsettled === 0 : this.inFlight === 0;
  }

  step(index: number): Step {
    return this.body.steps[index] as Step;
  }

  state(index: number): StepState {
    return this.steps[index] as StepState;
  }

  find(id: string): number | undefined {
    return this.indexById.get(id);
  }

  /** Settles a step and, with it, its out-edges and whatever they decide; where `isHeld`, its edges are left to another plan. */
  settle(index: number, settlement: Settlement, at: number, isHeld = false): Consequences {
    const state = this.state(index);
    state.status = settlement.status;
    state.completedAt = at;
    this.unsettled--;
    if (settlement.status === "completed") {
      state.value = settlement.value;
      if (settlement.route !== undefined) state.route = settlement.route;
    } else if (settlement.status === "failed") {
      state.error = settlement.error;
      if (!settlement.handled) return { ready: [], skipped: [] };
      if (this.step(index).on_error === "branch") state.route = ERROR;
      else state.value = null;
    } else if (settlement.status === "cancelled") {
      return { ready: [], skipped: [] };
    }
    if (isHeld) return { ready: [], skipped: [] };
    return this.follow(index, settlement.status === "skipped" ? undefined : (state.route ?? OUTPUT), at);
  }

  /** Takes the out-edges of the chosen route (`undefined`: none) and skips the others, on through all that is skipped. */
  private follow(first: number, firstRoute: string | undefined, at: number): Consequences {
    const ready: number[] = [];
    const skipped: number[] = [];
    const work: [number, string | undefined][] = [[first, firstRoute]];
    for (let item = work.pop(); item; item = work.pop()) {
      const [from, route] = item;
      for (const edgeIndex of this.step(from).out) {
        const edge = this.body.edges[edgeIndex];
        if (!edge) continue;
        const taken = edge.route === route;
        this.edges[edgeIndex] = taken ? "taken" : "skipped";
        const target = this.indexById.get(edge.target);
        if (target === undefined) continue;
        const decision = this.arrive(target, edgeIndex, taken);
        if (decision === "ready") ready.push(target);
        else if (decision === "skip") {
          const state = this.state(target);
          state.status = "skipped";
          state.completedAt = at;
          this.unsettled--;
          skipped.push(target);
          work.push([target, undefined]);
        }
      }
    }
    const byPlan = (a: number, b: number): number => a - b;
    return { ready: ready.sort(byPlan), skipped: skipped.sort(byPlan) };
  }

  private arrive(target: number, edgeIndex: number, taken: boolean): "ready" | "skip" | "wait" {
    const state = this.state(target);
    this.open[target] = (this.open[target] as number) - 1;
    if (taken) this.taken[target] = (this.taken[target] as number) + 1;
    if (state.status !== "pending" || state.firedBy !== undefined || this.entries.has(this.step(target).id)) return "wait";
    if (this.step(target).join === "any" && taken) {
      state.firedBy = edgeIndex;
      return "ready";
    }
    if (this.open[target] > 0) return "wait";
    return (this.taken[target] as number) > 0 ? "ready" : "skip";
  }

  /** What arrived over taken edges, by target handle, in the order of the plan's edges. */
  arrivals(index: number): Map<string, Arrival[]> {
    const firedBy = this.state(index).firedBy;
    const byHandle = new Map<string, number[]>();
    for (const edgeIndex of this.step(index).in) {
      if (this.edges[edgeIndex] !== "taken" || (firedBy !== undefined && edgeIndex !== firedBy)) continue;
      const handle = this.body.edges[edgeIndex]?.handle as string;
      const list = byHandle.get(handle);
      if (list) list.push(edgeIndex);
      else byHandle.set(handle, [edgeIndex]);
    }
    return new Map([...byHandle].map(([handle, edgeIndices]) => [handle, this.named(edgeIndices)]));
  }

  private named(edgeIndices: readonly number[]): Arrival[] {
    const sources = edgeIndices.map((edgeIndex) => this.body.edges[edgeIndex]?.source as string);
    return edgeIndices.map((edgeIndex, at) => {
      const source = sources[at] as string;
      const twice = sources.indexOf(source) !== sources.lastIndexOf(source);
      return { key: twice ? `${source}.${this.body.edges[edgeIndex]?.route}` : source, value: this.edgeValue(edgeIndex) };
    });
  }

  private edgeValue(edgeIndex: number): Json {
    const edge = this.body.edges[edgeIndex];
    const from = this.indexById.get(edge?.source as string);
    if (from === undefined) return this.around?.item ?? null;
    const source = this.state(from);
    if (edge?.route === ERROR) return source.error as unknown as Json;
    return source.value ?? null;
  }

  /** After a move to another plan: pending steps that all has been decided for, by what it was. */
  undecided(): { ready: number[]; skipped: number[] } {
    const ready: number[] = [];
    const skipped: number[] = [];
    this.body.steps.forEach((step, index) => {
      const state = this.state(index);
      if (state.status !== "pending" || step.in.length === 0 || this.entries.has(step.id)) return;
      if (step.join === "any") state.firedBy = step.in.find((edgeIndex) => this.edges[edgeIndex] === "taken");
      const isSettled = (this.open[index] as number) === 0;
      if (state.firedBy !== undefined || (isSettled && (this.taken[index] as number) > 0)) ready.push(index);
      else if (isSettled) skipped.push(index);
    });
    return { ready, skipped };
  }

  /** Whether nothing went on from a step that handed something on. */
  isReachedLeaf(index: number): boolean {
    const state = this.state(index);
    const handedOn = state.status === "completed" || (state.status === "failed" && state.value !== undefined);
    return handedOn && !this.step(index).out.some((edgeIndex) => this.edges[edgeIndex] === "taken");
  }

  /** Puts back what a cursor kept; counts follow from the edges. */
  restore(steps: readonly StepState[], edges: readonly EdgeState[]): void {
    steps.forEach((state, index) => {
      this.steps[index] = { ...state };
    });
    edges.forEach((state, index) => {
      this.edges[index] = state;
    });
    this.body.steps.forEach((step, index) => {
      this.open[index] = step.in.filter((edgeIndex) => this.edges[edgeIndex] === "open").length;
      this.taken[index] = step.in.filter((edgeIndex) => this.edges[edgeIndex] === "taken").length;
    });
    this.unsettled = this.steps.filter((state) => !SETTLED.has(state.status)).length;
    this.inFlight = this.steps.filter(({ status }) => status !== "pending" && !SETTLED.has(status)).length;
  }
}

/** Bodies are part of a plan, which never changes: one index serves every iteration. */
const indices = new WeakMap<Body, ReadonlyMap<string, number>>();
function indexOf(body: Body): ReadonlyMap<string, number> {
  let index = indices.get(body);
  if (!index) indices.set(body, (index = new Map(body.steps.map((step, at) => [step.id, at]))));
  return index;
}

/** Names a step of one iteration within its run. */
export function keyOf({ frame, index }: Place): string {
  return `${frame.iteration}:${frame.step(index).id}`;
}

export const SETTLED: ReadonlySet<NodeStatus> = new Set(["completed", "failed", "skipped", "cancelled"]);
