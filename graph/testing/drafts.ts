/** Writes graphs for tests of this folder in few words. */
import type { Finding } from "#core";

export type Draft = Record<string, unknown>;

export function node(id: string, type: string, inputs: Draft = {}, settings: Draft = {}): Draft {
  return { id, type, position: { x: 0, y: 0 }, data: { inputs, settings } };
}

/** `"a->b"`, `"a:true->b:body"`. */
export function edge(text: string, id?: string): Draft {
  const ends = /^([^:]*?)(?::(.*))?->([^:]*)(?::(.*))?$/.exec(text);
  const [, source, sourceHandle, target, targetHandle] = ends ?? [];
  return { source, target, ...(id && { id }), ...(sourceHandle && { sourceHandle }), ...(targetHandle && { targetHandle }) };
}

export function graph(nodes: Draft[], ...edges: string[]): Draft {
  return { nodes, edges: edges.map((text) => edge(text)) };
}

/** `code@node` or `code@edge` or `code`. */
export function brief(findings: readonly Finding[]): string[] {
  return findings.map((finding) => [finding.code, finding.edge_id ?? finding.node_id].filter(Boolean).join("@"));
}

export const start = node("start", "Start");
