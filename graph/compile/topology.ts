/** Sets of small numbers, one row of bits for each node: what comes before what, for 5,000 nodes in 3 MB. */
export class BitRows {
  readonly #width: number;
  readonly #words: Uint32Array;

  constructor(size: number) {
    this.#width = Math.ceil(size / 32);
    this.#words = new Uint32Array(this.#width * size);
  }

  has(row: number, bit: number): boolean {
    return ((this.#words[row * this.#width + (bit >>> 5)] ?? 0) & (1 << (bit & 31))) !== 0;
  }

  add(row: number, bit: number): void {
    const at = row * this.#width + (bit >>> 5);
    this.#words[at] = (this.#words[at] ?? 0) | (1 << (bit & 31));
  }

  union(row: number, other: number): void {
    const to = row * this.#width;
    const from = other * this.#width;
    for (let word = 0; word < this.#width; word++) this.#words[to + word] = (this.#words[to + word] ?? 0) | (this.#words[from + word] ?? 0);
  }
}

export interface Link {
  from: number;
  to: number;
  flow: boolean;
}

export interface Topology {
  /** Every node that is in no cycle and behind none, each after all that comes before it; else in the order of the graph. */
  order: number[];
  /** One path for each knot of cycles, its first node not repeated. */
  cycles: number[][];
  /** In a cycle or behind one. */
  tangled: Set<number>;
  /** Over flow links. */
  ancestors: BitRows;
}

/** Linear in nodes and links (ancestors: times nodes / 32), without recursion. */
export function analyse(size: number, links: readonly Link[]): Topology {
  const out = outgoing(size, links);
  const waiting = new Uint32Array(size);
  for (const link of links) waiting[link.to] = (waiting[link.to] ?? 0) + 1;
  const order: number[] = [];
  for (let node = 0; node < size; node++) if (waiting[node] === 0) order.push(node);
  const ancestors = new BitRows(size);
  for (let at = 0; at < order.length; at++) {
    const node = order[at] ?? 0;
    for (const link of out[node] ?? []) {
      if (link.flow) {
        ancestors.add(link.to, node);
        ancestors.union(link.to, node);
      }
      const left = (waiting[link.to] ?? 0) - 1;
      waiting[link.to] = left;
      if (left === 0) order.push(link.to);
    }
  }
  const ordered = new Set(order);
  const tangled = new Set<number>();
  for (let node = 0; node < size; node++) if (!ordered.has(node)) tangled.add(node);
  return { order, cycles: knots(tangled, out).map((knot) => shortestCycle(knot, out)), tangled, ancestors };
}

/** Every node that can be reached from `roots`, these included. */
export function reachable(out: Outgoing, roots: Iterable<number>): Set<number> {
  const reached = new Set(roots);
  for (const node of reached) for (const link of out[node] ?? []) reached.add(link.to);
  return reached;
}

/** The links that leave each node. */
export type Outgoing = readonly (readonly Link[])[];

export function outgoing(size: number, links: readonly Link[]): Outgoing {
  const out: Link[][] = Array.from({ length: size }, () => []);
  for (const link of links) out[link.from]?.push(link);
  return out;
}

/** Strongly connected components that hold a cycle (Tarjan, with a stack of its own). */
function knots(nodes: ReadonlySet<number>, out: Outgoing): Set<number>[] {
  const index = new Map<number, number>();
  const low = new Map<number, number>();
  const stack: number[] = [];
  const onStack = new Set<number>();
  const found: Set<number>[] = [];
  for (const start of nodes) {
    if (index.has(start)) continue;
    const calls: { node: number; next: number }[] = [{ node: start, next: 0 }];
    for (let call = calls.at(-1); call; call = calls.at(-1)) {
      const { node } = call;
      if (call.next === 0) {
        index.set(node, index.size);
        low.set(node, index.get(node) ?? 0);
        stack.push(node);
        onStack.add(node);
      }
      const link = out[node]?.[call.next++];
      if (link) {
        if (!nodes.has(link.to)) continue;
        if (!index.has(link.to)) calls.push({ node: link.to, next: 0 });
        else if (onStack.has(link.to)) low.set(node, Math.min(low.get(node) ?? 0, index.get(link.to) ?? 0));
        continue;
      }
      calls.pop();
      const parent = calls.at(-1);
      if (parent) low.set(parent.node, Math.min(low.get(parent.node) ?? 0, low.get(node) ?? 0));
      if (low.get(node) !== index.get(node)) continue;
      const component = new Set<number>();
      for (let member = stack.pop(); member !== undefined; member = stack.pop()) {
        onStack.delete(member);
        component.add(member);
        if (member === node) break;
      }
      if (component.size > 1 || (out[node] ?? []).some((own) => own.to === node)) found.push(component);
    }
  }
  return found.sort((a, b) => Math.min(...a) - Math.min(...b));
}

/** A shortest way from the knot's first node back to itself. */
function shortestCycle(knot: ReadonlySet<number>, out: Outgoing): number[] {
  let start = Number.POSITIVE_INFINITY;
  for (const node of knot) start = Math.min(start, node);
  const cameFrom = new Map<number, number>();
  const queue = [start];
  for (const node of queue) {
    for (const link of out[node] ?? []) {
      if (link.to === start) {
        const path = [node];
        for (let at = node; at !== start;) {
          at = cameFrom.get(at) ?? start;
          path.push(at);
        }
        return path.reverse();
      }
      if (!knot.has(link.to) || cameFrom.has(link.to)) continue;
      cameFrom.set(link.to, node);
      queue.push(link.to);
    }
  }
  return [start];
}
