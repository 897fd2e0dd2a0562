import { eventKey, isObject, type Json, type RunEvent } from "#core";
import { compile, type CompileOptions, type Plan, selectEntries } from "#graph";
import { catalogue } from "#nodes";
import type { ChildCall, NodeCall, NodeResult } from "#workflows/messages";
import { inlineDefinition } from "../../workflows/inline.ts";
import type { Cursor } from "../../workflows/interpreter/cursor.ts";
import { type Cancellable, StepFailed } from "../../workflows/interpreter/host.ts";
import { Interpreter, type InterpreterOptions } from "../../workflows/interpreter/interpreter.ts";
import type { Outcome } from "../../workflows/interpreter/outcome.ts";
import { quiet, VirtualClock, virtualHost } from "./virtual-host.ts";

export interface Script {
  /** What a call comes to, in so many virtual milliseconds (10 unless said). */
  call?(call: NodeCall): { value?: Json; fails?: boolean; ms?: number };
  /** Of calls that were given up. */
  receipts?: Record<string, Json>;
  given?: InterpreterOptions["given"];
}

/** The interpreter over a graph, in virtual time, with its commands at hand. */
export class Drive {
  readonly clock = new VirtualClock();
  readonly facts: RunEvent[] = [];
  /** Ids of the nodes called, in order. */
  readonly calls: string[] = [];
  readonly children: { call: Pick<ChildCall, "workflow_id" | "version" | "inputs"> & { iteration: string }; runId: string; told: string[] }[] = [];
  interpreter: Interpreter;
  /** Set to make it continue as new at its next rest. */
  full = false;
  links = 1;
  private readonly options: InterpreterOptions;
  private outcome: Outcome | undefined;

  /** `graph`: as people write it, or compiled. */
  constructor(graph: unknown, script: Script = {}) {
    const plan = isObject(graph) && "format_version" in graph ? (graph as unknown as Plan) : planOf(graph);
    const chosen = selectEntries(plan);
    if ("problem" in chosen) throw new Error(chosen.problem.message);
    const host = virtualHost(
      this.clock,
      {
        runNode: (_step, call): Cancellable<NodeResult> => {
          this.calls.push(`${call.node_id}${call.iteration && `@${call.iteration}`}${call.round ? `#${call.round}` : ""}`);
          const { value = { by: call.node_id }, fails, ms = 10 } = script.call?.(call) ?? {};
          return this.clock.schedule<NodeResult>(ms, () => {
            if (fails) return { error: new StepFailed({ code: "handler.failed", message: "scripted", retryable: false }, false) };
            // As the worker does.
            const { run_id, node_id, iteration } = call;
            const key = eventKey("node_end", node_id, iteration, 1);
            this.facts.push({ run_id, key, kind: "node_end", at: "then", node_id, iteration, attempt: 1, data: { status: "completed", output: value } });
            return { value: { value } };
          });
        },
        openChild: async (_step, call) => {
          const runId = `child-${this.children.length}`;
          this.children.push({ call, runId, told: [] });
          return runId;
        },
        tellChild: (runId, what) => this.children.find((child) => child.runId === runId)?.told.push(what),
        receiptsOf: async (nodes) =>
          nodes.map(({ node_id }) => (script.receipts && node_id in script.receipts ? { value: script.receipts[node_id] as Json } : null)),
        isFull: () => this.full,
      },
      this.facts,
    );
    this.options = {
      plan,
      identity: { runId: "run", tenantId: "tenant", run: {} },
      inputs: { start: true },
      variables: {},
      entries: chosen.entries,
      host,
      inline: inlineDefinition,
      ...(script.given && { given: script.given }),
    };
    this.interpreter = new Interpreter(this.options);
    this.go();
  }

  /** Lets everything happen that takes no more time than this; undefined: until it rests or ends. */
  async until(ms = Infinity): Promise<this> {
    await quiet();
    while (!this.outcome && this.clock.nextAt <= ms && this.clock.step()) await quiet();
    await quiet();
    return this;
  }

  /** Runs to the end. */
  async end(): Promise<Exclude<Outcome, { kind: "continue" }>> {
    await this.until();
    if (!this.outcome) throw new Error("the interpreter waits for nothing");
    return this.outcome as Exclude<Outcome, { kind: "continue" }>;
  }

  command(command: Parameters<Interpreter["apply"]>[0]): void {
    const refusal = this.interpreter.refuse(command);
    if (refusal) throw refusal;
    this.interpreter.apply(command);
  }

  /** `id` or `id@iteration` → where it ended; `running` where it has not. */
  get statuses(): Record<string, string> {
    const rows: Record<string, string> = {};
    for (const { kind, node_id, iteration, data } of this.facts) {
      const key = `${node_id}${iteration ? `@${iteration}` : ""}`;
      if (kind === "node_end") rows[key] = data?.status as string;
      else if (kind === "node_error") rows[key] = "failed";
      else if (kind === "node_start") rows[key] ??= "running";
    }
    return rows;
  }

  private go(): void {
    this.interpreter.run().then(
      (outcome) => {
        if (outcome.kind !== "continue") {
          this.outcome = outcome;
          return;
        }
        this.full = false;
        this.links++;
        const cursor = JSON.parse(JSON.stringify(outcome.cursor)) as Cursor;
        this.interpreter = new Interpreter({ ...this.options, ...(outcome.moved && { plan: outcome.moved.plan }), cursor });
        this.go();
      },
      (error: unknown) => {
        throw error;
      },
    );
  }
}

export function planOf(graph: unknown, options?: CompileOptions): Plan {
  const compiled = compile(graph, catalogue, options);
  if (!compiled.ok) throw new Error(JSON.stringify(compiled.problems));
  return compiled.plan;
}

type Node = { id: string; type: string; [key: string]: unknown };
type EdgeText = string | { source: string; target: string; [key: string]: unknown };

/** Edges as `"a -> b"`, `"a#route -> b"`, `"a -> b#handle"`. */
export function graphOf(nodes: Record<string, { type: string; inputs?: unknown; settings?: unknown }>, edges: EdgeText[], settings: object = {}): unknown {
  const parsed = edges.map((edge) => {
    if (typeof edge !== "string") return edge;
    const [from = "", to = ""] = edge.split(" -> ");
    const [source = "", sourceHandle] = from.split("#");
    const [target = "", targetHandle] = to.split("#");
    return { source, target, ...(sourceHandle && { sourceHandle }), ...(targetHandle && { targetHandle }) };
  });
  return {
    nodes: Object.entries(nodes).map(([id, { type, inputs = {}, settings: own }]): Node => ({
      id,
      type,
      data: { inputs, ...(own !== undefined && { settings: own }) },
    })),
    edges: parsed,
    settings,
  };
}

export const call = { type: "HttpRequest", inputs: { url: "http://example.test/" } } as const;
