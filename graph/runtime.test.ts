import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { promisify } from "node:util";
import { describe, expect, test } from "vitest";
import { compile } from "./index.ts";
import type { Compiled } from "./plan.ts";
import { evaluate } from "./runtime.ts";
import { scopeOf, testCatalogue } from "./testing/catalogue.ts";

const root = resolve(import.meta.dirname, "..");

/** Inputs of the only step besides the start. */
function inputsOf(type: string, inputs: Record<string, unknown>): Compiled {
  const result = compile(
    {
      nodes: [
        { id: "start", type: "Start" },
        { id: "n", type, data: { inputs } },
      ],
      edges: [{ source: "start", target: "n" }],
    },
    testCatalogue,
  );
  if (!result.ok) throw new Error(JSON.stringify(result.problems));
  const step = result.plan.steps[1];
  if (!step) throw new Error("no step");
  return JSON.parse(JSON.stringify(step.inputs)) as Compiled;
}

describe("evaluating a plan's inputs", () => {
  test("A6: When a plan has been to JSON and back, then its inputs evaluate", () => {
    const inputs = inputsOf("HttpRequest", {
      url: "https://x/{{start.id}}",
      headers: { auth: "Bearer {{secrets.T}}" },
      body: { name: "{{user.name}}", list: ["{{start}}", 1] },
    });
    expect(evaluate(inputs, scopeOf({ inputs: { user: { name: "Ada" } }, nodes: { start: { id: 7 } } }))).toEqual({
      value: { method: "GET", url: "https://x/7", headers: { auth: "" }, body: { name: "Ada", list: [{ id: 7 }, 1] }, enable_templating: true },
      secrets: [{ path: ["headers", "auth"], parts: ["Bearer ", { secret: "T" }] }],
    });
  });

  test("A6: When a structured decision holds templates, then they keep their types", () => {
    const inputs = inputsOf("Condition", { condition: { left: "{{start.n}}", operator: "greater_than", right: 2 } });
    expect(evaluate(inputs, scopeOf({ nodes: { start: { n: 3 } } })).value).toEqual({ condition: { left: 3, operator: "greater_than", right: 2 } });
    expect(evaluate(inputsOf("Condition", { condition: "start.n > 2" }), scopeOf({ nodes: { start: { n: 3 } } })).value).toEqual({ condition: true });
  });

  test("A1: When a key is __proto__, then the result has it as its own", () => {
    const values: unknown = JSON.parse('{"__proto__": "{{start}}"}');
    const { value } = evaluate(inputsOf("Open", { values }), scopeOf({ nodes: { start: 1 } }));
    expect(JSON.stringify(value)).toBe('{"values":{"__proto__":1}}');
  });

  test("M2: When inputs are literal, then they are handed on as they are", () => {
    const inputs: Compiled = { k: "lit", v: { a: [1] } };
    expect(evaluate(inputs, scopeOf()).value).toBe(inputs.v);
  });

  test("M2: When a text with three values is evaluated, then thousands of evaluations do not hang (their cost is in the bench)", () => {
    const inputs = inputsOf("Template", { template: "{{start.a}} {{start.b}} {{#if start.c}}c{{/if}}" });
    const scope = scopeOf({ nodes: { start: { a: 1, b: "x", c: true } } });
    for (let warm = 0; warm < 2_000; warm++) evaluate(inputs, scope);
    const began = performance.now();
    for (let times = 0; times < 5_000; times++) evaluate(inputs, scope);
    expect((performance.now() - began) / 5_000).toBeLessThan(5);
  });
});

describe("what workflow code loads", () => {
  test("A3: When the globals of Node and the browser are gone, then the runtime loads and evaluates", async () => {
    const program = `
      const log = process.stdout.write.bind(process.stdout);
      for (const name of ["process", "Buffer", "structuredClone", "atob", "btoa", "fetch", "setTimeout", "crypto", "performance", "require"]) delete globalThis[name];
      const { evaluate, scopeFor } = await import(${JSON.stringify(resolve(root, "graph/runtime.ts"))});
      const scope = { input: { n: 2, s: "aaa" }, inputs: {}, variables: {}, run: {}, errors: {}, node: () => ({ state: "skipped" }) };
      const cel = evaluate({ k: "cel", source: "input.n + 1 == 3 && input.s.matches('^a+$') && gone.x == null", roots: ["input", "gone"] }, scope).value;
      const text = evaluate({ k: "text", body: [{ t: "text", text: "n=" }, { t: "value", expr: { e: "call", helper: "json", params: [{ e: "ref", ref: { root: "input", path: ["n"], source: "input.n" } }], hash: [] } }] }, scope).value;
      log(JSON.stringify([cel, text, scopeFor(["input"], scope)]));
    `;
    const { stdout } = await promisify(execFile)(process.execPath, ["--input-type=module", "--eval", program], { cwd: root });
    expect(JSON.parse(stdout)).toEqual([true, "n=2", { input: { n: 2, s: "aaa" } }]);
  });

  test("A3: When its imports are followed, then no parser, schema library or compiler is among them", async () => {
    const seen = new Set<string>();
    const packages = new Set<string>();
    const open = [resolve(root, "graph/runtime.ts")];
    for (let file = open.pop(); file !== undefined; file = open.pop()) {
      if (seen.has(file)) continue;
      seen.add(file);
      const code = await readFile(file, "utf8");
      for (const [, clause = "", from = ""] of code.matchAll(/^(?:import|export)\s+([^;]*?)\s+from "([^"]+)";/gm)) {
        if (clause.startsWith("type ") || clause === "type") continue;
        if (from.startsWith(".")) open.push(resolve(dirname(file), from));
        else if (from === "#core") open.push(resolve(root, "core/index.ts"));
        else packages.add(from);
      }
    }
    expect([...packages].sort()).toEqual(["@marcbachmann/cel-js", "re2js"]);
    expect([...seen].filter((file) => /graph\/(compile|template)\//.test(file))).toEqual([]);
  });
});
