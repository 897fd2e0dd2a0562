import type { FailureValue } from "#core";
import type { NodeTypes } from "./node-types.gen.ts";
import type { Anything, Reference, ReferenceTo } from "./reference.ts";
import type { NodeSettings } from "./settings.ts";

export type NodeTypeName = keyof NodeTypes;
export type InputsOf<T extends NodeTypeName> = NodeTypes[T]["inputs"];

/** What one node can be told besides its inputs. */
export interface NodeOptions {
  /** For people to read. */
  name?: string;
  settings?: NodeSettings;
  /** Where an editor draws it. */
  position?: { x: number; y: number };
}

/** Inputs may be left out where none is required. */
export type NodeArguments<T extends NodeTypeName> =
  Partial<InputsOf<T>> extends InputsOf<T> ? [inputs?: InputsOf<T>, options?: NodeOptions] : [inputs: InputsOf<T>, options?: NodeOptions];

/** Types whose value is what a particular node was given, rather than what its type says. */
export interface Refined {
  output: unknown;
  leaves: string;
}
export interface AsDeclared<T extends NodeTypeName> extends Refined {
  output: NodeTypes[T]["output"];
  leaves: NodeTypes[T]["leaves"];
}

/** What a `Set` of these values hands on. */
export type SetOutput<V> = { readonly [K in keyof V]: V[K] extends Reference<infer T> ? (unknown extends T ? Anything : T) : Anything };
/** The routes of a `Switch` of these cases: `case:0` to the last one, where their number is known. */
export type SwitchRoutes<C extends readonly unknown[]> =
  | (number extends C["length"] ? `case:${number}` : `case:${Exclude<keyof C, keyof (readonly unknown[])> & string}`)
  | Exclude<NodeTypes["Switch"]["leaves"], `case:${number}`>;

declare const KIND: unique symbol;

/** A handle that edges of a kind enter: `flow`, or a capability. */
export interface Entry<K extends string = string> {
  readonly [KIND]?: K;
  readonly node: string;
  readonly handle: string;
}

/** A route by which the flow leaves a node. */
export interface Exit {
  /** An edge to each of these nodes or handles; @returns the first, to go on from. */
  to<Target extends FlowTarget>(target: Target, ...more: FlowTarget[]): Target;
}

export type FlowTarget = Entry<"flow"> | AnyNode;

/** What is the same of every node. */
export interface AnyNode {
  readonly id: string;
  readonly type: NodeTypeName;
  /** The failure of this node, for what runs after it failed: `{{errors.<id>}}`. */
  readonly failure: ReferenceTo<FailureValue>;
}

/** A node of the graph: what it hands on, and where edges can be drawn. Routes, handles and fields its type does not have are errors of the compiler. */
export type NodeOf<T extends NodeTypeName, R extends Refined = AsDeclared<T>> = AnyNode & {
  readonly type: T;
  /** What it hands on; only nodes behind it may read it. */
  readonly output: ReferenceTo<R["output"]>;
  /** One of its routes: `true`, `case:0`, `body`, `error`, `compensate` … */
  on(route: R["leaves"]): Exit;
  /** One of its handles besides `input`: an input's name, a loop's `return` and `break`, or what providers are plugged into. */
  in<H extends (NodeTypes[T]["enters"] | keyof NodeTypes[T]["takes"]) & string>(handle: H): Entry<HandleKind<T, H>>;
} & (NodeTypes[T]["goesOn"] extends true ? Exit : unknown) &
  ([NodeTypes[T]["provides"]] extends [never]
    ? unknown
    : {
        /** Plugs it into a step instead of running it by itself. */
        plugInto(...handles: Entry<NodeTypes[T]["provides"] & string>[]): void;
      });

type HandleKind<T extends NodeTypeName, H> = H extends keyof NodeTypes[T]["takes"] ? NodeTypes[T]["takes"][H] & string : "flow";
