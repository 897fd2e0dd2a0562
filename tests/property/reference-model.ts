import type { Json } from "#core";

/** A graph as the model sees it: what each node does is scripted, so that only the meaning of the graph is left to decide. */
export interface ModelGraph extends ModelBody {
  maxParallel: number;
}

export interface ModelBody {
  /** In the order of the plan. */
  nodes: ModelNode[];
  /** In a body, edges may come from its owner (`body`) and lead to it (`return`, `break`). */
  edges: { source: string; route: string; target: string; handle: string }[];
}

export interface ModelNode {
  id: string;
  /** `pass` hands on its input, `wrap` `{ id, input }` with what it reads, a constant itself, a function what it makes of the input. */
  value: "pass" | "wrap" | { constant: Json } | { of(input: Json): Json };
  /** Instant (inline), holding a slot (activity), waiting without one, or repeating its body. */
  runs: "instant" | "activity" | "wait" | "repeats";
  /** Virtual milliseconds of an activity or wait. */
  duration: number;
  /** `odd`: only in iterations whose last number is odd. */
  fails: boolean | "odd";
  /** An earlier node whose value it reads by id. */
  reads?: string;
  /** Reads `item` and `index` of the iteration. */
  readsItem?: boolean;
  /** The route it takes when it does not fail; `output` without routes. */
  route: string;
  /** In a body, where it differs: by the last number of the iteration. */
  routes?: Record<string, string>;
  join: "all" | "any";
  onError: "fail" | "continue" | "branch";
  entry: boolean;
  end: boolean;
  repeat?: Repeat;
  /** What undoes it. */
  undo?: ModelBody;
}

export type Repeat =
  | { kind: "loop"; body: ModelBody; times: number; /** Reaches its limit with its condition still true. */ limited: boolean }
  | { kind: "map"; body: ModelBody; items: Json[]; concurrency: number; onItemError: "fail" | "skip" | "collect" };

export interface ModelCommands {
  cancelAt?: number;
  pause?: { from: number; until: number };
}

export interface ModelResult {
  kind: "completed" | "failed" | "cancelled";
  outputs?: Json;
  failedNode?: string;
  /** By `iteration:id`. */
  nodes: Record<string, { status: string; value?: Json }>;
  /** What was undone, by `iteration:id`, in order. */
  undone: string[];
}

/** Of all values of a run together, as JSON, about: more than any link carries on, and little enough to be compared. */
const MOST_BYTES = 5_000_000;

/**
 * Whether the values of a run can be written down. The model shares what is the same; where nodes of nested loops join each other's values, what takes
 * it a few kilobytes may be a terabyte of JSON. One graph of some thousands is like that.
 */
export function areWritable({ nodes }: ModelResult): boolean {
  const known = new Map<object, number>();
  const bytesOf = (value: Json | undefined): number => {
    if (value === null || typeof value !== "object") return 8;
    const before = known.get(value);
    if (before !== undefined) return before;
    const bytes = Object.entries(value).reduce((sum, [key, inner]) => sum + key.length + 4 + bytesOf(inner), 2);
    known.set(value, bytes);
    return bytes;
  };
  return Object.values(nodes).reduce((sum, { value }) => sum + bytesOf(value), 0) <= MOST_BYTES;
}

type EdgeState = "open" | "taken" | "skipped";

/** The run itself, or one iteration. */
interface Frame {
  name: string;
  body: ModelBody;
  status: Map<string, string>;
  value: Map<string, Json>;
  inputs: Map<string, Json>;
  /** For `join: any`: the edge that came first. */
  first: Map<string, number>;
  /** By node: which node failed first, itself or one in its body. */
  failures: Map<string, string>;
  failedNode: string | undefined;
  ended: boolean;
  /** Without `work` it is a compensation. */
  around?: { frame: Frame; work?: Work; position: number; item: Json };
}

/** A loop or map at work. */
interface Work {
  frame: Frame;
  node: ModelNode;
  repeat: Repeat;
  live: Set<Frame>;
  begun: number;
  last: Json;
  broken: boolean;
  results: (Json[] | undefined)[];
  /** It begins no more iterations, and ends once those that live have: called off, or with the node that failed. */
  ending?: "cancelled" | { failedNode: string };
}

/**
 * graph.md section 4, points 1 to 7 and 9 to 12, naive and to be read against it: after every change everything is decided again from the
 * definitions. Time is virtual; what ends at the same moment ends in the order in which it began.
 */
export function runModel(graph: ModelGraph, commands: ModelCommands): ModelResult {
  const frames: Frame[] = [];
  const queue: { frame: Frame; node: ModelNode }[] = [];
  /** Loops that may go on; they do before anything else begins. */
  const turns: Work[] = [];
  let flying: { frame: Frame; node: ModelNode; endsAt: number; began: number }[] = [];
  /** Activities that were called off and have yet to end; they do before time moves. */
  const landing: { frame: Frame; node: ModelNode }[] = [];
  const works: Work[] = [];
  /** What has completed and can be undone, in the order of completion. */
  const debts: { frame: Frame; node: ModelNode }[] = [];
  const undone: string[] = [];
  let undoing: Frame | undefined;
  let began = 0;
  let now = 0;
  let cancelled = false;
  let paused = false;

  const root = newFrame("", graph);
  decide(root);
  for (;;) {
    while (undoing ? !undoing.ended : !paused && !root.ended) {
      const work = turns.shift();
      if (work) {
        goOn(work);
        continue;
      }
      const [next] = queue;
      if (!next) break;
      const busy = flying.filter((flight) => flight.node.runs === "activity").length;
      if (next.node.runs === "activity" && busy >= graph.maxParallel) break;
      queue.shift();
      begin(next.frame, next.node);
    }
    if (landing.length > 0) {
      // What these landings call off in turn lands after others have had a chance to begin.
      for (const { frame, node } of landing.splice(0)) land(frame, node);
      continue;
    }
    if (root.ended && (!undoing || isOver(undoing))) {
      const debt = debts.pop();
      if (debt) {
        const { frame, node } = debt;
        undone.push(`${frame.name}:${node.id}`);
        undoing = newFrame(frame.name, node.undo as ModelBody, { frame, position: 0, item: frame.value.get(node.id) ?? null });
        decide(undoing);
        continue;
      }
      return cancelled ? { kind: "cancelled", nodes: rows(), undone } : { kind: "failed", failedNode: root.failedNode as string, nodes: rows(), undone };
    }
    if (!root.ended && isSettled(root)) return { kind: "completed", outputs: result(), nodes: rows(), undone };

    const next = flying.toSorted((a, b) => a.endsAt - b.endsAt || a.began - b.began)[0];
    const { cancelAt, pause } = commands;
    const moments = [next?.endsAt, later(cancelAt), later(pause?.from), later(pause?.until)].filter((moment) => moment !== undefined);
    if (moments.length === 0) throw new Error("the model is stuck");
    now = Math.min(...moments);
    if (now === cancelAt) {
      cancelled ||= !root.ended;
      stop(root);
    } else if (now === pause?.from) paused = true;
    else if (now === pause?.until) paused = false;
    else if (next) {
      flying = flying.filter((flight) => flight !== next);
      settle(next.frame, next.node);
    }
  }

  function land(frame: Frame, node: ModelNode): void {
    flying = flying.filter((flight) => flight.frame !== frame || flight.node !== node);
    frame.status.set(node.id, "cancelled");
    after(frame);
  }

  function newFrame(name: string, body: ModelBody, around?: Frame["around"]): Frame {
    const status = new Map(body.nodes.map((node) => [node.id, "pending"]));
    const frame: Frame = {
      name,
      body,
      status,
      value: new Map(),
      inputs: new Map(),
      first: new Map(),
      failures: new Map(),
      failedNode: undefined,
      ended: false,
      ...(around && { around }),
    };
    frames.push(frame);
    return frame;
  }

  function nodeOf(frame: Frame, id: string): ModelNode | undefined {
    return frame.body.nodes.find((node) => node.id === id);
  }

  function edgeState(frame: Frame, index: number): EdgeState {
    const edge = frame.body.edges[index];
    const source = edge && nodeOf(frame, edge.source);
    if (!edge) return "open";
    if (!source) return "taken";
    switch (frame.status.get(edge.source)) {
      case "completed":
        return edge.route === (source.routes?.[frame.around?.position ?? ""] ?? source.route) ? "taken" : "skipped";
      case "failed":
        if (source.onError === "branch") return edge.route === "error" ? "taken" : "skipped";
        return source.onError === "continue" ? (edge.route === "error" ? "skipped" : "taken") : "open";
      case "skipped":
        return "skipped";
      default:
        return "open";
    }
  }

  function edgeValue(frame: Frame, index: number): Json {
    const edge = frame.body.edges[index];
    if (edge && !nodeOf(frame, edge.source)) return frame.around?.item ?? null;
    return edge?.route === "error" ? { failed: frame.failures.get(edge.source) ?? null } : (frame.value.get(edge?.source ?? "") ?? null);
  }

  function combined(frame: Frame, taken: number[]): Json {
    if (taken.length === 1) return edgeValue(frame, taken[0] as number);
    const name = (index: number): string => {
      const edge = frame.body.edges[index];
      const twice = taken.filter((other) => frame.body.edges[other]?.source === edge?.source).length > 1;
      return twice ? `${edge?.source}.${edge?.route}` : (edge?.source as string);
    };
    return Object.fromEntries(taken.map((index) => [name(index), edgeValue(frame, index)]));
  }

  function edgesInto(frame: Frame, target: string, handle: string): number[] {
    return frame.body.edges.flatMap((edge, index) => (edge.target === target && edge.handle === handle ? [index] : []));
  }

  function inputOf(frame: Frame, node: ModelNode): Json {
    if (node.entry) return { start: true };
    const first = frame.first.get(node.id);
    const taken = first === undefined ? edgesInto(frame, node.id, "input").filter((index) => edgeState(frame, index) === "taken") : [first];
    return taken.length === 0 ? null : combined(frame, taken);
  }

  /** Skips what must be skipped and queues what may run, until nothing changes. */
  function decide(frame: Frame): void {
    const queued = (node: ModelNode): boolean => queue.some((entry) => entry.frame === frame && entry.node === node);
    for (let changed = true; changed;) {
      changed = false;
      for (const node of frame.body.nodes) {
        if (frame.status.get(node.id) !== "pending" || node.entry || queued(node)) continue;
        if (edgesInto(frame, node.id, "input").every((index) => edgeState(frame, index) === "skipped")) {
          frame.status.set(node.id, "skipped");
          changed = true;
        }
      }
    }
    for (const node of frame.body.nodes) {
      if (frame.status.get(node.id) !== "pending" || queued(node)) continue;
      const edges = edgesInto(frame, node.id, "input");
      const states = edges.map((index) => edgeState(frame, index));
      const anyTaken = states.includes("taken");
      if (node.entry) queue.push({ frame, node });
      else if (node.join === "any" ? anyTaken : anyTaken && !states.includes("open")) {
        if (node.join === "any") frame.first.set(node.id, edges[states.indexOf("taken")] as number);
        queue.push({ frame, node });
      }
    }
  }

  function begin(frame: Frame, node: ModelNode): void {
    const input = inputOf(frame, node);
    frame.inputs.set(node.id, input);
    frame.status.set(node.id, "running");
    if (node.runs === "instant") settle(frame, node);
    else if (node.repeat) {
      const work: Work = { frame, node, repeat: node.repeat, live: new Set(), begun: 0, last: input, broken: false, results: [] };
      works.push(work);
      turns.push(work);
    } else flying.push({ frame, node, endsAt: now + node.duration, began: began++ });
  }

  function readOf(frame: Frame, id: string): { settled: boolean; value: Json } {
    const status = frame.status.get(id);
    if (status === undefined && frame.around) return readOf(frame.around.frame, id);
    return { settled: status !== "pending" && status !== "running", value: frame.value.get(id) ?? null };
  }

  /** Ends a node that does not repeat. */
  function settle(frame: Frame, node: ModelNode): void {
    const read = node.reads === undefined ? undefined : readOf(frame, node.reads);
    const scripted = node.fails === "odd" ? (frame.around?.position ?? 0) % 2 === 1 : node.fails;
    // Behind a `join: any` an earlier node may not have ended.
    if (scripted || read?.settled === false) return fail(frame, node, node.id);
    const input = frame.inputs.get(node.id) ?? null;
    const wrapped: Json = {
      id: node.id,
      input,
      ...(read && { seen: read.value }),
      ...(node.readsItem && frame.around && { item: frame.around.item, index: frame.around.position }),
    };
    if (node.value === "pass") succeed(frame, node, input);
    else if (node.value === "wrap") succeed(frame, node, wrapped);
    else succeed(frame, node, "of" in node.value ? node.value.of(input) : node.value.constant);
  }

  function succeed(frame: Frame, node: ModelNode, value: Json): void {
    frame.status.set(node.id, "completed");
    frame.value.set(node.id, value);
    if (node.undo) debts.push({ frame, node });
    after(frame);
  }

  function fail(frame: Frame, node: ModelNode, failedNode: string): void {
    frame.status.set(node.id, "failed");
    frame.failures.set(node.id, failedNode);
    if (node.onError === "continue") frame.value.set(node.id, null);
    if (node.onError === "fail") {
      frame.failedNode = failedNode;
      stop(frame);
    }
    after(frame);
  }

  function isSettled(frame: Frame): boolean {
    return [...frame.status.values()].every((state) => state !== "pending" && state !== "running");
  }

  function isOver(frame: Frame): boolean {
    return frame.ended ? ![...frame.status.values()].includes("running") : isSettled(frame);
  }

  function after(frame: Frame): void {
    if (!frame.ended) decide(frame);
    const { around } = frame;
    if (!around?.work || !isOver(frame) || !around.work.live.delete(frame)) return;
    const { work } = around;
    const failedNode = iterationEnded(work, frame);
    if (failedNode !== undefined && !work.ending) {
      work.ending = { failedNode };
      for (const live of work.live) stop(live);
    }
    if (work.ending) endWork(work);
    else turns.push(work);
  }

  function endWork(work: Work): void {
    const { frame, node, ending } = work;
    if (work.live.size > 0 || !ending || frame.status.get(node.id) !== "running") return;
    if (ending !== "cancelled") return fail(frame, node, ending.failedNode);
    frame.status.set(node.id, "cancelled");
    after(frame);
  }

  /** Takes what an iteration gave; the node that failed, when that is the loop's failure too. */
  function iterationEnded(work: Work, frame: Frame): string | undefined {
    const out = (handle: string): number[] => edgesInto(frame, work.node.id, handle).filter((index) => edgeState(frame, index) === "taken");
    const returned = out("return");
    const given = returned.length > 0 ? combined(frame, returned) : null;
    const { repeat } = work;
    if (frame.ended && frame.failedNode === undefined) return undefined;
    if (repeat.kind === "loop") {
      if (frame.failedNode !== undefined) return frame.failedNode;
      const broken = out("break");
      work.broken = broken.length > 0;
      work.last = broken.length > 0 ? combined(frame, broken) : given;
      return undefined;
    }
    const position = frame.around?.position ?? 0;
    if (frame.failedNode === undefined) work.results[position] = [given];
    else if (repeat.onItemError === "fail") return frame.failedNode;
    else work.results[position] = repeat.onItemError === "collect" ? [{ error: { failed: frame.failedNode } }] : [];
    return undefined;
  }

  function goOn(work: Work): void {
    const { frame, node, repeat } = work;
    if (work.ending || frame.status.get(node.id) !== "running") return;
    for (;;) {
      if (repeat.kind === "loop") {
        if (work.live.size > 0) return;
        if (work.broken || (work.begun >= repeat.times && !repeat.limited)) return succeed(frame, node, { last: work.last, iterations: work.begun });
        if (work.begun >= repeat.times) return fail(frame, node, node.id);
      } else {
        if (work.begun >= repeat.items.length) {
          if (work.live.size === 0)
            succeed(
              frame,
              node,
              work.results.flatMap((given) => given ?? []),
            );
          return;
        }
        if (work.live.size >= repeat.concurrency) return;
      }
      const position = work.begun++;
      const item = repeat.kind === "loop" ? work.last : (repeat.items[position] as Json);
      const iteration = newFrame(frame.name === "" ? `${position}` : `${frame.name}.${position}`, repeat.body, { frame, work, position, item });
      work.live.add(iteration);
      decide(iteration);
      if (isSettled(iteration)) return after(iteration);
    }
  }

  /** Nothing more begins in a frame; what runs there, and in loops there, is called off. */
  function stop(frame: Frame): void {
    if (frame.ended) return;
    frame.ended = true;
    for (let at = queue.length - 1; at >= 0; at--) if (queue[at]?.frame === frame) queue.splice(at, 1);
    for (const node of frame.body.nodes) {
      if (frame.status.get(node.id) !== "running") continue;
      const work = works.find((each) => each.frame === frame && each.node === node);
      if (node.runs === "activity") landing.push({ frame, node });
      else if (work) {
        work.ending ??= "cancelled";
        for (const live of work.live) stop(live);
        endWork(work);
      } else {
        flying = flying.filter((flight) => flight.frame !== frame || flight.node !== node);
        frame.status.set(node.id, "cancelled");
      }
    }
    after(frame);
  }

  function later(moment: number | undefined): number | undefined {
    return moment !== undefined && moment > now ? moment : undefined;
  }

  function rows(): ModelResult["nodes"] {
    return Object.fromEntries(
      frames.flatMap((frame) =>
        frame.body.nodes.flatMap(({ id }) => {
          const state = frame.status.get(id) as string;
          return state === "pending" ? [] : [[`${frame.name}:${id}`, { status: state, ...(state === "completed" && { value: frame.value.get(id) as Json }) }]];
        }),
      ),
    );
  }

  function result(): Json {
    const done = graph.nodes.filter(({ id }) => root.value.has(id));
    const ends = done.filter((node) => node.end && root.status.get(node.id) === "completed");
    const leaves = done.filter((node) => !graph.edges.some((edge, index) => edge.source === node.id && edgeState(root, index) === "taken"));
    const chosen = ends.length > 0 ? ends : leaves;
    if (chosen.length <= 1) return chosen[0] ? (root.value.get(chosen[0].id) ?? null) : null;
    return Object.fromEntries(chosen.map(({ id }) => [id, root.value.get(id) ?? null]));
  }
}
