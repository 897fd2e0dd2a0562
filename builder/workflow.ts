import { isObject, type Json, type JsonObject } from "#core";
import type { NodeTypes } from "./node-types.gen.ts";
import { isReference, reference, type ReferenceTo, type Anything } from "./reference.ts";
import type { GraphSettings } from "./settings.ts";
import type { AnyNode, Entry, FlowTarget, InputsOf, NodeArguments, NodeOf, NodeOptions, NodeTypeName, SetOutput, SwitchRoutes } from "./types.ts";

const DEFAULT_HANDLE = "input";

/** A graph as it is posted: `nodes`, `edges`, and `settings` where there are any. */
export interface GraphJson {
  nodes: JsonObject[];
  edges: JsonObject[];
  settings?: JsonObject;
}

/** The body of `POST /workflows`. */
export interface WorkflowJson {
  name: string;
  description?: string;
  tags?: string[];
  flow_data: GraphJson;
}

export interface WorkflowOptions {
  name: string;
  description?: string;
  tags?: readonly string[];
  settings?: GraphSettings;
}

/**
 * A graph in the making. `Inputs` is what a run of it is given; it types `inputs` and is not checked when the workflow runs – a `schema` of
 * `Start` is. Nothing is checked here that the compiler of graphs checks: save or validate what it makes.
 */
export class Workflow<Inputs = Anything> {
  /** What a run is given: `{{inputs.…}}`. */
  readonly inputs: ReferenceTo<Inputs> = reference<Inputs>(["inputs"]);
  readonly #options: WorkflowOptions;
  readonly #nodes: { id: string; type: string; inputs: object | undefined; options: NodeOptions }[] = [];
  readonly #edges: JsonObject[] = [];

  constructor(options: WorkflowOptions) {
    this.#options = options;
  }

  /**
   * Adds a node. Its inputs may hold references to nodes that come before it, alone or within text.
   * @param id How others refer to it; of letters, digits and `_`, expressions can read it too.
   */
  add<const Cases extends InputsOf<"Switch">["cases"]>(
    type: "Switch",
    id: string,
    inputs: { cases: Cases; value?: unknown },
    options?: NodeOptions,
  ): NodeOf<"Switch", { output: NodeTypes["Switch"]["output"]; leaves: SwitchRoutes<Cases> }>;
  add<const Values extends Readonly<Record<string, unknown>>>(
    type: "Set",
    id: string,
    inputs: { values: Values; keep_input?: false },
    options?: NodeOptions,
  ): NodeOf<"Set", { output: SetOutput<Values>; leaves: NodeTypes["Set"]["leaves"] }>;
  add(type: "Start", id: string, inputs?: InputsOf<"Start">, options?: NodeOptions): NodeOf<"Start", { output: Inputs; leaves: NodeTypes["Start"]["leaves"] }>;
  add<T extends NodeTypeName>(type: T, id: string, ...rest: NodeArguments<T>): NodeOf<T>;
  add(type: NodeTypeName, id: string, inputs?: object, options: NodeOptions = {}): unknown {
    this.#nodes.push({ id, type, inputs, options });
    const exit = (sourceHandle?: string) => ({
      to: <Target extends FlowTarget>(target: Target, ...more: FlowTarget[]): Target => {
        for (const each of [target, ...more]) this.#connect(id, sourceHandle, each);
        return target;
      },
    });
    return {
      id,
      type,
      output: reference([id]),
      failure: reference(["errors", id]),
      on: exit,
      in: (handle: string): Entry => ({ node: id, handle }),
      plugInto: (...handles: Entry[]): void => {
        for (const each of handles) this.#connect(id, undefined, each);
      },
      ...exit(),
    };
  }

  /** The graph as JSON, in the order in which nodes and edges were added. */
  graph(): GraphJson {
    const { settings } = this.#options;
    return {
      nodes: this.#nodes.map(({ id, type, inputs, options: { name, settings: own, position } }) => {
        const data = { ...(name !== undefined && { name }), ...(inputs && { inputs: toJson(inputs) }), ...(own && { settings: toJson(own) }) };
        return { id, type, ...(position && { position: { ...position } }), ...(Object.keys(data).length > 0 && { data }) };
      }),
      edges: this.#edges.map((edge) => ({ ...edge })),
      ...(settings && { settings: toJson(settings) as JsonObject }),
    };
  }

  /** What `POST /workflows` takes; `JSON.stringify(workflow)` makes the request's body. */
  toJSON(): WorkflowJson {
    const { name, description, tags } = this.#options;
    return { name, ...(description !== undefined && { description }), ...(tags && { tags: [...tags] }), flow_data: this.graph() };
  }

  #connect(source: string, sourceHandle: string | undefined, target: FlowTarget | AnyNode | Entry): void {
    const [node, handle] = "handle" in target ? [target.node, target.handle] : [target.id, DEFAULT_HANDLE];
    this.#edges.push({
      source,
      target: node,
      ...(sourceHandle !== undefined && { sourceHandle }),
      ...(handle !== DEFAULT_HANDLE && { targetHandle: handle }),
    });
  }
}

/** Begins a graph: `workflow<{ city: string }>({ name: "Weather" })`. */
export function workflow<Inputs = Anything>(options: WorkflowOptions): Workflow<Inputs> {
  return new Workflow<Inputs>(options);
}

/** As JSON.stringify would have it, with references as their templates. */
function toJson(value: unknown): Json {
  if (isReference(value)) return String(value);
  if (Array.isArray(value)) return value.map((item) => toJson(item ?? null));
  if (isObject(value)) {
    return Object.fromEntries(
      Object.entries(value)
        .filter(([, inner]) => inner !== undefined)
        .map(([key, inner]) => [key, toJson(inner)]),
    );
  }
  return value as Json;
}
