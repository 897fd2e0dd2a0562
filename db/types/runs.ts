import type { Json, JsonObject, RunStatus, TenantId } from "#core";
import type { NodeRow, RecordedNode, RecordedOutput, Run, StartRun, StoredEvent } from "../../runs/types.ts";
import type { AdmissionTerms } from "./admission.ts";
import type { Page, Paged } from "./paging.ts";

/** Which runs are meant; what is left out does not matter. */
export interface RunFilter {
  workflowId?: string;
  status?: RunStatus[];
  /** When they were made: from this moment on, and before that one. */
  from?: Date;
  to?: Date;
  forkedFrom?: string;
  /** Of the failure they ended with. */
  errorCode?: string;
  ids?: string[];
}

/** What a run began with, beside its row. */
export interface RunOrigin {
  run: Run;
  variables: JsonObject;
  entries: string[];
  /** Where it is not a version of a workflow as it is stored. */
  graph: Json | null;
}

export interface RunRows {
  /**
   * Inserts the run (`queued`) and its `run_queued` event; with an idempotency key, the run that the key already names. `limited`: a limit of
   * concurrency concerns it, so it has a slot to wait for and is started by who is given it by `Admission.admit`. Without terms no limit does.
   * @throws PerdureError `idempotency.mismatch`, `rate.limited` where the queue is full.
   */
  insert(tenant: TenantId, id: string, request: StartRun, terms?: AdmissionTerms): Promise<{ run: Run; created: boolean; limited: boolean }>;
  get(tenant: TenantId, id: string): Promise<Run | undefined>;
  list(tenant: TenantId, filter: RunFilter, page: Page): Promise<Paged<Run>>;
  /** In the order in which they began. */
  nodes(tenant: TenantId, id: string, page: Page): Promise<Paged<NodeRow>>;
  events(tenant: TenantId, id: string, after: number, limit: number): Promise<StoredEvent[]>;
  /** As `events`, as long as they hold no more than `maxBytes` (as one page, unless said), the first in any case; `hasMore` says whether there are more by now. */
  eventPage(tenant: TenantId, id: string, after: number, limit: number, maxBytes?: number): Promise<{ events: StoredEvent[]; hasMore: boolean }>;
  /** When the run was last told anything, and whether Temporal has acknowledged its start. */
  markStarted(tenant: TenantId, id: string): Promise<void>;
  /** `variables` as they began and as commands have changed them since. */
  origin(tenant: TenantId, id: string): Promise<RunOrigin | undefined>;
  /** What the rows say of its nodes, without their values, in the order in which they began; no more than `limit`. @throws PerdureError `run.state` where they are kept no longer. */
  recorded(tenant: TenantId, id: string, limit: number): Promise<RecordedNode[]>;
  /** Outputs and failures of these nodes; nodes without a row are left out. */
  outputs(tenant: TenantId, id: string, nodes: readonly { node_id: string; iteration: string }[]): Promise<RecordedOutput[]>;
  /** It goes on by another version of its workflow. */
  setVersion(tenant: TenantId, id: string, version: number): Promise<void>;
  /** What reconciling asks of a run besides its row. */
  standing(tenant: TenantId, id: string): Promise<{ run: Run; started: boolean; silentMs: number } | undefined>;
  /** Writes the end once: status, outputs or error, the closing event, open approvals closed. No effect on a run that is closed. */
  close(tenant: TenantId, id: string, end: { status: RunStatus; outputs?: Json; error?: import("#core").FailureValue; at: Date }): Promise<Run>;
  /** As `close`, where the node rows are as many of each status as `counts` says; else nothing is written (`closed: false`). One round trip. */
  closeIfComplete(
    tenant: TenantId,
    id: string,
    end: { status: RunStatus; outputs?: Json; error?: import("#core").FailureValue; at: Date },
    counts: Partial<Record<import("#core").NodeStatus, number>>,
  ): Promise<{ closed: boolean; run: Run }>;
  /** Adds facts that are missing and corrects rows that differ, from a snapshot. */
  repair(tenant: TenantId, id: string, nodes: readonly import("#workflows/messages").NodeSnapshot[]): Promise<void>;
  /** Ids of its child runs that are not closed. */
  openChildren(tenant: TenantId, id: string): Promise<string[]>;
  /** Which of these are not closed (system role). */
  stillOpen(ids: readonly string[]): Promise<string[]>;
  /** For the sweeper (system role): runs not closed and silent for so long. */
  silent(olderThanMs: number, limit: number): Promise<{ tenantId: TenantId; id: string; status: RunStatus; started: boolean; createdAt: Date }[]>;
}
