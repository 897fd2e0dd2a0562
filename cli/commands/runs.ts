import type { QueryOf, Run } from "#client";
import { defineCommand } from "../command.ts";
import { EXIT, usage } from "../failure.ts";
import { findWorkflow } from "../find.ts";
import { printable, table } from "../text.ts";
import { printEvents } from "../watch.ts";

const SHOWN_RUNS = 20;

export const logs = defineCommand({
  summary: "show what a run did",
  synopsis: "<run> [--follow]",
  help: ["--follow goes on until the run ends, over restarts of the API, and ends with 1 where the run does not complete."],
  options: { follow: { type: "boolean", short: "f" } },
  arguments: [1, 1],
  async run(context, { follow }, [id = ""]) {
    const { client, signal } = context;
    const code = await printEvents(context, follow ? client.runs.stream(id, { signal }) : client.runs.events(id, 0, { signal }));
    return follow ? code : EXIT.done;
  },
});

export const runs = defineCommand({
  summary: "list runs, the newest first",
  synopsis: "[--workflow id|name] [--status status,…] [--limit n]",
  options: { workflow: { type: "string" }, status: { type: "string" }, limit: { type: "string" } },
  arguments: [0, 0],
  async run(context, { workflow, status, limit: given = String(SHOWN_RUNS) }) {
    const { client, signal } = context;
    const limit = Number(given);
    if (!Number.isInteger(limit) || limit < 1) throw usage("--limit is a number from 1 on.");
    const found: Run[] = [];
    const query: QueryOf<"listExecutions"> = {
      limit: Math.min(limit, 500),
      // The API says which there are, should it be none of them.
      ...(status !== undefined && { status: status.split(",") as Run["status"][] }),
      ...(workflow !== undefined && { workflow_id: (await findWorkflow(client, workflow, signal)).id }),
    };
    for await (const each of client.runs.list(query, { signal })) {
      found.push(each);
      if (found.length >= limit) break;
    }
    const rows = found.map((each) => [
      each.id,
      each.status,
      each.created_at,
      printable(each.workflow_name),
      each.error_message ? printable(each.error_message) : "",
    ]);
    context.print(found.length === 0 ? "No runs." : table(rows), found);
    return EXIT.done;
  },
});
