import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { PerdureError } from "#core";
import { evaluate } from "../evaluate/compiled.ts";
import { compile, diff, selectEntries } from "../index.ts";
import type { Plan } from "../plan.ts";
import { scopeOf, testCatalogue } from "../testing/catalogue.ts";

const types = fc.constantFrom("Start", "Set", "Template", "Condition", "Switch", "Transform", "HttpRequest", "OpenAINode", "Agent", "BufferMemory", "Retriever", "Store", "RetrievalQA", "HumanInput", "Open", "Loop", "End", "WebhookTrigger", "Nope", "__proto__");
const ids = fc.constantFrom("a", "b", "c", "d", "e-1", "item", "__proto__", "constructor");
const handles = fc.option(fc.constantFrom("output", "input", "true", "error", "model", "tools", "memory", "store", "retriever", "case:0", "toString"), { nil: undefined });
const words = fc.constantFrom("{{", "}}", "{{a.x}}", "{{#if b}}", "{{/if}}", "{{else}}", "{{#each c as |x|}}", "{{/each}}", "x", " ", "{{secrets.K}}", "(", ")", "a.x == 1", "&&", "input", "[0]", "\\", "'", '"', "$$", "{{upper d}}", "|", "..");
const texts = fc.oneof(fc.array(words, { maxLength: 8 }).map((parts) => parts.join("")), fc.string({ maxLength: 20 }));
const values = fc.oneof(texts, fc.jsonValue({ maxDepth: 3 }), fc.record({ when: texts }).map((each) => [each]));
const inputNames = fc.constantFrom("template", "condition", "cases", "expression", "url", "headers", "values", "prompt", "goal", "schema", "collection", "__proto__", "maxTokens", "enable_templating");
const settings = fc.dictionary(fc.constantFrom("retry", "timeout", "on_error", "join", "disabled", "pinned_output", "cache", "nonsense"), fc.oneof(fc.constantFrom<unknown>("1s", "continue", "branch", "any", true, { ttl: "1m", key: "{{a.b" }), fc.jsonValue({ maxDepth: 2 })));

const graphs = fc.record({
  nodes: fc.array(fc.record({ id: ids, type: types, data: fc.record({ inputs: fc.dictionary(inputNames, values), settings }) }), { maxLength: 8 }),
  edges: fc.array(fc.record({ id: fc.option(fc.constantFrom("e1", "e2", "e3"), { nil: undefined }), source: ids, target: ids, sourceHandle: handles, targetHandle: handles }), { maxLength: 12 }),
});

/** Sound graphs: node 0 is the start, every other has at least one edge from a lower one, and reads only what leads to it. */
const soundGraphs = fc
  .array(fc.record({ type: fc.constantFrom("Set", "Template", "Condition", "HttpRequest", "OpenAINode"), from: fc.array(fc.nat(), { minLength: 1, maxLength: 3 }), route: fc.boolean(), join: fc.constantFrom("all", "any") }), { maxLength: 25 })
  .map((drafts) => {
    const typeAt = (index: number) => (index === 0 ? "Start" : (drafts[index - 1]?.type ?? "Set"));
    const nodes = drafts.map(({ type, from, join }, index) => {
      const read = `n${(from[0] ?? 0) % (index + 1)}`;
      const inputs: Record<string, unknown> = { Template: { template: `{{${read}.x}} and {{inputs.y}}` }, Condition: { condition: `has(${read}.x) && limit > 1` }, HttpRequest: { url: `https://x/{{${read}}}`, headers: { a: "{{secrets.A}}" } }, Set: { values: { a: [`{{${read}}}`] } } };
      return { id: `n${index + 1}`, type, data: { inputs: inputs[type] ?? {}, settings: { join } } };
    });
    const edges = drafts.flatMap(({ from, route }, index) =>
      [...new Set(from.map((place) => place % (index + 1)))].map((place) => ({ source: `n${place}`, target: `n${index + 1}`, ...(typeAt(place) === "Condition" && { sourceHandle: String(route) }) })),
    );
    return { nodes: [{ id: "n0", type: "Start" }, ...nodes], edges };
  });

describe("compiling anything", () => {
  test("A1: When a graph is sound, then it compiles, whatever the order it is written in", () => {
    fc.assert(
      fc.property(soundGraphs, fc.array(fc.nat()), (graph, shuffle) => {
        const nodes = graph.nodes.map((node, index) => ({ node, key: shuffle[index] ?? index })).sort((a, b) => a.key - b.key).map(({ node }) => node);
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

  test("A2: When it is given any JSON, then it answers and never throws", () => {
    fc.assert(
      fc.property(fc.oneof(fc.jsonValue({ maxDepth: 6 }), fc.record({ nodes: fc.jsonValue(), edges: fc.jsonValue() }), fc.anything({ maxDepth: 4 })), (value) => {
        const result = compile(value, testCatalogue);
        expect(result.ok || result.problems.length > 0).toBe(true);
        diff(value, value);
      }),
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
          expect(finding.message).not.toMatch(/undefined|\[object|NaN/);
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
  const place = new Map(plan.steps.map((step, index) => [step.id, index]));
  for (const [index, edge] of plan.edges.entries()) {
    const source = place.get(edge.source) ?? Number.NaN;
    const target = place.get(edge.target) ?? Number.NaN;
    expect(source).toBeLessThan(target);
    expect(plan.steps[source]?.out).toContain(index);
    expect(plan.steps[target]?.in).toContain(index);
    expect([...(plan.steps[source]?.routes ?? ["output"]), "error"]).toContain(edge.route);
  }
  for (const step of plan.steps) for (const read of step.reads) expect(place.get(read)).toBeLessThan(place.get(step.id) ?? 0);
  for (const entry of [...plan.entries.manual, ...plan.entries.triggers]) expect(place.has(entry)).toBe(true);
  selectEntries(plan);
  const scope = scopeOf({ input: { x: 1 }, inputs: { a: 1 } });
  for (const step of plan.steps) {
    try {
      evaluate(step.inputs, scope);
    } catch (error) {
      expect(error).toBeInstanceOf(PerdureError);
    }
  }
}
