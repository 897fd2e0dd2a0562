import type { EventKind, FailureValue, Json, JsonObject, NodeStatus, RunEvent, RunStatus, TenantId } from "#core";
import type { Plan } from "#graph";
import type { Command, Given } from "#workflows/messages";

/** A row of `runs`, as the API shows it. */
export interface Run {
  id: string;
  tenantId: TenantId;
  workflowId: string | null;
  workflowName: string;
  version: number | null;
  status: RunStatus;
  trigger: string;
  inputs: JsonObject;
  outputs: Json | null;
  error: FailureValue | null;
  waitingFor: WaitingFor[];
  parentId: string | null;
  forkedFrom: string | null;
  createdBy: string | null;
  createdAt: Date;
  startedAt: Date | null;
  completedAt: Date | null;
  /** W3C trace context of what asked for it, where it is traced. */
  traceparent?: string | null;
  /** Of a run that a limit of concurrency concerns. */
  slot: RunSlot | null;
}

/** `queued`: it waits for one. `admitted`: it has one and is being started. `started`: Temporal has taken it. */
export type RunSlot =
  | { state: "queued"; paused: boolean; /** 1 is next of its workflow, or of those with its key; counted as far as 1,000. */ position: number }
  | { state: "admitted" | "started" };

export interface WaitingFor {
  kind: string;
  node_id: string;
  iteration: string;
  approval_id?: string;
  expires_at?: string;
  /** Of a `slot`: how many are before it, and itself. */
  position?: number;
}

export interface NodeRow {
  node_id: string;
  iteration: string;
  type: string;
  name: string;
  status: NodeStatus;
  attempt: number;
  route: string | null;
  input: Json | null;
  output: Json | null;
  error: FailureValue | null;
  started_at: string | null;
  completed_at: string | null;
  duration_ms: number | null;
}

/** What the row of a node says, without its values. */
export interface RecordedNode {
  node_id: string;
  iteration: string;
  type: string;
  status: NodeStatus;
  route: string | null;
  error: FailureValue | null;
  /** Of its output as JSON text; null where the row has none. */
  output_bytes: number | null;
  /** A person skipped it, in this run or in one that it goes on from. */
  by_hand?: true;
  /** It was called off before it began: of a compensation for which there was no time left. */
  never_began?: true;
}

export interface RecordedOutput {
  node_id: string;
  iteration: string;
  output: Json;
}

export interface StoredEvent extends RunEvent {
  /** 1, 2, 3 … within a run, without gaps. */
  seq: number;
}

export interface Approval {
  id: string;
  tenantId: TenantId;
  runId: string;
  nodeId: string;
  iteration: string;
  kind: "approval" | "input";
  status: "pending" | "answered" | "expired" | "cancelled";
  prompt: string;
  data: Json | null;
  schema: JsonObject | null;
  assignees: string[];
  decision: string | null;
  answer: Json | null;
  comment: string | null;
  answeredBy: string | null;
  answeredAt: Date | null;
  expiresAt: Date | null;
  createdAt: Date;
}

export interface StartRun {
  workflowId: string | null;
  workflowName: string;
  version: number | null;
  plan: Plan;
  /** Stored for ad-hoc runs, which have no workflow to read it from. */
  graph?: Json;
  inputs: JsonObject;
  variables: JsonObject;
  entries: string[];
  trigger: string;
  createdBy: string | null;
  parentId?: string;
  /** The schedule whose moment it is. */
  scheduleId?: string;
  /** The Temporal workflow that waits for its end, by its id without the organization. */
  startedBy?: string;
  forkedFrom?: string;
  /** What nodes of the run it is forked from came to. */
  given?: Record<string, Given>;
  /** Which versions of other workflows it runs, by `subVersionKey`. */
  subVersions?: Record<string, number>;
  /** What is not given of activities and waits fails, and nothing is called. */
  recordedOnly?: true;
  /** What came in by a webhook and starts the run. Stored with it in one transaction, after which the run is sure to start, also where Temporal is away. */
  delivery?: NewWebhookDelivery;
  /** W3C trace context of what asks for it, where it is traced. */
  traceparent?: string;
  /** Of the request that asked for it, for logs. */
  correlationId?: string;
  /** With the same key and the same `requestHash`: the run that exists. Another hash: `idempotency.mismatch`. */
  idempotency?: { key: string; requestHash: string };
}

/** What a queued run is started with, as it is stored. */
export type QueuedStart = Omit<StartRun, "idempotency" | "graph" | "delivery">;

/** A call of a webhook, as people may see it: without what is secret. */
export interface NewWebhookDelivery {
  id: string;
  webhookId: string;
  kind: "call" | "test" | "redelivery";
  redeliveryOf: string | null;
  eventType: string;
  method: string;
  path: string;
  query: JsonObject;
  headers: JsonObject;
  body: Json | null;
  /** Of the body as it came. */
  bodyBytes: number;
  sourceIp: string;
  userAgent: string;
  correlationId: string;
  /** The call as it came, sealed, to be delivered again. */
  sealed?: Buffer;
  keyVersion?: number;
  /** A signature that may be taken once, and until when it could come again. */
  signature?: { hash: string; until: Date };
}

/** A call of a webhook that brings the event which a run waits for. */
export interface FeedingCall {
  delivery: NewWebhookDelivery;
  /** Names the call as it would name the run that it started; undefined where nothing does. */
  key?: string | undefined;
}

/** The life of a run as seen from outside its workflow; used by the api and by the worker's sweeper. */
export interface Runs {
  /**
   * Stores the run and its first event, then starts the workflow; a run that a limit of concurrency concerns is queued and started in its turn,
   * whatever becomes of this process. @throws PerdureError `temporal.unavailable` when nothing was accepted, `rate.limited` where the queue is full.
   */
  start(tenant: TenantId, request: StartRun, known?: { variables: JsonObject }): Promise<{ run: Run; created: boolean }>;
  /** The run once it is closed, or as it stands after `timeoutMs`. Learns the end from Temporal itself. */
  waitForEnd(tenant: TenantId, runId: string, timeoutMs: number, signal?: AbortSignal): Promise<Run>;
  /**
   * Stores the command, hands it to the workflow and waits up to `timeoutMs` (5 s) for its outcome. With the `call` that brings it in one transaction.
   * @throws PerdureError `resource.not_found`, `run.closed`, `run.state`, `approval.answered`, `validation.failed`; `resource.conflict` where the call was
   *   taken before.
   */
  command(
    tenant: TenantId,
    runId: string,
    command: Command | { kind: "cancel"; reason?: string } | { kind: "terminate"; reason?: string },
    by: string,
    timeoutMs?: number,
    call?: FeedingCall,
  ): Promise<{ outcome: "applied" | "kept"; run: Run }>;
  /** As `reconcile`, and brings the rows of an open run in line with all that its workflow knows; they stay as they are where no worker answers. */
  refresh(tenant: TenantId, runId: string): Promise<Run>;
  /** Asks Temporal whether the run is closed and, if so, writes its last word; repairs what is missing. Harmless to repeat. */
  reconcile(tenant: TenantId, runId: string): Promise<Run>;
}

/** Appends facts in groups; one for each process. */
export interface EventWriter {
  /** Returns at once. Facts of one run keep their order. With `receiptKey` the value of the last, a node's end, becomes the node's receipt where it has none. */
  write(tenantId: string, events: readonly RunEvent[], receiptKey?: string): void;
  /** Resolves when all that was given before is in Postgres. */
  flush(): Promise<void>;
  close(): Promise<void>;
}

/** Reads the log of a run from `after` on and goes on live until the closing event. */
export interface EventReader {
  read(tenant: TenantId, runId: string, after: number, signal: AbortSignal): AsyncIterable<StoredEvent | { idle: true }>;
  close(): Promise<void>;
}

export type { Command, EventKind };
