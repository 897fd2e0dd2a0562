import { type Finding, type Json, PerdureError, type TenantId } from "#core";
import type { Database, RunOrigin } from "#db";
import type { Plan } from "#graph";
import type { NodeKnowledge } from "./types.ts";

/** What a run goes by: a version of a workflow, or a graph of its own. */
export interface Course {
  plan: Plan;
  version: number | null;
  graph: Json;
  /** The graph is the run's own and is to be stored with it. */
  isOwn: boolean;
}

export interface Courses {
  /** What the run went by. */
  before(tenant: TenantId, origin: RunOrigin): Promise<Course>;
  /** What one that goes on from it goes by. */
  after(tenant: TenantId, origin: RunOrigin, version: number | "current" | undefined): Promise<Course>;
  /** A graph that is stored nowhere yet. */
  own(tenant: TenantId, origin: RunOrigin, graph: Json, version: number | null): Promise<Course>;
}

/** @throws PerdureError from all of them: `graph.invalid` where it cannot run, `resource.not_found` where it is gone, `run.state` where there is no version. */
export function createCourses(db: Pick<Database, "workflows">, { compile }: Pick<NodeKnowledge, "compile">): Courses {
  async function planOf(tenant: TenantId, graph: Json, workflowId: string | null): Promise<Plan> {
    const compiled = await compile(tenant, graph, workflowId ?? undefined);
    if (compiled.ok) return compiled.plan;
    throw invalidGraph(compiled.problems);
  }

  const own: Courses["own"] = async (tenant, { run }, graph, version) => ({ plan: await planOf(tenant, graph, run.workflowId), version, graph, isOwn: true });

  async function ofVersion(tenant: TenantId, workflowId: string, version: number | undefined): Promise<Course> {
    const found = await db.workflows.runnable(tenant, workflowId, version);
    if (!found) throw new PerdureError("resource.not_found", "There is no such version of the workflow.");
    const { graph, plan, version: number } = found.version;
    return { plan: plan ?? (await planOf(tenant, graph, workflowId)), version: number, graph, isOwn: false };
  }

  async function before(tenant: TenantId, origin: RunOrigin): Promise<Course> {
    const { run, graph } = origin;
    if (graph !== null) return own(tenant, origin, graph, run.version);
    if (run.workflowId === null || run.version === null) throw new PerdureError("run.state", "The graph of this run is not stored.");
    return ofVersion(tenant, run.workflowId, run.version);
  }

  return {
    own,
    before,
    async after(tenant, origin, version) {
      if (version === undefined) return before(tenant, origin);
      if (origin.run.workflowId === null) throw new PerdureError("run.state", "The run is not one of a stored workflow, so there are no versions.");
      return ofVersion(tenant, origin.run.workflowId, version === "current" ? undefined : version);
    },
  };
}

function invalidGraph(findings: readonly Finding[]): PerdureError {
  return new PerdureError("graph.invalid", `The graph has ${findings.length === 1 ? "a problem" : `${findings.length} problems`} and cannot run.`, {
    findings,
  });
}
