import type { Findings, Where } from "../findings.ts";
import { isExit, type NodeRecord, type ResolvedEdge } from "./record.ts";
import { isWithin, type Region, Regions } from "./regions.ts";

/** Bodies and compensations within one another. */
export const MAX_BODY_DEPTH = 16;

export interface RegionContext {
  /** Nodes that run, each after all that comes before it. */
  order: readonly NodeRecord[];
  /** Flow edges between them. */
  edges: readonly ResolvedEdge[];
  /** Places of nodes whose way in is not known, because of another mistake. */
  uncertain: ReadonlySet<number>;
  findings: Findings;
}

/**
 * Finds the region of every node, in one pass along the edges, and reports what crosses a border. Nodes behind such a mistake are left
 * without a region, so that nothing follows from it.
 */
export function findRegions({ order, edges, uncertain, findings }: RegionContext): Regions {
  const regions = new Regions();
  const borders = new Borders(findings);
  const into = Map.groupBy(
    edges.filter((edge) => !isExit(edge)),
    (edge) => edge.target,
  );
  for (const record of order) {
    const arriving = into.get(record) ?? [];
    const lying = arriving.map((edge) => regions.ofEdge(edge));
    if (uncertain.has(record.at) || !lying.every((region) => region !== undefined)) continue;
    const home = arriving.length === 0 ? regions.graph : borders.shared(record, arriving, lying);
    if (home === undefined || !borders.allowsDepth(home)) continue;
    regions.place(record, home);
    borders.checkInside(record, home);
  }
  for (const edge of edges) {
    const lying = isExit(edge) ? regions.ofEdge(edge) : undefined;
    const body = regions.body(edge.target);
    if (lying !== undefined && body !== undefined && lying !== body) borders.reportExit(edge, lying);
  }
  for (const region of regions.compensations()) borders.checkCompensation(region);
  return regions;
}

/** Reports what crosses the border of a body or a compensation, or cannot stand within one. */
class Borders {
  readonly #findings: Findings;

  constructor(findings: Findings) {
    this.#findings = findings;
  }

  /** The region in which all edges into a node lie; undefined where they do not agree, which is then reported. */
  shared(record: NodeRecord, arriving: readonly ResolvedEdge[], lying: readonly Region[]): Region | undefined {
    const [first] = lying;
    if (first === undefined || lying.every((region) => region === first)) return first;
    const outermost = lying.reduce((a, b) => (b.depth < a.depth ? b : a));
    const home = lying.every((region) => isWithin(region, outermost)) ? outermost : first;
    const from = arriving[lying.indexOf(home)];
    for (const [index, edge] of arriving.entries()) {
      const region = lying[index] ?? home;
      if (region === home) continue;
      const what = isWithin(region, home) ? `leads out of ${named(region)}` : `leads from ${named(region)} into ${named(home)}`;
      this.#leak(region, `The edge \`${edge.id}\` ${what}, to \`${record.node.id}\`, where \`${from?.id}\` leads too.`, {
        edge_id: edge.id,
        path: `edges.${edge.edge.index}`,
        hint: hintOf(region),
      });
    }
    return undefined;
  }

  allowsDepth(region: Region): boolean {
    if (region.depth === MAX_BODY_DEPTH + 1) {
      this.#findings.problem("limit.exceeded", `Loops and compensations stand at most ${MAX_BODY_DEPTH} deep in one another.`, {
        node_id: region.owner?.node.id,
      });
    }
    return region.depth <= MAX_BODY_DEPTH;
  }

  /** What begins or ends a run stands in no body. */
  checkInside({ node, type }: NodeRecord, home: Region): void {
    if (home.kind === "graph" || !(type?.terminal || type?.kind === "trigger")) return;
    const why = type.terminal ? "the run cannot end there" : "no run begins there";
    const hint = type.terminal && home.kind === "body" ? `An iteration ends with an edge into \`return\` of \`${home.owner?.node.id}\`.` : undefined;
    this.#leak(home, `${type.type} \`${node.id}\` stands in ${named(home)}: ${why}.`, { node_id: node.id, hint });
  }

  /** An edge into `return` or `break` that does not come from the body. */
  reportExit(edge: ResolvedEdge, lying: Region): void {
    const owner = edge.target.node.id;
    const from = lying.kind === "graph" ? "outside its body" : named(lying);
    this.#leak(lying, `The edge \`${edge.id}\` leads to \`${edge.handle}\` of \`${owner}\` from ${from}.`, {
      edge_id: edge.id,
      path: `edges.${edge.edge.index}`,
      hint: `Only nodes that hang from \`body\` of \`${owner}\` itself end its iterations.`,
    });
  }

  checkCompensation({ owner, parent }: Region): void {
    let around = parent;
    while (around?.kind === "body") around = around.parent;
    if (around?.kind !== "compensate" || owner === undefined) return;
    this.#findings.problem("compensate.nested", `\`${owner.node.id}\` stands in ${named(around)}: what compensates is not compensated itself.`, {
      node_id: owner.node.id,
    });
  }

  #leak(region: Region, message: string, where: Where): void {
    this.#findings.problem(region.kind === "compensate" ? "compensate.leaks" : "loop.leaks", message, where);
  }
}

function named(region: Region): string {
  const id = region.owner?.node.id;
  return `the ${region.kind === "body" ? "body" : "compensation"} of \`${id}\``;
}

function hintOf({ kind, owner }: Region): string {
  const id = owner?.node.id;
  if (kind === "body")
    return `What follows the repetition hangs from \`done\` of \`${id}\`; a node of the body reads what came before by its name, not over an edge.`;
  return `What compensates \`${id}\` is reached from its handle \`compensate\` only, and reads what came before by its name.`;
}
