import { isObject, type Json, ownProperty, stableStringify } from "#core";
import { Findings } from "./findings.ts";
import { type GraphEdge, type GraphNode, parseGraph } from "./parse.ts";

export interface GraphDiff {
  nodes: { added: string[]; removed: string[]; changed: ChangedNode[] };
  edges: { added: DiffEdge[]; removed: DiffEdge[] };
}

export interface ChangedNode {
  id: string;
  changes: Change[];
}

/** One place in a node (`type`, `name`, `inputs.headers.Accept`, `settings.retry.maximum_attempts`); a side that has nothing there lacks the key. */
export interface Change {
  path: string;
  before?: Json;
  after?: Json;
}

export interface DiffEdge {
  source: string;
  source_handle: string;
  target: string;
  target_handle: string;
}

/**
 * What changed from one graph to another. Positions and other drawing are no change, neither are ids of edges or another order. Needs no
 * catalogue: inputs are compared as they were written. What is malformed counts as not there.
 */
export function diff(before: unknown, after: unknown): GraphDiff {
  const [old, now] = [before, after].map((graph) => parseGraph(graph, new Findings()));
  const oldNodes = byId(old?.nodes ?? []);
  const newNodes = byId(now?.nodes ?? []);
  const oldEdges = byEnds(old?.edges ?? []);
  const newEdges = byEnds(now?.edges ?? []);
  const changed: ChangedNode[] = [];
  for (const [id, node] of newNodes) {
    const other = oldNodes.get(id);
    const changes = other ? compareNodes(other, node) : [];
    if (changes.length > 0) changed.push({ id, changes });
  }
  return {
    nodes: { added: missingFrom(oldNodes, newNodes), removed: missingFrom(newNodes, oldNodes), changed },
    edges: { added: valuesMissingFrom(oldEdges, newEdges), removed: valuesMissingFrom(newEdges, oldEdges) },
  };
}

function byId(nodes: readonly GraphNode[]): Map<string, GraphNode> {
  const map = new Map<string, GraphNode>();
  for (const node of nodes) if (!map.has(node.id)) map.set(node.id, node);
  return map;
}

function byEnds(edges: readonly GraphEdge[]): Map<string, DiffEdge> {
  const ends = edges.map(({ source, sourceHandle = "output", target, targetHandle = "input" }) => ({
    source,
    source_handle: sourceHandle,
    target,
    target_handle: targetHandle,
  }));
  return new Map(ends.map((edge) => [stableStringify(edge), edge]));
}

function missingFrom(map: ReadonlyMap<string, unknown>, other: ReadonlyMap<string, unknown>): string[] {
  return [...other.keys()].filter((key) => !map.has(key));
}

function valuesMissingFrom(map: ReadonlyMap<string, DiffEdge>, other: ReadonlyMap<string, DiffEdge>): DiffEdge[] {
  return [...other].filter(([key]) => !map.has(key)).map(([, edge]) => edge);
}

function compareNodes(before: GraphNode, after: GraphNode): Change[] {
  const changes: Change[] = [];
  compare(facts(before), facts(after), "", changes);
  return changes;
}

/** What of a node matters to a run. Keys of `data` may name inputs, so they stand among them. */
function facts(node: GraphNode): Record<string, unknown> {
  const { name: _name, label: _label, ...data } = node.data;
  const inputs = new Map<string, unknown>([data, ...node.inputs].flatMap((each) => Object.entries(each)));
  return {
    type: node.type,
    ...(node.name !== undefined && { name: node.name }),
    inputs: Object.fromEntries(inputs),
    settings: isObject(node.settings) ? node.settings : {},
  };
}

function compare(before: unknown, after: unknown, path: string, changes: Change[]): void {
  if (isObject(before) && isObject(after)) {
    for (const key of new Set([...Object.keys(before), ...Object.keys(after)]))
      compare(ownProperty(before, key), ownProperty(after, key), path === "" ? key : `${path}.${key}`, changes);
    return;
  }
  if (before === after || (before !== undefined && after !== undefined && stableStringify(before) === stableStringify(after))) return;
  changes.push({ path, ...(before !== undefined && { before: before as Json }), ...(after !== undefined && { after: after as Json }) });
}
