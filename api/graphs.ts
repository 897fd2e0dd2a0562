import { createHash } from "node:crypto";
import { type Finding, type Json, type JsonObject, isObject, stableStringify, type TenantId } from "#core";
import { credentialsOf, type Plan } from "#graph";
import type { NewVersion, WorkflowVersion } from "#db";
import { credentialCatalogue } from "#nodes";
import type { CompileGraph } from "#runs";
import type { Principal } from "./security/principal.ts";

export interface SentGraph {
  flow_data?: JsonObject | null | undefined;
  nodes?: Json[] | null | undefined;
  edges?: Json[] | null | undefined;
}

/** The graph of a request, under `flow_data` or at the top level, as it was sent; undefined where there is none. */
export function sentGraph({ flow_data, nodes, edges }: SentGraph): JsonObject | undefined {
  if (isObject(flow_data)) return flow_data;
  if (nodes || edges) return { nodes: nodes ?? [], edges: edges ?? [] };
  return undefined;
}

/** Settings given beside the graph become its own, so that a version holds all that decides how it runs; they replace those it had. */
export function withSettings(graph: JsonObject, settings: JsonObject | null | undefined): JsonObject {
  if (!settings) return graph;
  const { settings: _replaced, ...rest } = graph;
  return Object.keys(settings).length > 0 ? { ...rest, settings } : rest;
}

export function ownSettings(graph: Json): JsonObject {
  const settings = isObject(graph) ? graph["settings"] : undefined;
  return isObject(settings) ? settings : {};
}

/** A version ready to be saved, with a plan or with the problems that keep it a draft, and what to warn of. */
export async function toVersion(
  compile: CompileGraph,
  { tenantId, userId }: Pick<Principal, "tenantId" | "userId">,
  graph: JsonObject,
  workflowId?: string,
): Promise<{ version: NewVersion; warnings: Finding[] }> {
  const compiled = await compile(tenantId, graph, workflowId);
  const version: NewVersion = {
    graph,
    plan: compiled.ok ? compiled.plan : null,
    problems: (compiled.ok ? [] : compiled.problems) as unknown as Json[],
    hash: createHash("sha256").update(stableStringify(graph)).digest("hex"),
    createdBy: userId,
    credentials: credentialsOf(graph, credentialCatalogue),
  };
  return { version, warnings: compiled.warnings };
}

/**
 * What a stored version runs as, or what keeps it from running. A draft is compiled again: what it lacked may have come with an upgrade of the
 * node types since. A version that could run keeps the plan it was saved with.
 */
export async function standingOf(
  compile: CompileGraph,
  tenant: TenantId,
  { graph, plan }: Pick<WorkflowVersion, "graph" | "plan">,
  workflowId?: string,
): Promise<{ plan: Plan | undefined; problems: readonly Finding[] }> {
  if (plan) return { plan, problems: [] };
  const compiled = await compile(tenant, graph, workflowId);
  return compiled.ok ? { plan: compiled.plan, problems: [] } : { plan: undefined, problems: compiled.problems };
}

/** Findings as a version stores them. */
export function storedFindings(problems: readonly Json[]): Finding[] {
  return problems as unknown as Finding[];
}
