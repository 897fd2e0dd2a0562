import type { Finding } from "#core";
import { describe, expect, test } from "vitest";
import { compile } from "../index.ts";
import type { Body, Plan, Step } from "../plan.ts";
import { testCatalogue } from "../testing/catalogue.ts";
import { brief, edge, graph, node, start } from "../testing/drafts.ts";
import { MAX_BODY_DEPTH } from "./borders.ts";

function run(value: unknown) {
  return compile(value, testCatalogue);
}

function planOf(value: unknown): Plan {
  const result = run(value);
  if (!result.ok) throw new Error(JSON.stringify(result.problems));
  return result.plan;
}

function problemsOf(value: unknown): Finding[] {
  const result = run(value);
  return result.ok ? [] : result.problems;
}

function at(body: Body | undefined, id: string): Step {
  const step = body?.steps.find((each) => each.id === id);
  if (!step) throw new Error(`there is no step ${id}`);
  return step;
}

/** `a, loop(b, map(c)), d<undo>`: steps in their order, bodies in brackets, compensations in angles. */
function outline({ steps }: Body): string {
  return steps.map((step) => `${step.id}${step.body ? `(${outline(step.body)})` : ""}${step.compensate ? `<${outline(step.compensate)}>` : ""}`).join(", ");
}

function joined({ edges }: Body): string[] {
  return edges.map(({ source, route, target, handle }) => `${source}:${route}->${target}:${handle}`);
}

const loop = (id: string, inputs: Record<string, unknown> = { times: 3 }) => node(id, "Loop", inputs);
const map = (id: string, inputs: Record<string, unknown> = {}) => node(id, "MapReduce", { items: "{{start.items}}", ...inputs });
const set = (id: string, values: Record<string, unknown> = {}) => node(id, "Set", { values });
const http = (id: string, url = "https://x") => node(id, "HttpRequest", { url });
const end = node("end", "End");

describe("bodies", () => {
  test("A5: When a loop has a body, then its nodes and edges stand at its step, and the graph around it holds neither", () => {
    const plan = planOf(
      graph(
        [start, loop("l"), set("a"), node("c", "Condition", { condition: "index > 1" }), set("b"), end],
        "start->l",
        "l:body->a",
        "a->c",
        "c:true->l:break",
        "c:false->b",
        "b->l:return",
        "l:done->end",
      ),
    );
    expect(outline(plan)).toBe("start, l(a, c, b), end");
    expect(joined(plan)).toEqual(["start:output->l:input", "l:done->end:input"]);
    const owner = at(plan, "l");
    expect(owner).toMatchObject({ in: [0], out: [1], routes: ["done"], reads: [] });
    expect(joined(owner.body as Body)).toEqual(["l:body->a:input", "a:output->c:input", "c:true->l:break", "c:false->b:input", "b:output->l:return"]);
    expect(owner.body?.steps.map(({ id, in: incoming, out }) => [id, incoming, out])).toEqual([
      ["a", [0], [1]],
      ["c", [1], [2, 3]],
      ["b", [3], [4]],
    ]);
  });

  test("A5: When loops and maps nest, then so do their bodies", () => {
    const plan = planOf(
      graph(
        [start, loop("l"), map("m"), set("a"), set("b"), end],
        "start->l",
        "l:body->m",
        "m:body->a",
        "a->m:return",
        "m:done->b",
        "b->l:return",
        "l:done->end",
      ),
    );
    expect(outline(plan)).toBe("start, l(m(a), b), end");
    expect(joined(at(plan, "l").body as Body)).toEqual(["l:body->m:input", "m:done->b:input", "b:output->l:return"]);
    expect(joined(at(at(plan, "l").body, "m").body as Body)).toEqual(["m:body->a:input", "a:output->m:return"]);
  });

  test("A5: When a body is empty, or only an edge from `body` to `return`, then the graph compiles, nested or not", () => {
    const plan = planOf(
      graph([start, loop("l"), loop("n"), loop("k"), end], "start->l", "l:body->n", "n:done->l:return", "l:done->k", "k:body->k:return", "k:done->end"),
    );
    expect(outline(plan)).toBe("start, l(n()), k(), end");
    expect(at(at(plan, "l").body, "n").body).toEqual({ steps: [], edges: [] });
    expect(joined(at(plan, "k").body as Body)).toEqual(["k:body->k:return"]);
    expect(at(plan, "k")).toMatchObject({ in: [1], out: [2] });
  });

  test("A5: When nothing of a body returns, or a node of it fails by `error`, then that is fine", () => {
    const plan = planOf(graph([start, loop("l"), http("h"), set("a"), set("b")], "start->l", "l:body->h", "h:error->a", "l:error->b"));
    expect(outline(plan)).toBe("start, l(h, a), b");
    expect(at(plan, "l").on_error).toBe("branch");
  });

  test("A5: When a graph has no trigger and begins with a loop, then its body is no entry", () => {
    const plan = planOf(graph([loop("l"), set("a")], "l:body->a", "a->l:return"));
    expect(plan.entries).toEqual({ manual: ["l"], triggers: ["l"] });
  });

  test("A5: When 5,000 nodes stand in nested bodies, then compiling is quick and steps keep their order", () => {
    const nodes = [start];
    const edges: string[] = [];
    for (let at = 0; at < 300; at++) {
      const before = at === 0 ? "start" : `l${at - 1}:done`;
      nodes.push(loop(`l${at}`), map(`m${at}`), loop(`k${at}`));
      edges.push(`${before}->l${at}`, `l${at}:body->m${at}`, `m${at}:done->l${at}:return`, `m${at}:body->k${at}`, `k${at}:done->m${at}:return`);
      for (let inner = 0; inner < 13; inner++) {
        nodes.push(
          set(`n${at}_${inner}`, {
            a: `{{l${at}x}} {{start.a}} {{item}}`,
            b: inner > 0 ? `{{n${at}_${inner - 1}.a}}` : 0,
            c: at > 0 ? `{{l${at - 1}.last}}` : 0,
          }),
        );
        edges.push(`${inner === 0 ? `k${at}:body` : `n${at}_${inner - 1}`}->n${at}_${inner}`, `n${at}_${inner}->k${at}:${inner % 2 ? "break" : "return"}`);
      }
    }
    const whole = graph(nodes, ...edges);
    const began = performance.now();
    const plan = planOf(whole);
    expect(performance.now() - began).toBeLessThan(20_000);
    expect(plan.steps).toHaveLength(301);
    expect(at(plan, "l7").reads).toEqual(["start", "l6"]);
  });
});

describe("what crosses the border of a body", () => {
  const looped = [start, loop("l"), set("a")];

  test.each<[string, unknown, string[]]>([
    ["an edge that leads out", graph([...looped, set("b")], "start->l", "l:body->a", "a->l:return", "l:done->b", "a->b"), ["loop.leaks@a->b"]],
    [
      "an edge that leads out, and a node behind it",
      graph([...looped, set("b"), set("c", { x: "{{a}} {{item}}" }), end], "start->l", "l:body->a", "l:done->b", "a->b", "b->c", "c->end"),
      ["loop.leaks@a->b"],
    ],
    ["a node reached from inside and outside", graph([...looped, set("b")], "start->l", "l:body->a", "a->b", "start->b", "b->l:return"), ["loop.leaks@a->b"]],
    ["a node of two bodies", graph([...looped, loop("k")], "start->l", "start->k", "l:body->a", "k:body->a"), ["loop.leaks@k->a"]],
    ["a return from outside", graph([...looped, set("b")], "start->b", "start->l", "l:body->a", "b->l:return"), ["loop.leaks@b->l"]],
    ["a return from what follows", graph([...looped, set("b")], "start->l", "l:body->a", "l:done->b", "b->l:return"), ["loop.leaks@b->l"]],
    ["a break of the loop around, from within", graph([...looped, loop("k")], "start->l", "l:body->k", "k:body->a", "a->l:break"), ["loop.leaks@a->l"]],
    ["an end in a body", graph([...looped, end], "start->l", "l:body->a", "a->end"), ["loop.leaks@end"]],
    ["a trigger in a body", graph([...looped, node("s", "Start")], "start->l", "l:body->s", "s->a", "a->l:return"), ["loop.leaks@s"]],
    ["an edge back to the input", { nodes: looped, edges: [edge("start->l"), edge("l:body->a"), edge("a->l", "back")] }, ["graph.cycle@back"]],
    [
      "a circle within a body",
      { nodes: [...looped, set("b")], edges: [edge("start->l"), edge("l:body->a"), edge("a->b"), edge("b->a", "back"), edge("b->l:return")] },
      ["graph.cycle@back"],
    ],
    ["a break of a map", graph([start, map("m"), set("a")], "start->m", "m:body->a", "a->m:break"), ["handle.unknown@a->m"]],
    ["a handle that is misspelt", graph(looped, "start->l", "l:body->a", "a->l:retrun"), ["handle.unknown@a->l"]],
    [
      "a handle that is misspelt, of the only edge to a loop",
      graph([...looped, set("b", { x: "{{start.x}}" })], "start->l:inptu", "l:body->a", "l:done->b"),
      ["handle.unknown@start->l"],
    ],
    ["an edge into `while`", graph([...looped, set("b")], "start->l", "start->b", "b->l:while", "l:body->a"), ["handle.unknown@b->l"]],
    ["a return of no loop", graph([start, set("a"), set("b")], "start->a", "a->b:return"), ["handle.unknown@a->b"]],
    ["a loop that says nothing of its end", graph([start, loop("l", {})], "start->l"), ["input.invalid@l"]],
    [
      "a type nobody knows with a body",
      graph([start, node("l", "Lop"), set("a", { x: "{{item}}" }), set("b")], "start->l", "l:body->a", "a->l:return", "l:done->b"),
      ["node.unknown_type@l"],
    ],
    [
      "a node nobody knows in a body",
      graph([...looped, node("t", "Sett"), end], "start->l", "l:body->t", "t->a", "a->l:return", "l:done->end"),
      ["node.unknown_type@t"],
    ],
    ["continue on a loop", graph([start, node("l", "Loop", { times: 1 }, { on_error: "continue" })], "start->l"), ["settings.invalid@l"]],
  ])("A2: When there is %s, then that is said and no more", (_what, value, expected) => {
    const result = run(value);
    expect(result.ok ? [] : brief(result.problems)).toEqual(expected);
    expect(result.warnings).toEqual([]);
  });

  test("A2: When an edge leads back into a loop's input, then the finding says where iterations end", () => {
    expect(problemsOf(graph(looped, "start->l", "l:body->a", "a->l"))).toMatchObject([{ hint: "An iteration ends with an edge into `return` of `l`." }]);
  });

  test("A2: When bodies stand too deep in one another, then that is said once", () => {
    const deep = (depth: number) => {
      const ids = Array.from({ length: depth }, (_, at) => `l${at}`);
      return graph(
        [start, ...ids.map((id) => loop(id)), set("a")],
        "start->l0",
        ...ids.slice(1).map((id, at) => `l${at}:body->${id}`),
        `l${depth - 1}:body->a`,
        `a->l${depth - 1}:return`,
      );
    };
    expect(problemsOf(deep(MAX_BODY_DEPTH))).toEqual([]);
    expect(brief(problemsOf(deep(MAX_BODY_DEPTH + 1)))).toEqual([`limit.exceeded@l${MAX_BODY_DEPTH}`]);
    expect(brief(problemsOf(deep(MAX_BODY_DEPTH + 3)))).toEqual([`limit.exceeded@l${MAX_BODY_DEPTH}`]);
  });
});

describe("what a body reads", () => {
  const nested = (values: Record<string, unknown>, more: Record<string, unknown> = {}) =>
    graph(
      [start, http("before"), loop("l", { times: 2, ...more }), set("early"), map("m"), set("a", values), set("after")],
      "start->before",
      "before->l",
      "l:body->early",
      "early->m",
      "m:body->a",
      "a->m:return",
      "m:done->after",
      "after->l:return",
    );
  const inner = (plan: Plan) => at(at(at(plan, "l").body, "m").body, "a");

  test("A6: When a node of a body reads `item`, `index` and those of the loop around, then the plan says which", () => {
    const plan = planOf(nested({ a: "{{item.name}}", b: "{{index}}", c: "{{outer.item.x}}", d: "{{outer.index}}" }));
    const text = JSON.stringify(inner(plan).inputs);
    for (const ref of ['"root":"item","path":["name"]', '"root":"index","path":[]', '"root":"outer","path":["item","x"]', '"root":"outer","path":["index"]'])
      expect(text).toContain(ref);
  });

  test("A6: When a node of a body reads nodes of its iteration, of the body around and before the loop, then every owner keeps what comes from further out", () => {
    const plan = planOf(nested({ a: "{{early.x}} {{before.body}} {{start.y}}" }));
    expect(inner(plan).reads).toEqual(["early", "before", "start"]);
    expect(at(at(plan, "l").body, "m").reads).toEqual(["start", "early", "before"]);
    expect(at(plan, "l").reads).toEqual(["start", "before"]);
  });

  test.each<[string, Record<string, unknown>, string, string | undefined]>([
    ["the loop around it", { a: "{{l.last}}" }, "reference.too_early", "What the iteration before returned is `item`."],
    ["the map it stands in", { a: "{{m}}" }, "reference.too_early", undefined],
    ["what comes later in the iteration", { a: "{{after.x}}" }, "reference.too_early", "Only nodes from which edges lead here can be read."],
    ["further out than there are loops", { a: "{{outer.outer.item}}" }, "reference.unknown", undefined],
    ["something else of the loop around", { a: "{{outer.name}}" }, "reference.unknown", undefined],
  ])("A6: When a node of a body reads %s, then that is a problem", (_what, values, code, hint) => {
    expect(problemsOf(nested(values))).toEqual([expect.objectContaining({ code, node_id: "a", ...(hint && { hint }) })]);
  });

  test("A6: When a node outside reads one of a body, then the hint names the owner", () => {
    const reading = (owner: Record<string, unknown>, template: string) =>
      graph([start, { ...owner, id: "own" }, set("a"), node("t", "Template", { template })], "start->own", "own:body->a", "a->own:return", "own:done->t");
    expect(problemsOf(reading(loop("own"), "{{a.x}}"))).toMatchObject([
      { code: "reference.too_early", node_id: "t", hint: "After the repetition read `{{own.last}}`, what the last iteration returned." },
    ]);
    expect(problemsOf(reading(map("own"), "{{a.x}}"))).toMatchObject([
      { code: "reference.too_early", hint: "After the repetition read `{{own}}`, the list of what the iterations returned." },
    ]);
    expect(problemsOf(reading(loop("own"), "{{own.last.x}} {{errors.own}}"))).toEqual([]);
  });

  test("A7: When a provider is plugged into a node of a body, then it reads the iteration, and the loop keeps what it reads", () => {
    const plan = planOf(
      graph(
        [start, set("before"), loop("l"), node("g", "Agent", { goal: "x" }), node("m", "OpenAINode", { system: "{{item.x}} {{before.y}}" })],
        "start->before",
        "before->l",
        "l:body->g",
        "m->g:model",
      ),
    );
    expect(JSON.stringify(at(at(plan, "l").body, "g").providers)).toContain('"root":"item"');
    expect(at(plan, "l").reads).toEqual(["before"]);
  });

  test("A6: When JSONata in a body may read anything, then it is handed what it could name, and no more", () => {
    const plan = planOf(
      graph([start, loop("l"), set("a"), node("t", "Transform", { expression: "$$" }), set("side")], "start->l", "l:body->a", "l:body->side", "a->t"),
    );
    expect(at(at(plan, "l").body, "t").reads).toEqual(["start", "a"]);
  });

  test("A6: When `item` is read outside of any body, then it is an input of the run, with a warning", () => {
    expect(brief(run(graph([start, node("t", "Template", { template: "{{item.x}}" })], "start->t")).warnings)).toEqual(["reference.undeclared@t"]);
  });

  test("A5: When a loop has `while`, then it stands apart from the inputs and sees the iteration, but no node of the body", () => {
    const plan = planOf(nested({}, { while: "item.count < 3 && before.status == 200 && index < limit" }));
    expect(at(plan, "l").while).toEqual({
      k: "cel",
      source: "item.count < 3 && before.status == 200 && index < limit",
      roots: ["item", "before", "index", "limit"],
    });
    expect(at(plan, "l").inputs).toEqual({
      k: "object",
      fields: [
        ["times", { k: "lit", v: 2 }],
        ["max_iterations", { k: "lit", v: 1_000 }],
      ],
    });
    expect(at(plan, "l").reads).toEqual(["before", "start"]);
    expect(at(planOf(nested({}, { while: true })), "l")).toMatchObject({ while: { k: "lit", v: true } });
    expect(at(planOf(nested({})), "l").while).toBeUndefined();
    expect(problemsOf(nested({}, { while: "early.x == 1" }))).toMatchObject([{ code: "reference.too_early", node_id: "l", path: "inputs.while" }]);
    expect(problemsOf(nested({}, { while: "l.last == 1" }))).toMatchObject([
      { code: "reference.too_early", hint: "What the iteration before returned is `item`." },
    ]);
    expect(brief(problemsOf(nested({}, { while: "item >" })))).toEqual(["expression.syntax@l"]);
  });

  test("A5: When a map reduces, then `items` are its results whatever else has that name, and the rest is the scope around it", () => {
    const plan = planOf(
      graph([start, set("items"), map("m", { reduce: "$sum(items.price) + start.x + $lookup($$.inputs, 'items')" })], "start->items", "items->m"),
    );
    expect(at(plan, "m")).toMatchObject({ scope_roots: ["start", "inputs"], reads: ["start"] });
    expect(JSON.stringify(at(plan, "m").inputs)).toContain('["reduce",{"k":"lit","v":"$sum(items.price)');
    expect(brief(problemsOf(graph([start, map("m", { reduce: "a.x" }), set("a")], "start->m", "m:body->a")))).toEqual(["reference.too_early@m"]);
  });

  test("A5: When the items of a map are written as JSON, with commas or as one expression, then they are a list or its source", () => {
    const items = (value: unknown) => {
      const { inputs } = at(planOf(graph([start, map("m", { items: value })], "start->m")), "m");
      return inputs.k === "lit"
        ? (inputs.v as { items: unknown }).items
        : inputs.k === "object"
          ? inputs.fields.find(([name]) => name === "items")?.[1]
          : undefined;
    };
    expect(items('[1, {"a": 2}]')).toEqual([1, { a: 2 }]);
    expect(items("a, b")).toEqual(["a", "b"]);
    expect(items("{{start.list}}")).toMatchObject({ k: "ref" });
    expect(brief(problemsOf(graph([start, map("m", { items: 3 })], "start->m")))).toEqual(["input.invalid@m"]);
  });
});

describe("compensations", () => {
  const undo = (...more: string[]) =>
    graph(
      [start, http("book"), http("cancel", "https://x/{{book.body.id}}/{{start.a}}"), set("note"), end],
      "start->book",
      "book->end",
      "book:compensate->cancel",
      "cancel->note",
      ...more,
    );

  test("A5: When nodes hang from `compensate`, then they stand at the step, read it and what came before, and what they read is kept", () => {
    const result = run(undo());
    expect(brief(result.warnings)).toEqual(["output.unused@note"]);
    const plan = planOf(undo());
    expect(outline(plan)).toBe("start, book<cancel, note>, end");
    expect(joined(plan)).toEqual(["start:output->book:input", "book:output->end:input"]);
    expect(joined(at(plan, "book").compensate as Body)).toEqual(["book:compensate->cancel:input", "cancel:output->note:input"]);
    expect(at(plan, "book").reads).toEqual(["start"]);
    expect(at(at(plan, "book").compensate, "cancel").reads).toEqual(["book", "start"]);
  });

  test("A5: When a node of a body, or a loop, is compensated, then that stands with it and sees the iteration", () => {
    const plan = planOf(
      graph(
        [start, loop("l"), http("h"), set("u", { a: "{{item}} {{h.body}}" }), set("v", { a: "{{l.last}}" })],
        "start->l",
        "l:body->h",
        "h->l:return",
        "h:compensate->u",
        "l:compensate->v",
      ),
    );
    expect(outline(plan)).toBe("start, l(h<u>)<v>");
    expect(JSON.stringify(at(at(plan, "l").body, "h").compensate)).toContain('"root":"item"');
    expect(at(plan, "l").reads).toEqual([]);
  });

  test("A5: When what is cached would be undone, itself or with the loop around it, then it is not cached, and that is warned of", () => {
    const cached = (id: string) => node(id, "HttpRequest", { url: "https://x" }, { cache: { ttl: "1h" } });
    const result = run(
      graph(
        [start, cached("h"), loop("l"), cached("inner"), cached("free"), cached("u"), set("v")],
        "start->h",
        "h->l",
        "l:body->inner",
        "inner->l:return",
        "l:done->free",
        "h:compensate->u",
        "l:compensate->v",
      ),
    );
    if (!result.ok) throw new Error(JSON.stringify(result.problems));
    expect(brief(result.warnings)).toEqual(["settings.no_effect@h", "settings.no_effect@inner"]);
    const { plan } = result;
    const steps = [at(plan, "h"), at(at(plan, "l").body, "inner"), at(plan, "free"), at(at(plan, "h").compensate, "u")];
    expect(steps.map(({ cache }) => cache?.ttl_ms)).toEqual([undefined, undefined, 3_600_000, 3_600_000]);
  });

  test("A5: When a compensation holds a loop, then its body nests", () => {
    expect(outline(planOf(graph([start, http("h"), map("m"), set("a")], "start->h", "h:compensate->m", "m:body->a", "a->m:return")))).toBe("start, h<m(a)>");
  });

  test.each<[string, unknown, string[]]>([
    ["an edge out of a compensation", undo("note->end"), ["compensate.leaks@note->end"]],
    ["a node reached otherwise too", undo("start->note"), ["compensate.leaks@cancel->note"]],
    ["an end in a compensation", graph([start, http("h"), end], "start->h", "h:compensate->end"), ["compensate.leaks@end"]],
    [
      "a return from a compensation",
      graph([start, loop("l"), http("h"), set("u")], "start->l", "l:body->h", "h:compensate->u", "u->l:return"),
      ["compensate.leaks@u->l"],
    ],
    [
      "a compensation of a compensation",
      graph([start, http("h"), http("u"), http("v")], "start->h", "h:compensate->u", "u:compensate->v"),
      ["compensate.nested@u"],
    ],
    ["a trigger that is compensated", graph([start, set("u")], "start:compensate->u"), ["handle.unknown@start->u"]],
    [
      "a read from outside",
      graph([start, http("h"), set("u"), node("t", "Template", { template: "{{u.x}}" })], "start->h", "h:compensate->u", "h->t"),
      ["reference.too_early@t"],
    ],
  ])("A5: When there is %s, then that is said and no more", (_what, value, expected) => {
    expect(brief(problemsOf(value))).toEqual(expected);
  });
});
