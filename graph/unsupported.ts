import type { Finding } from "#core";
import type { Body, Plan } from "./plan.ts";

/** Node types that compile and that the interpreter of this release does not run yet. */
const NOT_YET: ReadonlySet<string> = new Set(["SubWorkflow", "WaitForEvent"]);

/** Whether nodes of a type are refused when a run is asked for. */
export function cannotRunYet(type: string): boolean {
  return NOT_YET.has(type);
}

/** What of a plan cannot run yet, so that it is refused before it begins and not in the middle: one finding for each node. */
export function unsupportedIn(plan: Plan): Finding[] {
  const findings: Finding[] = [];
  const work: Body[] = [plan];
  for (let body = work.pop(); body; body = work.pop()) {
    for (const step of body.steps) {
      if (cannotRunYet(step.type)) {
        findings.push({ code: "node.not_available", message: `${step.type} cannot run yet: it arrives with the next release.`, node_id: step.id });
      }
      if (step.compensate) {
        findings.push({
          code: "node.not_available",
          message: "Compensation cannot run yet: it arrives with the next release.",
          node_id: step.id,
          path: "handles.compensate",
        });
      }
      for (const inner of [step.body, step.compensate]) if (inner) work.push(inner);
    }
  }
  return findings;
}
