import { type NodeMetadata, definitions, describeNode, nodeDefinition } from "#nodes";
import type { NodeRegistry } from "./services.ts";

/** The catalogue as `GET /nodes` shows it, described once. */
export function createNodeRegistry(): NodeRegistry {
  const described = new Map<string, NodeMetadata>(definitions.map((definition) => [definition.type, describeNode(definition)]));
  const all = [...described.values()];
  const json = (node: NodeMetadata): Record<string, unknown> & NodeMetadata => ({ ...node });
  const categories = [...Map.groupBy(all, ({ category }) => category)]
    .map(([name, nodes]) => ({ name, count: nodes.length, nodes: nodes.map((node) => node.name) }))
    .toSorted((a, b) => a.name.localeCompare(b.name, "en"));
  return {
    list: () => all.map(json),
    categories: () => categories,
    get(type) {
      const node = described.get(nodeDefinition(type)?.type ?? "");
      return node && json(node);
    },
  };
}
