import fc from "fast-check";
import type { Json, JsonObject } from "#core";
import type { Body, Plan } from "#graph";
import type { ModelBody, ModelCommands, ModelGraph, ModelNode, Repeat } from "./reference-model.ts";

/** A random graph in the stored format, with a script of what each node does. */
export interface Scripted {
  graph: { nodes: JsonObject[]; edges: JsonObject[]; settings: JsonObject };
  /** All nodes, those of bodies among them. */
  nodes: Map<string, ScriptedNode>;
  commands: ModelCommands;
  /** After how many settled nodes the history counts as full, again and again; 0 = never. */
  fullEvery: number;
}

/** As the model wants it, but for the bodies, whose order only the plan knows. */
export interface ScriptedNode extends Omit<ModelNode, "repeat"> {
  answer?: "approved" | "rejected";
  repeat?: RepeatScript;
}

export type RepeatScript = Omit<Extract<Repeat, { kind: "loop" }>, "body"> | Omit<Extract<Repeat, { kind: "map" }>, "body">;

interface Draw {
  kind: "set" | "condition" | "switch" | "http" | "delay" | "approval" | "start" | "end" | "loop" | "map";
  sources: { of: number; route: number }[];
  join: "all" | "any";
  onError: "fail" | "continue" | "branch";
  fails: boolean;
  duration: number;
  pick: number;
  /** What undoes it: a call, and a node behind that which reads what was undone. */
  undo: "nothing" | "works" | "fails";
  body: Draw[];
  /** Which nodes of the body lead to `return`, and which to `break`. */
  returns: { of: number; route: number }[];
  breaks: { of: number; route: number }[];
}

const KINDS = { plain: ["set", "http"], deciding: ["condition", "switch", "delay"], rare: ["approval", "end", "start"], looping: ["loop", "map"] } as const;
const picks = (maxLength: number) => fc.array(fc.record({ of: fc.nat(30), route: fc.nat(5) }), { maxLength });

function draws(depth: number, maxLength: number): fc.Arbitrary<Draw[]> {
  const looping = depth > 0 ? [{ weight: 2, arbitrary: fc.constantFrom<Draw["kind"]>(...KINDS.looping) }] : [];
  const draw: fc.Arbitrary<Draw> = fc.record({
    kind: fc.oneof(
      { weight: 4, arbitrary: fc.constantFrom<Draw["kind"]>(...KINDS.plain) },
      { weight: 3, arbitrary: fc.constantFrom<Draw["kind"]>(...KINDS.deciding) },
      { weight: 1, arbitrary: fc.constantFrom<Draw["kind"]>(...KINDS.rare) },
      ...looping,
    ),
    sources: fc.array(fc.record({ of: fc.nat(30), route: fc.nat(5) }), { minLength: 1, maxLength: 4 }),
    join: fc.oneof({ weight: 4, arbitrary: fc.constant("all" as const) }, { weight: 1, arbitrary: fc.constant("any" as const) }),
    onError: fc.constantFrom("fail", "continue", "branch"),
    fails: fc.oneof({ weight: 9, arbitrary: fc.constant(false) }, { weight: 1, arbitrary: fc.constant(true) }),
    duration: fc.integer({ min: 1, max: 60 }),
    pick: fc.nat(11),
    undo: fc.oneof({ weight: 5, arbitrary: fc.constant("nothing" as const) }, { weight: 2, arbitrary: fc.constantFrom("works" as const, "fails" as const) }),
    body: depth > 0 ? draws(depth - 1, 5) : fc.constant([]),
    returns: depth > 0 ? picks(2) : fc.constant([]),
    breaks: depth > 0 ? fc.oneof({ weight: 3, arbitrary: picks(0) }, { weight: 1, arbitrary: picks(1) }) : fc.constant([]),
  });
  return fc.array(draw, { maxLength });
}

export const scripted: fc.Arbitrary<Scripted> = fc
  .record({
    draws: draws(2, 18),
    maxParallel: fc.integer({ min: 1, max: 6 }),
    cancelAt: fc.option(fc.integer({ min: 0, max: 120 }), { freq: 6, nil: undefined }),
    pause: fc.option(fc.record({ from: fc.integer({ min: 0, max: 80 }), for: fc.integer({ min: 1, max: 60 }) }), { freq: 5, nil: undefined }),
    fullEvery: fc.oneof({ weight: 2, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: fc.integer({ min: 1, max: 5 }) }),
  })
  .map(({ draws: drawn, maxParallel, cancelAt, pause, fullEvery }) => {
    const builder = new Builder();
    builder.add({ id: "n0", type: "Start", inputs: {}, script: { entry: true }, routes: ["output"] });
    builder.fill(drawn, undefined);
    return {
      graph: { nodes: builder.stored(), edges: builder.edges, settings: { max_parallel: maxParallel, cleanup_timeout: "100 days" } },
      nodes: builder.nodes,
      commands: {
        ...(cancelAt !== undefined && { cancelAt: cancelAt * MOMENT + 0.5 }),
        ...(pause && { pause: { from: pause.from * MOMENT + 0.25, until: (pause.from + pause.for) * MOMENT + 0.25 } }),
      },
      fullEvery,
    };
  });

/** Virtual milliseconds of one unit of the drawn durations: room for what keeps moments apart. */
const MOMENT = 10_000;

interface Addition {
  id: string;
  type: string;
  inputs: JsonObject;
  script: Partial<ScriptedNode>;
  /** Source handles that later nodes may hang from. */
  routes: string[];
  draw?: Draw;
}

/** Every node but the starts hangs from earlier ones beside it, so the graph has no cycle and nothing is out of reach. */
class Builder {
  readonly nodes = new Map<string, ScriptedNode>();
  readonly edges: JsonObject[] = [];
  private readonly parts: { node: JsonObject; id: string }[] = [];
  private count = 0;

  add({ id, type, inputs, script, draw }: Addition): void {
    this.nodes.set(id, {
      id,
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
    });
    this.parts.push({ id, node: { id, type, data: { name: id, inputs } } });
  }

  stored(): JsonObject[] {
    return this.parts.map(({ id, node }) => {
      const { join, onError } = this.nodes.get(id) as ScriptedNode;
      return { ...node, data: { ...(node["data"] as JsonObject), settings: { join, on_error: onError, retry: { maximum_attempts: 1 } } } };
    });
  }

  /** Adds nodes beside each other: at the top behind `n0`, in a body behind its owner. */
  fill(drawn: readonly Draw[], owner: string | undefined): Map<string, string[]> {
    const handles = new Map<string, string[]>([owner === undefined ? ["n0", ["output"]] : [owner, ["body"]]]);
    for (const draw of drawn) {
      const id = `n${++this.count}`;
      const sources = [...handles.keys()].filter((source) => (handles.get(source) as string[]).length > 0);
      if (owner === undefined && draw.kind === "start") {
        this.add({ id, type: "Start", inputs: {}, script: { entry: true }, routes: [] });
        handles.set(id, ["output"]);
        continue;
      }
      for (const [source, handle] of this.choose(draw.sources, sources, handles)) this.connect(source, handle, id, "input");
      const addition = this.make(id, draw, owner);
      const branches = addition.script.onError === "branch" ? [...addition.routes, "error"] : addition.routes;
      this.add(addition);
      handles.set(id, branches);
      if (draw.kind === "loop" || draw.kind === "map") this.fillBody(id, draw);
      if (draw.undo !== "nothing" && draw.kind !== "end") this.addUndo(id, draw);
    }
    // A rejection without a way out fails its node.
    for (const id of handles.keys()) {
      const node = this.nodes.get(id);
      if (node?.answer === "rejected" && !this.edges.some((edge) => edge["source"] === id && edge["sourceHandle"] === "rejected")) node.fails = true;
    }
    return handles;
  }

  private addUndo(of: string, draw: Draw): void {
    const [call, reader] = [`${of}u`, `${of}v`];
    const duration = draw.duration * MOMENT + this.count * 17 + 5;
    const script: Partial<ScriptedNode> = { value: "wrap", runs: "activity", duration, fails: draw.undo === "fails", onError: draw.onError };
    this.add({ id: call, type: "HttpRequest", inputs: { url: "https://example.com/" }, script, routes: [] });
    this.connect(of, "compensate", call, "input");
    const values = { id: reader, input: "{{input}}", seen: `{{${of}}}` };
    this.add({ id: reader, type: "Set", inputs: { values }, script: { value: "wrap", reads: of }, routes: [] });
    this.connect(call, "output", reader, "input");
  }

  private fillBody(owner: string, draw: Draw): void {
    const handles = this.fill(draw.body, owner);
    handles.delete(owner);
    const inside = [...handles.keys()].filter((id) => (handles.get(id) as string[]).length > 0);
    if (inside.length === 0) return;
    for (const [source, handle] of this.choose(draw.returns, inside, handles)) this.connect(source, handle, owner, "return");
    if (draw.kind === "loop") for (const [source, handle] of this.choose(draw.breaks, inside, handles)) this.connect(source, handle, owner, "break");
    for (const id of inside) {
      const node = this.nodes.get(id);
      if (node?.answer === "rejected" && this.edges.some((edge) => edge["source"] === id && edge["sourceHandle"] === "rejected")) node.fails = false;
    }
  }

  private choose(chosen: readonly { of: number; route: number }[], sources: readonly string[], handles: ReadonlyMap<string, string[]>): [string, string][] {
    const found = new Map<string, [string, string]>();
    for (const { of, route } of chosen) {
      const source = sources[of % sources.length] as string;
      const routes = handles.get(source) as string[];
      const handle = routes[route % routes.length] as string;
      found.set(`${source}:${handle}`, [source, handle]);
    }
    return [...found.values()];
  }

  private connect(source: string, sourceHandle: string, target: string, targetHandle: string): void {
    this.edges.push({ id: `e${this.edges.length}`, source, target, sourceHandle, targetHandle });
  }

  private make(id: string, draw: Draw, owner: string | undefined): Addition {
    const inside = owner !== undefined;
    const { onError } = draw;
    // No two nodes end at the same moment: the order of what happens at once is no part of the meaning, and continuing as new may change it.
    const duration = draw.duration * MOMENT + this.count * 17;
    const fails = draw.fails && inside && draw.pick % 2 === 0 ? ("odd" as const) : draw.fails;
    switch (draw.kind) {
      case "http":
        return {
          id,
          type: "HttpRequest",
          inputs: { url: "https://example.com/" },
          script: { value: "wrap", runs: "activity", duration, fails, onError },
          routes: ["output"],
          draw,
        };
      case "condition": {
        const yes = draw.pick % 2 === 0;
        return {
          id,
          type: "Condition",
          inputs: { condition: yes ? "1 + 1 == 2" : "1 + 1 == 3" },
          script: { route: yes ? "true" : "false" },
          routes: ["true", "false"],
          draw,
        };
      }
      case "switch": {
        const pick = draw.pick % 3;
        const script = { route: pick < 2 ? `case:${pick}` : "default" };
        return { id, type: "Switch", inputs: { value: pick, cases: [{ equals: 0 }, { equals: 1 }] }, script, routes: ["case:0", "case:1", "default"], draw };
      }
      case "delay":
        return { id, type: "Delay", inputs: { duration: `${duration}ms` }, script: { runs: "wait", duration }, routes: ["output"], draw };
      case "approval": {
        const answer = draw.pick % 3 === 0 ? "rejected" : "approved";
        const script: Partial<ScriptedNode> = { value: { constant: { decision: answer } }, runs: "wait", duration, route: answer, answer };
        return { id, type: "HumanApproval", inputs: { prompt: "?" }, script, routes: ["approved", "rejected"], draw };
      }
      case "end":
        if (!inside) return { id, type: "End", inputs: {}, script: { end: true }, routes: [], draw };
        return this.set(id, draw, inside);
      case "loop": {
        const times = draw.pick % 4;
        const limited = draw.fails && times > 0;
        const inputs: JsonObject = limited ? { while: "1 + 1 == 2", max_iterations: times } : draw.pick % 2 ? { times } : { while: `index < ${times}` };
        const script: Partial<ScriptedNode> = {
          runs: "repeats",
          route: "done",
          onError: onError === "continue" ? "fail" : onError,
          repeat: { kind: "loop", times, limited },
        };
        return { id, type: "Loop", inputs, script, routes: ["done"], draw };
      }
      case "map": {
        const items = Array.from({ length: draw.pick % 6 }, (_nothing, at) => at * 10);
        const onItemError = (["fail", "skip", "collect"] as const)[draw.duration % 3] as "fail";
        const concurrency = 1 + (draw.duration % 4);
        const script: Partial<ScriptedNode> = {
          runs: "repeats",
          route: "done",
          onError: onError === "continue" ? "fail" : onError,
          repeat: { kind: "map", items, concurrency, onItemError },
        };
        return { id, type: "MapReduce", inputs: { items, concurrency, on_item_error: onItemError }, script, routes: ["done"], draw };
      }
      default:
        return this.set(id, draw, inside);
    }
  }

  private set(id: string, draw: Draw, inside: boolean): Addition {
    const before = this.ancestors(id);
    const reads = draw.pick % 2 === 1 ? before[draw.duration % before.length] : undefined;
    const readsItem = inside && draw.duration % 2 === 0;
    const values: JsonObject = {
      id,
      input: "{{input}}",
      ...(reads !== undefined && { seen: `{{${reads}}}` }),
      ...(readsItem && { item: "{{item}}", index: "{{index}}" }),
    };
    const inputs = { values: draw.fails ? { id: "{{inputs.nothing_here}}" } : values };
    const script: Partial<ScriptedNode> = {
      value: "wrap",
      fails: draw.fails,
      onError: draw.onError,
      ...(reads !== undefined && { reads }),
      ...(readsItem && { readsItem }),
    };
    return { id, type: "Set", inputs, script, routes: ["output"], draw };
  }

  /** Everything from which an edge leads here, owners of bodies left out (what they hand on comes as `item`), what is before them not. */
  private ancestors(id: string): string[] {
    const found = new Set<string>();
    const owners = new Set<string>();
    const work = [id];
    for (let target = work.pop(); target !== undefined; target = work.pop()) {
      for (const edge of this.edges) {
        const source = edge["source"] as string;
        if (edge["target"] !== target || edge["targetHandle"] !== "input" || found.has(source) || owners.has(source)) continue;
        (edge["sourceHandle"] === "body" ? owners : found).add(source);
        work.push(source);
      }
    }
    return [...found].toSorted();
  }
}

/** The graph for the model, in the order of the plan. */
export function modelGraph({ nodes, graph }: Scripted, plan: Plan): ModelGraph {
  return { ...modelBody(plan, nodes), maxParallel: graph.settings["max_parallel"] as number };
}

function modelBody(body: Body, nodes: ReadonlyMap<string, ScriptedNode>): ModelBody {
  return {
    nodes: body.steps.map((step): ModelNode => {
      const { repeat, ...script } = nodes.get(step.id) as ScriptedNode;
      const node = step.compensate ? { ...script, undo: modelBody(step.compensate, nodes) } : script;
      return repeat ? { ...node, repeat: { ...repeat, body: modelBody(step.body as Body, nodes) } } : node;
    }),
    edges: body.edges.map(({ source, route, target, handle }) => ({ source, route, target, handle })),
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
