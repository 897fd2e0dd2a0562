import postgres from "postgres";
import type { JsonObject } from "#core";
import type { Perdure } from "../support/perdure.ts";

/** How many rows of each status the nodes of a run have. */
export async function rowsOf({ databaseUrl }: Perdure, run: JsonObject): Promise<Record<string, Record<string, number>>> {
  const sql = postgres(databaseUrl, { max: 1 });
  try {
    const rows = await sql<{ node_id: string; status: string; number: number }[]>`
      select node_id, status, count(*)::integer as number from node_executions where run_id = ${run["id"] as string} group by node_id, status`;
    const counted: Record<string, Record<string, number>> = {};
    for (const { node_id, status, number } of rows) (counted[node_id] ??= {})[status] = number;
    return counted;
  } finally {
    await sql.end();
  }
}
