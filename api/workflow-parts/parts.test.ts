import type { JsonObject } from "#core";
import { describe, expect, test } from "vitest";
import { addEdge, addNode, findEdge, merged, partsOf, removeEdge, removeNode, replaceEdge, replaceNode } from "./parts.ts";

const GRAPH: JsonObject = {
  nodes: [
    { id: "start", type: "Start", position: { x: 1, y: 2 }, own: true },
    { id: 7, type: "Set" },
    { id: "end", type: "End" },
  ],
  edges: [
    { id: "e1", source: "start", target: 7 },
    { source: 7, target: "end", sourceHandle: "output" },
    { source: 7, target: "end", targetHandle: "value" },
  ],
  viewport: { zoom: 2 },
};

describe("nodes", () => {
  test("D3: When a node is added, then all else stays as it was written, and without an id it gets one that is free", () => {
    const added = addNode(GRAPH, { type: "HttpRequest" });
    expect(added.id).toBe("http_request_1");
    expect(added.graph).toEqual({ ...GRAPH, nodes: [...(GRAPH["nodes"] as JsonObject[]), { type: "HttpRequest", id: "http_request_1" }] });
    expect(addNode(added.graph, { type: "HttpRequest" }).id).toBe("http_request_2");
    expect(addNode(GRAPH, { type: "…" }).id).toBe("node_1");
    for (const id of ["start", "7", 7]) expect(() => addNode(GRAPH, { id, type: "Set" })).toThrow(expect.objectContaining({ code: "resource.conflict" }));
  });

  test("D3: When a node is replaced, then its id stays and another id is refused", () => {
    const { nodes } = partsOf(replaceNode(GRAPH, "7", () => ({ type: "Template" })));
    expect(nodes[1]).toEqual({ id: 7, type: "Template" });
    expect(() => replaceNode(GRAPH, "7", () => ({ id: "8", type: "Set" }))).toThrow(expect.objectContaining({ code: "validation.failed" }));
    expect(() => replaceNode(GRAPH, "none", (node) => node)).toThrow(expect.objectContaining({ code: "resource.not_found" }));
  });

  test("D3: When a node is deleted, then its edges are, in both directions, and no others", () => {
    const without = removeNode(GRAPH, "end");
    expect([partsOf(without).nodes.map(({ id }) => id), partsOf(without).edges.map(({ id }) => id)]).toEqual([["start", 7], ["e1"]]);
    expect(partsOf(removeNode(GRAPH, "7")).edges).toEqual([]);
    expect(without["viewport"]).toEqual({ zoom: 2 });
  });

  test("D3: When the graph stands under flow_data, then it is changed there", () => {
    const wrapped = { flow_data: GRAPH, name: "x" };
    expect(removeNode(wrapped, "7")).toEqual({ name: "x", flow_data: removeNode(GRAPH, "7") });
  });
});

describe("edges", () => {
  test("D3: When edges were saved without ids, then they are found under those of the findings", () => {
    expect(partsOf(GRAPH).edges.map(({ id }) => id)).toEqual(["e1", "7->end", "7->end#2"]);
    expect(findEdge(GRAPH, "7->end#2")).toEqual({ id: "7->end#2", source: 7, target: "end", targetHandle: "value" });
    expect(partsOf(removeEdge(GRAPH, "7->end")).edges.map(({ edge }) => edge["targetHandle"])).toEqual([undefined, "value"]);
  });

  test.each([
    [{ source: "start", target: "7" }, "resource.conflict"],
    [{ source: "start", target: "7", sourceHandle: "output", target_handle: "input" }, "resource.conflict"],
    [{ id: "e1", source: "start", target: "end" }, "resource.conflict"],
    [{ source: "start", target: "nowhere" }, "validation.failed"],
  ])("D3: When the edge %j is added, then it is %s", (edge, code) => {
    expect(() => addEdge(GRAPH, edge)).toThrow(expect.objectContaining({ code }));
  });

  test("D3: When an edge by other handles is added, then both stand", () => {
    expect(addEdge(GRAPH, { source: "start", target: "7", targetHandle: "values" }).id).toBe("start->7");
    expect(partsOf(replaceEdge(GRAPH, "e1", { source: "start", target: "end" })).edges[0]).toEqual({
      id: "e1",
      edge: { id: "e1", source: "start", target: "end" },
    });
    expect(() => replaceEdge(GRAPH, "7->end#2", { source: "7", target: "end" })).toThrow(expect.objectContaining({ code: "resource.conflict" }));
  });
});

test("D3: When a patch is merged, then null takes away, objects merge, lists are replaced, and no prototype is touched", () => {
  const patch = JSON.parse('{"a":null,"b":{"c":2,"d":null},"l":[1],"__proto__":{"x":1}}') as JsonObject;
  const result = merged({ a: 1, b: { d: 1, e: 3 }, l: [5, 6] }, patch);
  expect(JSON.parse(JSON.stringify(result))).toEqual(JSON.parse('{"b":{"e":3,"c":2},"l":[1],"__proto__":{"x":1}}'));
  expect(({} as { x?: number }).x).toBeUndefined();
});
