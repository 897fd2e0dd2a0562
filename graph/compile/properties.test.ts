import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { PerdureError } from "#core";
import { evaluate } from "../evaluate/compiled.ts";
import { compile, diff, selectEntries } from "../index.ts";
import type { Body, Plan } from "../plan.ts";
import { scopeOf, testCatalogue } from "../testing/catalogue.ts";

const types = fc.constantFrom(
  "Start",
  "Set",
  "Template",
  "Condition",
  "Switch",
  "Transform",
  "HttpRequest",
  "OpenAINode",
  "Agent",
  "BufferMemory",
  "Retriever",
  "Store",
  "RetrievalQA",
  "HumanInput",
  "Open",
  "Loop",
  "Loop",
  "MapReduce",
  "SubWorkflow",
  "Later",
  "End",
  "WebhookTrigger",
  "Nope",
  "__proto__",
);
const ids = fc.constantFrom("a", "b", "c", "d", "e-1", "item", "__proto__", "constructor");
const handles = fc.option(
  fc.constantFrom(
    "output",
    "input",
    "true",
    "error",
    "model",
    "tools",
    "memory",
    "store",
    "retriever",
    "case:0",
    "toString",
    "body",
    "body",
    "done",
    "return",
    "return",
    "break",
    "compensate",
    "while",
  ),
  { nil: undefined },
);
const words = fc.constantFrom(
  "{{",
  "}}",
  "{{a.x}}",
  "{{#if b}}",
  "{{/if}}",
  "{{else}}",
  "{{#each c as |x|}}",
  "{{/each}}",
  "x",
  " ",
  "{{secrets.K}}",
  "(",
  ")",
  "a.x == 1",
  "&&",
  "input",
  "[0]",
  "\\",
  "'",
  '"',
  "$$",
  "{{item.x}}",
  "{{outer.index}}",
  "{{upper d}}",
  "|",
  "..",
);
const texts = fc.oneof(
  fc.array(words, { maxLength: 8 }).map((parts) => parts.join("")),
  fc.string({ maxLength: 20 }),
);
const values = fc.oneof(
  texts,
  fc.jsonValue({ maxDepth: 3 }),
  fc.record({ when: texts }).map((each) => [each]),
);
const inputNames = fc.constantFrom(
  "template",
  "condition",
  "cases",
  "expression",
  "url",
  "headers",
  "values",
  "prompt",
  "goal",
  "schema",
  "collection",
  "while",
  "times",
  "items",
  "reduce",
  "workflow_id",
  "__proto__",
  "maxTokens",
  "enable_templating",
);
const settings = fc.dictionary(
  fc.constantFrom("retry", "timeout", "on_error", "join", "disabled", "pinned_output", "cache", "nonsense"),
  fc.oneof(fc.constantFrom<unknown>("1s", "continue", "branch", "any", true, { ttl: "1m", key: "{{a.b" }), fc.jsonValue({ maxDepth: 2 })),
);

const graphs = fc.record({
  nodes: fc.array(fc.record({ id: ids, type: types, data: fc.record({ inputs: fc.dictionary(inputNames, values), settings }) }), { maxLength: 8 }),
  edges: fc.array(
    fc.record({ id: fc.option(fc.constantFrom("e1", "e2", "e3"), { nil: undefined }), source: ids, target: ids, sourceHandle: handles, targetHandle: handles }),
    { maxLength: 12 },
  ),
});

/** Sound graphs: node 0 is the start, every other has at least one edge from a lower one, and reads only what leads to it. */
const soundGraphs = fc
  .array(
    fc.record({
      type: fc.constantFrom("Set", "Template", "Condition", "HttpRequest", "OpenAINode"),
      from: fc.array(fc.nat(), { minLength: 1, maxLength: 3 }),
      route: fc.boolean(),
      join: fc.constantFrom("all", "any"),
    }),
    { maxLength: 25 },
  )
  .map((drafts) => {
    const typeAt = (index: number) => (index === 0 ? "Start" : (drafts[index - 1]?.type ?? "Set"));
    const nodes = drafts.map(({ type, from, join }, index) => {
      const read = `n${(from[0] ?? 0) % (index + 1)}`;
      const inputs: Record<string, unknown> = {
        Template: { template: `{{${read}.x}} and {{inputs.y}}` },
        Condition: { condition: `has(${read}.x) && limit > 1` },
        HttpRequest: { url: `https://x/{{${read}}}`, headers: { a: "{{secrets.A}}" } },
        Set: { values: { a: [`{{${read}}}`] } },
      };
      return { id: `n${index + 1}`, type, data: { inputs: inputs[type] ?? {}, settings: { join } } };
    });
    const edges = drafts.flatMap(({ from, route }, index) =>
      [...new Set(from.map((place) => place % (index + 1)))].map((place) => ({
        source: `n${place}`,
        target: `n${index + 1}`,
        ...(typeAt(place) === "Condition" && { sourceHandle: String(route) }),
      })),
    );
    return { nodes: [{ id: "n0", type: "Start" }, ...nodes], edges };
  });

/** What a body is made of: plain nodes and owners, one after the other, some compensated. */
interface Piece {
  kind: "plain" | "loop" | "map";
  compensated: boolean;
  /** How the last node ends the iteration; of an owner. */
  exit: "return" | "break" | "none" | "skip";
  inner: Piece[];
}

const { pieces } = fc.letrec<{ pieces: Piece[] }>((tie) => ({
  pieces: fc.array(
    fc.record({
      kind: fc.constantFrom("plain", "plain", "loop", "map"),
      compensated: fc.boolean(),
      exit: fc.constantFrom("return", "break", "none", "skip"),
      inner: fc.oneof({ depthSize: "small", withCrossShrink: true }, fc.constant<Piece[]>([]), tie("pieces")),
    }),
    { maxLength: 4 },
  ),
}));

/** Sound graphs with bodies within bodies: every node reads one of those before it, and the item where there is one. */
function nestedGraph(whole: readonly Piece[]): { nodes: Record<string, unknown>[]; edges: Record<string, unknown>[]; depths: Map<string, number> } {
  const nodes: Record<string, unknown>[] = [{ id: "start", type: "Start" }];
  const edges: Record<string, unknown>[] = [];
  const depths = new Map([["start", 0]]);
  const add = (type: string, inputs: Record<string, unknown>, depth: number): string => {
    const id = `n${nodes.length}`;
    nodes.push({ id, type, data: { inputs } });
    depths.set(id, depth);
    return id;
  };
  const row = (
    drafts: readonly Piece[],
    from: { source: string; sourceHandle?: string },
    before: readonly string[],
    depth: number,
  ): { source: string; sourceHandle?: string } => {
    let last = from;
    const seen = [...before];
    for (const { kind, compensated, exit, inner } of drafts) {
      const read = seen[nodes.length % seen.length];
      const item = depth === 0 ? "" : depth === 1 ? "{{item}}" : `{{item}} {{${"outer.".repeat(depth - 1)}index}}`;
      const inputs = {
        plain: { url: `https://x/{{${read}.x}}${item}` },
        loop: { while: `item != ${read} && index < 3` },
        map: { items: `{{${read}}}`, reduce: `items[$ = ${read}]` },
      };
      const id = add(kind === "plain" ? "HttpRequest" : kind === "loop" ? "Loop" : "MapReduce", inputs[kind], depth);
      edges.push({ ...last, target: id });
      if (kind === "plain") last = { source: id };
      else {
        const end = row(inner, { source: id, sourceHandle: "body" }, seen, depth + 1);
        if (exit === "return" || (exit === "break" && kind === "loop")) edges.push({ ...end, target: id, targetHandle: exit });
        last = { source: id, sourceHandle: "done" };
      }
      if (compensated)
        edges.push({ source: id, sourceHandle: "compensate", target: add("HttpRequest", { url: `https://undo/{{${id}}}/{{${read}}}${item}` }, depth + 1) });
      seen.push(id);
    }
    return last;
  };
  row(whole, { source: "start" }, ["start"], 0);
  return { nodes, edges, depths };
}

const SLIPS = /undefined|\[object|NaN/;

describe("compiling anything", () => {
  test("A1: When a graph is sound, then it compiles, whatever the order it is written in", () => {
    fc.assert(
      fc.property(soundGraphs, fc.array(fc.nat()), (graph, shuffle) => {
        const nodes = graph.nodes
          .map((node, index) => ({ node, key: shuffle[index] ?? index }))
          .sort((a, b) => a.key - b.key)
          .map(({ node }) => node);
        const result = compile({ nodes, edges: graph.edges }, testCatalogue);
        expect(result.ok ? [] : result.problems).toEqual([]);
        if (!result.ok) return;
        expect(result.plan.steps).toHaveLength(graph.nodes.length);
        expect(result.plan.edges).toHaveLength(graph.edges.length);
        expect(result.plan.entries).toEqual({ manual: ["n0"], triggers: ["n0"] });
        checkPlan(result.plan);
      }),
      { numRuns: 500 },
    );
  });

  test("A5: When loops, maps and compensations nest, then every node stands once, as deep as it was drawn, whatever the order it is written in", () => {
    fc.assert(
      fc.property(pieces, fc.array(fc.nat()), (whole, shuffle) => {
        const { nodes, edges, depths } = nestedGraph(whole);
        const shuffled = nodes
          .map((node, index) => ({ node, key: shuffle[index] ?? index }))
          .sort((a, b) => a.key - b.key)
          .map(({ node }) => node);
        const result = compile({ nodes: shuffled, edges }, testCatalogue);
        expect(result.ok ? [] : result.problems).toEqual([]);
        if (!result.ok) return;
        const found = new Map<string, number>();
        let count = 0;
        const visit = (body: Body, depth: number): void => {
          count += body.edges.length;
          for (const step of body.steps) {
            expect(found.has(step.id)).toBe(false);
            found.set(step.id, depth);
            expect(step.body !== undefined).toBe(step.type === "Loop" || step.type === "MapReduce");
            if (step.body) visit(step.body, depth + 1);
            if (step.compensate) visit(step.compensate, depth + 1);
          }
        };
        visit(result.plan, 0);
        expect(found).toEqual(depths);
        expect(count).toBe(edges.length);
        checkPlan(result.plan);
      }),
      { numRuns: 400 },
    );
  });

  test("A2: When it is given any JSON, then it answers and never throws", () => {
    fc.assert(
      fc.property(
        fc.oneof(fc.jsonValue({ maxDepth: 6 }), fc.record({ nodes: fc.jsonValue(), edges: fc.jsonValue() }), fc.anything({ maxDepth: 4 })),
        (value) => {
          const result = compile(value, testCatalogue);
          expect(result.ok || result.problems.length > 0).toBe(true);
          diff(value, value);
        },
      ),
      { numRuns: 500 },
    );
  });

  test("A2: When it is given random graphs, then findings carry ids, the answer is the same each time, and plans hold together", () => {
    fc.assert(
      fc.property(graphs, (graph) => {
        const before = JSON.stringify(graph);
        const result = compile(graph, testCatalogue);
        expect(JSON.stringify(graph)).toBe(before);
        expect(compile(graph, testCatalogue)).toEqual(result);
        for (const finding of [...result.warnings, ...(result.ok ? [] : result.problems)]) {
          // A name that was written may be one of these words.
          if (!SLIPS.test(before)) expect(finding.message).not.toMatch(SLIPS);
          if (!["entry.missing", "graph.malformed", "limit.exceeded"].includes(finding.code)) expect(finding.node_id ?? finding.edge_id).toBeDefined();
        }
        if (result.ok) checkPlan(result.plan);
        else expect(result.problems.length).toBeGreaterThan(0);
      }),
      { numRuns: 1_500 },
    );
  });
});

function checkPlan(plan: Plan): void {
  expect(JSON.parse(JSON.stringify(plan))).toEqual(plan);
  checkBody(plan, undefined, new Set());
  const ids = new Set(plan.steps.map((step) => step.id));
  for (const entry of [...plan.entries.manual, ...plan.entries.triggers]) expect(ids.has(entry)).toBe(true);
  selectEntries(plan);
}

/**
 * @param owner - The step it hangs from.
 * @param around - Ids that may be read besides its own.
 */
function checkBody(body: Body, owner: { id: string; route: "body" | "compensate" } | undefined, around: ReadonlySet<string>): void {
  const place = new Map(body.steps.map((step, index) => [step.id, index]));
  for (const [index, edge] of body.edges.entries()) {
    const enters = edge.source === owner?.id;
    const leaves = edge.target === owner?.id;
    const source = place.get(edge.source) ?? Number.NaN;
    const target = place.get(edge.target) ?? Number.NaN;
    if (enters) expect(edge.route).toBe(owner?.route);
    else expect(body.steps[source]?.out).toContain(index);
    if (leaves) expect(["return", "break"]).toContain(edge.handle);
    else expect(body.steps[target]?.in).toContain(index);
    if (!enters && !leaves) expect(source).toBeLessThan(target);
    if (!enters) expect([...(body.steps[source]?.routes ?? ["output"]), "error"]).toContain(edge.route);
  }
  const scope = scopeOf({ input: { x: 1 }, inputs: { a: 1 } });
  const before = new Set(around);
  for (const step of body.steps) {
    expect(step.in.length + step.out.length).toBe(body.edges.filter((edge) => edge.source === step.id || edge.target === step.id).length);
    for (const read of step.reads) expect(before.has(read)).toBe(true);
    if (step.body) checkBody(step.body, { id: step.id, route: "body" }, new Set(step.reads));
    if (step.compensate) checkBody(step.compensate, { id: step.id, route: "compensate" }, new Set([...step.reads, step.id]));
    before.add(step.id);
    for (const compiled of [step.inputs, ...(step.while ? [step.while] : [])]) {
      try {
        evaluate(compiled, scope);
      } catch (error) {
        expect(error).toBeInstanceOf(PerdureError);
      }
    }
  }
}
