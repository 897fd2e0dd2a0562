import { PerdureError, tenantId, type TenantId } from "#core";
import type { Database } from "#db";
import { type Plan, selectEntries, subWorkflowsOf } from "#graph";
import { type ChildCall, type OpenedChild, subVersionKey } from "#workflows/messages";
import { runGraphInput, summaryOf } from "./run-input.ts";
import type { StartRun } from "./types.ts";

export interface SubRuns {
  /**
   * Stores the run of a child; harmless to repeat with the same id. Its workflow is the parent's to start.
   * @throws PerdureError `child.failed` where there is nothing that can run.
   */
  openChild(call: ChildCall): Promise<OpenedChild>;
  /** The versions of the workflows that a plan runs, as they stand now: what `latest` and the published version mean for a whole run. */
  pinnedVersions(tenant: TenantId, plan: Plan): Promise<Record<string, number>>;
}

export interface SubRunsOptions {
  db: Pick<Database, "runs" | "workflows" | "variables">;
  heartbeatTimeoutMs: number;
  /** SUB_WORKFLOW_MAX_DEPTH: workflows that came to run each other after they had been checked end here. */
  maxDepth: number;
}

export function createSubRuns({ db, heartbeatTimeoutMs, maxDepth }: SubRunsOptions): SubRuns {
  async function find(tenant: TenantId, workflowId: string, version: number | "latest" | undefined) {
    const newest = version === "latest" ? await db.workflows.get(tenant, workflowId) : undefined;
    return version === "latest" ? newest : db.workflows.runnable(tenant, workflowId, version);
  }

  async function pinnedVersions(tenant: TenantId, plan: Plan): Promise<Record<string, number>> {
    const pinned = await Promise.all(
      subWorkflowsOf(plan).map(async ({ workflow_id: id, version }): Promise<[string, number][]> => {
        if (typeof version === "number") return [];
        const found = await find(tenant, id, version);
        return found ? [[subVersionKey(id, version), found.version.version]] : [];
      }),
    );
    return Object.fromEntries(pinned.flat());
  }

  return {
    pinnedVersions,

    async openChild({ tenant_id, run_id, parent, workflow_id, version, inputs }) {
      if (parent.depth > maxDepth) {
        throw new PerdureError("child.failed", `Sub-workflows are nested more than ${maxDepth} deep (SUB_WORKFLOW_MAX_DEPTH).`);
      }
      const tenant = tenantId(tenant_id);
      const found = await find(tenant, workflow_id, version);
      const plan = found?.version.plan;
      if (!found || !plan)
        throw new PerdureError("child.failed", `The workflow ${workflow_id} ${found ? "has problems and cannot run" : "is not there any more"}.`);
      const selected = selectEntries(plan, undefined);
      if ("problem" in selected) throw new PerdureError("child.failed", selected.problem.message, { findings: [selected.problem] });
      const request: StartRun = {
        workflowId: workflow_id,
        workflowName: found.workflow.name,
        version: found.version.version,
        plan,
        inputs,
        variables: await db.variables.forRun(tenant, workflow_id),
        entries: selected.entries,
        trigger: "parent",
        createdBy: null,
        parentId: parent.run_id,
        subVersions: await pinnedVersions(tenant, plan),
        idempotency: { key: `child:${run_id}`, requestHash: run_id },
      };
      const { created } = await db.runs.insert(tenant, run_id, request);
      if (!created) request.variables = (await db.runs.origin(tenant, run_id))?.variables ?? request.variables;
      return { input: { ...runGraphInput(tenant, run_id, request, heartbeatTimeoutMs), parent }, plan, summary: summaryOf(request) };
    },
  };
}
