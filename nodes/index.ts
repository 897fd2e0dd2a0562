/** The catalogue of node types. Does no I/O itself; workflow code imports `inline.gen.ts` instead. */
import type { NodeCatalogue } from "#graph";
import { CUSTOM_PREFIX } from "./custom/definition.ts";
import { anyCustomNode, customNodeType } from "./custom/node-type.ts";
import type { NodeDefinition } from "./define.ts";
import { definitions } from "./registry.gen.ts";

export * from "./credential-types.ts";
export { CUSTOM_PREFIX, type CustomNodeDefinition, customNodeFindings } from "./custom/definition.ts";
export { shownInputs } from "./custom/run.ts";
export * from "./define.ts";
export { httpRequestInputs, sendHttpRequest } from "./http/http-request.ts";
export { refusedStatus } from "./http/refusal.ts";
export * from "./metadata.ts";
export { definitions };

const byName = new Map<string, NodeDefinition>(
  definitions.flatMap((definition) => [definition.type, ...(definition.aliases ?? [])].map((name) => [name, definition] as const)),
);

/** What runs a type, by canonical name or alias; the same for all custom types. */
export function nodeDefinition(type: string): NodeDefinition | undefined {
  return byName.get(type) ?? (type.startsWith(CUSTOM_PREFIX) ? anyCustomNode : undefined);
}

/** What the compiler sees of it. Custom types are an organization's own: `custom` makes them of what it has registered. */
export const catalogue: NodeCatalogue & { custom: typeof customNodeType } = {
  get: (type) => byName.get(type),
  names: () => byName.keys(),
  custom: customNodeType,
};

/** Knows of every type which credentials its nodes name, of custom ones too. */
export const credentialCatalogue: NodeCatalogue = { ...catalogue, get: nodeDefinition };

/** Whether a node of this type may run again without anybody noticing. */
export function isEffectFree(type: string): boolean {
  return nodeDefinition(type)?.effect === "none";
}
