import { isObject, ownProperty } from "#core";
import type { NodeCatalogue } from "./catalogue.ts";
import { Findings } from "./findings.ts";
import { Nearest } from "./nearest.ts";
import { normaliseInputs } from "./normalise.ts";
import { parseGraph } from "./parse.ts";

/** The type that runs another stored workflow. */
export const SUB_WORKFLOW_TYPE = "SubWorkflow";

/** Another workflow that one runs. Without a version, the published one. */
export interface SubWorkflowRef {
  workflow_id: string;
  version?: number | "latest";
}

/**
 * Every other workflow that a graph or plan runs itself, each once, in the order of its nodes; with those that they run in turn, `compile`
 * finds recursion. What is malformed names none.
 * @param catalogue - Knows the names of types in a graph; a plan needs none.
 */
export function subWorkflowsOf(source: unknown, catalogue?: NodeCatalogue): SubWorkflowRef[] {
  const refs = Array.isArray(ownProperty(source, "steps")) ? ofPlan(source) : catalogue ? ofGraph(source, catalogue) : [];
  return [...new Map(refs.map((ref) => [keyOf(ref), ref])).values()];
}

/** The same for the same version of the same workflow. */
export function keyOf({ workflow_id: id, version }: SubWorkflowRef): string {
  return JSON.stringify([id, version]);
}

/** What inputs name, undefined where they name no workflow. */
export function subWorkflowNamed(workflowId: unknown, version: unknown): SubWorkflowRef | undefined {
  const id = typeof workflowId === "number" ? String(workflowId) : workflowId;
  if (typeof id !== "string" || id === "" || id.includes("{{")) return undefined;
  const number = typeof version === "string" && /^\s*\d+\s*$/.test(version) ? Number(version) : version;
  if (number === undefined || number === null) return { workflow_id: id };
  return number === "latest" || (typeof number === "number" && Number.isInteger(number)) ? { workflow_id: id, version: number } : undefined;
}

function ofGraph(graph: unknown, catalogue: NodeCatalogue): SubWorkflowRef[] {
  const findings = new Findings();
  const nearest = new Nearest();
  return (parseGraph(graph, findings)?.nodes ?? []).flatMap((node) => {
    const type = catalogue.get(node.type);
    if (type?.type !== SUB_WORKFLOW_TYPE) return [];
    const given = normaliseInputs(node, type, findings, nearest);
    return subWorkflowNamed(given.get("workflow_id"), given.get("version")) ?? [];
  });
}

/** Also within bodies, without recursion. */
function ofPlan(plan: unknown): SubWorkflowRef[] {
  const refs: SubWorkflowRef[] = [];
  const open: unknown[] = [plan];
  for (let body = open.pop(); body !== undefined; body = open.pop()) {
    const steps = ownProperty(body, "steps");
    for (const step of Array.isArray(steps) ? (steps as unknown[]) : []) {
      if (ownProperty(step, "type") === SUB_WORKFLOW_TYPE) {
        const inputs = ownProperty(step, "inputs");
        const ref = subWorkflowNamed(literalField(inputs, "workflow_id"), literalField(inputs, "version"));
        if (ref) refs.push(ref);
      }
      for (const hanging of ["body", "compensate"]) if (isObject(ownProperty(step, hanging))) open.push(ownProperty(step, hanging));
    }
  }
  return refs;
}

/** A field of compiled inputs, where it is literal. */
function literalField(inputs: unknown, name: string): unknown {
  const whole = ownProperty(inputs, "v");
  if (isObject(whole)) return ownProperty(whole, name);
  const fields = ownProperty(inputs, "fields");
  const field = Array.isArray(fields) ? (fields as unknown[]).find((each) => Array.isArray(each) && each[0] === name) : undefined;
  return Array.isArray(field) ? ownProperty(field[1], "v") : undefined;
}
