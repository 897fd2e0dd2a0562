import { mkdir, writeFile } from "node:fs/promises";
import { Client, Connection } from "@temporalio/client";
import { historyToJSON } from "@temporalio/common/lib/proto-utils.js";
import type { JsonObject } from "#core";
import type { Perdure } from "./perdure.ts";
import { opened } from "./sealed.ts";

const folder = new URL("../histories/", import.meta.url);

/** Keeps the history of a run, its payloads opened, as `tests/histories/<name>`; `npm run record:histories` does so for every graph case. */
export function recordHistory(perdure: Perdure, run: JsonObject, name: string): Promise<void> {
  return recordWorkflow(perdure, workflowIdOf(run), name);
}

/** As `recordHistory`, of any workflow of the user's organization. */
export async function recordWorkflow({ temporalAddress, user }: Perdure, workflowId: string, name: string): Promise<void> {
  const connection = await Connection.connect({ address: temporalAddress });
  try {
    const handle = new Client({ connection, namespace: "perdure" }).workflow.getHandle(workflowId);
    await mkdir(folder, { recursive: true });
    const history = await opened(JSON.parse(historyToJSON(await handle.fetchHistory())) as JsonObject, user);
    await writeFile(new URL(name, folder), `${withoutPlace(JSON.stringify(history, null, 2))}\n`);
  } finally {
    await connection.close();
  }
}

/** Stacks and identities tell of the machine that recorded, and mean nothing to a replay. */
function withoutPlace(history: string): string {
  return history.replaceAll(/("stackTrace": )"(?:[^"\\]|\\.)*"/g, '$1""').replaceAll(/("identity": )"(?:[^"\\]|\\.)*"/g, '$1"worker"');
}

/** Temporal's workflow id of a run, from the link to the Web UI that every run carries. */
export function workflowIdOf(run: JsonObject): string {
  const link = (run["links"] as Record<string, string>)["temporal_ui"] as string;
  return decodeURIComponent((link.split("/workflows/")[1] as string).split("/")[0] as string);
}
