import { expect, test } from "vitest";
import { compile, unsupportedIn } from "#graph";
import { catalogue } from "#nodes";

test("A2: When a graph uses what cannot run yet, in a body too, then every such node is named; what can run is not", () => {
  const compiled = compile(
    {
      nodes: [
        { id: "start", type: "Start" },
        { id: "each", type: "MapReduce", data: { inputs: { items: [1] } } },
        { id: "child", type: "SubWorkflow", data: { inputs: { workflow_id: "w" } } },
        { id: "wait", type: "WaitForEvent", data: { inputs: { event: "paid" } } },
        { id: "book", type: "Set", data: { inputs: { values: {} } } },
        { id: "undo", type: "Set", data: { inputs: { values: {} } } },
      ],
      edges: [
        { source: "start", target: "each" },
        { source: "each", target: "child", sourceHandle: "body" },
        { source: "each", target: "wait", sourceHandle: "done" },
        { source: "start", target: "book" },
        { source: "book", target: "undo", sourceHandle: "compensate" },
      ],
    },
    catalogue,
  );
  if (!compiled.ok) throw new Error(JSON.stringify(compiled.problems));
  expect(
    unsupportedIn(compiled.plan)
      .map(({ code, node_id }) => [code, node_id])
      .toSorted(),
  ).toEqual([
    ["node.not_available", "book"],
    ["node.not_available", "child"],
    ["node.not_available", "wait"],
  ]);
});
