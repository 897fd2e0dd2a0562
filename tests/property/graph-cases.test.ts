import { expect, test } from "vitest";
import { type Body, compile, selectEntries } from "#graph";
import { catalogue } from "#nodes";
import { graphCases } from "../support/graph-cases.ts";
import { type ModelBody, type ModelNode, runModel } from "./reference-model.ts";

test.each(graphCases.map((graphCase) => [graphCase.title, graphCase] as const))(
  "A5, by the reference model: %s",
  (_title, { flow_data: graph, script, expected }) => {
    const compiled = compile(graph, catalogue);
    if (!compiled.ok) throw new Error(JSON.stringify(compiled.problems));
    const entries = selectEntries(compiled.plan);
    if ("problem" in entries) throw new Error(entries.problem.message);
    const model = (body: Body): ModelBody => ({
      nodes: body.steps.map(({ id, type, body: inner }): ModelNode => {
        const { repeat, ...scripted } = script[id] ?? {};
        return {
          id,
          value: "wrap",
          runs: repeat ? "repeats" : "instant",
          duration: 0,
          fails: false,
          route: repeat ? "done" : "output",
          join: "all",
          onError: "fail",
          entry: entries.entries.includes(id),
          end: type === "End",
          ...scripted,
          ...(repeat && { repeat: { ...repeat, body: model(inner as Body) } }),
        };
      }),
      edges: body.edges.map(({ source, route, target, handle }) => ({ source, route, target, handle })),
    });
    const result = runModel({ ...model(compiled.plan), maxParallel: 16 }, {});
    expect(result.kind).toBe(expected.status);
    expect(result.failedNode).toBe(expected.failed_node);
    expect(Object.fromEntries(Object.entries(result.nodes).map(([key, { status }]) => [key.replace(/^:/, ""), status]))).toEqual(expected.nodes);
  },
);
