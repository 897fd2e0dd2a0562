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

/** The Temporal workflow that each moment of a schedule starts: it has the run made, and is open until the run has ended. */
export const START_SCHEDULED_RUN = "startScheduledRun";

/** Temporal adds the moment to it. */
export function scheduleWorkflowId(tenantId: string, scheduleId: string): string {
  return temporalWorkflowId(tenantId, `schedule-${scheduleId}`);
}

export interface ScheduledStart {
  tenant_id: string;
  schedule_id: string;
  /** What becomes of the run when the next moment asks this workflow to end. */
  on_cancel: "cancel" | "terminate";
  /** Set on the later links of a chain. */
  followed?: { scheduled_at: string; taken_at: string; attempt: number; run_id: string; number_of_looks: number; is_ending: boolean };
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
  /** Versions that references to other workflows meant when the run began, by `subVersionKey`. */
  sub_versions?: Record<string, number>;
  /** Of a replay: activities and waits that are not given fail; nothing is called and nobody is asked. */
  recorded_only?: true;
  /** Of one that a schedule started. */
  schedule_id?: string;
  /** W3C trace context of what asked for the run, where it is traced: handed on to its calls, children and later links. */
  traceparent?: string;
  /** Of the request that asked for the run, for the logs of its calls. */
  correlation_id?: string;
  /** Of a child: who waits for it. */
  parent?: ParentRun;
  /** Set on the later links of a chain. */
  cursor?: unknown;
  /** The run began by another version. */
  has_moved?: true;
}

/**
 * Arguments of the workflow. The plan stands by itself, so that the payload codec stores that of a thousand runs once; runs of earlier releases have
 * it in their input.
 */
export type RunGraphArguments = [input: Omit<RunGraphInput, "plan"> & { plan?: Plan }, plan?: Plan];

/** What a node came to in the run that this one goes on from. A failure is taken as the node's `on_error` says, so only a replay is told one that ended the run. */
export interface Given {
  value?: Json;
  route?: string;
  error?: FailureValue;
  /** A person skipped it. */
  skipped?: true;
}

/** Of the receipt of a call, and what outgoing calls carry as `Idempotency-Key`: `run:node:iteration`, in characters that a header may hold. */
export function receiptKey({ run_id, node_id, iteration }: { run_id: string; node_id: string; iteration: string }): string {
  return `${run_id}:${encodeURIComponent(node_id)}:${iteration}`;
}

/** Of `RunGraphInput.given`: iteration `""` for the run itself. */
export function givenKey(nodeId: string, iteration: string): string {
  return `${iteration}:${nodeId}`;
}

/** Of `RunGraphInput.sub_versions`. */
export function subVersionKey(workflowId: string, version: "latest" | undefined): string {
  return version === undefined ? workflowId : `${workflowId}@${version}`;
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
  /** By which version it ended, where that is not the one it began by. */
  version?: number;
}

/** `details[0]` of the failure a run ends with. */
export interface RunGraphFailure {
  error: FailureValue;
  counts: Partial<Record<NodeStatus, number>>;
  /** As in `RunGraphResult`. */
  version?: number;
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
  | ({ kind: "send_event" } & SentEvent)
  /** Goes on with the plan of another version, once what is in flight has ended. */
  | { kind: "migrate"; version: number; plan: Plan };

export interface Answer {
  decision: "approved" | "rejected" | "submitted";
  by: string;
  at: string;
  comment?: string;
  data?: Json;
}

/** Something that happened outside, told to a run. */
export interface SentEvent {
  name: string;
  correlation?: string;
  payload: Json;
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
  event?: string;
  correlation?: string;
  since: string;
  expires_at?: string;
}

/** Signal to a parent: its child has come to its end. Known by the child's id, so that a repeat is harmless. */
export const CHILD_CLOSED_SIGNAL = "childClosed";
/** Signal to a child: its parent was paused or resumed. */
export const PARENT_SIGNAL = "parent";

export interface ChildClosed {
  run_id: string;
  status: RunStatus;
  outputs?: Json;
  error?: FailureValue;
}

/** Argument of the local activity `openChild`, which stores the run of a child and gives what it is started with. */
export interface ChildCall {
  tenant_id: string;
  /** The child's. */
  run_id: string;
  parent: ParentRun;
  workflow_id: string;
  /** Without one, the published version. */
  version?: number | "latest";
  inputs: JsonObject;
  /** Of the parent. */
  traceparent?: string;
  correlation_id?: string;
}

/** Of the compensations that a run may still owe: which calls left a receipt though their nodes did not complete. */
export interface ReceiptsCall {
  tenant_id: string;
  run_id: string;
  nodes: { node_id: string; iteration: string }[];
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
  /** How often a person has had it tried anew: failures of earlier rounds do not count. */
  round?: number;
  /** With a `key`, `of` names the workflow, or the run that has none. */
  cache?: { ttl_ms: number; key?: Json; of: string };
  /** Of the run, where it is traced. */
  traceparent?: string;
  /** Of the request that asked for the run. */
  correlation_id?: string;
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
  /** @throws PerdureError `child.not_available` … as an ApplicationFailure of that type. */
  openChild(call: ChildCall): Promise<OpenedChild>;
  /** In the order of `nodes`; null where there is none. */
  receiptsOf(call: ReceiptsCall): Promise<({ value: Json } | null)[]>;
  /** Asks Temporal to cancel the workflow that calls it. */
  askToBeCancelled(): Promise<void>;
  /** Makes the run of a moment, once. */
  fireSchedule(call: FireCall): Promise<Fired>;
  /** Asks a run to end. */
  endScheduledRun(call: ScheduledRunCall & { kind: "cancel" | "terminate" }): Promise<void>;
  /** How a run stands, for a starter that has heard nothing for a while. */
  scheduledRunStatus(call: ScheduledRunCall): Promise<RunStatus>;
}

/** Argument of the activity `fireSchedule`. Times are ISO 8601. */
export interface FireCall {
  tenant_id: string;
  schedule_id: string;
  scheduled_at: string;
  /** When Temporal took the moment up: from then on the catch-up window counts. */
  taken_at: string;
  /** 1, or more where a run that failed is started again. */
  attempt: number;
  /** Id of the workflow that waits for the run, without its organization. */
  starter: string;
}

export type Fired = { outcome: "started"; run_id: string; retries: number; retry_delay_ms: number } | { outcome: "refused"; reason: string };

export interface ScheduledRunCall {
  tenant_id: string;
  run_id: string;
}

export interface OpenedChild {
  /** What `runGraph` is started with. */
  input: RunGraphArguments[0];
  plan: Plan;
  summary: string;
}

/** Type of the failure with which a local activity ends that the workflow has called off. */
export const CALLED_OFF = "called_off";

/** Sink of the workflow: a local activity, by its sequence number within the workflow, is to stop. Told during replay too: it may have to begin again. */
export type LocalCallSinks = {
  localCalls: {
    callOff(seq: number): void;
    /** It has ended. */
    forget(seq: number): void;
  };
};

/** Sink of the workflow: facts it alone knows (inline nodes, timers, routes). Provisional until Temporal's word. */
export type EventSinks = {
  events: {
    record(tenantId: string, events: RunEvent[]): void;
    /** The run is about to close: whoever hears it asks Temporal for the end. */
    ending(tenantId: string, runId: string): void;
  };
};
