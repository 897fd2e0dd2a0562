import { compile, type Plan, type Step } from "#graph";
import { describe, expect, test } from "vitest";
import { catalogue, describeNode, nodeDefinition } from "../index.ts";

function compiled(type: string, inputs: Record<string, unknown>) {
  return compile(
    {
      nodes: [
        { id: "start", type: "Start" },
        { id: "n", type, data: { inputs } },
      ],
      edges: [{ source: "start", target: "n" }],
    },
    catalogue,
  );
}

function stepOf(type: string, inputs: Record<string, unknown>): Step {
  const result = compiled(type, inputs);
  if (!result.ok) throw new Error(JSON.stringify(result.problems));
  expect(result.warnings).toEqual([]);
  return (result.plan satisfies Plan).steps[1] as Step;
}

function literals({ inputs }: Step): unknown {
  return inputs.k === "lit"
    ? inputs.v
    : Object.fromEntries(inputs.k === "object" ? inputs.fields.map(([name, value]) => [name, value.k === "lit" ? value.v : value.k]) : []);
}

function problemsOf(type: string, inputs: Record<string, unknown>): unknown[] {
  const result = compiled(type, inputs);
  return result.ok ? [] : result.problems.map(({ code, path }) => `${code} ${path}`);
}

describe("Loop", () => {
  test.each<[Record<string, unknown>, unknown]>([
    [{ times: 3 }, { times: 3, max_iterations: 1_000 }],
    [
      { count: "3", maxIterations: 5 },
      { times: 3, max_iterations: 5 },
    ],
    [{ times: "{{input.n}}" }, { times: "ref", max_iterations: 1_000 }],
    [{ while: "index < 3" }, { max_iterations: 1_000 }],
  ])("A5: When it is given %j, then it knows how often to run", (inputs, expected) => {
    expect(literals(stepOf("Loop", inputs))).toEqual(expected);
  });

  test("A5: When `while` is an expression, a comparison or a combination of both, then it stands by itself, as Condition reads it", () => {
    expect(stepOf("LoopNode", { condition: "item.left > 0" }).while).toEqual({ k: "cel", source: "item.left > 0", roots: ["item"] });
    expect(stepOf("Loop", { while: { left: "{{item.n}}", operator: "<", right: 3 } }).while).toMatchObject({
      k: "object",
      fields: [
        ["left", { k: "ref", ref: { root: "item" } }],
        ["operator", { k: "lit" }],
        ["right", { k: "lit" }],
      ],
    });
    expect(stepOf("Loop", { while: { all: ["item.a", { left: "{{index}}", operator: "<", right: 3 }] } }).while).toMatchObject({
      k: "object",
      fields: [["all", { k: "list", items: [{ k: "cel" }, { k: "object" }] }]],
    });
  });

  test.each<[Record<string, unknown>, string[]]>([
    [{}, ["input.invalid inputs"]],
    [{ times: -1 }, ["input.invalid inputs.times"]],
    [{ times: 1_001 }, ["input.invalid inputs.times"]],
    [{ times: 100_001, max_iterations: 100_001 }, ["input.invalid inputs.times", "input.invalid inputs.max_iterations"]],
    [{ while: { left: 1, operator: "is like" } }, ["input.invalid inputs.while"]],
  ])("A2: When it is given %j, then that is a problem", (inputs, expected) => {
    expect(problemsOf("Loop", inputs)).toEqual(expected);
  });

  test("A2: When its number of iterations is set above what it starts with, then `max_iterations` allows it", () => {
    expect(literals(stepOf("Loop", { times: 10_000, max_iterations: 100_000 }))).toEqual({ times: 10_000, max_iterations: 100_000 });
  });
});

describe("MapReduce", () => {
  test("A5: When it is given a list or an expression, then the rest has its defaults", () => {
    expect(literals(stepOf("MapReduce", { items: [1, 2] }))).toEqual({ items: [1, 2], concurrency: 10, on_item_error: "fail" });
    expect(literals(stepOf("for_each", { list: "{{input.rows}}", concurrency: "50", onItemError: "Collect", reduce: "$sum(items)" }))).toEqual({
      items: "ref",
      concurrency: 50,
      on_item_error: "collect",
      reduce: "$sum(items)",
    });
  });

  test.each<[Record<string, unknown>, string[]]>([
    [{}, ["input.missing inputs.items"]],
    [{ items: [], concurrency: 51 }, ["input.invalid inputs.concurrency"]],
    [{ items: [], concurrency: 0, on_item_error: "ignore" }, ["input.invalid inputs.concurrency", "input.invalid inputs.on_item_error"]],
    [{ items: {}, reduce: "$sum(" }, ["expression.syntax inputs.reduce", "input.invalid inputs.items"]],
  ])("A2: When it is given %j, then every problem is named", (inputs, expected) => {
    expect(problemsOf("MapReduce", inputs)).toEqual(expected);
  });
});

describe("SubWorkflow", () => {
  test("A5: When it is given an id, a version and inputs, then inputs are templates and the rest stays as it is", () => {
    expect(literals(stepOf("SubWorkflow", { workflow_id: "w" }))).toEqual({ workflow_id: "w" });
    expect(literals(stepOf("ExecuteWorkflow", { flow_id: "w", version: "3", parameters: { a: "{{input.x}}" } }))).toEqual({
      workflow_id: "w",
      version: 3,
      inputs: "object",
    });
    expect(literals(stepOf("SubWorkflow", { workflow_id: "w", version: "latest" }))).toEqual({ workflow_id: "w", version: "latest" });
  });

  test.each<[Record<string, unknown>, string[]]>([
    [{}, ["input.missing inputs.workflow_id"]],
    [{ workflow_id: "{{input.id}}" }, ["input.invalid inputs.workflow_id"]],
    [{ workflow_id: "w", version: 0 }, ["input.invalid inputs.version"]],
    [{ workflow_id: "w", version: "{{input.v}}" }, ["input.invalid inputs.version"]],
  ])("A2: When it is given %j, then that is a problem", (inputs, expected) => {
    expect(problemsOf("SubWorkflow", inputs)).toEqual(expected);
  });
});

describe("WaitForEvent", () => {
  test("A9: When it is given an event, then the correlation may be a template", () => {
    expect(literals(stepOf("WaitForEvent", { signal_name: "paid", correlation_id: "{{input.order}}", timeout: "3 days" }))).toEqual({
      event: "paid",
      correlation: "ref",
      timeout: "3 days",
    });
    expect(stepOf("WaitForEvent", { event: "paid" }).routes).toEqual(["output", "timeout"]);
    expect(problemsOf("WaitForEvent", { event: " ", timeout: "soon" })).toEqual(["input.invalid inputs.event", "input.invalid inputs.timeout"]);
  });
});

test("B12: When nodes that own a body are described, then their handles are there, and what can be undone says so", () => {
  const handles = (type: string) => {
    const definition = nodeDefinition(type);
    if (!definition) throw new Error(type);
    const { in: into, out } = describeNode(definition).handles;
    return [into.map((handle) => handle.name), out.map((handle) => handle.name)];
  };
  expect(handles("Loop")).toEqual([
    ["input", "return", "break"],
    ["body", "done", "error", "compensate"],
  ]);
  expect(handles("MapReduce")).toEqual([
    ["input", "return"],
    ["body", "done", "error", "compensate"],
  ]);
  expect(handles("Start")).toEqual([["input"], ["output", "error"]]);
  expect(handles("End")).toEqual([["input"], ["error"]]);
});
