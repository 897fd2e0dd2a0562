import type { Findings } from "../findings.ts";
import type { NodeRecord, ResolvedEdge } from "./record.ts";
import { type Link, outgoing, reachable } from "./topology.ts";

export interface ReachContext {
  /** Nodes that run, in the order of the graph. */
  steps: readonly NodeRecord[];
  edges: readonly ResolvedEdge[];
  /** Places of nodes whose way in is not known, because of another mistake. */
  excused: Iterable<number>;
  size: number;
  findings: Findings;
}

/** Reports a graph without a beginning, and every node no run can come to. What follows from another mistake is not reported. */
export function checkReach({ steps, edges, excused, size, findings }: ReachContext): void {
  const excuses = new Set(excused);
  const unknown = steps.filter((step) => !step.type);
  const triggers = steps.filter((step) => step.type?.kind === "trigger");
  const entered = new Set(edges.map((edge) => edge.target));
  const first = triggers.length > 0 ? triggers : steps.filter((step) => !entered.has(step));
  if (first.length === 0 && excuses.size === 0) {
    findings.problem("entry.missing", "The graph has nowhere to begin: it has no node that runs.");
    return;
  }
  const out = outgoing(
    size,
    edges.map((edge): Link => ({ from: edge.source.at, to: edge.target.at, flow: true })),
  );
  const reached = reachable(out, [...first, ...unknown].map((step) => step.at).concat([...excuses]));
  const lost = steps.filter((step) => !reached.has(step.at));
  const lostPlaces = new Set(lost.map((step) => step.at));
  const behind = new Set(edges.filter((edge) => lostPlaces.has(edge.source.at)).map((edge) => edge.target.at));
  for (const step of lost) {
    if (behind.has(step.at)) continue;
    const others = reachable(out, [step.at]).size - 1;
    const tail = others === 0 ? "" : `, nor the ${others === 1 ? "node" : `${others} nodes`} behind it`;
    findings.problem("node.unreachable", `No run comes to node \`${step.node.id}\`${tail}: no trigger leads to it.`, {
      node_id: step.node.id,
      hint: "Join it to a node that runs, or give it a trigger.",
    });
  }
}
