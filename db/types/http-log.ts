import type { FailureValue, NodeStatus, TenantId } from "#core";
import type { Page, Paged } from "./paging.ts";

/** Which requests are meant; what is left out does not matter. */
export interface HttpLogFilter {
  workflowId?: string;
  nodeId?: string;
  /** When they began: from this moment on, and before that one. */
  from?: Date;
  to?: Date;
}

/** What a node of type `HttpRequest` did in one iteration of one run. */
export interface LoggedHttpRequest {
  runId: string;
  /** Null of ad-hoc runs. */
  workflowId: string | null;
  workflowName: string;
  nodeId: string;
  /** The node's own. */
  name: string;
  iteration: string;
  status: NodeStatus;
  /** The last one; those before it failed. */
  attempt: number;
  /** As the node's inputs give it; null where they are not kept, or give none. */
  method: string | null;
  /** As `method`, secrets as their names; cut off after 8,192 characters. */
  url: string | null;
  /** Of the answer that became the node's output. */
  answered: number | null;
  error: FailureValue | null;
  startedAt: Date;
  completedAt: Date | null;
  durationMs: number | null;
}

export interface HttpLog {
  /** The newest first. Nodes that never began sent nothing and are left out. @throws PerdureError `request.malformed` for a cursor of another list. */
  list(tenant: TenantId, filter: HttpLogFilter, page: Page): Promise<Paged<LoggedHttpRequest>>;
}
