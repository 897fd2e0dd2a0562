import fc from "fast-check";
import type { Json, JsonObject } from "#core";
import type { ModelCommands, ModelGraph, ModelNode } from "./reference-model.ts";

/** A random graph in the stored format, with a script of what each node does. */
export interface Scripted {
  graph: { nodes: JsonObject[]; edges: JsonObject[]; settings: JsonObject };
  nodes: Map<string, ScriptedNode>;
  commands: ModelCommands;
  /** After how many settled nodes the history counts as full, again and again. */
  fullEvery: number;
}

export interface ScriptedNode extends Omit<ModelNode, "value"> {
  type: string;
  value: ModelNode["value"];
  answer?: "approved" | "rejected";
}

interface Draw {
  kind: "set" | "template" | "condition" | "switch" | "http" | "delay" | "approval" | "start" | "end" | "merge";
  sources: { of: number; route: number }[];
  join: "all" | "any";
  onError: "fail" | "continue" | "branch";
  fails: boolean;
  duration: number;
  pick: number;
}

const draw: fc.Arbitrary<Draw> = fc.record({
  kind: fc.oneof(
    { weight: 4, arbitrary: fc.constantFrom("set", "http") },
    { weight: 3, arbitrary: fc.constantFrom("condition", "switch", "delay") },
    { weight: 1, arbitrary: fc.constantFrom("approval", "start", "end", "template") },
  ) as fc.Arbitrary<Draw["kind"]>,
  sources: fc.array(fc.record({ of: fc.nat(30), route: fc.nat(5) }), { minLength: 1, maxLength: 4 }),
  join: fc.oneof({ weight: 4, arbitrary: fc.constant("all" as const) }, { weight: 1, arbitrary: fc.constant("any" as const) }),
  onError: fc.constantFrom("fail", "continue", "branch"),
  fails: fc.oneof({ weight: 9, arbitrary: fc.constant(false) }, { weight: 1, arbitrary: fc.constant(true) }),
  duration: fc.integer({ min: 1, max: 60 }),
  pick: fc.nat(5),
});

export const scripted: fc.Arbitrary<Scripted> = fc
  .record({
    draws: fc.array(draw, { minLength: 1, maxLength: 28 }),
    maxParallel: fc.integer({ min: 1, max: 6 }),
    cancelAt: fc.option(fc.integer({ min: 0, max: 120 }), { freq: 6, nil: undefined }),
    pause: fc.option(fc.record({ from: fc.integer({ min: 0, max: 80 }), for: fc.integer({ min: 1, max: 60 }) }), { freq: 5, nil: undefined }),
    fullEvery: fc.oneof({ weight: 2, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: fc.integer({ min: 1, max: 5 }) }),
  })
  .map(({ draws, maxParallel, cancelAt, pause, fullEvery }) => {
    const built = build(draws, maxParallel);
    // Half milliseconds, so that no command falls on the moment of anything else.
    return {
      ...built,
      commands: {
        ...(cancelAt !== undefined && { cancelAt: cancelAt + 0.5 }),
        ...(pause && { pause: { from: pause.from + 0.25, until: pause.from + pause.for + 0.25 } }),
      },
      fullEvery,
    };
  });

/** Every node but the starts hangs from earlier ones, so the graph has no cycle and nothing is out of reach. */
function build(draws: readonly Draw[], maxParallel: number): Omit<Scripted, "commands" | "fullEvery"> {
  const nodes = new Map<string, ScriptedNode>();
  const edges: JsonObject[] = [];
  const stored: JsonObject[] = [];
  const routesOf = new Map<string, string[]>();
  const add = (id: string, type: string, inputs: JsonObject, script: Partial<ScriptedNode>, draw?: Draw): void => {
    const node: ScriptedNode = {
      id,
      type,
      value: "pass",
      runs: "instant",
      duration: 0,
      fails: false,
      route: "output",
      join: draw?.join ?? "all",
      onError: "fail",
      entry: false,
      end: false,
      ...script,
    };
    nodes.set(id, node);
    stored.push({ id, type, data: { name: id, inputs, settings: { join: node.join, on_error: node.onError, retry: { maximum_attempts: 1 } } } });
  };
  add("n0", "Start", {}, { entry: true });
  routesOf.set("n0", ["output"]);

  draws.forEach((draw, at) => {
    const id = `n${at + 1}`;
    const sources = [...routesOf.keys()].filter((source) => (routesOf.get(source) as string[]).length > 0);
    if (draw.kind === "start" || sources.length === 0) {
      add(id, "Start", {}, { entry: true });
      routesOf.set(id, ["output"]);
      return;
    }
    const drawn = new Set<string>();
    for (const { of, route } of draw.sources) {
      const source = sources[of % sources.length] as string;
      const routes = routesOf.get(source) as string[];
      const handle = routes[route % routes.length] as string;
      if (drawn.has(`${source}:${handle}`)) continue;
      drawn.add(`${source}:${handle}`);
      edges.push({ id: `e${edges.length}`, source, target: id, sourceHandle: handle, targetHandle: "input" });
      // The compiler reads an edge from `error` as `on_error: branch`.
      if (handle === "error") (nodes.get(source) as ScriptedNode).onError = "branch";
    }
    const before = ancestors(id, edges);
    const reads = draw.pick % 2 === 1 ? before[draw.duration % before.length] : undefined;
    const branchable = draw.onError === "branch";
    const plain = (outgoing: string[]): string[] => (branchable ? [...outgoing, "error"] : outgoing);
    switch (draw.kind) {
      case "http":
        add(
          id,
          "HttpRequest",
          { url: "https://example.com/" },
          { value: "wrap", runs: "activity", duration: draw.duration, fails: draw.fails, onError: draw.onError },
          draw,
        );
        return routesOf.set(id, plain(["output"]));
      case "set":
        add(
          id,
          "Set",
          { values: draw.fails ? { id: "{{inputs.nothing_here}}" } : { id, input: "{{input}}", ...(reads !== undefined && { seen: `{{${reads}}}` }) } },
          { value: "wrap", fails: draw.fails, onError: draw.onError, ...(reads !== undefined && { reads }) },
          draw,
        );
        return routesOf.set(id, plain(["output"]));
      case "template":
      case "merge":
      case "end":
        add(id, "End", {}, { end: true }, draw);
        return routesOf.set(id, []);
      case "condition": {
        const yes = draw.pick % 2 === 0;
        add(id, "Condition", { condition: yes ? "1 + 1 == 2" : "1 + 1 == 3" }, { route: yes ? "true" : "false" }, draw);
        return routesOf.set(id, ["true", "false"]);
      }
      case "switch": {
        const pick = draw.pick % 3;
        add(id, "Switch", { value: pick, cases: [{ equals: 0 }, { equals: 1 }] }, { route: pick < 2 ? `case:${pick}` : "default" }, draw);
        return routesOf.set(id, ["case:0", "case:1", "default"]);
      }
      case "delay":
        add(id, "Delay", { duration: `${draw.duration}ms` }, { runs: "wait", duration: draw.duration }, draw);
        return routesOf.set(id, ["output"]);
      case "approval": {
        const answer = draw.pick % 3 === 0 ? "rejected" : "approved";
        add(
          id,
          "HumanApproval",
          { prompt: "?" },
          { value: { constant: { decision: answer } }, runs: "wait", duration: draw.duration, route: answer, answer },
          draw,
        );
        return routesOf.set(id, ["approved", "rejected"]);
      }
    }
  });
  settleScripts(nodes, edges);
  const graphNodes = stored.map((node) => withErrorSetting(node, nodes.get(node["id"] as string) as ScriptedNode));
  return { graph: { nodes: graphNodes, edges, settings: { max_parallel: maxParallel } }, nodes };
}

/** Everything from which an edge leads here, in the order it was drawn. */
function ancestors(id: string, edges: readonly JsonObject[]): string[] {
  const found = new Set<string>();
  const work = [id];
  for (let target = work.pop(); target !== undefined; target = work.pop()) {
    for (const edge of edges) {
      const source = edge["source"] as string;
      if (edge["target"] !== target || found.has(source)) continue;
      found.add(source);
      work.push(source);
    }
  }
  return [...found].toSorted();
}

/** A rejection without a way out fails its node; an unused `branch` is one all the same. */
function settleScripts(nodes: Map<string, ScriptedNode>, edges: readonly JsonObject[]): void {
  for (const node of nodes.values()) {
    if (node.answer === "rejected" && !edges.some((edge) => edge["source"] === node.id && edge["sourceHandle"] === "rejected")) node.fails = true;
  }
}

function withErrorSetting(stored: JsonObject, node: ScriptedNode): JsonObject {
  const data = stored["data"] as JsonObject;
  return { ...stored, data: { ...data, settings: { ...(data["settings"] as JsonObject), on_error: node.onError } } };
}

export function modelGraph({ graph, nodes }: Scripted, order: readonly string[]): ModelGraph {
  return {
    nodes: order.map((id) => nodes.get(id) as ScriptedNode),
    edges: graph.edges.map((edge) => ({ source: edge["source"] as string, route: edge["sourceHandle"] as string, target: edge["target"] as string })),
    maxParallel: graph.settings["max_parallel"] as number,
  };
}

/** Makes values comparable: an answer is its decision, a failure the node that failed. */
export function comparable(value: Json | undefined): Json | undefined {
  if (value === null || value === undefined || typeof value !== "object") return value;
  if (Array.isArray(value)) return value.map((item) => comparable(item) ?? null);
  if (typeof value["decision"] === "string") return { decision: value["decision"] };
  if (typeof value["code"] === "string" && typeof value["node_id"] === "string") return { failed: value["node_id"] };
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, comparable(inner) ?? null]));
}
