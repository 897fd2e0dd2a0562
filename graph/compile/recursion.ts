import type { NodeCatalogue } from "../catalogue.ts";
import type { Findings } from "../findings.ts";
import { keyOf, SUB_WORKFLOW_TYPE, type SubWorkflowRef, subWorkflowNamed, subWorkflowsOf } from "../sub-workflows.ts";
import type { NodeRecord } from "./record.ts";

/** Finds another stored workflow: its graph or plan, undefined where there is none. */
export type ResolveWorkflow = (workflowId: string, version: number | "latest" | undefined) => unknown;

export interface RecursionContext {
  resolve: ResolveWorkflow;
  /** The workflow that is compiled, where it is stored. */
  workflowId: string | undefined;
  catalogue: NodeCatalogue;
  findings: Findings;
}

/** Reports sub-workflows that are not there, and those that lead back to themselves or to the workflow that runs them. */
export function checkSubWorkflows(records: readonly NodeRecord[], { resolve, workflowId, catalogue, findings }: RecursionContext): void {
  const search = new Search(resolve, workflowId, catalogue);
  for (const { node, type, given } of records) {
    const ref = type?.type === SUB_WORKFLOW_TYPE ? subWorkflowNamed(given.get("workflow_id"), given.get("version")) : undefined;
    if (ref === undefined) continue;
    const where = { node_id: node.id, path: "inputs.workflow_id" };
    const circle = search.circleFrom(ref);
    if (circle) {
      const start = search.endsInSelf(circle) ? ["this workflow"] : [];
      const path = [...start, ...circle.map(named)];
      const shown = path.length > 12 ? [...path.slice(0, 6), "…", ...path.slice(-5)] : path;
      findings.problem("subworkflow.recursive", `The sub-workflow of \`${node.id}\` would run without end: ${shown.join(" → ")}.`, {
        ...where,
        hint: "Repetition is what Loop and MapReduce are for.",
      });
    } else if (search.contents(ref) === undefined) {
      const missing = ref.version === undefined || ref.version === "latest" ? "" : ` with a version ${ref.version}`;
      findings.problem("subworkflow.unknown", `There is no workflow \`${ref.workflow_id}\`${missing}.`, where);
    }
  }
}

/** Searches in depth for a way back, each workflow once; without recursion. */
class Search {
  readonly #resolve: ResolveWorkflow;
  readonly #workflowId: string | undefined;
  readonly #catalogue: NodeCatalogue;
  readonly #contents = new Map<string, SubWorkflowRef[] | undefined>();
  /** Versions from which no way leads back. */
  readonly #finite = new Set<string>();

  constructor(resolve: ResolveWorkflow, workflowId: string | undefined, catalogue: NodeCatalogue) {
    this.#resolve = resolve;
    this.#workflowId = workflowId;
    this.#catalogue = catalogue;
  }

  /** What a workflow runs in turn; undefined where there is none. */
  contents(ref: SubWorkflowRef): SubWorkflowRef[] | undefined {
    const key = keyOf(ref);
    if (!this.#contents.has(key)) {
      const found = this.#resolve(ref.workflow_id, ref.version);
      this.#contents.set(key, found === undefined ? undefined : subWorkflowsOf(found, this.#catalogue));
    }
    return this.#contents.get(key);
  }

  /** The workflow that is compiled, as it will be once it is saved. A pinned older version of it is another. */
  isSelf({ workflow_id: id, version }: SubWorkflowRef): boolean {
    return id === this.#workflowId && typeof version !== "number";
  }

  endsInSelf(circle: readonly SubWorkflowRef[]): boolean {
    const last = circle.at(-1);
    return last !== undefined && this.isSelf(last);
  }

  /** A way from `ref` to something that is already on it, or to the workflow that is compiled. */
  circleFrom(ref: SubWorkflowRef): SubWorkflowRef[] | undefined {
    const way: { ref: SubWorkflowRef; key: string; next: number }[] = [];
    const on = new Set<string>();
    const enter = (entered: SubWorkflowRef): SubWorkflowRef[] | undefined => {
      const key = keyOf(entered);
      if (this.isSelf(entered) || on.has(key)) return [...way.map((each) => each.ref), entered];
      if (this.#finite.has(key)) return undefined;
      way.push({ ref: entered, key, next: 0 });
      on.add(key);
      return undefined;
    };
    let circle = enter(ref);
    for (let here = way.at(-1); here && !circle; here = way.at(-1)) {
      const next = this.contents(here.ref)?.[here.next++];
      if (next) {
        circle = enter(next);
        continue;
      }
      way.pop();
      on.delete(here.key);
      this.#finite.add(here.key);
    }
    return circle;
  }
}

function named({ workflow_id: id, version }: SubWorkflowRef): string {
  return typeof version === "number" ? `${id}@${version}` : id;
}
