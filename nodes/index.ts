/** The catalogue of node types. Does no I/O itself; workflow code imports `inline.gen.ts` instead. */
import type { NodeCatalogue } from "#graph";
import type { NodeDefinition } from "./define.ts";
import { definitions } from "./registry.gen.ts";

export * from "./credential-types.ts";
export * from "./define.ts";
export * from "./metadata.ts";
export { definitions };

const byName = new Map<string, NodeDefinition>(
  definitions.flatMap((definition) => [definition.type, ...(definition.aliases ?? [])].map((name) => [name, definition] as const)),
);

/** By canonical name or alias. */
export function nodeDefinition(type: string): NodeDefinition | undefined {
  return byName.get(type);
}

/** What the compiler sees of it. */
export const catalogue: NodeCatalogue = {
  get: nodeDefinition,
  names: () => byName.keys(),
};

/** Whether a node of this type may run again without anybody noticing. */
export function isEffectFree(type: string): boolean {
  return nodeDefinition(type)?.effect === "none";
}
