import { readFileSync } from "node:fs";
import { type Body, compile } from "#graph";
import { catalogue } from "#nodes";
import { describe, expect, test } from "vitest";
import { graphCases } from "../tests/support/graph-cases.ts";
import {
  cel,
  type Entry,
  field,
  input,
  item,
  index,
  jsonata,
  type NodeSettings,
  outer,
  path,
  run,
  secret,
  typed,
  variables,
  type Workflow,
  workflow,
} from "./index.ts";
import { order } from "./order.examples.ts";

const begin = () => workflow({ name: "Case" });

/** The graphs of tests/graphs, written in code: by file. */
const BUILT: Record<string, () => Pick<Workflow, "toJSON">> = {
  "continue-after-error.json"() {
    const flow = begin();
    const call = flow.add("Set", "call", { values: { x: flow.inputs.absent } }, { settings: { on_error: "continue" } });
    const end = flow.add("End", "end", { value: { call: call.output, code: call.failure.code } });
    flow.add("Start", "start").to(call).to(end);
    return flow;
  },
  "error-branch.json"() {
    const flow = begin();
    const call = flow.add("Set", "call", { values: { x: flow.inputs.absent } });
    const fine = flow.add("Set", "fine", { values: { went: "well" } });
    const rescue = flow.add("Set", "rescue", { values: { code: input.code, again: call.failure.code } });
    const end = flow.add("End", "end");
    flow.add("Start", "start").to(call).to(fine).to(end);
    call.on("error").to(rescue).to(end);
    return flow;
  },
  "failure-cancels-siblings.json"() {
    const flow = begin();
    const sleeper = flow.add("Delay", "sleeper", { duration: "1 hour" });
    const bad = flow.add("Set", "bad", { values: { x: flow.inputs.absent } });
    const end = flow.add("End", "end");
    flow.add("Start", "start").to(sleeper, bad);
    sleeper.to(end);
    bad.to(end);
    return flow;
  },
  "join-any.json"() {
    const flow = begin();
    const quick = flow.add("Set", "quick", { values: { who: "quick" } });
    const slow = flow.add("Delay", "slow", { duration: "300ms" });
    const first = flow.add("Set", "first", { values: { got: input } }, { settings: { join: "any" } });
    flow.add("Start", "start").to(quick, slow);
    slow.to(first);
    quick.to(first).to(flow.add("End", "end"));
    return flow;
  },
  "map-collects-failures.json"() {
    const flow = begin();
    const each = flow.add("MapReduce", "each", { items: [{ name: "a" }, {}, { name: "c" }], on_item_error: "collect" });
    const greet = flow.add("Set", "greet", { values: { hello: item.name } });
    const until = flow.add("Loop", "until", { while: "true", max_iterations: 10 });
    const third = flow.add("Condition", "third", { condition: cel`${index} == 2` });
    const greetings = typed<{ hello: string }[]>(each.output);
    const end = flow.add("End", "end", {
      value: {
        first: field(greetings, 0).hello,
        second: field(each.output, 1, "error", "code"),
        third: field(greetings, 2).hello,
        turns: until.output.iterations,
      },
    });
    flow.add("Start", "start").to(each);
    each.on("body").to(greet).to(each.in("return"));
    each.on("done").to(until);
    until.on("body").to(third);
    third.on("true").to(until.in("break"));
    third.on("false").to(until.in("return"));
    until.on("done").to(end);
    return flow;
  },
  "merge-after-skipped-branch.json"() {
    const flow = workflow<{ amount: number }>({ name: "Case" });
    const big = flow.add("Condition", "big", { condition: cel`${flow.inputs.amount} > 100` });
    const merge = flow.add("Merge", "merge", { mode: "first" });
    flow.add("Start", "start").to(big);
    big
      .on("true")
      .to(flow.add("Set", "review", { values: { path: "review" } }))
      .to(merge);
    big
      .on("false")
      .to(flow.add("Set", "accept", { values: { path: "accept" } }))
      .to(merge);
    merge.to(flow.add("End", "end"));
    return flow;
  },
  "nested-loops.json"() {
    const flow = workflow<{ numbers: number[] }>({ name: "Case" });
    const start = flow.add("Start", "start");
    const each = flow.add("MapReduce", "each", { items: flow.inputs.numbers, concurrency: 2 });
    const count = flow.add("Loop", "count", { times: 2 });
    const step = flow.add("Set", "step", { values: { number: outer.item, turn: index, before: item } });
    const empty = flow.add("Loop", "empty", { times: 3 });
    const end = flow.add("End", "end");
    start.to(each);
    each.on("body").to(count);
    count.on("body").to(step).to(count.in("return"));
    count.on("done").to(each.in("return"));
    each.on("done").to(empty);
    empty.on("done").to(end);
    each.on("done").to(end);
    return flow;
  },
  "resume-takes-one-branch.json"() {
    const flow = begin();
    const ask = flow.add("HumanApproval", "ask", { prompt: "Ship it?" });
    const end = flow.add("End", "end");
    flow.add("Start", "start").to(ask);
    ask
      .on("approved")
      .to(flow.add("Set", "ship", { values: { done: "shipped" } }))
      .to(end);
    ask
      .on("rejected")
      .to(flow.add("Set", "hold", { values: { done: "held" } }))
      .to(end);
    return flow;
  },
  "several-into-one-handle.json"() {
    const flow = begin();
    const a = flow.add("Set", "a", { values: { n: 1 } });
    const b = flow.add("Set", "b", { values: { n: 2 } });
    const both = flow.add("End", "both");
    flow.add("Start", "start").to(a, b);
    a.to(both);
    b.to(both, flow.add("End", "only"));
    return flow;
  },
  "shared-node-of-two-branches.json"() {
    const flow = begin();
    const pick = flow.add("Switch", "pick", { value: flow.inputs.kind, cases: [{ equals: "a" }, { equals: "b" }] });
    const a = flow.add("Set", "a", { values: { from: "a" } });
    const b = flow.add("Set", "b", { values: { from: "b" } });
    const shared = flow.add("Set", "shared", { values: { seen: input, b: b.output.from } });
    flow.add("Start", "start").to(pick);
    pick.on("case:0").to(a);
    pick.on("case:1").to(b);
    b.to(flow.add("Set", "only_b", { values: { from: "only_b" } }));
    a.to(shared);
    b.to(shared).to(flow.add("End", "end", { value: shared.output }));
    return flow;
  },
  "skip-cascade.json"() {
    const flow = workflow<{ go: boolean }>({ name: "Case" });
    const gate = flow.add("Condition", "gate", { condition: cel`${flow.inputs.go}` });
    const inner = flow.add("Condition", "inner", { condition: "true" });
    const left = flow.add("Set", "left", { values: { side: "left" } });
    const right = flow.add("Set", "right", { values: { side: "right" } });
    const join = flow.add("Merge", "join");
    const aside = flow.add("Set", "aside", { values: { side: "aside", left: `{{default ${path(left.output.side)} 'none'}}` } });
    flow.add("Start", "start").to(gate);
    gate.on("true").to(inner);
    gate.on("false").to(aside);
    inner.on("true").to(left);
    inner.on("false").to(right);
    left.to(join);
    right.to(join);
    left.to(aside);
    return flow;
  },
  "two-starts.json"() {
    const flow = begin();
    flow.add("Start", "s1").to(flow.add("End", "e1", { value: flow.inputs.word }));
    flow.add("Start", "s2").to(flow.add("End", "e2", { value: 2 }));
    return flow;
  },
};

/** What a graph compiles to, where neither the order of what is written nor the ids of edges count. */
function meaning(graph: unknown): unknown {
  const compiled = compile(graph, catalogue);
  if (!compiled.ok) throw new Error(JSON.stringify(compiled.problems));
  const { steps, edges, ...rest } = compiled.plan;
  const body = (of: Body): unknown => ({
    steps: of.steps
      .map(({ body: inner, compensate, ...step }) => ({ ...step, body: inner && body(inner), compensate: compensate && body(compensate) }))
      .toSorted(byText),
    edges: of.edges.map(({ id: _id, ...ends }) => ends).toSorted(byText),
  });
  return JSON.parse(JSON.stringify({ ...rest, ...(body({ steps, edges }) as object) }, (key, value: unknown) => (EDGE_LISTS.has(key) ? undefined : value)));
}

/** Fields of steps that name edges by their place in the plan, which the edges' own ends say too. */
const EDGE_LISTS: ReadonlySet<string> = new Set(["in", "out"]);

function byText(a: unknown, b: unknown): number {
  return JSON.stringify(a) < JSON.stringify(b) ? -1 : 1;
}

describe("graphs in code", () => {
  test.each(graphCases.map((graphCase) => [graphCase.file, graphCase] as const))(
    "A14: When %s is written in code and sent as JSON, then it compiles to what the graph by hand does",
    (file, { flow_data: byHand }) => {
      const build = BUILT[file];
      if (!build) throw new Error(`${file} is not written in code`);
      const sent = JSON.parse(JSON.stringify(build())) as { name: string; flow_data: unknown };
      expect(sent.name).toBe("Case");
      const built = meaning(sent.flow_data);
      expect(built).toHaveProperty("steps");
      expect(built).toEqual(meaning(byHand));
    },
  );

  test("A14: When the example of the README is built, then it is the README's and compiles without a problem or a warning", () => {
    const compiled = compile(order.graph(), catalogue);
    expect(compiled).toMatchObject({ ok: true, warnings: [] });
    const code = readFileSync(new URL("order.examples.ts", import.meta.url), "utf8").trim();
    const readme = readFileSync(new URL("../README.md", import.meta.url), "utf8");
    expect(readme.includes(`\`\`\`ts\n${code}\n\`\`\``), "README.md has builder/order.examples.ts as it is").toBe(true);
  });

  test("A14 A4: When a node is given settings, a name and a position, then they stand where graphs have them, and none is unknown", () => {
    const flow = workflow({ name: "All", description: "d", tags: ["t"], settings: { max_parallel: 4, deadline: "1h", priority: 2 } });
    const settings: NodeSettings = {
      retry: { maximum_attempts: 5, initial_interval: "1s", backoff_coefficient: 3, maximum_interval: "1m", non_retryable: ["upstream.failed"] },
      timeout: 5,
      deadline: "1h",
      on_error: "continue",
      join: "any",
      disabled: false,
      pinned_output: { status: 200 },
    };
    flow.add("HttpRequest", "call", { url: "https://shop.example" }, { name: "Call", position: { x: 1, y: 2 }, settings });
    expect(flow.toJSON()).toEqual({
      name: "All",
      description: "d",
      tags: ["t"],
      flow_data: {
        nodes: [{ id: "call", type: "HttpRequest", position: { x: 1, y: 2 }, data: { name: "Call", inputs: { url: "https://shop.example" }, settings } }],
        edges: [],
        settings: { max_parallel: 4, deadline: "1h", priority: 2 },
      },
    });
    expect(compile(flow.graph(), catalogue)).toMatchObject({ ok: true, warnings: [] });
  });

  test("A14: When a step has a compensation and a body a sub-workflow, then both compile where they hang", () => {
    const flow = workflow<{ items: string[] }>({ name: "Saga" });
    const reserve = flow.add("HttpRequest", "reserve", { method: "POST", url: "https://shop.example/reserve" });
    reserve
      .on("compensate")
      .to(flow.add("HttpRequest", "release", { method: "DELETE", url: `https://shop.example/reserve/${field(reserve.output.body, "id")}` }));
    const each = flow.add("MapReduce", "each", { items: flow.inputs.items });
    flow.add("Start", "start").to(reserve).to(each);
    each
      .on("body")
      .to(flow.add("SubWorkflow", "child", { workflow_id: "0190a8c0-0000-7000-8000-000000000000", version: "latest", inputs: { item } }))
      .to(each.in("return"));
    const compiled = compile(flow.graph(), catalogue);
    if (!compiled.ok) throw new Error(JSON.stringify(compiled.problems));
    const steps = new Map(compiled.plan.steps.map((step) => [step.id, step]));
    expect(steps.get("reserve")?.compensate?.steps.map(({ id }) => id)).toEqual(["release"]);
    expect(steps.get("each")?.body?.steps.map(({ id }) => id)).toEqual(["child"]);
  });

  test("A7 A14: When a provider is plugged in, then the edge enters that handle and leaves by none", () => {
    const flow = begin();
    const agent: Entry<"model"> = { node: "agent", handle: "model" };
    flow.add("OpenAINode", "gpt", { model: "gpt-4o" }).plugInto(agent);
    expect(flow.graph().edges).toEqual([{ source: "gpt", target: "agent", targetHandle: "model" }]);
  });

  test("A14: When the builder is misused at run time, then the compiler says so as of any graph", () => {
    const flow = begin();
    flow.add("Start", "a");
    flow.add("Template", "a", { template: "text" });
    expect(compile(flow.graph(), catalogue)).toMatchObject({ ok: false, problems: [{ code: "node.duplicate_id" }] });
  });
});

describe("references", () => {
  const flow = workflow<{ orders: { "unit-price": number; lines: string[] }[] }>({ name: "References" });
  const call = flow.add("HttpRequest", "http-1", { url: "https://shop.example" });

  test.each([
    [`${field(field(flow.inputs.orders, 0).lines, 1)}`, "{{inputs.orders[0].lines[1]}}"],
    [`${field(flow.inputs.orders, 0)["unit-price"]}`, "{{inputs.orders[0].unit-price}}"],
    [`${field(call.output.body, "a", "b c")}`, "{{http-1.body.a.[b c]}}"],
    [`${field(call.output.body, "toString")}`, "{{http-1.body.toString}}"],
    [`${call.failure.code}`, "{{errors.http-1.code}}"],
    [`${secret("TOKEN")} ${variables.tone} ${run.id} ${input}`, "{{secrets.TOKEN}} {{variables.tone}} {{run.id}} {{input}}"],
    [`{{upper ${path(field(call.output.body, "name"))}}}`, "{{upper http-1.body.name}}"],
    [JSON.stringify({ all: call.output }), '{"all":"{{http-1}}"}'],
    [cel`${field(outer.item, "a", "b c")} in ${"x"} && ${index} == ${1}`, 'outer.item.a["b c"] in "x" && index == 1'],
    [jsonata`$sum(${field(call.output.body, "rows", 0)}) + ${2}`, "$sum(`http-1`.body.rows[0]) + 2"],
  ])("A6 A14: When a reference is written out, then it reads %s", (text, expected) => {
    expect(text).toBe(expected);
  });

  test("A14: When a name cannot be written, then it is refused where it is written", () => {
    expect(() => cel`${call.output.status} == 200`).toThrow("CEL cannot name `http-1`");
    expect(() => String(field(call.output.body, "a]"))).toThrow("holds a `]`");
  });
});
