import { isObject, type JsonObject } from "#core";
import type { Body, Plan } from "../plan.ts";
import { findEntries } from "./entries.ts";
import type { NodeRecord, ResolvedEdge } from "./record.ts";
import type { Region, Regions } from "./regions.ts";
import { assembleStep, type StepParts } from "./steps.ts";

export interface PlanParts {
  /** Nodes that run, each after all that comes before it. */
  steps: readonly NodeRecord[];
  /** Flow edges between them. */
  flow: readonly ResolvedEdge[];
  parts: ReadonlyMap<NodeRecord, StepParts>;
  regions: Regions;
  settings: Plan["settings"];
  disabled: ReadonlySet<string>;
  schema: unknown;
}

export function assemblePlan({ steps, flow, parts, regions, settings, disabled, schema }: PlanParts): Plan {
  const assembly = new Assembly(steps, flow, parts, regions);
  const plan: Plan = {
    format_version: 1,
    settings,
    entries: findEntries(assembly.stepsIn(regions.graph), assembly.edgesIn(regions.graph), disabled),
    ...assembly.body(regions.graph).body,
  };
  if (isObject(schema)) plan.inputs_schema = schema as JsonObject;
  return plan;
}

/** A region's steps and edges, and what they read outside of it. */
interface Assembled {
  body: Body;
  reads: Set<string>;
}

class Assembly {
  readonly #steps: Map<Region | undefined, NodeRecord[]>;
  readonly #edges: Map<Region | undefined, ResolvedEdge[]>;
  readonly #parts: ReadonlyMap<NodeRecord, StepParts>;
  readonly #regions: Regions;

  constructor(steps: readonly NodeRecord[], flow: readonly ResolvedEdge[], parts: ReadonlyMap<NodeRecord, StepParts>, regions: Regions) {
    this.#steps = Map.groupBy(steps, (step) => regions.of(step));
    this.#edges = Map.groupBy(flow, (edge) => regions.ofEdge(edge));
    this.#parts = parts;
    this.#regions = regions;
  }

  stepsIn(region: Region): readonly NodeRecord[] {
    return this.#steps.get(region) ?? [];
  }

  edgesIn(region: Region): readonly ResolvedEdge[] {
    return this.#edges.get(region) ?? [];
  }

  /** Recursion as deep as bodies stand in one another. */
  body(region: Region): Assembled {
    const records = this.stepsIn(region);
    const edges = this.edgesIn(region);
    const incoming = new Map<NodeRecord, number[]>(records.map((record) => [record, []]));
    const outgoing = new Map<NodeRecord, number[]>(records.map((record) => [record, []]));
    for (const [index, edge] of edges.entries()) {
      outgoing.get(edge.source)?.push(index);
      incoming.get(edge.target)?.push(index);
    }
    const reads = new Set<string>();
    const steps = records.flatMap((record) => {
      const parts = this.#parts.get(record);
      if (!parts) return [];
      const step = assembleStep(record, parts, incoming.get(record) ?? [], outgoing.get(record) ?? []);
      const body = this.#regions.body(record);
      const compensation = this.#regions.compensation(record);
      for (const [name, hanging] of [
        ["body", body],
        ["compensate", compensation],
      ] as const) {
        if (hanging === undefined) continue;
        const inner = this.body(hanging);
        step[name] = inner.body;
        inner.reads.delete(step.id);
        step.reads = [...new Set([...step.reads, ...inner.reads])];
      }
      for (const id of step.reads) reads.add(id);
      return [step];
    });
    for (const { id } of steps) reads.delete(id);
    return {
      body: {
        steps,
        edges: edges.map((edge) => ({ id: edge.id, source: edge.source.node.id, route: edge.route, target: edge.target.node.id, handle: edge.handle })),
      },
      reads,
    };
  }
}
