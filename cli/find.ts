import type { Approval, Client, Workflow } from "#client";
import { ApiError } from "#client";
import { Failure } from "./failure.ts";

const ID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

export function isId(text: string): boolean {
  return ID.test(text);
}

/** The workflow of an id or of a name. @throws Failure where there is none, or where several have the name. */
export async function findWorkflow(client: Client, idOrName: string, signal: AbortSignal): Promise<Workflow> {
  if (isId(idOrName)) return client.workflows.get(idOrName, { signal });
  const found = await workflowNamed(client, idOrName, signal);
  if (!found) throw new Failure(`There is no workflow named "${idOrName}".`);
  return found;
}

/** @throws Failure where several have the name. */
export async function workflowNamed(client: Client, name: string, signal: AbortSignal): Promise<Workflow | undefined> {
  const found = await client.workflows.named(name, { signal });
  if (found.length > 1)
    throw new Failure([`${found.length} workflows are named "${name}". Say which by its id:`, ...found.map(({ id }) => `  ${id}`)].join("\n"));
  return found[0];
}

/** The approval of its own id, or the one that a run waits for. @throws Failure where there is none, or several. */
export async function findApproval(client: Client, id: string, signal: AbortSignal): Promise<Approval> {
  if (!isId(id)) throw new Failure(`"${id}" is no id of a run or an approval.`);
  try {
    return await client.approvals.get(id, { signal });
  } catch (error) {
    if (!(error instanceof ApiError && error.status === 404)) throw error;
  }
  const run = await client.runs.get(id, { signal }).catch((error: unknown) => {
    if (error instanceof ApiError && error.status === 404) throw new Failure(`There is no run and no approval ${id}.`);
    throw error;
  });
  const waiting = run.waiting_for.filter(({ approval_id }) => approval_id !== undefined);
  const [first] = waiting;
  if (!first?.approval_id) throw new Failure(`The run is ${run.status} and waits for nobody's approval.`);
  if (waiting.length > 1)
    throw new Failure(
      ["The run waits for several approvals. Say which by its id:", ...waiting.map(({ approval_id, node_id }) => `  ${approval_id}  ${node_id}`)].join("\n"),
    );
  return client.approvals.get(first.approval_id, { signal });
}
