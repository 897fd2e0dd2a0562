import { isUuid, type JsonObject, type TenantId } from "#core";
import type { Database } from "#db";
import { compile, type CompileResult, credentialsOf, type NodeCatalogue, type NodeType, nodeTypesOf, type SubWorkflowRef, subWorkflowsOf } from "#graph";

/** Compiles a graph of a tenant, with the workflows that it runs, as they stand now. `workflowId`: its own, where it is stored. */
export type CompileGraph = (tenant: TenantId, graph: unknown, workflowId?: string) => Promise<CompileResult>;

/** How many other workflows one may lead to; those beyond are not looked into for a way back. */
const MOST_WORKFLOWS = 500;

/** Names of an organization's own node types begin so in graphs. */
const CUSTOM = "custom.";

export interface CompilerDatabase {
  workflows: Pick<Database["workflows"], "get" | "runnable">;
  credentials: Pick<Database["credentials"], "types">;
  customNodes: Pick<Database["customNodes"], "named">;
}

/** The types that come with the product, and what makes types of those that an organization has registered. */
export interface ProductCatalogue extends NodeCatalogue {
  custom(name: string, version: number, definition: never): NodeType;
}

export function createCompiler({ workflows, credentials, customNodes }: CompilerDatabase, catalogue: ProductCatalogue): CompileGraph {
  /** With the custom types that a graph names, as they are now. */
  async function catalogueFor(tenant: TenantId, graph: unknown): Promise<NodeCatalogue> {
    const names = nodeTypesOf(graph).flatMap((type) => (type.startsWith(CUSTOM) ? [type.slice(CUSTOM.length)] : []));
    if (names.length === 0) return catalogue;
    const made = (await customNodes.named(tenant, names)).map(({ name, version, definition }) =>
      catalogue.custom(name, version, definition as JsonObject as never),
    );
    const custom = new Map(made.map((type) => [type.type, type]));
    return { get: (type) => custom.get(type) ?? catalogue.get(type), names: () => [...catalogue.names(), ...custom.keys()] };
  }

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
    const [known, types] = await Promise.all([reachable(tenant, graph), catalogueFor(tenant, graph)]);
    const named = credentialsOf(graph, types);
    const typesOfCredentials = named.length > 0 ? await credentials.types(tenant, named) : undefined;
    return compile(graph, types, {
      resolve: (id, version) => known.get(keyOf(id, version)),
      credential: (id) => typesOfCredentials?.get(id),
      ...(workflowId !== undefined && { workflowId }),
    });
  };
}

function keyOf(id: string, version: number | "latest" | undefined): string {
  return JSON.stringify([id, version]);
}
