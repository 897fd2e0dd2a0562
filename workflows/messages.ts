/** What crosses between the API, the workflow and the activities: names, arguments, results. Types and constants only. */
import type { FailureValue, Json, JsonObject, NodeStatus, RunEvent, RunStatus } from "#core";
import type { Plan, ProviderRecipe, SecretSlot, StepPolicy } from "#graph";

export const RUN_GRAPH = "runGraph";
export const COMMAND_UPDATE = "command";
export const SNAPSHOT_QUERY = "snapshot";
/** Argument: how many to pass over; result: `ToldFacts`. */
export const FACTS_QUERY = "facts";

/** Temporal's workflow id of a run: the tenant first, so that it can be read without a look-up. */
export function temporalWorkflowId(tenantId: string, runId: string): string {
  return `${tenantId}/${runId}`;
}

export interface RunGraphInput {
  run_id: string;
  tenant_id: string;
  workflow_id: string | null;
  workflow_name: string;
  version: number | null;
  plan: Plan;
  inputs: JsonObject;
  variables: JsonObject;
  /** Ids of the nodes that fire. */
  entries: string[];
  /** How it was started: `manual`, `api`, `webhook`, `schedule` … */
  trigger: string;
  /** Of `runNode`, in milliseconds: how long a worker may be silent before its attempt goes to another. */
  heartbeat_timeout_ms: number;
  /** What nodes of an earlier run came to, by `givenKey`: they are settled as it says and make no call (graph.md 4.13). */
  given?: Record<string, Given>;
  /** Of a child: who waits for it. */
  parent?: ParentRun;
  /** Set on the later links of a chain. */
  cursor?: unknown;
}

/**
 * Arguments of the workflow. The plan stands by itself, so that the payload codec stores that of a thousand runs once; runs of earlier releases have
 * it in their input.
 */
export type RunGraphArguments = [input: Omit<RunGraphInput, "plan"> & { plan?: Plan }, plan?: Plan];

/** What a node came to in the run that this one goes on from; a failure is told only of nodes whose `on_error` went on from it. */
export interface Given {
  value?: Json;
  route?: string;
  error?: FailureValue;
}

/** Of `RunGraphInput.given`: iteration `""` for the run itself. */
export function givenKey(nodeId: string, iteration: string): string {
  return `${iteration}:${nodeId}`;
}

export interface ParentRun {
  run_id: string;
  node_id: string;
  iteration: string;
  /** How many runs are above it, 1 for the child of a run that nobody called. */
  depth: number;
}

export interface RunGraphResult {
  status: "completed";
  outputs: Json;
  /** How many node rows of each status there must be. */
  counts: Partial<Record<NodeStatus, number>>;
}

/** `details[0]` of the failure a run ends with. */
export interface RunGraphFailure {
  error: FailureValue;
  counts: Partial<Record<NodeStatus, number>>;
}

export type Command =
  | { kind: "pause" }
  | { kind: "resume" }
  | { kind: "set_variable"; name: string; value: Json }
  | { kind: "answer"; node_id: string; iteration: string; answer: Answer }
  /** The node is settled as skipped, with all that only it leads to. */
  | { kind: "skip_node"; node_id: string; iteration: string }
  /** A node that waits for its next attempt makes it now, with all its attempts again. */
  | { kind: "retry_node"; node_id: string; iteration: string }
  /** A person says what the node would have come to. */
  | { kind: "complete_node"; node_id: string; iteration: string; output: Json; route?: string }
  | { kind: "send_event"; name: string; correlation?: string; payload: Json }
  /** Goes on with the plan of another version, once what is in flight has ended. */
  | { kind: "migrate"; version: number; plan: Plan };

export interface Answer {
  decision: "approved" | "rejected" | "submitted";
  by: string;
  at: string;
  comment?: string;
  data?: Json;
}

export interface CommandEnvelope {
  command_id: string;
  by: string;
  at: string;
  command: Command;
}

/** Where a run stands, told by the workflow itself: the source for every repair. */
export interface RunSnapshot {
  status: RunStatus;
  nodes: NodeSnapshot[];
  waits: WaitSnapshot[];
  variables: JsonObject;
}

/** Facts of a run that nobody has confirmed to be in the log, a part of them. */
export interface ToldFacts {
  facts: RunEvent[];
  /** What to pass over for the next part; absent with the last. */
  next?: number;
}

export interface NodeSnapshot {
  node_id: string;
  iteration: string;
  type: string;
  name: string;
  status: NodeStatus;
  route?: string;
  /** Absent where it is no longer needed by the run and has been dropped. */
  output?: Json;
  error?: FailureValue;
  started_at?: string;
  completed_at?: string;
}

export interface WaitSnapshot {
  kind: "timer" | "approval" | "input" | "event";
  node_id: string;
  iteration: string;
  prompt?: string;
  data?: Json;
  schema?: JsonObject;
  assignees?: string[];
  since: string;
  expires_at?: string;
}

/** Argument of the activity `runNode`. */
export interface NodeCall {
  run_id: string;
  tenant_id: string;
  node_id: string;
  iteration: string;
  type: string;
  name: string;
  inputs: JsonObject;
  secret_slots: SecretSlot[];
  input: Json;
  /** What a JSONata input reads. */
  scope?: JsonObject;
  providers?: Record<string, LiveRecipe[]>;
  policy: StepPolicy;
}

/** A provider recipe with its templates evaluated. */
export interface LiveRecipe extends Omit<ProviderRecipe, "inputs" | "providers"> {
  inputs: JsonObject;
  secret_slots: SecretSlot[];
  providers?: Record<string, LiveRecipe[]>;
}

export interface NodeResult {
  value: Json;
  route?: string;
}

/** Argument of the local activity `recordFacts`: writes at once and durably, for what a person must be able to see (waits). */
export interface FactsCall {
  tenant_id: string;
  events: RunEvent[];
}

/** Activities as the workflow sees them. */
export interface Activities {
  runNode(call: NodeCall): Promise<NodeResult>;
  recordFacts(call: FactsCall): Promise<void>;
}

/** Sink of the workflow: facts it alone knows (inline nodes, timers, routes). Provisional until Temporal's word. */
export type EventSinks = {
  events: {
    record(tenantId: string, events: RunEvent[]): void;
    /** The run is about to close: whoever hears it asks Temporal for the end. */
    ending(tenantId: string, runId: string): void;
  };
};
