import type { RunEvent } from "#core";

export interface EventLog {
  /**
   * Appends facts of any number of runs in one statement under the event-writer role: numbers without gaps per run, known keys ignored, the
   * projections (`node_executions`, run status, approvals) brought up to date in the same transaction, listeners notified.
   * Events of closed runs are ignored. Returns how many were new. With `receiptKey` the value of a node's end is stored as its receipt, also where
   * the event is ignored; the first receipt of a key stands.
   */
  append(facts: readonly { tenantId: string; event: RunEvent; receiptKey?: string }[]): Promise<number>;
  /** Calls back with the run id whenever facts were appended, by any process. */
  listen(onRun: (runId: string) => void): Promise<{ close(): Promise<void> }>;
  /** The number of the newest event of each of these runs, in one statement: for readers who may have missed a call. */
  heads(runIds: readonly string[]): Promise<Map<string, number>>;
}
