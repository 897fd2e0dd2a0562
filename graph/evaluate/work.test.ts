import { describe, expect, test } from "vitest";
import type { Json } from "#core";
import { compileText } from "../template/standalone.ts";
import { scopeOf } from "../testing/catalogue.ts";
import { evaluate } from "./compiled.ts";
import { MAX_TEMPLATE_WORK } from "./template.ts";

const inputs = {
  rows: Array.from({ length: 2_000 }, (_, index) => ({ id: index, tags: ["a", "b"] })),
  long: Array.from({ length: 50_000 }, () => "x"),
  text: "x".repeat(1_000_000),
};

function valueOf(template: string): Json {
  const { compiled, findings } = compileText(template);
  expect(findings).toEqual([]);
  return evaluate(compiled, scopeOf({ inputs })).value as Json;
}

describe("work of templates", () => {
  test.each([
    ["joins", "{{#each inputs.rows}}{{#if (eq (join inputs.long ',') 'q')}}y{{/if}}{{/each}}"],
    ["writes JSON", "{{#each inputs.rows}}{{#if (eq (json inputs.long) 'q')}}y{{/if}}{{/each}}"],
    ["compares", "{{#each inputs.rows}}{{#if (eq inputs.long inputs.rows)}}y{{/if}}{{/each}}"],
    ["copies a text", "{{#each inputs.rows}}{{#if (eq (upper inputs.text) 'q')}}y{{/if}}{{/each}}"],
    ["puts a text between items", "{{#if (eq (join inputs.long inputs.text) 'q')}}y{{/if}}"],
    ["does it without a loop", `{{#if (or ${"(eq (json inputs.long) 'q') ".repeat(15)})}}y{{/if}}`.repeat(20)],
  ])("A10: When a template %s again and again and writes nothing, then it fails before it takes time or memory", (_what, template) => {
    const began = performance.now();
    expect(() => valueOf(template)).toThrow(`more than ${MAX_TEMPLATE_WORK} values`);
    expect(performance.now() - began).toBeLessThan(20_000);
  });

  test("A10: When a template goes over thousands of rows as people do, then nothing is refused", () => {
    const text = valueOf("{{#each inputs.rows}}{{#if (eq id (length inputs.rows))}}never{{else}}{{join tags '+'}} {{/if}}{{/each}}{{json inputs.long}}");
    expect(String(text).startsWith("a+b a+b ")).toBe(true);
    expect(String(text)).toHaveLength(2_000 * 4 + JSON.stringify(inputs.long).length);
  });
});
