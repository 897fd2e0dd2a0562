import type { Finding } from "#core";
import { Nearest } from "../nearest.ts";
import type { Entries, Plan } from "../plan.ts";
import { type NodeRecord, type ResolvedEdge, START_TYPE } from "./record.ts";

/**
 * Where runs may begin.
 * @param steps - Nodes that run, in the order of the plan.
 * @param disabled - Ids of disabled nodes: a trigger among them never fires.
 */
export function findEntries(steps: readonly NodeRecord[], edges: readonly ResolvedEdge[], disabled: ReadonlySet<string>): Entries {
  const triggers = steps.filter((step) => step.type?.kind === "trigger");
  if (triggers.length === 0) {
    const entered = new Set(edges.map((edge) => edge.target));
    const roots = steps.filter((step) => !entered.has(step)).map((step) => step.node.id);
    return { manual: roots, triggers: roots };
  }
  const firing = triggers.filter((trigger) => !disabled.has(trigger.node.id)).map((trigger) => trigger.node.id);
  const starts = startsWithout(steps, edges)
    .filter((start) => !disabled.has(start.node.id))
    .map((start) => start.node.id);
  const manual = starts.length > 0 ? starts : firing.length === 1 ? firing : [];
  if (manual.length > 0) return { manual, triggers: firing };
  const message =
    firing.length === 0
      ? "All triggers of this workflow are disabled."
      : `This workflow has several triggers and no Start; name one of them as \`entry\`: ${firing.join(", ")}.`;
  return { manual, triggers: firing, manual_problem: { code: "entry.required", message, path: "entry" } };
}

/** Every `Start` that has nothing but triggers before it. `steps` are in order, so one pass sees all that comes before. */
function startsWithout(steps: readonly NodeRecord[], edges: readonly ResolvedEdge[]): NodeRecord[] {
  const before = Map.groupBy(edges, (edge) => edge.target);
  const plain = new Set<NodeRecord>();
  for (const step of steps) {
    if (step.type?.kind === "trigger" && (before.get(step) ?? []).every((edge) => plain.has(edge.source))) plain.add(step);
  }
  return [...plain].filter((step) => step.type?.type === START_TYPE);
}

/** The nodes that fire in a run that was asked for by hand or API, with or without naming an entry. */
export function selectEntries(plan: Plan, requested?: string): { entries: string[] } | { problem: Finding } {
  const { manual, manual_problem: problem, triggers } = plan.entries;
  if (requested === undefined) {
    if (manual.length > 0) return { entries: [...manual] };
    return { problem: problem ?? { code: "entry.required", message: "This workflow has nowhere to begin; name an `entry`.", path: "entry" } };
  }
  if (triggers.includes(requested)) return { entries: [requested] };
  const near = new Nearest().find(requested, triggers);
  return {
    problem: {
      code: "entry.unknown",
      message: `No run can begin at \`${requested}\`; it can at ${triggers.join(", ") || "no node"}.`,
      path: "entry",
      ...(near !== undefined && { hint: `Did you mean \`${near}\`?` }),
    },
  };
}
