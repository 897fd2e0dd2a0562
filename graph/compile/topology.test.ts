import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Nearest } from "../nearest.ts";
import { analyse, type Link, outgoing, reachable } from "./topology.ts";

const graphs = fc.integer({ min: 1, max: 40 }).chain((size) =>
  fc.record({
    size: fc.constant(size),
    links: fc.array(fc.record({ from: fc.nat(size - 1), to: fc.nat(size - 1), flow: fc.boolean() }), { maxLength: 80 }),
  }),
);

/** Everything behind `start`, itself only if a cycle leads back. */
function behind(start: number, links: readonly Link[]): Set<number> {
  const found = new Set<number>();
  const open = [start];
  for (let node = open.pop(); node !== undefined; node = open.pop()) {
    for (const link of links) {
      if (link.from !== node || found.has(link.to)) continue;
      found.add(link.to);
      open.push(link.to);
    }
  }
  return found;
}

describe("the shape of a graph", () => {
  test("A2: When links run between nodes, then order, cycles, ancestors and reach agree with a plain search", () => {
    fc.assert(
      fc.property(graphs, ({ size, links }) => {
        const { order, cycles, tangled, ancestors } = analyse(size, links);
        const all = Array.from({ length: size }, (_, node) => node);
        const circular = all.filter((node) => behind(node, links).has(node));
        const expectedTangle = new Set(circular.flatMap((node) => [node, ...behind(node, links)]));
        expect(tangled).toEqual(expectedTangle);
        expect([...order].sort((a, b) => a - b)).toEqual(all.filter((node) => !expectedTangle.has(node)));
        for (const link of links) if (!tangled.has(link.to)) expect(order.indexOf(link.from)).toBeLessThan(order.indexOf(link.to));
        for (const cycle of cycles) {
          for (const [place, node] of cycle.entries())
            expect(links.some((link) => link.from === node && link.to === cycle[(place + 1) % cycle.length])).toBe(true);
        }
        expect(cycles.length > 0).toBe(circular.length > 0);
        const flow = links.filter((link) => link.flow);
        for (const node of order) for (const other of order) expect(ancestors.has(node, other)).toBe(behind(other, flow).has(node));
        expect(reachable(outgoing(size, links), [0])).toEqual(new Set([0, ...behind(0, links)]));
      }),
      { numRuns: 300 },
    );
  });

  test("A2: When a ring holds 5,000 nodes, then it is found without recursion", () => {
    const links = Array.from({ length: 5_000 }, (_, node): Link => ({ from: node, to: (node + 1) % 5_000, flow: true }));
    expect(analyse(5_000, links).cycles[0]).toHaveLength(5_000);
  });
});

describe("the nearest name", () => {
  test.each<[string, string | undefined]>([
    ["HtpRequest", "HttpRequest"],
    ["httprequest", "HttpRequest"],
    ["Conditoin", "Condition"],
    ["End ", "End"],
    ["Weather", undefined],
    ["", undefined],
  ])("A2: When %j was written, then %j was meant", (word, expected) => {
    expect(new Nearest().find(word, ["HttpRequest", "Condition", "End", "Set"])).toBe(expected);
  });

  test("A2: When very many names are looked up, then the search ends early instead of taking long", () => {
    const nearest = new Nearest();
    const names = Array.from({ length: 5_000 }, (_, index) => `node_${index}`);
    const began = performance.now();
    for (const name of names) nearest.find(`${name}x`, names);
    expect(performance.now() - began).toBeLessThan(20_000);
  });
});
