import { type Json, isObject, PerdureError, type TenantId } from "#core";
import type { Database } from "#db";
import { type Given, givenKey, receiptKey } from "#workflows/messages";
import type { RecordedNode } from "../types.ts";

/** A node that is given, and where its value is to be read. */
export interface Taken {
  node_id: string;
  iteration: string;
  source: "row" | "receipt" | "failure" | "skip";
  /** Absent where it leaves by `output`. */
  route?: string;
}

/** Nodes named in a message. */
const NAMED_AT_MOST = 10;

/** Reads the values of what is given. What was edited comes last and wins. */
export async function readGiven(
  db: Pick<Database, "runs" | "receipts">,
  tenant: TenantId,
  runId: string,
  recorded: ReadonlyMap<string, RecordedNode>,
  taken: readonly Taken[],
): Promise<Record<string, Given>> {
  const of = (source: Taken["source"]): Taken[] => taken.filter((each) => each.source === source);
  const [outputs, receipts] = await Promise.all([
    db.runs.outputs(tenant, runId, of("row")),
    db.receipts.results(
      tenant,
      of("receipt").map((each) => receiptKey({ run_id: runId, ...each })),
    ),
  ]);
  const values = new Map(outputs.map(({ node_id, iteration, output }) => [givenKey(node_id, iteration), output]));
  return Object.fromEntries(
    taken.map(({ node_id, iteration, source, route }) => {
      const key = givenKey(node_id, iteration);
      if (source === "skip") return [key, { skipped: true }];
      if (source === "failure") return [key, failureOf(recorded.get(key))];
      if (source === "receipt") return [key, fromReceipt(receipts.get(receiptKey({ run_id: runId, node_id, iteration })), route)];
      return [key, { value: values.get(key) ?? null, ...(route !== undefined && { route }) }];
    }),
  );
}

function failureOf(node: RecordedNode | undefined): Given {
  return { error: node?.error ?? { code: "internal", message: "The node failed.", retryable: false } };
}

function fromReceipt(receipt: Json | undefined, route: string | undefined): Given {
  const { value, route: chosen } = isObject(receipt) ? receipt : {};
  const way = route ?? (typeof chosen === "string" ? chosen : undefined);
  return { value: (value ?? null) as Json, ...(way !== undefined && { route: way }) };
}

/** @throws PerdureError `request.too_large`. */
export function refuseLarge(bytes: number, maxBytes: number): void {
  if (bytes <= maxBytes) return;
  throw new PerdureError(
    "request.too_large",
    `What the nodes of the earlier run came to has ${bytes} bytes of JSON; a new run takes ${maxBytes} (RUN_GIVEN_MAX_BYTES).`,
  );
}

/** @throws PerdureError `run.state`, naming nodes whose outputs are not there any more. */
export function refuseLost(lost: readonly RecordedNode[]): void {
  if (lost.length === 0) return;
  throw new PerdureError("run.state", "Outputs of nodes that have ended are not there any more, and running these nodes again has effects.", {
    findings: lost.slice(0, NAMED_AT_MOST).map(({ node_id, iteration }) => ({
      code: "checkpoint.lost",
      message: `The output of \`${node_id}\`${iteration === "" ? "" : ` in iteration ${iteration}`} is not recorded.`,
      node_id,
      hint: "Fork the run at this node, or give its output in `outputs`.",
    })),
  });
}
