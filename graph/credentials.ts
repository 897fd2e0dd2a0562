import { isObject, ownProperty } from "#core";
import type { NodeCatalogue } from "./catalogue.ts";
import { Findings } from "./findings.ts";
import { Nearest } from "./nearest.ts";
import { normaliseInputs } from "./normalise.ts";
import { parseGraph } from "./parse.ts";

/** Ids of the credentials that a graph names, each once, in lower case, whether or not there are such; none where it is malformed. */
export function credentialsOf(graph: unknown, catalogue: NodeCatalogue): string[] {
  if (!mayNameOne(graph)) return [];
  const findings = new Findings();
  const nearest = new Nearest();
  const found = (parseGraph(graph, findings)?.nodes ?? []).flatMap((node) => {
    const type = catalogue.get(node.type);
    if (!type?.credentials) return [];
    const given = normaliseInputs(node, type, findings, nearest);
    return Object.keys(type.credentials).flatMap((input) => credentialNamed(given.get(input)) ?? []);
  });
  return [...new Set(found)];
}

/** What an input names; undefined where that can be no id. */
export function credentialNamed(value: unknown): string | undefined {
  const id = typeof value === "string" ? value.trim().toLowerCase() : "";
  return /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(id) ? id : undefined;
}

/** Spares most graphs a second reading. */
function mayNameOne(graph: unknown): boolean {
  const nodes = ownProperty(graph, "nodes") ?? ownProperty(ownProperty(graph, "flow_data"), "nodes");
  return Array.isArray(nodes) && nodes.some((node: unknown) => isObject(node) && /credential/i.test(JSON.stringify(node)));
}
