import { isObject, ownProperty, safeParse } from "#core";
import { z } from "zod";
import type { Findings } from "./findings.ts";
import { GRAPH_LIMITS, type GraphLimits, measure } from "./limits.ts";

/** A node as it was written, its outer form checked. */
export interface GraphNode {
  /** Place in `nodes`. */
  index: number;
  id: string;
  type: string;
  name: string | undefined;
  /** `data` without `inputs`, `settings`, `config`, whose keys may name inputs. */
  data: Record<string, unknown>;
  /** `config`, then `data.inputs`: later ones win. */
  inputs: Record<string, unknown>[];
  settings: unknown;
  /** The whole node, to say what stands where it is not read. */
  written: Record<string, unknown>;
}

export interface GraphEdge {
  index: number;
  id: string | undefined;
  source: string;
  target: string;
  sourceHandle: string | undefined;
  targetHandle: string | undefined;
}

export interface ParsedGraph {
  nodes: GraphNode[];
  edges: GraphEdge[];
  settings: unknown;
  /** Ids of nodes too malformed to be among `nodes`: edges to them are not dangling. */
  malformed: Set<string>;
}

const object = z.custom<Record<string, unknown>>(isObject, "must be an object");
const id = z.union([z.string().min(1), z.number().transform(String)], "must be a text that is not empty");
const handle = z.union([z.string(), z.number().transform(String)], "must be a text").nullish();

const nodeSchema = z.object({
  id,
  type: z.string("must be the name of a node type").min(1),
  data: object.nullish(),
  config: object.nullish(),
});
const dataSchema = z.object({ inputs: object.nullish(), config: object.nullish() });
const edgeSchema = z.object({
  id: id.nullish(),
  source: id,
  target: id,
  sourceHandle: handle,
  targetHandle: handle,
  source_handle: handle,
  target_handle: handle,
});

/**
 * Reads `{nodes, edges}` or `{flow_data: {nodes, edges}}`. What it does not know it leaves alone: the graph that is saved is the original.
 * @returns undefined where nothing more can be said of it (not an object, too large, no nodes).
 */
export function parseGraph(graph: unknown, findings: Findings, limits: Partial<GraphLimits> = {}): ParsedGraph | undefined {
  const bounds = { ...GRAPH_LIMITS, ...limits };
  if (!isObject(graph)) return void findings.problem("graph.malformed", "A graph is an object with `nodes` and `edges`.");
  const flow =
    ownProperty(graph, "nodes") === undefined && isObject(ownProperty(graph, "flow_data"))
      ? (ownProperty(graph, "flow_data") as Record<string, unknown>)
      : graph;
  if (!fits(flow, bounds, findings)) return undefined;
  const nodes = ownProperty(flow, "nodes");
  const edges = ownProperty(flow, "edges") ?? [];
  if (!Array.isArray(nodes)) findings.problem("graph.malformed", "`nodes` must be a list of nodes.", { path: "nodes" });
  if (!Array.isArray(edges)) findings.problem("graph.malformed", "`edges` must be a list of edges.", { path: "edges" });
  if (!Array.isArray(nodes)) return undefined;
  const edgeList: unknown[] = Array.isArray(edges) ? edges : [];
  if (nodes.length > bounds.nodes)
    findings.problem("limit.exceeded", `A graph has at most ${bounds.nodes} nodes; this one has ${nodes.length}.`, { path: "nodes" });
  if (edgeList.length > bounds.edges)
    findings.problem("limit.exceeded", `A graph has at most ${bounds.edges} edges; this one has ${edgeList.length}.`, { path: "edges" });
  if (nodes.length > bounds.nodes || edgeList.length > bounds.edges) return undefined;
  const malformedIds = new Set<string>();
  return {
    nodes: nodes.flatMap((node: unknown, index) => parseNode(node, index, findings, malformedIds)),
    malformed: malformedIds,
    edges: edgeList.flatMap((edge, index) => parseEdge(edge, index, findings)),
    settings: ownProperty(flow, "settings") ?? ownProperty(graph, "settings"),
  };
}

function fits(flow: Record<string, unknown>, limits: GraphLimits, findings: Findings): boolean {
  const measured = measure(flow, limits);
  if ("bytes" in measured) return true;
  if ("notJson" in measured) findings.problem("graph.malformed", `A graph is JSON; it cannot hold a ${measured.notJson}.`);
  else if (measured.exceeds === "bytes") findings.problem("limit.exceeded", `A graph has at most ${limits.bytes} bytes as JSON.`);
  else if (measured.exceeds === "expressions")
    findings.problem("limit.exceeded", `The texts of a graph hold at most ${limits.expressions} expressions \`{{…}}\` in all.`);
  else findings.problem("limit.exceeded", `Lists and objects of a graph stand at most ${limits.depth} deep in one another.`);
  return false;
}

function parseNode(value: unknown, index: number, findings: Findings, malformedIds: Set<string>): GraphNode[] {
  const parsed = safeParse(nodeSchema, value);
  const data = isObject(value) && isObject(ownProperty(value, "data")) ? (ownProperty(value, "data") as Record<string, unknown>) : {};
  const inner = safeParse(dataSchema, data);
  const nodeId = isObject(value) && typeof ownProperty(value, "id") === "string" ? { node_id: ownProperty(value, "id") as string } : {};
  malformed(parsed, `nodes.${index}`, nodeId, findings);
  malformed(inner, `nodes.${index}.data`, nodeId, findings);
  if (!parsed.success || !isObject(value)) {
    if (nodeId.node_id !== undefined) malformedIds.add(nodeId.node_id);
    return [];
  }
  const { inputs, config, settings, ...rest } = data;
  const name = [ownProperty(data, "name"), ownProperty(data, "label"), ownProperty(value, "name")].find(
    (candidate) => typeof candidate === "string" && candidate.trim() !== "",
  );
  return [
    {
      index,
      id: parsed.data.id,
      type: parsed.data.type,
      name: typeof name === "string" ? name.trim() : undefined,
      data: rest,
      inputs: [parsed.data.config, config, inputs].filter(isObject),
      settings: settings ?? ownProperty(value, "settings"),
      written: value,
    },
  ];
}

function parseEdge(value: unknown, index: number, findings: Findings): GraphEdge[] {
  const parsed = safeParse(edgeSchema, value);
  const edgeId = isObject(value) && typeof ownProperty(value, "id") === "string" ? { edge_id: ownProperty(value, "id") as string } : {};
  malformed(parsed, `edges.${index}`, edgeId, findings);
  if (!parsed.success) return [];
  const { id: given, source, target, sourceHandle, source_handle, targetHandle, target_handle } = parsed.data;
  return [
    {
      index,
      id: given ?? undefined,
      source,
      target,
      sourceHandle: sourceHandle || source_handle || undefined,
      targetHandle: targetHandle || target_handle || undefined,
    },
  ];
}

function malformed(parsed: z.ZodSafeParseResult<unknown>, place: string, where: { node_id?: string; edge_id?: string }, findings: Findings): void {
  for (const issue of parsed.error?.issues ?? []) {
    const path = [place, ...issue.path.map(String)].join(".");
    findings.problem("graph.malformed", `\`${path}\`: ${issue.message}.`, { ...where, path });
  }
}
