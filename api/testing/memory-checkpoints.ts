import { PerdureError, type TenantId, isClosed } from "#core";
import type { Asked, Checkpoints, Run } from "#runs";
import type { MemoryDatabase } from "./memory-database.ts";
import type { MemoryRuns } from "./memory-runs.ts";

export interface MemoryCheckpoints extends Checkpoints {
  /** Requests as they arrived. */
  readonly asked: { kind: string; runId: string; request: unknown; asked?: Asked }[];
  /** What stands against a migration. */
  obstacles: { node_id: string; message: string }[];
  /** Nodes that only some people may answer. */
  ofSome: string[];
  /** What is passed over by completing a node, by its id. */
  readonly comesBefore: Map<string, string[]>;
}

/** Makes the new run and computes nothing. */
export function createMemoryCheckpoints({ state }: MemoryDatabase, runs: MemoryRuns): MemoryCheckpoints {
  function get(tenant: TenantId, id: string): Run {
    const run = state.runs.find((each) => each.tenantId === tenant && each.id === id);
    if (!run) throw new PerdureError("resource.not_found", "There is no such run.");
    return run;
  }
  const begin = (kind: string) => async (tenant: TenantId, runId: string, request: object, asked: Asked) => {
    const { workflowId, workflowName, version, inputs } = get(tenant, runId);
    memory.asked.push({ kind, runId, request, asked });
    const started = await runs.start(tenant, {
      workflowId,
      workflowName,
      version,
      inputs,
      variables: {},
      entries: [],
      trigger: kind,
      createdBy: asked.by,
      forkedFrom: runId,
      plan: { format_version: 1, settings: { execution: "standard", max_parallel: 1 }, entries: { manual: [], triggers: [] }, steps: [], edges: [] },
      ...(asked.idempotency && { idempotency: asked.idempotency }),
    });
    return started;
  };
  const memory: MemoryCheckpoints = {
    asked: [],
    obstacles: [],
    ofSome: [],
    comesBefore: new Map(),
    retry: begin("retry"),
    fork: begin("fork"),
    replay: begin("replay"),
    async canMigrate(tenant, runId) {
      const run = get(tenant, runId);
      if (isClosed(run.status)) throw new PerdureError("run.closed", "The run is closed.");
      return { run, obstacles: memory.obstacles };
    },
    async migrate(tenant, runId, version, by) {
      const run = get(tenant, runId);
      memory.asked.push({ kind: "migrate", runId, request: { version, by } });
      return { outcome: runs.outcome, run: Object.assign(run, { version }) };
    },
    async assigned(tenant, runId, nodeIds) {
      get(tenant, runId);
      return nodeIds.filter((id) => memory.ofSome.includes(id));
    },
    async passedOver(tenant, runId, { id }) {
      get(tenant, runId);
      return memory.comesBefore.get(id) ?? [];
    },
    async compare(tenant, runId, withId) {
      const after = get(tenant, runId);
      const { id, status, outputs, error } = get(tenant, withId ?? after.forkedFrom ?? runId);
      const end = { status: after.status, outputs: after.outputs, error: after.error };
      return { same: true, before: { id, status, outputs, error }, after: { id: after.id, ...end }, nodes: [], truncated: false };
    },
  };
  return memory;
}
