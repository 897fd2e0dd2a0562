import type { Capability, NodeType } from "../catalogue.ts";
import type { GivenInputs } from "../normalise.ts";
import type { GraphEdge, GraphNode } from "../parse.ts";

/** A node while it is compiled. */
export interface NodeRecord {
  readonly node: GraphNode;
  /** Undefined where the catalogue has no such type. */
  readonly type: NodeType | undefined;
  readonly given: GivenInputs;
  /** The routes it chooses between; `unknown` where its inputs are too wrong to tell. */
  readonly routes: readonly string[] | "unknown" | undefined;
  /** Whether handles can be checked: the type is known and can run. */
  readonly checked: boolean;
  /** Place in the graph's list of records; the first of those that share an id. */
  readonly at: number;
}

export interface ResolvedEdge {
  readonly edge: GraphEdge;
  readonly id: string;
  readonly source: NodeRecord;
  readonly target: NodeRecord;
  readonly kind: "flow" | Capability;
  readonly route: string;
  readonly handle: string;
}

/** The type that a run started by hand or API begins at. */
export const START_TYPE = "Start";

export const DEFAULT_HANDLE = "input";
export const DEFAULT_ROUTE = "output";
export const ERROR_ROUTE = "error";
/** Where what hangs from a node for its iterations, or to undo it, begins. */
export const BODY_ROUTE = "body";
export const COMPENSATE_ROUTE = "compensate";

const EXITS: ReadonlySet<string> = new Set(["return", "break"]);

/** Whether an edge ends an iteration of its target, so that nothing comes after it. Of a target that cannot be checked: whether it may. */
export function isExit({ kind, handle, target }: Pick<ResolvedEdge, "kind" | "handle" | "target">): boolean {
  if (kind !== "flow" || !EXITS.has(handle)) return false;
  return target.type === undefined || !target.checked || target.type.body?.exits.some((exit) => exit === handle) === true;
}
