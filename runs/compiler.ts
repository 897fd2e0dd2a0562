import { isUuid, type TenantId } from "#core";
import type { Database } from "#db";
import { compile, type CompileResult, credentialsOf, type NodeCatalogue, type SubWorkflowRef, subWorkflowsOf } from "#graph";

/** Compiles a graph of a tenant, with the workflows that it runs, as they stand now. `workflowId`: its own, where it is stored. */
export type CompileGraph = (tenant: TenantId, graph: unknown, workflowId?: string) => Promise<CompileResult>;

/** How many other workflows one may lead to; those beyond are not looked into for a way back. */
const MOST_WORKFLOWS = 500;

export function createCompiler(
  { workflows, credentials }: { workflows: Pick<Database["workflows"], "get" | "runnable">; credentials: Pick<Database["credentials"], "types"> },
  catalogue: NodeCatalogue,
): CompileGraph {
  async function contents(tenant: TenantId, { workflow_id: id, version }: SubWorkflowRef): Promise<unknown> {
    if (!isUuid(id)) return undefined;
    const found = version === "latest" ? await workflows.get(tenant, id) : await workflows.runnable(tenant, id, version);
    return found && (found.version.plan ?? found.version.graph);
  }

  /** Everything that a graph leads to, nearest first. */
  async function reachable(tenant: TenantId, graph: unknown): Promise<Map<string, unknown>> {
    const found = new Map<string, unknown>();
    const open = subWorkflowsOf(graph, catalogue);
    for (let ref = open.shift(); ref && found.size < MOST_WORKFLOWS; ref = open.shift()) {
      const key = keyOf(ref.workflow_id, ref.version);
      if (found.has(key)) continue;
      const content = await contents(tenant, ref);
      found.set(key, content);
      if (content !== undefined) open.push(...subWorkflowsOf(content, catalogue));
    }
    return found;
  }

  return async (tenant, graph, workflowId) => {
    const known = await reachable(tenant, graph);
    const named = credentialsOf(graph, catalogue);
    const types = named.length > 0 ? await credentials.types(tenant, named) : undefined;
    return compile(graph, catalogue, {
      resolve: (id, version) => known.get(keyOf(id, version)),
      credential: (id) => types?.get(id),
      ...(workflowId !== undefined && { workflowId }),
    });
  };
}

function keyOf(id: string, version: number | "latest" | undefined): string {
  return JSON.stringify([id, version]);
}
