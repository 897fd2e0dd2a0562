import { expect, test } from "vitest";
import { compile, selectEntries } from "#graph";
import { catalogue } from "#nodes";
import { graphCases } from "../support/graph-cases.ts";
import { type ModelNode, runModel } from "./reference-model.ts";

test.each(graphCases.map((graphCase) => [graphCase.title, graphCase] as const))(
  "A5, by the reference model: %s",
  (_title, { flow_data: graph, script, expected }) => {
    const compiled = compile(graph, catalogue);
    if (!compiled.ok) throw new Error(JSON.stringify(compiled.problems));
    const entries = selectEntries(compiled.plan);
    if ("problem" in entries) throw new Error(entries.problem.message);
    const nodes: ModelNode[] = compiled.plan.steps.map(({ id, type }) => ({
      id,
      value: "wrap",
      runs: "instant",
      duration: 0,
      fails: false,
      route: "output",
      join: "all",
      onError: "fail",
      entry: entries.entries.includes(id),
      end: type === "End",
      ...script[id],
    }));
    const edges = compiled.plan.edges.map(({ source, route, target, handle }) => ({ source, route, target, handle }));
    const result = runModel({ nodes, edges, maxParallel: 16 }, {});
    expect(result.kind).toBe(expected.status);
    expect(result.failedNode).toBe(expected.failed_node);
    expect(Object.fromEntries(Object.entries(result.nodes).map(([key, { status }]) => [key.slice(1), status]))).toEqual(expected.nodes);
  },
);
