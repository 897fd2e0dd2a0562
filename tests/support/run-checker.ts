import { expect } from "vitest";
import postgres from "postgres";
import type { EventData, JsonObject } from "#core";
import type { Perdure } from "./perdure.ts";
import type { Answer, TestClient } from "./client.ts";

interface LogRow {
  seq: number;
  key: string;
  kind: string;
  node_id: string | null;
  iteration: string | null;
  attempt: number | null;
  data: EventData | null;
}

interface Folded {
  status: string;
  attempt: number;
  route: string | null;
  output: unknown;
  error: unknown;
}

const CLOSED = new Set(["completed", "failed", "cancelled", "timed_out"]);
const SETTLED = new Set(["completed", "failed", "skipped", "cancelled"]);
const CLOSING = new Set(["workflow_complete", "error"]);

/** The state of every node as the log alone tells it: told in order, later attempts over earlier ones, the end of a node for good but for corrections. */
function fold(log: readonly LogRow[]): Map<string, Folded> {
  const nodes = new Map<string, Folded>();
  for (const { key: factKey, kind, node_id, iteration, attempt, data } of log) {
    if (node_id === null || kind === "command" || kind === "token_delta" || kind === "tool_call") continue;
    const key = `${node_id}/${iteration ?? ""}`;
    const node = nodes.get(key) ?? { status: "pending", attempt: 0, route: null, output: null, error: null };
    nodes.set(key, node);
    const endsNode =
      (factKey.endsWith(`:0:${kind}`) && (kind === "node_end" || kind === "node_error")) || (kind === "node_end" && data?.status === "completed");
    const corrects = data?.corrects === true;
    if (!corrects && (SETTLED.has(node.status) || (!endsNode && (attempt ?? node.attempt) < node.attempt))) continue;
    if (kind === "node_start" && attempt === node.attempt && (node.status === "waiting" || node.status === "retrying")) continue;
    node.attempt = Math.max(node.attempt, attempt ?? 0);
    if (kind === "node_end" || kind === "node_error") {
      node.status = kind === "node_error" ? "failed" : (data?.status ?? "completed");
      node.route = data?.route ?? null;
      node.output = data?.output ?? null;
      node.error = data?.error ?? null;
    } else {
      node.status = kind === "node_retry" ? "retrying" : kind === "waiting" ? "waiting" : "running";
      if (kind === "node_retry") node.error = data?.error ?? null;
    }
  }
  return nodes;
}

/** All pages: one holds no more than PAGE_MAX_BYTES. */
async function nodesShown(user: TestClient, runId: string): Promise<JsonObject[]> {
  const shown: JsonObject[] = [];
  for (let path: string | undefined = `/api/v1/executions/${runId}/nodes`; path !== undefined;) {
    const { status, headers, body }: Answer<JsonObject[]> = await user.get(path);
    if (status !== 200) throw new Error(`${path} answered ${status}: ${JSON.stringify(body)}`);
    shown.push(...body);
    path = /<([^>]+)>; rel="next"/.exec(headers.get("link") ?? "")?.[1];
  }
  return shown;
}

const toldOf = (log: readonly LogRow[], node: string): string =>
  log.flatMap(({ seq, key, node_id, iteration, data }) => (`${node_id}/${iteration ?? ""}` === node ? [`${seq} ${key} ${data?.status ?? ""}`] : [])).join(", ");

/**
 * Holds one run's log, its projections and what the API shows against each other: numbers without gaps, each fact once, one closing event and
 * nothing after it, a start before every end, and rows of nodes, approvals and the run that say what the log says.
 */
export async function checkRun({ databaseUrl }: Pick<Perdure, "databaseUrl">, user: TestClient, runId: string): Promise<{ log: LogRow[]; run: JsonObject }> {
  const sql = postgres(databaseUrl, { max: 1 });
  try {
    const { log, rows, waits } = await sql.begin("isolation level repeatable read", async (tx) => ({
      log: await tx<LogRow[]>`select seq, key, kind, node_id, iteration, attempt, data from run_events where run_id = ${runId} order by seq`,
      rows: await tx<
        (Folded & { node_id: string; iteration: string })[]
      >`select node_id, iteration, status, attempt, route, output, error from node_executions where run_id = ${runId}`,
      waits: await tx<{ node_id: string; iteration: string; status: string }[]>`select node_id, iteration, status from approvals where run_id = ${runId}`,
    }));
    const run = await user.run(runId);
    const isClosed = CLOSED.has(run["status"] as string);

    expect(
      log.map(({ seq }) => seq),
      "numbers without gaps",
    ).toEqual(log.map((_row, index) => index + 1));
    expect(new Set(log.map(({ key }) => key)).size, "each fact once").toBe(log.length);
    expect(log[0]?.kind).toBe("run_queued");
    const closing = log.filter(({ kind }) => CLOSING.has(kind));
    expect(
      closing.map(({ seq }) => seq),
      "one closing event, the last",
    ).toEqual(isClosed ? [log.length] : []);
    if (isClosed) {
      expect(closing[0]?.data?.status).toBe(run["status"]);
      if (run["status"] === "completed") expect(closing[0]?.data?.result ?? null).toEqual(run["outputs"]);
      else expect(closing[0]?.data?.error ?? null).toEqual(run["error"]);
    }

    const started = new Set<string>();
    for (const { kind, node_id, iteration, data } of log) {
      if (node_id === null) continue;
      const key = `${node_id}/${iteration ?? ""}`;
      if (kind === "node_start") started.add(key);
      if (kind === "node_end" && data?.status === "completed") expect(started.has(key), `${key} started before it ended (${toldOf(log, key)})`).toBe(true);
    }

    const folded = fold(log);
    const shown = Object.fromEntries(
      rows.map(({ node_id, iteration, status, route, output, error }) => [`${node_id}/${iteration}`, { status, route, output, error }]),
    );
    expect(shown, "rows of nodes say what the log says").toEqual(
      Object.fromEntries([...folded].map(([key, { status, route, output, error }]) => [key, { status, route, output, error }])),
    );
    if (isClosed) for (const [key, { status }] of folded) expect(SETTLED.has(status), `${key} is ${status} in a run that is ${run["status"]}`).toBe(true);
    const nodes = await nodesShown(user, runId);
    if (isClosed)
      expect(Object.fromEntries(nodes.map((node) => [`${node["node_id"]}/${node["iteration"]}`, node["status"]])), "the api shows what the log says").toEqual(
        Object.fromEntries([...folded].map(([key, { status }]) => [key, status])),
      );

    for (const { node_id, iteration, status } of waits) {
      const node = folded.get(`${node_id}/${iteration}`)?.status;
      expect(status === "pending", `the approval of ${node_id} is ${status}, its node ${node}`).toBe(node === "waiting");
    }
    return { log, run };
  } finally {
    await sql.end();
  }
}
