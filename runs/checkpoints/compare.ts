import { type FailureValue, type Json, stableStringify, type TenantId } from "#core";
import type { Database } from "#db";
import type { NodeRow, Run } from "../types.ts";

/** How one node ended in two runs; null where it has no row in one of them. */
export interface NodeDifference {
  node_id: string;
  iteration: string;
  before: NodeEnd | null;
  after: NodeEnd | null;
}

export type NodeEnd = Pick<NodeRow, "status" | "route" | "output" | "error">;

export interface Comparison {
  /** Status, outputs, failure and every node are the same. */
  same: boolean;
  before: RunEnd;
  after: RunEnd;
  /** Nodes that came to something else, as many as fit. */
  nodes: NodeDifference[];
  /** There are more of them, or more nodes than are compared. */
  truncated: boolean;
}

export interface RunEnd {
  id: string;
  status: Run["status"];
  outputs: Json | null;
  error: FailureValue | null;
}

/** Nodes of one run that are compared, and differences that are told. */
const NODES_MAX = 10_000;
const DIFFERENCES_MAX = 500;
const ROWS_PER_PAGE = 1_000;

export async function compareRuns(db: Pick<Database, "runs">, tenant: TenantId, before: Run, after: Run): Promise<Comparison> {
  const [old, now] = [await nodesOf(db, tenant, before.id), await nodesOf(db, tenant, after.id)];
  const nodes: NodeDifference[] = [];
  let differing = 0;
  for (const key of new Set([...old.ends.keys(), ...now.ends.keys()])) {
    const [was, is] = [old.ends.get(key), now.ends.get(key)];
    if (was && is && textOf(was) === textOf(is)) continue;
    const [node_id, iteration] = JSON.parse(key) as [string, string];
    if (++differing <= DIFFERENCES_MAX) nodes.push({ node_id, iteration, before: was ?? null, after: is ?? null });
  }
  const truncated = old.truncated || now.truncated || differing > DIFFERENCES_MAX;
  const ends = [endOf(before), endOf(after)] as const;
  const same = differing === 0 && !truncated && stableStringify({ ...ends[0], id: "" }) === stableStringify({ ...ends[1], id: "" });
  return { same, before: ends[0], after: ends[1], nodes, truncated };
}

async function nodesOf(db: Pick<Database, "runs">, tenant: TenantId, runId: string): Promise<{ ends: Map<string, NodeEnd>; truncated: boolean }> {
  const ends = new Map<string, NodeEnd>();
  let cursor: string | undefined;
  do {
    const page = await db.runs.nodes(tenant, runId, { limit: ROWS_PER_PAGE, ...(cursor !== undefined && { cursor }) });
    for (const { node_id, iteration, status, route, output, error } of page.rows)
      ends.set(JSON.stringify([node_id, iteration]), { status, route, output, error });
    cursor = page.nextCursor;
  } while (cursor !== undefined && ends.size < NODES_MAX);
  return { ends, truncated: cursor !== undefined };
}

function textOf(end: NodeEnd): string {
  return stableStringify(end);
}

function endOf({ id, status, outputs, error }: Run): RunEnd {
  return { id, status, outputs, error };
}
