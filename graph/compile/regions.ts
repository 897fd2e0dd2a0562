import { BODY_ROUTE, COMPENSATE_ROUTE, type NodeRecord, type ResolvedEdge } from "./record.ts";

/** The graph itself, or what hangs from one of its nodes. */
export interface Region {
  readonly kind: "graph" | "body" | "compensate";
  /** The node it hangs from. */
  readonly owner: NodeRecord | undefined;
  readonly parent: Region | undefined;
  /** Regions around it. */
  readonly depth: number;
  /** Iterations around what is in it: how many `item` there are. */
  readonly loops: number;
}

/** Which node belongs to which loop's body or node's compensation. */
export class Regions {
  readonly graph: Region = { kind: "graph", owner: undefined, parent: undefined, depth: 0, loops: 0 };
  readonly #hanging = { body: new Map<NodeRecord, Region>(), compensate: new Map<NodeRecord, Region>() };
  readonly #homes = new Map<NodeRecord, Region>();

  /** Undefined where that is not known, because of another mistake. */
  of(record: NodeRecord): Region | undefined {
    return this.#homes.get(record);
  }

  /** Where the edge itself lies: an edge that enters a region, or ends an iteration of it, lies in it. */
  ofEdge({ source, route }: ResolvedEdge): Region | undefined {
    const home = this.#homes.get(source);
    if (home === undefined || (!source.checked && (route === BODY_ROUTE || route === COMPENSATE_ROUTE))) return undefined;
    if (route === COMPENSATE_ROUTE) return this.#hangs("compensate", source, home);
    return route === BODY_ROUTE && source.type?.body ? this.#hangs("body", source, home) : home;
  }

  /** What hangs from a node, where its own place is known. */
  body(owner: NodeRecord): Region | undefined {
    const home = this.#homes.get(owner);
    return home === undefined || owner.type?.body === undefined ? undefined : this.#hangs("body", owner, home);
  }

  /** Undefined where nothing compensates the node. */
  compensation(owner: NodeRecord): Region | undefined {
    return this.#hanging.compensate.get(owner);
  }

  compensations(): Iterable<Region> {
    return this.#hanging.compensate.values();
  }

  place(record: NodeRecord, region: Region): void {
    this.#homes.set(record, region);
  }

  #hangs(kind: "body" | "compensate", owner: NodeRecord, parent: Region): Region {
    const known = this.#hanging[kind].get(owner);
    if (known) return known;
    const region: Region = { kind, owner, parent, depth: parent.depth + 1, loops: parent.loops + (kind === "body" ? 1 : 0) };
    this.#hanging[kind].set(owner, region);
    return region;
  }
}

/** Whether a region lies within another, or is it. */
export function isWithin(region: Region, outer: Region): boolean {
  let here: Region | undefined = region;
  while (here && here.depth > outer.depth) here = here.parent;
  return here === outer;
}
