import { ownProperty } from "#core";

/** Types that the nodes of a graph name, each once, as they are written; what is malformed names none. */
export function nodeTypesOf(graph: unknown): string[] {
  const nodes = ownProperty(graph, "nodes") ?? ownProperty(ownProperty(graph, "flow_data"), "nodes");
  const types = (Array.isArray(nodes) ? (nodes as unknown[]) : []).map((node) => ownProperty(node, "type"));
  return [...new Set(types.filter((type) => typeof type === "string"))];
}
