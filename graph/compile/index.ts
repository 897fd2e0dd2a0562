import type { Finding } from "#core";
import type { NodeCatalogue } from "../catalogue.ts";
import { Findings } from "../findings.ts";
import { type GraphLimits, MAX_ID_LENGTH } from "../limits.ts";
import { Nearest } from "../nearest.ts";
import { type GraphNode, parseGraph } from "../parse.ts";
import type { Plan } from "../plan.ts";
import { assemblePlan } from "./assemble.ts";
import { findRegions } from "./borders.ts";
import { checkCredentials, type ResolveCredential } from "./credentials.ts";
import { resolveEdges } from "./handles.ts";
import type { Knowledge } from "./names.ts";
import { RESERVED_IDS } from "./names.ts";
import { ProviderCompiler } from "./providers.ts";
import { checkReach } from "./reach.ts";
import { checkSubWorkflows, type ResolveWorkflow } from "./recursion.ts";
import { BODY_ROUTE, isExit, type NodeRecord, type ResolvedEdge } from "./record.ts";
import { declaredInputs, readRecord } from "./records.ts";
import { readGraphSettings, readNodeSettings, type NodeSettings } from "./settings.ts";
import { checkOutputs, compileStep, type StepParts } from "./steps.ts";
import { analyse, type Link, outgoing, reachable } from "./topology.ts";

export { selectEntries } from "./entries.ts";
export type { ResolveWorkflow } from "./recursion.ts";

export interface CompileOptions {
  /** The workflow's own id, where it is stored: a sub-workflow that leads back to it contains itself. */
  workflowId?: string;
  limits?: Partial<GraphLimits>;
  /** Finds the graph or plan of another stored workflow, all that it runs in turn included (`subWorkflowsOf`). Without it, sub-workflows are not checked. */
  resolve?: ResolveWorkflow;
  /** Knows the organization's credentials (`credentialsOf`). Without it, they are not checked. */
  credential?: ResolveCredential;
}

export type CompileResult = { ok: true; plan: Plan; warnings: Finding[] } | { ok: false; problems: Finding[]; warnings: Finding[] };

/**
 * Turns a graph as it was written into a plan that can run, or says everything that is wrong with it. Never throws, whatever it is given.
 * @param graph - `{nodes, edges}` or `{flow_data}`; not changed.
 */
export function compile(graph: unknown, catalogue: NodeCatalogue, options: CompileOptions = {}): CompileResult {
  const findings = new Findings();
  const plan = new Compilation(catalogue, findings).run(graph, options);
  const { problems, warnings } = findings;
  return plan !== undefined && problems.length === 0 ? { ok: true, plan, warnings } : { ok: false, problems, warnings };
}

class Compilation {
  readonly #catalogue: NodeCatalogue;
  readonly #findings: Findings;
  readonly #nearest = new Nearest();

  constructor(catalogue: NodeCatalogue, findings: Findings) {
    this.#catalogue = catalogue;
    this.#findings = findings;
  }

  run(graph: unknown, options: CompileOptions): Plan | undefined {
    const parsed = parseGraph(graph, this.#findings, options.limits);
    if (!parsed) return undefined;
    const settings = readGraphSettings(parsed.settings, { findings: this.#findings, nearest: this.#nearest });
    if (parsed.nodes.length === 0 && parsed.malformed.size === 0) {
      // Where there are some and none can be read, that has been said.
      if (!this.#findings.problems.some(({ path }) => path?.startsWith("nodes.")))
        this.#findings.problem("entry.missing", "The graph has no nodes.", { path: "nodes" });
      return undefined;
    }
    const all = parsed.nodes.map((node, at) => readRecord(node, at, this.#catalogue, this.#findings, this.#nearest));
    const { records, duplicates } = this.#byId(parsed.nodes, all);
    const { edges, loose } = resolveEdges(parsed.edges, { records, malformed: parsed.malformed, findings: this.#findings, nearest: this.#nearest });
    const providers = this.#providers(records, edges);
    const links = linksOf(edges);
    const topology = analyse(all.length, links);
    for (const cycle of topology.cycles)
      this.#reportCycle(
        cycle.map((at) => all[at]).filter((record) => record !== undefined),
        edges,
      );
    const uncertain = reachable(outgoing(all.length, links), [...topology.tangled, ...[...loose, ...duplicates].map((id) => records.get(id)?.at ?? 0)]);
    const nodeSettings = new Map(all.map((record) => [record, this.#settings(record, settings.execution === "express")]));
    const disabled = new Set(all.filter((record) => nodeSettings.get(record)?.disabled).map((record) => record.node.id));
    const ordered = topology.order.map((at) => all[at]).filter((record) => record !== undefined && records.get(record.node.id) === record) as NodeRecord[];
    const steps = ordered.filter((record) => !providers.has(record));
    const flow = edges.filter((edge) => edge.kind === "flow" && !providers.has(edge.source) && !providers.has(edge.target));
    const schema = declaredInputs(steps);
    const regions = findRegions({ order: steps, edges: flow, uncertain, findings: this.#findings });
    const unplaced = steps.filter((record) => regions.of(record) === undefined).map((record) => record.at);
    const known: Knowledge = {
      records,
      providers,
      ancestors: topology.ancestors,
      regions,
      uncertain: new Set([...uncertain, ...unplaced]),
      declared: schema?.names,
      findings: this.#findings,
      nearest: this.#nearest,
    };
    const stepRecords = [...records.values()].filter((record) => !providers.has(record));
    checkReach({ steps: stepRecords, edges: flow.filter((edge) => !isExit(edge)), excused: uncertain, size: all.length, findings: this.#findings });
    const parts = this.#compileSteps(all, known, edges, disabled, loose, nodeSettings);
    if (options.resolve)
      checkSubWorkflows(stepRecords, { resolve: options.resolve, workflowId: options.workflowId, catalogue: this.#catalogue, findings: this.#findings });
    if (options.credential) checkCredentials(all, options.credential, this.#findings);
    checkOutputs(stepRecords, flow, parts, this.#findings);
    if (this.#findings.problems.length > 0) return undefined;
    return assemblePlan({ steps, flow, parts, regions, settings, disabled, schema: schema?.schema });
  }

  #byId(nodes: readonly GraphNode[], all: readonly NodeRecord[]): { records: Map<string, NodeRecord>; duplicates: Set<string> } {
    const records = new Map<string, NodeRecord>();
    const duplicates = new Set<string>();
    const counts = new Map<string, number>();
    for (const { id } of nodes) counts.set(id, (counts.get(id) ?? 0) + 1);
    for (const record of all) {
      const { id, index } = record.node;
      if (records.has(id)) {
        if (!duplicates.has(id)) {
          this.#findings.problem("node.duplicate_id", `${counts.get(id)} nodes have the id \`${id}\`.`, { node_id: id, path: `nodes.${index}.id` });
        }
        duplicates.add(id);
        continue;
      }
      records.set(id, record);
      if (id.length > MAX_ID_LENGTH) {
        this.#findings.problem("limit.exceeded", `A node's id has at most ${MAX_ID_LENGTH} characters; this one has ${id.length}.`, {
          node_id: id.slice(0, MAX_ID_LENGTH),
          path: `nodes.${index}.id`,
        });
      }
      if (RESERVED_IDS.has(id)) {
        this.#findings.problem("node.reserved_id", `A node cannot have the id \`${id}\`: templates and expressions use that name for something else.`, {
          node_id: id,
          path: `nodes.${index}.id`,
          hint: `Call it \`${id}_1\`.`,
        });
      }
    }
    return { records, duplicates };
  }

  /** Nodes that are plugged into others instead of running. */
  #providers(records: ReadonlyMap<string, NodeRecord>, edges: readonly ResolvedEdge[]): Set<NodeRecord> {
    const plugged = new Set(edges.filter((edge) => edge.kind !== "flow").map((edge) => edge.source));
    const flowing = new Set(edges.filter((edge) => edge.kind === "flow").flatMap((edge) => [edge.source, edge.target]));
    const providers = new Set<NodeRecord>();
    for (const record of records.values()) {
      if (record.type?.kind === "provider" || (plugged.has(record) && !flowing.has(record))) providers.add(record);
      else if (plugged.has(record) && record.checked) {
        this.#findings.problem(
          "handle.mixed",
          `${record.type?.type} \`${record.node.id}\` is plugged into another node and also stands in the flow; it can only do one of them.`,
          { node_id: record.node.id, hint: "Use a second node of the same type." },
        );
      }
    }
    return providers;
  }

  #reportCycle(cycle: readonly NodeRecord[], edges: readonly ResolvedEdge[]): void {
    const [first] = cycle;
    if (!first) return;
    const path = [...cycle, first].map((record) => record.node.id);
    const closing = edges.find((edge) => edge.source === cycle.at(-1) && edge.target === first);
    const shown = path.length > 12 ? [...path.slice(0, 6), "…", ...path.slice(-5)] : path;
    const next = new Map(cycle.map((record, index) => [record, cycle[(index + 1) % cycle.length]]));
    const body = edges.find((edge) => edge.route === BODY_ROUTE && edge.source.type?.body !== undefined && next.get(edge.source) === edge.target);
    const hint = body ? `An iteration ends with an edge into \`return\` of \`${body.source.node.id}\`.` : "Repetition is what Loop and MapReduce are for.";
    this.#findings.problem("graph.cycle", `The edges run in a circle: ${shown.join(" → ")}.`, { node_id: first.node.id, edge_id: closing?.id, hint });
  }

  #settings(record: NodeRecord, isExpress: boolean): NodeSettings | undefined {
    if (!record.type) return undefined;
    return readNodeSettings(record.node.settings, record.type, { findings: this.#findings, nearest: this.#nearest, nodeId: record.node.id, isExpress });
  }

  #compileSteps(
    all: readonly NodeRecord[],
    known: Knowledge,
    edges: readonly ResolvedEdge[],
    disabled: ReadonlySet<string>,
    loose: ReadonlySet<string>,
    settings: ReadonlyMap<NodeRecord, NodeSettings | undefined>,
  ): Map<NodeRecord, StepParts> {
    const plugs = new ProviderCompiler(known, edges);
    const into = Map.groupBy(
      edges.filter((edge) => edge.kind === "flow" && !isExit(edge)),
      (edge) => edge.target,
    );
    const outOf = Map.groupBy(
      edges.filter((edge) => edge.kind === "flow"),
      (edge) => edge.source,
    );
    const parts = new Map<NodeRecord, StepParts>();
    const used = new Set<NodeRecord>();
    for (const edge of edges) if (edge.kind !== "flow" && !known.providers.has(edge.target)) used.add(edge.source);
    for (const edge of [...edges].reverse()) if (edge.kind !== "flow" && used.has(edge.target)) used.add(edge.source);
    for (const record of all) {
      if (!record.type) continue;
      const own = settings.get(record);
      plugs.checkHandles(record, disabled, loose.has(record.node.id));
      if (!own) continue;
      if (known.providers.has(record)) {
        if (!used.has(record)) plugs.checkUnused(record, this.#findings);
        continue;
      }
      parts.set(record, compileStep(record, { known, plugs, settings: own, disabled, in: into.get(record) ?? [], out: outOf.get(record) ?? [] }));
    }
    return parts;
  }
}

/** An edge that ends an iteration leads nowhere further. */
function linksOf(edges: readonly ResolvedEdge[]): Link[] {
  return edges.filter((edge) => !isExit(edge)).map((edge) => ({ from: edge.source.at, to: edge.target.at, flow: edge.kind === "flow" }));
}
