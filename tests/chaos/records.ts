import postgres from "postgres";
import type { FailureValue, Json } from "#core";

export interface RunRecord {
  id: string;
  tenant_id: string;
  workflow_id: string;
  parent_id: string | null;
  status: string;
  outputs: Json;
  error: FailureValue | null;
}

export interface NodeRecord {
  run_id: string;
  node_id: string;
  iteration: string;
  type: string;
  status: string;
  output: Json;
  error?: FailureValue | null;
}

/** What Postgres holds once all is quiet. */
export interface Records {
  runs: RunRecord[];
  /** By run. */
  nodes: Map<string, NodeRecord[]>;
  /** By key: when the receipt of a result was written, in milliseconds since the epoch; without those whose row began as a count of failures. */
  receipts: Map<string, number>;
}

export async function readRecords(databaseUrl: string): Promise<Records> {
  const sql = postgres(databaseUrl, { max: 1 });
  try {
    const runs = await sql<RunRecord[]>`select id, tenant_id, workflow_id, parent_id, status, outputs, error from runs`;
    const rows = await sql<NodeRecord[]>`select run_id, node_id, iteration, type, status, output, error from node_executions`;
    const receipts = await sql<{ key: string; created_at: Date }[]>`select key, created_at from receipts where result is not null and failed_attempts = '{}'`;
    return {
      runs: [...runs],
      nodes: Map.groupBy(rows, ({ run_id }) => run_id),
      receipts: new Map(receipts.map(({ key, created_at }) => [key, created_at.getTime()])),
    };
  } finally {
    await sql.end();
  }
}

export function keyOf({ run_id, node_id, iteration }: Pick<NodeRecord, "run_id" | "node_id" | "iteration">): string {
  return `${run_id}:${node_id}:${iteration}`;
}
