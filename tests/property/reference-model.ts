import type { Json } from "#core";

/** A graph as the model sees it: what each node does is scripted, so that only the meaning of the graph is left to decide. */
export interface ModelGraph {
  /** In the order of the plan. */
  nodes: ModelNode[];
  edges: { source: string; route: string; target: string }[];
  maxParallel: number;
}

export interface ModelNode {
  id: string;
  /** `pass` hands on its input, `wrap` `{ id, input }`, a constant itself. */
  value: "pass" | "wrap" | { constant: Json };
  /** Instant (inline), holding a slot (activity), or waiting without one. */
  runs: "instant" | "activity" | "wait";
  /** Virtual milliseconds of an activity or wait. */
  duration: number;
  fails: boolean;
  /** An earlier node whose value it reads by id. */
  reads?: string;
  /** The route it takes when it does not fail; `output` without routes. */
  route: string;
  join: "all" | "any";
  onError: "fail" | "continue" | "branch";
  entry: boolean;
  end: boolean;
}

export interface ModelCommands {
  cancelAt?: number;
  pause?: { from: number; until: number };
}

export interface ModelResult {
  kind: "completed" | "failed" | "cancelled";
  outputs?: Json;
  failedNode?: string;
  nodes: Record<string, { status: string; value?: Json }>;
}

type EdgeState = "open" | "taken" | "skipped";

/**
 * graph.md section 4, points 1 to 6, 9, 10 and 12, naive and to be read against it: after every change everything is decided again from the
 * definitions. Time is virtual; what ends at the same moment ends in the order in which it began.
 */
export function runModel(graph: ModelGraph, commands: ModelCommands): ModelResult {
  const status = new Map<string, string>(graph.nodes.map((node) => [node.id, "pending"]));
  const value = new Map<string, Json>();
  /** For `join: any`: the edge that came first. */
  const first = new Map<string, number>();
  const queue: ModelNode[] = [];
  let flying: { node: ModelNode; endsAt: number; began: number }[] = [];
  let began = 0;
  let now = 0;
  let paused = false;
  let failedNode: string | undefined;
  const nodeOf = (id: string): ModelNode => graph.nodes.find((node) => node.id === id) as ModelNode;

  const edgeState = (index: number): EdgeState => {
    const edge = graph.edges[index];
    if (!edge) return "open";
    const source = nodeOf(edge.source);
    switch (status.get(edge.source)) {
      case "completed":
        return edge.route === source.route ? "taken" : "skipped";
      case "failed":
        if (source.onError === "branch") return edge.route === "error" ? "taken" : "skipped";
        return source.onError === "continue" ? (edge.route === "error" ? "skipped" : "taken") : "open";
      case "skipped":
        return "skipped";
      default:
        return "open";
    }
  };
  const inEdges = (node: ModelNode): number[] => graph.edges.flatMap((edge, index) => (edge.target === node.id ? [index] : []));
  const edgeValue = (index: number): Json => {
    const edge = graph.edges[index];
    return edge?.route === "error" ? { failed: edge.source } : (value.get(edge?.source ?? "") ?? null);
  };

  const inputOf = (node: ModelNode): Json => {
    if (node.entry) return { start: true };
    const fired = first.get(node.id);
    const taken = fired === undefined ? inEdges(node).filter((index) => edgeState(index) === "taken") : [fired];
    if (taken.length === 0) return null;
    if (taken.length === 1) return edgeValue(taken[0] as number);
    const name = (index: number): string => {
      const edge = graph.edges[index];
      const twice = taken.filter((other) => graph.edges[other]?.source === edge?.source).length > 1;
      return twice ? `${edge?.source}.${edge?.route}` : (edge?.source as string);
    };
    return Object.fromEntries(taken.map((index) => [name(index), edgeValue(index)]));
  };

  /** Skips what must be skipped and queues what may run, until nothing changes. */
  const decide = (): void => {
    for (let changed = true; changed;) {
      changed = false;
      for (const node of graph.nodes) {
        if (status.get(node.id) !== "pending" || node.entry || queue.includes(node)) continue;
        const states = inEdges(node).map(edgeState);
        if (states.every((state) => state === "skipped")) {
          status.set(node.id, "skipped");
          changed = true;
        }
      }
    }
    for (const node of graph.nodes) {
      if (status.get(node.id) !== "pending" || queue.includes(node)) continue;
      const edges = inEdges(node);
      const states = edges.map(edgeState);
      const settled = states.every((state) => state !== "open");
      const anyTaken = states.includes("taken");
      if (node.entry) queue.push(node);
      else if (node.join === "any" ? anyTaken : settled && anyTaken) {
        if (node.join === "any") first.set(node.id, edges[states.indexOf("taken")] as number);
        queue.push(node);
      }
    }
  };

  const settle = (node: ModelNode): void => {
    const seen = node.reads === undefined ? undefined : status.get(node.reads);
    // Behind a `join: any` an earlier node may not have ended.
    if (node.fails || seen === "pending" || seen === "running") {
      status.set(node.id, "failed");
      if (node.onError === "continue") value.set(node.id, null);
      if (node.onError === "fail") failedNode = node.id;
      return;
    }
    const input = inputs.get(node.id) ?? null;
    status.set(node.id, "completed");
    value.set(
      node.id,
      node.value === "pass"
        ? input
        : node.value === "wrap"
          ? { id: node.id, input, ...(node.reads !== undefined && { seen: value.get(node.reads) ?? null }) }
          : node.value.constant,
    );
  };
  const inputs = new Map<string, Json>();

  decide();
  for (;;) {
    while (!paused && failedNode === undefined && queue.length > 0) {
      const node = queue[0] as ModelNode;
      const busy = flying.filter((flight) => flight.node.runs === "activity").length;
      if (node.runs === "activity" && busy >= graph.maxParallel) break;
      queue.shift();
      inputs.set(node.id, inputOf(node));
      if (node.runs === "instant") {
        settle(node);
        decide();
      } else {
        status.set(node.id, "running");
        flying.push({ node, endsAt: now + node.duration, began: began++ });
      }
    }
    if (failedNode !== undefined) return stop("failed");
    if ([...status.values()].every((state) => state !== "pending" && state !== "running")) return { kind: "completed", outputs: result(), nodes: rows() };

    const next = flying.toSorted((a, b) => a.endsAt - b.endsAt || a.began - b.began)[0];
    const { cancelAt, pause } = commands;
    const moments = [next?.endsAt, later(cancelAt), later(pause?.from), later(pause?.until)].filter((moment) => moment !== undefined);
    if (moments.length === 0) throw new Error("the model is stuck");
    const moment = Math.min(...moments);
    now = moment;
    if (moment === cancelAt) return stop("cancelled");
    if (moment === pause?.from) paused = true;
    else if (moment === pause?.until) paused = false;
    else if (next) {
      flying = flying.filter((flight) => flight !== next);
      settle(next.node);
      decide();
    }
  }

  function later(moment: number | undefined): number | undefined {
    return moment !== undefined && moment > now ? moment : undefined;
  }

  function stop(kind: "failed" | "cancelled"): ModelResult {
    for (const { node } of flying) status.set(node.id, "cancelled");
    return { kind, ...(failedNode !== undefined && { failedNode }), nodes: rows() };
  }

  function rows(): ModelResult["nodes"] {
    return Object.fromEntries(
      graph.nodes.flatMap(({ id }) => {
        const state = status.get(id) as string;
        return state === "pending" ? [] : [[id, { status: state, ...(value.has(id) && { value: value.get(id) as Json }) }]];
      }),
    );
  }

  function result(): Json {
    const done = graph.nodes.filter(({ id }) => value.has(id));
    const ends = done.filter((node) => node.end && status.get(node.id) === "completed");
    const leaves = done.filter((node) => !graph.edges.some((edge, index) => edge.source === node.id && edgeState(index) === "taken"));
    const chosen = ends.length > 0 ? ends : leaves;
    if (chosen.length <= 1) return chosen[0] ? (value.get(chosen[0].id) ?? null) : null;
    return Object.fromEntries(chosen.map(({ id }) => [id, value.get(id) ?? null]));
  }
}
