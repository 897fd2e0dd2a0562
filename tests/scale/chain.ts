import type { Client } from "@temporalio/client";
import type { JsonObject } from "#core";
import { workflowIdOf } from "../support/record-history.ts";
import { until } from "../support/until.ts";

export interface Link {
  temporalRunId: string;
  /** Events of its history. */
  events: number;
  /** Bytes of its history. */
  bytes: number;
}

/** The links of a run that has ended, each with the size that its history had at the end, the first one first. */
export async function linksOf(client: Client, run: JsonObject): Promise<Link[]> {
  const workflowId = workflowIdOf(run);
  const links: Link[] = [];
  await until("the links in the list of workflows", async () => {
    links.length = 0;
    let isOpen = false;
    for await (const link of client.workflow.list({ query: `WorkflowId = '${workflowId}'` })) {
      isOpen ||= link.status.name === "RUNNING";
      links.push({ temporalRunId: link.runId, events: link.historyLength, bytes: link.historySize ?? 0 });
    }
    return links.length > 0 && !isOpen;
  });
  return links.reverse();
}
