import type { Json, JsonObject } from "#core";
import type { ScriptedNode } from "../property/random-graph.ts";
import type { Dice } from "./dice.ts";
import { answerOf } from "./outside.ts";

/** A graph in the stored format, with a script of what each node does, as the reference model takes it. */
export interface ChaosGraph {
  graph: { nodes: JsonObject[]; edges: JsonObject[]; settings: JsonObject };
  nodes: Map<string, ScriptedNode>;
  /** By node: what undoes it. */
  undo: Map<string, string>;
  /** By SubWorkflow node: which child it runs. */
  children: Map<string, string>;
}

/** A stored workflow that others run, and what the model says of it. */
export interface ChildWorkflow {
  workflowId: string;
  status: "completed" | "failed";
  outputs: Json;
}

export interface DrawOptions {
  dice: Dice;
  /** Nodes in all, about. */
  size: number;
  form: "standard" | "express";
  /** Base URL of the outside system. */
  outside: string;
  children: readonly ChildWorkflow[];
}

/** Milliseconds of one call, so that a kill finds some in flight. */
const CALL_MS = { least: 20, most: 400 };
/** In an express graph, what takes no longer runs as a local activity. */
const CALL_TIMEOUT = "5s";

/**
 * Draws a graph whose end does not hang on which of two things happens first, so that kills must not change it: a join of the kind `any` stands
 * only behind branches that exclude each other, and in each body at most one node fails for good. What a failure then calls off is left to `expectation.ts`.
 */
export function drawGraph(options: DrawOptions): ChaosGraph {
  return new Drawing(options).draw();
}

type Handles = Map<string, string[]>;
type Kind = "call" | "set" | "condition" | "switch" | "either" | "delay" | "approval" | "sub" | "loop" | "map";

const KINDS: readonly (readonly [Kind, number])[] = [
  ["call", 9],
  ["set", 2],
  ["condition", 2],
  ["switch", 1],
  ["either", 1],
  ["delay", 2],
  ["approval", 1.5],
  ["sub", 1.5],
  ["loop", 1.5],
  ["map", 2],
];

class Drawing {
  private readonly nodes = new Map<string, ScriptedNode>();
  private readonly stored: JsonObject[] = [];
  private readonly edges: JsonObject[] = [];
  private readonly undo = new Map<string, string>();
  private readonly children = new Map<string, string>();
  private readonly dice: Dice;
  private readonly options: DrawOptions;
  private readonly undoes: boolean;
  private count = 0;

  constructor(options: DrawOptions) {
    this.options = options;
    this.dice = options.dice;
    this.undoes = this.dice.chance(0.5);
  }

  draw(): ChaosGraph {
    this.add("start", "Start", {}, { entry: true });
    const handles: Handles = new Map([["start", ["output"]]]);
    const fate = this.dice.below(100);
    // One in ten fails in the middle of things, one in ten when all else has ended.
    this.grow(handles, this.options.size, 2, undefined, fate < 10);
    if (fate >= 10 && fate < 20) this.gate(handles);
    else if (this.dice.chance(0.7)) this.end(handles);
    this.settleApprovals();
    return {
      graph: { nodes: this.stored, edges: this.edges, settings: { max_parallel: this.dice.between(2, 8), execution: this.options.form } },
      nodes: this.nodes,
      undo: this.undo,
      children: this.children,
    };
  }

  private grow(handles: Handles, size: number, depth: number, owner: string | undefined, mayFail: boolean): void {
    const until = this.count + size;
    let doomed = mayFail ? this.dice.between(this.count + 2, until) : Infinity;
    while (this.count < until) {
      const kind = this.kind(depth, owner !== undefined);
      const isDoomed = this.count >= doomed && (kind === "call" || this.count === until - 1);
      if (isDoomed) doomed = Infinity;
      if (isDoomed) this.call(handles, owner, "for good");
      else this.one(kind, handles, depth, owner);
    }
  }

  private kind(depth: number, inside: boolean): Kind {
    const open = KINDS.filter(
      ([kind]) =>
        (depth > 0 || (kind !== "loop" && kind !== "map")) &&
        (this.options.children.length > 0 || kind !== "sub") &&
        (!inside || kind !== "approval" || this.dice.chance(0.4)),
    );
    let at = this.dice.below(1_000_000) / 1_000_000;
    const total = open.reduce((sum, [, weight]) => sum + weight, 0);
    for (const [kind, weight] of open) {
      at -= weight / total;
      if (at < 0) return kind;
    }
    return "call";
  }

  private one(kind: Kind, handles: Handles, depth: number, owner: string | undefined): void {
    switch (kind) {
      case "call":
        return this.call(handles, owner, this.dice.chance(0.08) ? "softly" : "never");
      case "set": {
        const id = this.next();
        this.hang(handles, id);
        const reads = owner !== undefined;
        this.add(
          id,
          "Set",
          { values: { id, input: "{{input}}", ...(reads && { item: "{{item}}", index: "{{index}}" }) } },
          { value: "wrap", readsItem: reads },
        );
        handles.set(id, ["output"]);
        return;
      }
      case "condition":
      case "switch":
        this.decision(kind, handles);
        return;
      case "either":
        return this.either(handles);
      case "delay": {
        const id = this.next();
        this.hang(handles, id);
        this.add(id, "Delay", { duration: `${this.dice.between(50, 1_500)}ms` }, { runs: "wait" });
        handles.set(id, ["output"]);
        return;
      }
      case "approval": {
        const id = this.next();
        this.hang(handles, id);
        const answer = this.dice.chance(0.3) ? "rejected" : "approved";
        this.add(id, "HumanApproval", { prompt: answer }, { value: { constant: { decision: answer } }, runs: "wait", route: answer, answer });
        handles.set(id, ["approved", "rejected"]);
        return;
      }
      case "sub":
        return this.sub(handles);
      case "loop":
      case "map":
        return this.repeating(kind, handles, depth);
    }
  }

  private call(handles: Handles, owner: string | undefined, fails: "never" | "softly" | "for good"): void {
    const id = this.next();
    this.hang(handles, id);
    const odd = owner !== undefined && fails !== "never";
    const onError = fails === "softly" ? this.dice.pick(["continue", "branch"] as const) : "fail";
    const isBusy = fails === "never" && this.dice.chance(0.08);
    this.add(
      id,
      "HttpRequest",
      { method: "POST", url: this.url(id, { ...(fails !== "never" && { fails: odd ? "{{index}}" : "1" }), ...(isBusy && { busy: "1" }) }) },
      { value: { of: (input) => answerOf(id, input) }, runs: "activity", fails: fails === "never" ? false : odd ? "odd" : true, onError },
      // A worker that dies costs no attempt.
      isBusy ? 3 : 1,
    );
    handles.set(id, onError === "branch" ? ["output", "error"] : ["output"]);
    if (this.undoes && this.dice.chance(0.4)) this.undone(id);
  }

  private undone(id: string): void {
    const undo = `undo_${id}`;
    this.add(undo, "HttpRequest", { method: "POST", url: this.url(undo, {}) }, { value: { of: (input) => answerOf(undo, input) }, runs: "activity" });
    this.connect(id, "compensate", undo, "input");
    this.undo.set(id, undo);
  }

  private decision(kind: "condition" | "switch", handles: Handles): string {
    const id = this.next();
    this.hang(handles, id);
    if (kind === "condition") {
      const yes = this.dice.chance(0.5);
      this.add(id, "Condition", { condition: yes ? "1 + 1 == 2" : "1 + 1 == 3" }, { route: yes ? "true" : "false" });
      handles.set(id, ["true", "false"]);
    } else {
      const pick = this.dice.below(3);
      this.add(id, "Switch", { value: pick, cases: [{ equals: 0 }, { equals: 1 }] }, { route: pick < 2 ? `case:${pick}` : "default" });
      handles.set(id, ["case:0", "case:1", "default"]);
    }
    return id;
  }

  /** Two branches that exclude each other, and the first of them that comes. */
  private either(handles: Handles): void {
    const choice = this.decision("condition", handles);
    const branches = ["true", "false"].map((route) => {
      const own: Handles = new Map([[choice, [route]]]);
      this.call(own, undefined, "never");
      return [...own.keys()].at(-1) as string;
    });
    const join = this.next();
    for (const branch of branches) this.connect(branch, "output", join, "input");
    this.add(join, "Set", { values: { id: join, input: "{{input}}" } }, { value: "wrap", join: "any" });
    for (const id of [...branches, join]) handles.set(id, ["output"]);
  }

  private sub(handles: Handles): void {
    const id = this.next();
    this.hang(handles, id);
    const child = this.dice.pick(this.options.children);
    const fails = child.status === "failed";
    const onError = fails ? this.dice.pick(["continue", "branch"] as const) : "fail";
    this.add(
      id,
      "SubWorkflow",
      { workflow_id: child.workflowId, inputs: { start: true } },
      { value: { constant: child.outputs }, runs: "wait", fails, onError },
    );
    handles.set(id, onError === "branch" ? ["output", "error"] : ["output"]);
    this.children.set(id, child.workflowId);
  }

  private repeating(kind: "loop" | "map", handles: Handles, depth: number): void {
    const id = this.next();
    this.hang(handles, id);
    const bodyFails = this.dice.chance(0.25);
    if (kind === "loop") {
      const times = this.dice.below(4);
      this.add(id, "Loop", this.dice.chance(0.5) ? { times } : { while: `index < ${times}` }, {
        runs: "repeats",
        route: "done",
        onError: "branch",
        repeat: { kind: "loop", times, limited: false },
      });
    } else {
      const items = Array.from({ length: this.dice.between(0, 5) }, (_nothing, at) => at * 10);
      const concurrency = this.dice.between(1, 4);
      const onItemError = this.dice.pick(["fail", "skip", "collect"] as const);
      this.add(
        id,
        "MapReduce",
        { items, concurrency, on_item_error: onItemError },
        {
          runs: "repeats",
          route: "done",
          onError: "branch",
          repeat: { kind: "map", items, concurrency, onItemError },
        },
      );
    }
    handles.set(id, ["done", "error"]);
    const own: Handles = new Map([[id, ["body"]]]);
    this.grow(own, this.dice.between(1, 3), depth - 1, id, bodyFails);
    own.delete(id);
    for (const [source, handle] of this.choose(own, this.dice.between(1, 2))) this.connect(source, handle, id, "return");
    if (kind === "loop" && this.dice.chance(0.2)) for (const [source, handle] of this.choose(own, 1)) this.connect(source, handle, id, "break");
  }

  /** Fails, but only when nothing else is under way. */
  private gate(handles: Handles): void {
    const id = this.next();
    this.connect("start", "output", id, "input");
    for (const [source, [handle]] of handles) if (source !== "start" && handle !== undefined) this.connect(source, handle, id, "input");
    this.add(id, "HttpRequest", { method: "POST", url: this.url(id, { fails: "1" }) }, { runs: "activity", fails: true, onError: "fail" });
  }

  private end(handles: Handles): void {
    const id = this.next();
    this.hang(handles, id);
    this.add(id, "End", {}, { end: true });
  }

  /** Hangs a node from one to three handles, later ones rather than earlier. */
  private hang(handles: Handles, id: string): void {
    for (const [source, handle] of this.choose(handles, this.dice.pick([1, 1, 1, 2, 2, 3]))) this.connect(source, handle, id, "input");
  }

  private choose(handles: Handles, times: number): [string, string][] {
    const sources = [...handles.keys()];
    const chosen = new Map<string, [string, string]>();
    for (let n = 0; n < times && sources.length > 0; n++) {
      const source = sources[Math.max(this.dice.below(sources.length), this.dice.below(sources.length))] as string;
      const handle = this.dice.pick(handles.get(source) as string[]);
      chosen.set(`${source}:${handle}`, [source, handle]);
    }
    return [...chosen.values()];
  }

  /** A rejection without a way out would fail its node. */
  private settleApprovals(): void {
    for (const node of this.nodes.values()) {
      if (node.answer !== "rejected" || this.edges.some(({ source, sourceHandle }) => source === node.id && sourceHandle === "rejected")) continue;
      Object.assign(node, { answer: "approved", route: "approved", value: { constant: { decision: "approved" } } });
      const stored = this.stored.find(({ id }) => id === node.id) as { data: { inputs: JsonObject } };
      stored.data.inputs["prompt"] = "approved";
    }
  }

  private next(): string {
    return `n${++this.count}`;
  }

  private url(id: string, query: Record<string, string>): string {
    const ms = this.dice.between(CALL_MS.least, CALL_MS.most);
    return `${this.options.outside}/${id}?ms=${ms}${Object.entries(query)
      .map(([name, value]) => `&${name}=${value}`)
      .join("")}`;
  }

  private add(id: string, type: string, inputs: JsonObject, script: Partial<ScriptedNode>, attempts = 1): void {
    const node: ScriptedNode = {
      id,
      value: "pass",
      runs: "instant",
      duration: this.dice.between(1, 1_000),
      fails: false,
      route: "output",
      join: "all",
      onError: "fail",
      entry: false,
      end: false,
      ...script,
    };
    this.nodes.set(id, node);
    const settings: JsonObject = { join: node.join, on_error: node.onError };
    if (node.runs === "activity") Object.assign(settings, { retry: { maximum_attempts: attempts, initial_interval: "200ms" }, timeout: CALL_TIMEOUT });
    this.stored.push(this.node(id, type, inputs, settings));
  }

  private node(id: string, type: string, inputs: JsonObject, settings: JsonObject): JsonObject {
    return { id, type, data: { name: id, inputs, settings } };
  }

  private connect(source: string, sourceHandle: string, target: string, targetHandle: string): void {
    this.edges.push({ id: `e${this.edges.length}`, source, target, sourceHandle, targetHandle });
  }
}
