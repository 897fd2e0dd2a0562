import type { Finding } from "#core";
import { describe, expect, test } from "vitest";
import type { CompileOptions, Plan } from "../index.ts";
import { compile, MAX_ID_LENGTH } from "../index.ts";
import { testCatalogue } from "../testing/catalogue.ts";
import { brief, type Draft, edge, graph, node, start } from "../testing/drafts.ts";

function run(value: unknown, options?: CompileOptions) {
  return compile(value, testCatalogue, options);
}

function planOf(value: unknown): Plan {
  const result = run(value);
  if (!result.ok) throw new Error(JSON.stringify(result.problems));
  return result.plan;
}

function problemsOf(value: unknown, options?: CompileOptions): Finding[] {
  const result = run(value, options);
  return result.ok ? [] : result.problems;
}

const inputsOf = (plan: Plan, id: string) => plan.steps.find((step) => step.id === id)?.inputs;
const at = (plan: Plan, id: string) => plan.steps.find((step) => step.id === id);
const literal = (plan: Plan, id: string) => {
  const inputs = inputsOf(plan, id);
  return inputs?.k === "lit" ? inputs.v : inputs;
};

/** The example of the JSON workflow format: two triggers besides the start, a model, a request, an end. */
const documented = {
  nodes: [
    {
      id: "webhook_trigger_1",
      type: "WebhookTrigger",
      position: { x: 100, y: 200 },
      data: {
        name: "External API Trigger",
        inputs: { authentication_required: true, allowed_event_types: "api.request,data.process", max_payload_size: 2048, rate_limit_per_minute: 100 },
      },
    },
    { id: "start_1", type: "Start", position: { x: 400, y: 200 }, data: { name: "Workflow Start" } },
    {
      id: "openai_1",
      type: "OpenAINode",
      position: { x: 700, y: 200 },
      data: {
        name: "GPT-4 Analysis",
        inputs: { model: "gpt-4-turbo-preview", temperature: 0.7, max_tokens: 2000, system_message: "You are an expert data analyst.", enable_streaming: true },
      },
    },
    {
      id: "timer_1",
      type: "TimerStartNode",
      position: { x: 400, y: 400 },
      data: {
        name: "Daily Report Timer",
        inputs: {
          schedule_type: "cron",
          cron_expression: "0 9 * * 1-5",
          timezone: "America/New_York",
          auto_trigger_workflow: true,
          max_executions: 0,
          retry_on_failure: true,
        },
      },
    },
    {
      id: "http_client_1",
      type: "HttpRequest",
      position: { x: 1000, y: 200 },
      data: {
        name: "Send Results",
        inputs: {
          method: "POST",
          url: "https://api.example.com/results",
          headers: { "Content-Type": "application/json", Authorization: "Bearer {{api_token}}" },
          enable_templating: true,
        },
      },
    },
    { id: "end_1", type: "End", position: { x: 1300, y: 200 }, data: { name: "Workflow End" } },
  ],
  edges: [
    { id: "webhook_to_start", source: "webhook_trigger_1", target: "start_1", sourceHandle: "webhook_data", targetHandle: "input" },
    { id: "start_to_openai", source: "start_1", target: "openai_1", sourceHandle: "output", targetHandle: "input" },
    { id: "timer_to_openai", source: "timer_1", target: "openai_1", sourceHandle: "timer_data", targetHandle: "input" },
    { id: "openai_to_http", source: "openai_1", target: "http_client_1", sourceHandle: "output", targetHandle: "input" },
    { id: "http_to_end", source: "http_client_1", target: "end_1", sourceHandle: "output", targetHandle: "input" },
  ],
};

describe("the documented graph", () => {
  test("A1: When the documented example is compiled, then there is neither problem nor warning and a run begins at Start", () => {
    const result = run(documented);
    expect(result).toMatchObject({ ok: true, warnings: [] });
    if (!result.ok) return;
    expect(result.plan.entries).toEqual({ manual: ["start_1"], triggers: ["webhook_trigger_1", "timer_1", "start_1"] });
    expect(result.plan.steps.map((step) => step.id)).toEqual(["webhook_trigger_1", "timer_1", "start_1", "openai_1", "http_client_1", "end_1"]);
    expect(result.plan.edges.map((each) => each.route)).toEqual(["output", "output", "output", "output", "output"]);
    expect(literal(result.plan, "openai_1")).toEqual({
      model: "gpt-4-turbo-preview",
      temperature: 0.7,
      max_tokens: 2000,
      system: "You are an expert data analyst.",
      stream: true,
    });
    expect(literal(result.plan, "webhook_trigger_1")).toMatchObject({ allowed_event_types: ["api.request", "data.process"] });
    expect(at(result.plan, "openai_1")).toMatchObject({ name: "GPT-4 Analysis", in: [1, 2], out: [3] });
  });

  test("A1: When the graph stands under flow_data, then it is read the same", () => {
    expect(run({ name: "x", flow_data: documented })).toEqual(run(documented));
  });

  test("A1: When a graph is compiled, then it is not changed", () => {
    const before = JSON.stringify(documented);
    run(documented);
    expect(JSON.stringify(documented)).toBe(before);
  });
});

describe("everything that is wrong at once", () => {
  test("A2: When a graph has ten mistakes, then all ten are named with node or edge ids, and nothing else", () => {
    const problems = problemsOf({
      nodes: [
        start,
        node("typo", "HtpRequest"),
        node("wrong", "HttpRequest", { url: "https://x", method: "FETCH" }),
        node("twice", "Set"),
        node("twice", "Set"),
        node("ring_a", "Set"),
        node("ring_b", "Set"),
        node("island", "Set"),
        node("text", "Template", { template: "Hello {{#if name}}" }),
        node("choice", "Condition", { condition: "input.x >" }),
        node("after_typo", "Set"),
        node("end", "End"),
      ],
      edges: [
        edge("start->typo", "e1"),
        edge("start->wrong", "e2"),
        edge("start->wrong", "e3"),
        edge("start->nowhere", "e4"),
        edge("start:sideways->text", "e5"),
        edge("start->ring_a", "e6"),
        edge("ring_a->ring_b", "e7"),
        edge("ring_b->ring_a", "e8"),
        edge("wrong->twice", "e9"),
        edge("text->choice", "e10"),
        edge("choice:true->end", "e11"),
        edge("typo->after_typo", "e12"),
      ],
    });
    expect(brief(problems).sort()).toEqual(
      [
        "node.unknown_type@typo",
        "input.invalid@wrong",
        "node.duplicate_id@twice",
        "edge.duplicate@e3",
        "edge.dangling@e4",
        "handle.unknown@e5",
        "graph.cycle@e8",
        "node.unreachable@island",
        "template.syntax@text",
        "expression.syntax@choice",
      ].sort(),
    );
    expect(problems.find((problem) => problem.code === "node.unknown_type")?.hint).toBe("Did you mean `HttpRequest`?");
    expect(problems.find((problem) => problem.code === "graph.cycle")?.message).toContain("ring_a → ring_b → ring_a");
    expect(problems.find((problem) => problem.code === "input.invalid")?.path).toBe("inputs.method");
  });

  test.each<[string, unknown, string[]]>([
    ["nothing", undefined, ["graph.malformed"]],
    ["a list", [], ["graph.malformed"]],
    ["no nodes", { edges: [] }, ["graph.malformed"]],
    ["an empty graph", { nodes: [] }, ["entry.missing"]],
    ["edges that are no list", { nodes: [start], edges: 3 }, ["graph.malformed"]],
    [
      "a node without id, and what follows",
      { nodes: [start, { type: "Set" }, node("x", "Sett")], edges: [edge("start->x")] },
      ["graph.malformed", "node.unknown_type@x"],
    ],
    ["a node without type; its edges are not dangling", { nodes: [start, { id: "a" }], edges: [edge("start->a")] }, ["graph.malformed@a"]],
    ["an edge without target", { nodes: [start], edges: [{ id: "e", source: "start" }] }, ["graph.malformed@e"]],
    ["only providers", graph([node("m", "BufferMemory")]), ["entry.missing"]],
    ["a reserved id", graph([start, node("item", "Set")], "start->item"), ["node.reserved_id@item"]],
    [
      "an edge id twice",
      { nodes: [start, node("a", "Set"), node("b", "Set")], edges: [edge("start->a", "e"), edge("start->b", "e")] },
      ["edge.duplicate_id@e"],
    ],
    [
      "a type that cannot run yet, its handles unchecked",
      graph([start, node("l", "Later"), node("a", "Set")], "start->l", "l:body->a", "a->l:return"),
      ["node.not_available@l"],
    ],
    ["a missing input", graph([start, node("h", "HttpRequest")], "start->h"), ["input.missing@h"]],
    ["a node that joins itself", { nodes: [start, node("a", "Set")], edges: [edge("start->a"), edge("a->a", "self")] }, ["graph.cycle@self"]],
    [
      "a route that is not named",
      { nodes: [start, node("c", "Condition", { condition: "true" }), node("a", "Set")], edges: [edge("start->c"), edge("c->a", "e")] },
      ["handle.missing@e"],
    ],
    [
      "a route that is not there",
      { nodes: [start, node("c", "Condition", { condition: "true" }), node("a", "Set")], edges: [edge("start->c"), edge("c:maybe->a", "e")] },
      ["handle.unknown@e"],
    ],
    ["something behind an end", { nodes: [start, node("x", "End"), node("a", "Set")], edges: [edge("start->x"), edge("x->a", "e")] }, ["handle.unknown@e"]],
    ["a handle that is not there", { nodes: [start, node("a", "Set")], edges: [edge("start->a:inptu", "e")] }, ["handle.unknown@e"]],
    [
      "continue on a node with routes",
      graph([start, node("c", "Condition", { condition: "true" }, { on_error: "continue" })], "start->c"),
      ["settings.invalid@c"],
    ],
    [
      "wrong settings, each one",
      graph([start, node("a", "Set", {}, { timeout: "soon", join: "some", retry: { maximum_attempts: 0 } })], "start->a"),
      ["settings.invalid@a", "settings.invalid@a", "settings.invalid@a"],
    ],
    ["settings of the graph", { ...graph([start]), settings: { max_parallel: 51 } }, ["settings.invalid"]],
    ["a secret in an inline node", graph([start, node("t", "Template", { template: "{{secrets.KEY}}" })], "start->t"), ["secret.not_allowed@t"]],
    ["a secret in a decision", graph([start, node("c", "Condition", { condition: "secrets.KEY == 'a'" })], "start->c"), ["secret.in_expression@c"]],
    ["a secret in JSONata", graph([start, node("t", "Transform", { expression: "secrets.KEY" })], "start->t"), ["secret.in_expression@t"]],
    ["a secret in a helper", graph([start, node("h", "HttpRequest", { url: "{{upper secrets.KEY}}" })], "start->h"), ["secret.in_expression@h"]],
    ["braces in a decision", graph([start, node("c", "Condition", { condition: "{{input.x}} > 1" })], "start->c"), ["expression.syntax@c"]],
    ["JSONata that does not parse", graph([start, node("t", "Transform", { expression: "a[" })], "start->t"), ["expression.syntax@t"]],
    ["code that does not parse", graph([start, node("c", "Code", { code: "return {" })], "start->c"), ["expression.syntax@c"]],
    ["a later node read", graph([start, node("a", "Template", { template: "{{b.x}}" }), node("b", "Set")], "start->a", "a->b"), ["reference.too_early@a"]],
    [
      "a node beside read, by CEL",
      graph([start, node("a", "Condition", { condition: "b.x == 1" }), node("b", "Set")], "start->a", "start->b"),
      ["reference.too_early@a"],
    ],
    [
      "a later node read by JSONata",
      graph([start, node("a", "Transform", { expression: "b.x" }), node("b", "Set")], "start->a", "a->b"),
      ["reference.too_early@a"],
    ],
    ["a node that reads itself", graph([start, node("a", "Template", { template: "{{a}}" })], "start->a"), ["reference.too_early@a"]],
    ["env", graph([start, node("a", "Template", { template: "{{env.HOME}}" })], "start->a"), ["reference.unknown@a"]],
    [
      "errors of a node that is not there",
      graph([start, node("a", "Template", { template: "{{errors.nobody.message}}" })], "start->a"),
      ["reference.unknown@a"],
    ],
    ["a capability that is missing", graph([start, node("g", "Agent", { goal: "x" })], "start->g"), ["capability.missing@g"]],
    [
      "two models for one",
      graph([start, node("g", "Agent", { goal: "x" }), node("m", "OpenAINode"), node("n", "OpenAINode")], "start->g", "m->g:model", "n->g:model"),
      ["capability.too_many@g"],
    ],
    [
      "a memory as model",
      { nodes: [start, node("g", "Agent", { goal: "x" }), node("m", "BufferMemory")], edges: [edge("start->g"), edge("m->g:model", "e")] },
      ["handle.kind@e"],
    ],
    [
      "a provider in the flow",
      { nodes: [start, node("a", "Set"), node("m", "BufferMemory")], edges: [edge("start->a"), edge("m->a", "e")] },
      ["handle.kind@e"],
    ],
    ["flow into a provider", { nodes: [start, node("m", "BufferMemory")], edges: [edge("start->m", "e")] }, ["handle.kind@e"]],
    [
      "a node both plugged in and in the flow",
      graph([start, node("g", "Agent", { goal: "x" }), node("m", "OpenAINode")], "start->g", "start->m", "m->g:model"),
      ["handle.mixed@m"],
    ],
    [
      "a required provider that is disabled",
      {
        nodes: [start, node("g", "Agent", { goal: "x" }), node("m", "OpenAINode", {}, { disabled: true })],
        edges: [edge("start->g"), edge("m->g:model", "e")],
      },
      ["capability.disabled@e"],
    ],
    [
      "a provider in a ring",
      {
        nodes: [start, node("q", "RetrievalQA"), node("r", "Retriever"), node("g", "Agent", { goal: "x" })],
        edges: [edge("start->q"), edge("r->q:retriever")],
      },
      ["capability.missing@r", "capability.missing@g", "node.unreachable@g"],
    ],
  ])("A2: When there is %s, then that is said and no more", (_what, value, expected) => {
    expect(brief(problemsOf(value)).sort()).toEqual([...expected].sort());
  });

  test("A2: When an unreachable node has others behind it, then one finding counts them", () => {
    const problems = problemsOf(graph([start, node("a", "Set"), node("b", "Set"), node("c", "Set")], "a->b", "b->c"));
    expect(brief(problems)).toEqual(["node.unreachable@a"]);
    expect(problems[0]?.message).toContain("2 nodes behind it");
  });

  test("A2: When an edge names no node, then what stands behind it is neither lost nor too early", () => {
    const problems = problemsOf({
      nodes: [start, node("http", "HttpRequest", { url: "https://x" }), node("t", "Template", { template: "{{http.body}}" })],
      edges: [edge("start->http"), edge("htp->t", "e")],
    });
    expect(brief(problems)).toEqual(["edge.dangling@e"]);
    expect(problems[0]?.hint).toBe("Did you mean `http`?");
  });

  test("A2: When ids are names of JavaScript's own, then nothing special happens", () => {
    const plan = planOf(
      graph(
        [start, node("__proto__", "Set"), node("constructor", "Set", { values: { a: "{{toString.x}}" } }), node("toString", "Set")],
        "start->toString",
        "toString->constructor",
        "constructor->__proto__",
      ),
    );
    expect(plan.steps.map((step) => step.id)).toEqual(["start", "toString", "constructor", "__proto__"]);
    expect(at(plan, "constructor")?.reads).toEqual(["toString"]);
    expect(brief(problemsOf(graph([start, node("a", "constructor")], "start->a")))).toEqual(["node.unknown_type@a"]);
    expect(brief(problemsOf(graph([start, node("a", "Set")], "start->a:constructor")))).toEqual(["handle.unknown@start->a"]);
  });
});

describe("limits", () => {
  test("A2: When a limit is passed, then the finding names it", () => {
    const many = graph([start, node("a", "Set"), node("b", "Set")], "start->a", "start->b");
    expect(problemsOf(many, { limits: { nodes: 2 } })).toMatchObject([{ code: "limit.exceeded", path: "nodes" }]);
    expect(problemsOf(many, { limits: { edges: 1 } })).toMatchObject([{ code: "limit.exceeded", path: "edges" }]);
    expect(problemsOf(many, { limits: { bytes: 100 } })).toMatchObject([{ code: "limit.exceeded" }]);
    expect(problemsOf(many, { limits: { depth: 3 } })).toMatchObject([{ code: "limit.exceeded" }]);
    expect(problemsOf(graph([start, node("t", "Template", { template: "{{a}}{{b}}{{c}}" })], "start->t"), { limits: { expressions: 2 } })).toMatchObject([
      { code: "limit.exceeded" },
    ]);
    let deep: unknown = 1;
    for (let depth = 0; depth < 100_000; depth++) deep = [deep];
    expect(problemsOf(graph([node("start", "Start", { deep })]))).toMatchObject([{ code: "limit.exceeded" }]);
  });

  test("A2: When a node's id is longer than rows and headers can hold, then it is refused", () => {
    const long = "n".repeat(MAX_ID_LENGTH + 1);
    expect(problemsOf({ nodes: [start, node(long, "End")], edges: [edge(`start->${long}`)] })).toMatchObject([{ code: "limit.exceeded", path: "nodes.1.id" }]);
    const fits = "n".repeat(MAX_ID_LENGTH);
    expect(problemsOf({ nodes: [start, node(fits, "End")], edges: [edge(`start->${fits}`)] })).toEqual([]);
  });

  test("A2: When 5,000 nodes stand in a row and in a mesh of 20,000 edges, then compiling does not hang", () => {
    const count = 5_000;
    const nodes = [start, ...Array.from({ length: count - 1 }, (_, index) => node(`n${index}`, "Template", { template: `Hello {{start.name}} ${index}` }))];
    const edges = nodes
      .slice(1)
      .flatMap((_, index) =>
        [1, 2, 3, 4].flatMap((back) => (index - back >= -1 ? [edge(`${index - back === -1 ? "start" : `n${index - back}`}->n${index}`)] : [])),
      );
    const began = performance.now();
    const plan = planOf({ nodes, edges });
    const took = performance.now() - began;
    expect(plan.edges.length).toBeGreaterThan(19_900);
    expect(plan.steps.at(-1)?.id).toBe(`n${count - 2}`);
    expect(took).toBeLessThan(20_000);
  });
});

describe("inputs", () => {
  const http = (inputs: Draft) => planOf(graph([start, node("h", "HttpRequest", inputs)], "start->h"));

  test("A6: When an input holds a template, then it is a tree in the plan and the rest stays literal with its defaults", () => {
    expect(inputsOf(http({ url: "https://x/{{start.id}}", headers: { a: "b" } }), "h")).toEqual({
      k: "object",
      fields: [
        ["method", { k: "lit", v: "GET" }],
        [
          "url",
          {
            k: "text",
            body: [
              { t: "text", text: "https://x/" },
              { t: "value", expr: { e: "ref", ref: { root: "node", id: "start", path: ["id"], source: "start.id" } } },
            ],
          },
        ],
        ["headers", { k: "lit", v: { a: "b" } }],
        ["enable_templating", { k: "lit", v: true }],
      ],
    });
  });

  test("A6: When templating is switched off, then braces are text", () => {
    expect(literal(http({ url: "{{x", enable_templating: false }), "h")).toMatchObject({ url: "{{x" });
  });

  test("A2: When a dynamic value stands where a number belongs, then only what is static is checked", () => {
    expect(brief(problemsOf(graph([start, node("o", "OpenAINode", { temperature: "{{start.t}}", max_tokens: -1 })], "start->o")))).toEqual(["input.invalid@o"]);
  });

  test("A1: When inputs are written as config, in data itself or in camelCase, then they are the same inputs", () => {
    const plan = planOf({
      nodes: [
        start,
        { id: "a", type: "OpenAIChat", config: { maxTokens: 5 } },
        { id: "b", type: "OpenAINode", data: { label: "B", max_tokens: 6, temperature: 1, inputs: { temperature: 0 } } },
        { id: 7, type: "http_request", data: { inputs: { url: "https://x", body: null, timeout: null } } },
      ],
      edges: [edge("start->a"), edge("a->b"), { source: "b", target: 7, sourceHandle: null, targetHandle: null }],
    });
    expect(literal(plan, "a")).toMatchObject({ max_tokens: 5 });
    expect(literal(plan, "b")).toMatchObject({ max_tokens: 6, temperature: 0 });
    expect(at(plan, "b")?.name).toBe("B");
    expect(literal(plan, "7")).toEqual({ method: "GET", url: "https://x", headers: {}, body: null, enable_templating: true });
  });

  test("A1: When a list is written with commas, then it is a list, and each part may be a template", () => {
    const plan = planOf(graph([start, node("o", "OpenAINode", { stop: "a, {{default start.b 'x,y'}} ,c" })], "start->o"));
    const inputs = inputsOf(plan, "o");
    const stop = inputs?.k === "object" ? inputs.fields.find(([name]) => name === "stop")?.[1] : undefined;
    expect(stop).toMatchObject({ k: "list", items: [{ k: "lit", v: "a" }, { k: "expr" }, { k: "lit", v: "c" }] });
  });

  test("A2: When an input is not declared, then it is a warning with the nearest name, except where a type takes any", () => {
    const result = run(
      graph([start, node("h", "HttpRequest", { url: "https://x", heders: {} }), node("o", "Open", { anything: "{{start.x}}" })], "start->h", "h->o"),
    );
    expect(result).toMatchObject({ ok: true, warnings: [{ code: "input.unknown", node_id: "h", path: "inputs.heders", hint: "Did you mean `headers`?" }] });
    expect(result.ok && inputsOf(result.plan, "o")).toMatchObject({ k: "object", fields: [["anything", { k: "ref" }]] });
  });

  test.each([
    ["If", "Condition"],
    ["IF", "Condition"],
    ["n8n-nodes-base.if", "Condition"],
    ["n8n-nodes-base.httpRequest", "HttpRequest"],
    ["n8n-nodes-base.set", "Set"],
    ["n8n-nodes-base.Set", "Set"],
    ["http-request", "HttpRequest"],
    ["@n8n/n8n-nodes-langchain.lmChatOpenAi", "OpenAINode"],
    ["HTTPREQUST", "HttpRequest"],
  ])("A2: When a type is called %s, then the hint is %s", (written, type) => {
    expect(problemsOf(graph([start, node("x", written)], "start->x"))).toMatchObject([{ code: "node.unknown_type", hint: `Did you mean \`${type}\`?` }]);
  });

  test("A2: When a node that runs later is read, then nobody is told to join it", () => {
    const reads = node("a", "Template", { template: "{{later.x}}" });
    const [after] = problemsOf(graph([start, reads, node("b", "Set"), node("later", "Set")], "start->a", "a->b", "b->later"));
    expect(after).toMatchObject({ code: "reference.too_early", message: "`later.x` cannot be read: node `later` cannot have run before this one." });
    expect(after?.hint).toBe("Only nodes from which edges lead here can be read.");
    const [beside] = problemsOf(graph([start, reads, node("later", "Set")], "start->a", "start->later"));
    expect(beside).toMatchObject({ code: "reference.too_early", hint: expect.stringContaining("join `later` to it") as string });
  });

  test("A2: When inputs stand where none are read, then each is a warning with its place and the right one", () => {
    const nodes = [
      start,
      { id: "s", type: "Set", inputs: { values: { a: 1 } } },
      { id: "p", type: "HumanInput", data: { parameters: { prompt: "hey?", options: {} } } },
      { id: "o", type: "OpenAINode", systemMessage: "Be brief.", width: 200 },
      { id: "q", type: "HumanInput", parameters: { message: "hey?" }, data: { inputs: { prompt: "hey?" } } },
    ];
    expect(run(graph(nodes, "start->s", "s->p", "p->o", "o->q"))).toMatchObject({
      ok: true,
      warnings: [
        {
          code: "input.misplaced",
          node_id: "s",
          path: "nodes.1.inputs.values",
          message: "`inputs.values` of node `s` is not read: the input `values` belongs in `data.inputs.values`.",
        },
        { code: "input.misplaced", node_id: "p", path: "nodes.2.data.parameters.prompt", hint: "Move it to `data.inputs.prompt`." },
        { code: "input.misplaced", node_id: "o", path: "nodes.3.systemMessage", hint: "Move it to `data.inputs.system`." },
        { code: "input.misplaced", node_id: "q", path: "nodes.4.parameters" },
      ],
    });
  });

  test("A2: When a missing input stands elsewhere in the node, then the problem says where", () => {
    const result = run(graph([start, { id: "h", type: "HttpRequest", parameters: { url: "https://x" } }], "start->h"));
    expect(result).toMatchObject({
      ok: false,
      problems: [{ code: "input.missing", node_id: "h", path: "inputs.url", hint: expect.stringContaining("found at `parameters.url`") as string }],
      warnings: [{ code: "input.misplaced", path: "nodes.1.parameters.url" }],
    });
  });

  test("A1: When inputs stand both in the right place and elsewhere, or a list of handles is called inputs, then nothing is warned of", () => {
    const nodes = [
      start,
      { id: "h", type: "HttpRequest", url: "https://y", parameters: { url: "https://y" }, inputs: ["in"], data: { inputs: { url: "https://x" } } },
      { id: "p", type: "HumanInput", parameters: {}, position: { x: 0, y: 0 }, data: { name: "Ask", prompt: "hey?" } },
    ];
    expect(run(graph(nodes, "start->h", "h->p"))).toMatchObject({ ok: true, warnings: [] });
  });

  test("A7: When an edge arrives at an input's handle, then the input is not missing and may not be checked", () => {
    const plan = planOf(graph([start, node("h", "HttpRequest", {})], "start->h:url"));
    expect(plan.edges).toMatchObject([{ handle: "url" }]);
  });

  test("A1: When data holds the key __proto__, then it is data", () => {
    const values: unknown = JSON.parse('{"__proto__": {"a": "{{start.x}}"}, "b": 1}');
    const inputs = inputsOf(planOf(graph([start, node("o", "Open", { values })], "start->o")), "o");
    expect(JSON.stringify(inputs)).toContain('["__proto__",{"k":"object"');
  });
});

describe("references", () => {
  test("A6: When a node is read by an output alias, then the plan holds the field", () => {
    const plan = planOf(
      graph([start, node("h", "HttpRequest", { url: "https://x" }), node("t", "Template", { template: "{{h.status_code}}" })], "start->h", "h->t"),
    );
    expect(JSON.stringify(inputsOf(plan, "t"))).toContain('"path":["status"]');
    expect(at(plan, "h")?.output_aliases).toEqual({ status_code: "status", response: "body" });
    expect(at(plan, "t")?.reads).toEqual(["h"]);
  });

  test("A6: When ids hold dashes or dots, then templates read them, and CEL says how not to", () => {
    const nodes = [start, node("http-1", "HttpRequest", { url: "https://x" }), node("v1.2", "Set")];
    const plan = planOf(graph([...nodes, node("t", "Template", { template: "{{http-1.body}} {{v1.2.x}}" })], "start->http-1", "http-1->v1.2", "v1.2->t"));
    expect(at(plan, "t")?.reads).toEqual(["http-1", "v1.2"]);
    const problems = problemsOf(graph([...nodes, node("c", "Condition", { condition: "http-1.body == 'x'" })], "start->http-1", "http-1->v1.2", "v1.2->c"));
    expect(problems).toMatchObject([{ code: "expression.syntax", hint: expect.stringContaining("subtraction") as unknown }]);
  });

  test("A6: When a name is no node, then it is an input of the run, with a warning where that is unlikely", () => {
    const schema = { type: "object", properties: { api_token: { type: "string" } } };
    const template = "{{api_tokn}} {{api_token}} {{user.name}}";
    const declared = run(graph([node("start", "Start", { schema }), node("t", "Template", { template })], "start->t"));
    expect(declared.warnings.map((warning) => [warning.code, warning.hint])).toEqual([
      ["reference.undeclared", "Did you mean `api_token`?"],
      ["reference.undeclared", undefined],
    ]);
    expect(declared.ok && declared.plan.inputs_schema).toEqual(schema);
    const open = run(
      graph([start, node("openai_1", "OpenAINode"), node("t", "Template", { template: "{{opanai_1.text}} {{user.name}}" })], "start->openai_1", "openai_1->t"),
    );
    expect(open.warnings).toMatchObject([{ code: "reference.undeclared", node_id: "t", hint: "Did you mean the node `openai_1`?" }]);
  });

  test("A5: When CEL and JSONata read nodes, then the step knows what to keep and what to hand over", () => {
    const plan = planOf(
      graph(
        [
          start,
          node("h", "HttpRequest", { url: "https://x" }),
          node("c", "Condition", { condition: "h.body.items.exists(h2, h2.ok) && limit > 3" }),
          node("t", "Transform", { expression: "h.body.items[price > $$.inputs.least].name" }),
        ],
        "start->h",
        "h->c",
        "c:true->t",
      ),
    );
    expect(inputsOf(plan, "c")).toEqual({
      k: "object",
      fields: [["condition", { k: "cel", source: "h.body.items.exists(h2, h2.ok) && limit > 3", roots: ["h", "limit"] }]],
    });
    expect(at(plan, "c")?.reads).toEqual(["h"]);
    expect(at(plan, "t")).toMatchObject({ reads: ["h"], scope_roots: ["h", "inputs"], local: true, policy: { timeout_ms: 15_000 } });
  });

  test("A5: When JSONata may read anything, then it is handed all that came before", () => {
    const plan = planOf(graph([start, node("a", "Set"), node("t", "Transform", { expression: "$keys($)" })], "start->a", "a->t"));
    expect(at(plan, "t")?.scope_roots).toEqual(expect.arrayContaining(["start", "a", "input", "inputs", "*"]));
  });
});

describe("reading everything", () => {
  test("A2: When JSONata may read anything and very much came before, then it must name what it reads", () => {
    const chain = Array.from({ length: 201 }, (_, index) => node(`n${index}`, "Set"));
    const edges = chain.map((_, index) => `${index === 0 ? "start" : `n${index - 1}`}->n${index}`);
    const whole = graph([start, ...chain, node("t", "Transform", { expression: "$$" })], ...edges, "n200->t");
    expect(brief(problemsOf(whole))).toEqual(["limit.exceeded@t"]);
    expect(at(planOf(graph([start, ...chain, node("t", "Transform", { expression: "$$.n7" })], ...edges, "n200->t")), "t")?.reads).toEqual(["n7"]);
  });
});

describe("routes, settings, providers", () => {
  test("A5: When a node's routes depend on its inputs, then edges are checked against them", () => {
    const cases = [{ when: "input.x == 1" }, { when: "input.x == 2" }];
    const plan = planOf(graph([start, node("s", "Switch", { cases }), node("a", "Set"), node("b", "Set")], "start->s", "s:case:1->a", "s:default->b"));
    expect(at(plan, "s")?.routes).toEqual(["case:0", "case:1", "default"]);
    expect(
      brief(problemsOf({ nodes: [start, node("s", "Switch", { cases }), node("a", "Set")], edges: [edge("start->s"), edge("s:case:2->a", "e")] })),
    ).toEqual(["handle.unknown@e"]);
    expect(
      brief(problemsOf({ nodes: [start, node("s", "Switch", { cases: 3 }), node("a", "Set")], edges: [edge("start->s"), edge("s:case:2->a", "e")] })),
    ).toEqual(["input.invalid@s"]);
  });

  test("A5: When `output` is one of several routes, then an edge need not name it", () => {
    expect(
      planOf(graph([start, node("h", "HumanInput"), node("a", "Set"), node("b", "Set")], "start->h", "h->a", "h:timeout->b")).edges.map((each) => each.route),
    ).toEqual(["output", "output", "timeout"]);
  });

  test("A4: When settings are given, then the plan holds them in milliseconds, and defaults come from the type", () => {
    const settings = {
      retry: { maximumAttempts: 5, initial_interval: "2s", non_retryable: ["a"] },
      timeout: "PT1M",
      deadline: "3 days",
      on_error: "continue",
      join: "any",
      disabled: true,
      pinned_output: { a: 1 },
      cache: { ttl: "1h", key: "{{input.id}}" },
    };
    const result = run(
      graph([start, node("h", "HttpRequest", { url: "https://x" }, settings), node("i", "HttpRequest", { url: "https://x" })], "start->h", "h->i"),
    );
    if (!result.ok) throw new Error(JSON.stringify(result.problems));
    expect(at(result.plan, "h")).toMatchObject({
      on_error: "continue",
      join: "any",
      disabled: true,
      pinned_output: { value: { a: 1 } },
      cache: { ttl_ms: 3_600_000, key: { k: "ref" } },
      policy: {
        maximum_attempts: 5,
        initial_interval_ms: 2_000,
        backoff_coefficient: 2,
        maximum_interval_ms: 60_000,
        non_retryable: ["a"],
        timeout_ms: 60_000,
        deadline_ms: 259_200_000,
      },
    });
    expect(at(result.plan, "i")?.policy).toEqual({
      maximum_attempts: 4,
      initial_interval_ms: 1_000,
      backoff_coefficient: 2,
      maximum_interval_ms: 60_000,
      non_retryable: [],
      timeout_ms: 300_000,
      deadline_ms: 86_400_000,
    });
    expect(brief(result.warnings)).toEqual(["node.disabled@h"]);
  });

  test("A5: When an inline node has a cache, then that is warned of", () => {
    expect(brief(run(graph([start, node("s", "Set", {}, { cache: { ttl: "1h" } })], "start->s")).warnings)).toContain("settings.no_effect@s");
  });

  test("A5: When the graph is express, then short calls run beside the workflow, and those that may take longer do not", () => {
    const http = (id: string, settings: Record<string, string> = {}) => node(id, "HttpRequest", { url: "https://x" }, settings);
    const nodes = [start, http("short"), http("given", { timeout: "5s" }), http("long", { timeout: "6s" }), node("model", "OpenAINode", { prompt: "?" })];
    const edges = ["start->short", "short->given", "given->long", "long->model"];
    const plan = planOf({ ...graph(nodes, ...edges), settings: { execution: "express" } });
    const forms = Object.fromEntries(plan.steps.map((step) => [step.id, [step.local ?? false, step.policy?.timeout_ms]]));
    expect(forms).toMatchObject({ short: [true, 5_000], given: [true, 5_000], long: [false, 6_000] });
    expect(forms["model"]?.[0]).toBe(false);
    expect(planOf(graph(nodes, ...edges)).steps.some((step) => step.local)).toBe(false);
  });

  test("A5: When the graph has settings, then they are in the plan", () => {
    const result = run({ ...graph([start]), settings: { execution: "express", maxParallel: 4, deadline: "1h", cleanup_timeout: "2m", priority: 2 } });
    expect(result).toMatchObject({
      ok: true,
      plan: { settings: { execution: "express", max_parallel: 4, deadline_ms: 3_600_000, cleanup_ms: 120_000, priority: 2 } },
      warnings: [],
    });
    expect(planOf(graph([start])).settings).toEqual({ execution: "standard", max_parallel: 16 });
  });

  test("A5: When an edge leaves `error`, then failures branch", () => {
    const plan = planOf(
      graph(
        [start, node("h", "HttpRequest", { url: "https://x" }), node("a", "Set"), node("b", "Template", { template: "{{errors.h.message}}" })],
        "start->h",
        "h->a",
        "h:error->b",
      ),
    );
    expect(at(plan, "h")?.on_error).toBe("branch");
    expect(plan.edges.map((each) => each.route)).toEqual(["output", "output", "error"]);
  });

  test("A7: When providers are plugged in, then they are recipes of the step and read what it may read", () => {
    const plan = planOf(
      graph(
        [
          start,
          node("g", "Agent", { goal: "x" }),
          node("m", "OpenAINode", { model: "{{start.model}}", system: "{{secrets.HINT}}" }),
          node("mem", "BufferMemory"),
          node("w", "HttpRequest", { url: "https://w" }),
        ],
        "start->g",
        "m->g:model",
        "mem->g",
        "w->g:tools",
      ),
    );
    expect(plan.steps.map((step) => step.id)).toEqual(["start", "g"]);
    expect(plan.edges).toHaveLength(1);
    expect(at(plan, "g")).toMatchObject({
      reads: ["start"],
      providers: { model: [{ id: "m", type: "OpenAINode" }], memory: [{ id: "mem", inputs: { k: "lit", v: { size: 10 } } }], tools: [{ id: "w" }] },
    });
  });

  test("A7: When providers nest, then so do their recipes; one that nothing uses is a warning", () => {
    const result = run(
      graph(
        [start, node("q", "RetrievalQA"), node("r", "Retriever"), node("s", "Store", { collection: "c" }), node("x", "BufferMemory")],
        "start->q",
        "r->q:retriever",
        "s->r:store",
      ),
    );
    expect(result).toMatchObject({ ok: true, warnings: [{ code: "provider.unused", node_id: "x" }] });
    expect(result.ok && at(result.plan, "q")?.providers).toMatchObject({ retriever: [{ id: "r", providers: { store: [{ id: "s" }] } }] });
  });

  test("A2: When an inline node's value goes nowhere although the graph has an end, then that is a warning", () => {
    expect(brief(run(graph([start, node("a", "Set"), node("end", "End")], "start->a", "start->end")).warnings)).toEqual(["output.unused@a"]);
  });
});
