import type { Finding, Json, JsonObject, TenantId } from "#core";
import type { CompileResult, MigrationObstacle } from "#graph";
import type { Run, Runs } from "../types.ts";
import type { Comparison } from "./compare.ts";
import type { Edits } from "./edits.ts";

export interface ForkRequest extends Edits {
  /** With all that is behind it, this node runs again. */
  fromNode: string;
  /** `"2.5"`; all of them where it is left out. */
  iteration?: string;
  /** Inputs of the run, in place of those it had. */
  inputs?: JsonObject;
  /** Inputs of the node, beside those it has. */
  nodeInputs?: JsonObject;
  /** Beside those the run has. */
  variables?: JsonObject;
  /** Of the workflow; the one the run went by where it is left out. */
  version?: number | "current";
}

/** Who asks, and how often the same request may come. */
export interface Asked {
  by: string;
  idempotency?: { key: string; requestHash: string };
}

export interface Migration {
  run: Run;
  obstacles: MigrationObstacle[];
}

/** Runs that go on from what other runs came to (graph.md 4.13 and 6). Every one of them is a run of its own, linked by `forkedFrom`. */
export interface Checkpoints {
  /**
   * Runs what did not end well again: of a run that has ended and was not completed.
   * @throws PerdureError `resource.not_found`, `run.state`, `graph.invalid`, `request.too_large`, and what `Runs.start` throws.
   */
  retry(tenant: TenantId, runId: string, request: { version?: number | "current" }, asked: Asked): Promise<{ run: Run; created: boolean }>;
  /** Runs one node and all behind it again, of any run. @throws as `retry`, and `validation.failed`. */
  fork(tenant: TenantId, runId: string, request: ForkRequest, asked: Asked): Promise<{ run: Run; created: boolean }>;
  /** Runs all again that is evaluated and calls nothing: of a run that has ended. @throws as `retry`. */
  replay(tenant: TenantId, runId: string, request: { version?: number | "current" }, asked: Asked): Promise<{ run: Run; created: boolean }>;
  /** Whether a live run can go on by another version, and why not. @throws PerdureError `resource.not_found`, `run.closed`, `run.state`, `graph.invalid`. */
  canMigrate(tenant: TenantId, runId: string, version: number): Promise<Migration>;
  /** Moves a live run to another version. @throws as `canMigrate`, and `run.state` with the nodes that stand against it. */
  migrate(tenant: TenantId, runId: string, version: number, by: string): ReturnType<Runs["command"]>;
  /**
   * Those of the nodes whose answer only some people may give, by what the run goes by, or would go by.
   * @throws PerdureError `resource.not_found`, `run.state`, `graph.invalid`.
   */
  assigned(tenant: TenantId, runId: string, nodeIds: readonly string[], version?: number | "current"): Promise<string[]>;
  /** Those of a live run that have not ended, and that it would pass over by taking a node as completed. @throws as `assigned`. */
  passedOver(tenant: TenantId, runId: string, node: { id: string; iteration: string }): Promise<string[]>;
  /** @param withId - The run before; the one it was forked from where it is left out. */
  compare(tenant: TenantId, runId: string, withId?: string): Promise<Comparison>;
}

export interface CheckpointLimits {
  /** Of all that is given, as JSON (RUN_GIVEN_MAX_BYTES). */
  givenMaxBytes: number;
  /** Of the inputs of a run, and of its variables (RUN_INPUTS_MAX_BYTES). */
  inputsMaxBytes: number;
}

export interface NodeKnowledge {
  /** `workflowId`: the graph's own, where it is stored. */
  compile(tenant: TenantId, graph: unknown, workflowId?: string): Promise<CompileResult>;
  /** Whether a node of this type may run again without anybody noticing. */
  isEffectFree(type: string): boolean;
  /** Checks edited inputs of a run against the schema of its start. Without it they are not checked. */
  checkInputs?(schema: JsonObject, inputs: Json): Promise<readonly Finding[]>;
}
