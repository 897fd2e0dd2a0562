import type { NodeTypeJson } from "#contract/nodes.ts";
import type { JsonObject } from "#core";
import type { CustomNode } from "#db";
import { catalogue, type CustomNodeDefinition, type NodeMetadata, definitions, describeNode, nodeDefinition } from "#nodes";
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

/** A node type of an organization, as `GET /nodes` shows it beside the others. */
export function describeCustomNode({ id, name, version, definition, createdBy, createdAt, updatedAt }: CustomNode): NodeTypeJson {
  const defined = definition as unknown as CustomNodeDefinition;
  const type = catalogue.custom(name, version, defined);
  const described = describeNode(type);
  const properties = defined.input_schema["properties"] as JsonObject | undefined;
  const own = described.input_schema["properties"] as JsonObject | undefined;
  return {
    ...described,
    // As it was declared: what the product checks inputs by leaves words out that only people read.
    input_schema: { ...defined.input_schema, properties: { ...own, ...properties } },
    output_schema: defined.output_schema ?? {},
    custom: true,
    id,
    version,
    definition,
    created_by: createdBy,
    created_at: createdAt.toISOString(),
    updated_at: updatedAt.toISOString(),
  };
}
