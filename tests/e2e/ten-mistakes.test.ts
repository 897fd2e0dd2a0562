import { afterAll, beforeAll, expect, test } from "vitest";
import type { JsonObject } from "#core";
import { type Perdure, startPerdure } from "../support/perdure.ts";

let perdure: Perdure;

beforeAll(async () => {
  perdure = await startPerdure();
});
afterAll(async () => {
  await perdure?.stop();
});

const GRAPH = {
  nodes: [
    { id: "start", type: "Start" },
    { id: "mystery", type: "OpenAIChatt" },
    { id: "slow", type: "Delay", data: { inputs: { duration: "soonish" } } },
    { id: "twin", type: "Set", data: { inputs: { values: { a: 1 } } } },
    { id: "twin", type: "Set", data: { inputs: { values: { a: 2 } } } },
    { id: "decide", type: "Condition", data: { inputs: { condition: "inputs.x >" } } },
    { id: "letter", type: "Template", data: { inputs: { template: "Dear {{#if inputs.name}}friend" } } },
    { id: "loop_a", type: "Set", data: { inputs: { values: {} } } },
    { id: "loop_b", type: "Set", data: { inputs: { values: {} } } },
    { id: "island", type: "Set", data: { inputs: { values: {} } } },
    { id: "end", type: "End" },
  ],
  edges: [
    { id: "e1", source: "start", target: "mystery" },
    { id: "e2", source: "start", target: "slow" },
    { id: "e3", source: "start", target: "twin" },
    { id: "e4", source: "start", target: "twin" },
    { id: "e5", source: "start", target: "nowhere" },
    { id: "e6", source: "start", target: "decide" },
    { id: "e7", source: "decide", target: "letter", sourceHandle: "maybe" },
    { id: "e8", source: "start", target: "letter" },
    { id: "e9", source: "start", target: "loop_a" },
    { id: "e10", source: "loop_a", target: "loop_b" },
    { id: "e11", source: "loop_b", target: "loop_a" },
    { id: "e12", source: "letter", target: "end" },
    { id: "e13", source: "decide", target: "end", sourceHandle: "true" },
    { id: "e14", source: "slow", target: "end" },
  ],
};

/** What is wrong, and where the answer must say so. */
const MISTAKES: [what: string, code: string, where: { node_id?: string; edge_id?: string }][] = [
  ["an unknown type", "node.unknown_type", { node_id: "mystery" }],
  ["a wrong input", "input.invalid", { node_id: "slow" }],
  ["a duplicate node id", "node.duplicate_id", { node_id: "twin" }],
  ["a duplicate edge", "edge.duplicate", { edge_id: "e4" }],
  ["a dangling edge", "edge.dangling", { edge_id: "e5" }],
  ["an unknown handle", "handle.unknown", { edge_id: "e7" }],
  ["a cycle", "graph.cycle", {}],
  ["an unreachable node", "node.unreachable", { node_id: "island" }],
  ["a template that does not parse", "template.syntax", { node_id: "letter" }],
  ["a CEL decision that does not parse", "expression.syntax", { node_id: "decide" }],
];

test("A2 A6 D7: When a graph has ten mistakes, then one answer names all ten and nothing else, with node or edge ids", async () => {
  const { user } = perdure;
  const saved = await user.post("/api/v1/workflows", { name: "Wrong", flow_data: GRAPH });
  expect(saved.status).toBe(201);
  expect(saved.body["flow_data"]).toEqual(GRAPH);
  const answers = {
    save: saved.body["problems"],
    validate: (await user.post("/api/v1/workflows/validate", { flow_data: GRAPH })).body["errors"],
    publish: await refusal(`/api/v1/workflows/${saved.body["id"]}/publish`),
    execute: await refusal(`/api/v1/workflows/${saved.body["id"]}/execute`),
    adHoc: await refusal("/api/v1/executions", { flow_data: GRAPH }),
  } as Record<string, JsonObject[]>;
  for (const [where, problems] of Object.entries(answers)) {
    for (const [what, code, place] of MISTAKES) expect(problems, `${what}, by ${where}`).toContainEqual(expect.objectContaining({ code, ...place }));
    expect(problems?.length, `findings by ${where}: ${JSON.stringify(problems?.map(({ code, node_id, edge_id }) => [code, node_id ?? edge_id]))}`).toBe(
      MISTAKES.length,
    );
  }

  async function refusal(path: string, body: unknown = {}): Promise<JsonObject[]> {
    const answer = await user.post(path, body);
    expect(answer.status).toBe(422);
    expect(answer.headers.get("content-type")).toContain("application/problem+json");
    expect(answer.body).toMatchObject({ status: 422, code: "graph.invalid" });
    return answer.body["errors"] as JsonObject[];
  }
});
