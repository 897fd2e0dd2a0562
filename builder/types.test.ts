import { describe, expect, expectTypeOf, test } from "vitest";
import { type Anything, field, input, item, type NodeTypeName, type Reference, type ReferenceTo, typed, workflow } from "./index.ts";

/** Each line below is checked by the type check of the project: a mistake that it does not find is an error there. */
const flow = workflow<{ city: string; amount: number; orders: { sku: string }[]; nick?: string }>({ name: "Types" });
const start = flow.add("Start", "start");
const ask = flow.add("OpenAINode", "ask", { prompt: `Three facts about ${flow.inputs.city}.` });
const long = flow.add("Condition", "long", { condition: "true" });
const which = flow.add("Switch", "which", { cases: [{ equals: 1 }, { when: "true" }] });
const loop = flow.add("Loop", "loop", { times: 2 });
const end = flow.add("End", "end");
const values = flow.add("Set", "values", { values: { name: ask.output.text, count: 1 } });

describe("what TypeScript finds", () => {
  test("A14: When an input is misspelt, missing or of another type, then it does not compile", () => {
    // @ts-expect-error -- the input is `prompt`
    flow.add("OpenAINode", "a", { promt: "x" });
    // @ts-expect-error -- the type is `OpenAINode`
    flow.add("OpenAINod", "a", {});
    // @ts-expect-error -- `url` is required
    flow.add("HttpRequest", "a", {});
    // @ts-expect-error -- and so are the inputs then
    flow.add("HttpRequest", "a");
    // @ts-expect-error -- one of seven words
    flow.add("HttpRequest", "a", { url: "x", method: "GETT" });
    // @ts-expect-error -- a bearer has a `token`
    flow.add("HttpRequest", "a", { url: "x", auth: { type: "bearer", tokn: "x" } });
    // @ts-expect-error -- a number
    flow.add("OpenAINode", "a", { temperature: "warm" });
    // @ts-expect-error -- a reference to a text is no number
    flow.add("OpenAINode", "a", { temperature: flow.inputs.city });
    // @ts-expect-error -- nor is one to a number a list
    flow.add("MapReduce", "a", { items: flow.inputs.amount });
    // @ts-expect-error -- expressions are text, made with cel`…`
    flow.add("Condition", "a", { condition: flow.inputs.amount });
    // @ts-expect-error -- the setting is `on_error`
    flow.add("Merge", "a", {}, { settings: { onerror: "continue" } });
    // @ts-expect-error -- one of three words
    flow.add("Merge", "a", {}, { settings: { on_error: "ignore" } });
    // @ts-expect-error -- a duration is text or a number of seconds
    flow.add("Merge", "a", {}, { settings: { timeout: true } });
    // @ts-expect-error -- the setting is `maximum_attempts`
    flow.add("Merge", "a", {}, { settings: { retry: { attempts: 3 } } });
    // @ts-expect-error -- `standard` or `express`
    workflow({ name: "a", settings: { execution: "fast" } });
    // @ts-expect-error -- which workflow runs is known before the run begins
    flow.add("SubWorkflow", "a", { workflow_id: flow.inputs.city });

    flow.add("OpenAINode", "b", { temperature: flow.inputs.amount, prompt: flow.inputs.amount, max_tokens: input.tokens });
    flow.add("MapReduce", "c", { items: flow.inputs.orders });
    flow.add("Merge", "d");
    expect(flow.graph().nodes.length).toBeGreaterThan(10);
  });

  test("A14: When a route, a handle or an end of an edge does not exist, then it does not compile", () => {
    // @ts-expect-error -- `true` or `false`
    long.on("yes");
    // @ts-expect-error -- a condition leaves by a route
    expect(() => long.to(end)).not.toThrow();
    // @ts-expect-error -- there are two cases
    which.on("case:2");
    // @ts-expect-error -- a loop has `return` and `break`
    loop.in("retrun");
    // @ts-expect-error -- `while` is no handle: it is known before the run
    loop.in("while");
    // @ts-expect-error -- nothing leaves an End
    expect(() => end.to(ask)).not.toThrow();
    // @ts-expect-error -- what has begun cannot be undone by a trigger
    start.on("compensate");
    // @ts-expect-error -- an edge ends at a node or a handle of one
    expect(() => ask.to("end")).toThrow();
    // @ts-expect-error -- a model is plugged in where a model is taken
    ask.plugInto(end.in("value"));
    // @ts-expect-error -- a condition can be plugged in nowhere
    expect(() => long.plugInto()).not.toThrow();

    long.on("true").to(which);
    which.on("case:1").to(loop);
    which.on("default").to(loop);
    loop.on("body").to(values).to(loop.in("break"));
    ask.on("compensate").to(flow.add("Delay", "undo", { duration: 1 }));
    expect(flow.graph().edges.length).toBeGreaterThan(5);
  });

  test("A14: When a field is read that is not there, then it does not compile; one that is has its type", () => {
    // @ts-expect-error -- the run is given a `city`
    expect(String(flow.inputs.cty)).toBe("{{inputs.cty}}");
    // @ts-expect-error -- the answer is in `text`
    expect(String(ask.output.txt)).toBe("{{ask.txt}}");
    // @ts-expect-error -- it was given `name` and `count`
    expect(String(values.output.nam)).toBe("{{values.nam}}");
    // @ts-expect-error -- a number has no fields
    expect(String(ask.output.usage.total_tokens.big)).toBe("{{ask.usage.total_tokens.big}}");

    expectTypeOf(ask.output.usage.total_tokens).toEqualTypeOf<Reference<number>>();
    expectTypeOf(start.output.city).toEqualTypeOf<Reference<string>>();
    expectTypeOf(values.output.name).toEqualTypeOf<Reference<string>>();
    expectTypeOf(typed<{ n: number }>(item).n).toEqualTypeOf<Reference<number>>();
    expectTypeOf(field(flow.inputs.orders, 0)).toEqualTypeOf<ReferenceTo<{ sku: string }>>();
    expectTypeOf(long.output).toEqualTypeOf<ReferenceTo<Anything>>();
    expectTypeOf<"ForEach">().not.toExtend<NodeTypeName>();
    expect(String(flow.inputs.nick)).toBe("{{inputs.nick}}");
  });
});
