import { isDeepStrictEqual } from "node:util";
import { type Expectation, ancestorsOf } from "./expectation.ts";
import type { ChaosGraph } from "./graphs.ts";
import { type Outside, plain } from "./outside.ts";
import { keyOf, type NodeRecord, type Records, type RunRecord } from "./records.ts";

const SETTLED = new Set(["completed", "failed", "skipped", "cancelled"]);
const brief = (value: unknown): string => JSON.stringify(value)?.slice(0, 300) ?? "nothing";

/** Where a run is not what the model says: its end, its outputs, each node's status and value. */
export function againstModel(run: RunRecord, rows: readonly NodeRecord[], expected: Expectation): string[] {
  const faults: string[] = [];
  if (run.status !== expected.status) faults.push(`is ${run.status} (${brief(run.error)}), the model says ${expected.status}`);
  if (expected.status === "completed" && !isDeepStrictEqual(plain(run.outputs) ?? null, plain(expected.outputs) ?? null))
    faults.push(`has the outputs ${brief(run.outputs)}, the model says ${brief(expected.outputs)}`);
  if (expected.status === "failed" && run.error?.node_id !== expected.failedNode)
    faults.push(`failed with ${brief(run.error)}, the model says at ${expected.failedNode}`);
  const seen = new Set<string>();
  for (const row of rows) {
    const { node_id, iteration, status, output } = row;
    const key = `${iteration}:${node_id}`;
    seen.add(key);
    if (!SETTLED.has(status)) faults.push(`${key} is ${status} in a run that has ended`);
    if (expected.isFree(node_id, iteration)) continue;
    const said = expected.nodes[key];
    if (said?.status !== status) faults.push(`${key} is ${status}, the model says ${said?.status ?? "nothing"}`);
    else if (status === "completed" && !isDeepStrictEqual(plain(output), plain(said.value)))
      faults.push(`${key} is ${brief(output)}, the model says ${brief(said.value)}`);
  }
  for (const [key, { status }] of Object.entries(expected.nodes)) if (!seen.has(key)) faults.push(`${key} has no row, the model says ${status}`);
  return faults;
}

/**
 * Where compensations are not what graph.md 4.11 says, also of nodes that a failure called off, of which the model says nothing: in a run that failed or was cancelled, all that completed and all that left a receipt
 * is undone, once, and what came later in the graph before what came earlier; in any other run nothing is.
 */
export function againstUndo(run: RunRecord, rows: readonly NodeRecord[], drawn: ChaosGraph, { receipts }: Records, outside: Outside): string[] {
  const faults: string[] = [];
  const at = (nodeId: string, iteration: string) => rows.find((row) => row.node_id === nodeId && row.iteration === iteration);
  for (const [id, undo] of drawn.undo) {
    for (const row of rows.filter(({ node_id }) => node_id === id)) {
      const owed = run.status !== "completed" && (row.status === "completed" || (row.status === "cancelled" && receipts.has(keyOf(row))));
      const found = at(undo, row.iteration)?.status;
      if (owed ? found !== "completed" : found !== undefined) faults.push(`${row.iteration}:${id} is ${row.status}, what undoes it ${found ?? "did not run"}`);
    }
    const body = { edges: drawn.graph.edges.map(({ source, target, targetHandle }) => ({ source, target, handle: targetHandle })) as never };
    const mine = outside.effects.get(`${run.id}:${undo}:`);
    if (mine === undefined) continue;
    for (const earlier of ancestorsOf(body, id)) {
      const undoEarlier = drawn.undo.get(earlier);
      const before = undoEarlier === undefined ? undefined : outside.effects.get(`${run.id}:${undoEarlier}:`);
      if (before !== undefined && before < mine) faults.push(`${earlier} was undone before ${id}, which came after it`);
    }
  }
  return faults;
}
