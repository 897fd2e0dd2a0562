import { describe, expect, test } from "vitest";
import { compile, type ResolveWorkflow, subWorkflowsOf } from "../index.ts";
import { testCatalogue } from "../testing/catalogue.ts";
import { brief, graph, node, start } from "../testing/drafts.ts";

/** A workflow that runs others in turn: `"b"`, `"b@2"`, `"b@latest"`. */
function running(...others: string[]): Record<string, unknown> {
  const nodes = others.map((text, index) => {
    const [id, version] = text.split("@");
    return node(`s${index}`, "SubWorkflow", { workflow_id: id, ...(version !== undefined && { version: version === "latest" ? version : Number(version) }) });
  });
  return graph([start, ...nodes], ...others.map((_, index) => `start->s${index}`));
}

/** Stored workflows by id, or by `id@version` where one is pinned. */
function stored(workflows: Record<string, Record<string, unknown>>): ResolveWorkflow {
  return (id, version) => workflows[typeof version === "number" ? `${id}@${version}` : id];
}

function problems(whole: unknown, workflows: Record<string, Record<string, unknown>>) {
  const result = compile(whole, testCatalogue, { workflowId: "a", resolve: stored(workflows) });
  return result.ok ? [] : result.problems;
}

describe("sub-workflows", () => {
  test("A5: When a graph or its plan is asked for the workflows it runs, then both name them all, each once, also from within bodies", () => {
    const whole = graph(
      [
        start,
        node("l", "Loop", { times: 2 }),
        node("x", "SubWorkflow", { workflow_id: "in_body", inputs: { a: "{{item}}" } }),
        node("y", "ExecuteWorkflow", { flow_id: "b", version: 3 }),
        node("z", "SubWorkflow", { workflow_id: "b", version: 3 }),
        node("u", "SubWorkflow", { workflow_id: "undo", version: "latest" }),
      ],
      "start->l",
      "l:body->x",
      "l:done->y",
      "l:done->z",
      "y:compensate->u",
    );
    const expected = [{ workflow_id: "in_body" }, { workflow_id: "b", version: 3 }, { workflow_id: "undo", version: "latest" }];
    expect(subWorkflowsOf(whole, testCatalogue)).toEqual(expected);
    const result = compile(whole, testCatalogue);
    expect(new Set(subWorkflowsOf(result.ok && result.plan))).toEqual(new Set(expected));
    for (const odd of [undefined, {}, { steps: [null, { type: "SubWorkflow" }] }, { nodes: 3 }]) expect(subWorkflowsOf(odd, testCatalogue)).toEqual([]);
  });

  test("A2: When a sub-workflow or its version is not there, then that is a problem, without `resolve` none", () => {
    expect(problems(running("b", "b@2", "c"), { b: running() })).toMatchObject([
      { code: "subworkflow.unknown", node_id: "s1", path: "inputs.workflow_id", message: "There is no workflow `b` with a version 2." },
      { code: "subworkflow.unknown", node_id: "s2", message: "There is no workflow `c`." },
    ]);
    expect(compile(running("b"), testCatalogue).ok).toBe(true);
  });

  test.each<[string, string[], Record<string, Record<string, unknown>>, string]>([
    ["itself", ["a"], {}, "this workflow → a"],
    ["one that runs it", ["b"], { b: running("c"), c: running("x", "a@latest"), x: running() }, "this workflow → b → c → a"],
    ["an older version of itself that leads back", ["a@1"], { "a@1": running("b"), b: running("a") }, "this workflow → a@1 → b → a"],
    ["one that runs itself", ["b"], { b: running("c@2"), "c@2": running("b") }, "b → c@2 → b"],
  ])("A2: When a workflow runs %s, then that is a problem with its path", (_what, others, workflows, path) => {
    expect(problems(running(...others), workflows)).toMatchObject([
      { code: "subworkflow.recursive", node_id: "s0", message: expect.stringContaining(`: ${path}.`) as unknown },
    ]);
  });

  test("A2: When one workflow is run in several places, or an older version of itself that ends, then that is no recursion", () => {
    expect(problems(running("b", "c", "c", "a@1"), { b: running("c", "d"), c: running("d"), d: running(), "a@1": running("d") })).toEqual([]);
    expect(brief(problems(running("b", "gone"), { b: running("b") }))).toEqual(["subworkflow.recursive@s0", "subworkflow.unknown@s1"]);
  });

  test("A2: When very many workflows run one another, then each is looked at once", () => {
    const many = Object.fromEntries(
      Array.from({ length: 3_000 }, (_, at) => [
        `w${at}`,
        running(
          ...[1, 2, 3]
            .map((next) => at + next)
            .filter((next) => next < 3_000)
            .map((next) => `w${next}`),
        ),
      ]),
    );
    let asked = 0;
    const result = compile(running("w0", "w1"), testCatalogue, { resolve: (id) => (asked++, many[id]) });
    expect([result.ok, asked]).toEqual([true, 3_000]);
  });
});
