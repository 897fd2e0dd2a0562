import type { JsonObject } from "#core";
import type { NodeCatalogue } from "./catalogue.ts";
import { Findings } from "./findings.ts";
import { Nearest } from "./nearest.ts";
import { normaliseInputs } from "./normalise.ts";
import { parseGraph } from "./parse.ts";

/** Nodes of one type, by canonical name, with the inputs they were given under their declared names; none where the graph is malformed. */
export function nodesOfType(graph: unknown, catalogue: NodeCatalogue, typeName: string): { id: string; inputs: JsonObject }[] {
  const findings = new Findings();
  const nearest = new Nearest();
  return (parseGraph(graph, findings)?.nodes ?? []).flatMap((node) => {
    const type = catalogue.get(node.type);
    return type?.type === typeName ? [{ id: node.id, inputs: Object.fromEntries(normaliseInputs(node, type, findings, nearest)) as JsonObject }] : [];
  });
}
