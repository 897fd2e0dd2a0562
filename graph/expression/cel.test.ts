import type { Json } from "#core";
import { describe, expect, test } from "vitest";
import { type ScopeDraft, scopeOf } from "../testing/catalogue.ts";
import { evaluateCel } from "./cel.ts";
import { checkCel } from "./check.ts";
import { MAX_CEL_ITEMS, MAX_CEL_WORK } from "./environment.ts";

const scope: ScopeDraft = {
  input: {
    count: 3,
    ratio: 0.5,
    list: [1, 2, 3],
    text: "order-42",
    none: null,
    flags: { on: true },
    people: [
      { name: "Ada", age: 36 },
      { name: "Bo", age: 17 },
    ],
    constructor: { x: 1 },
  },
  inputs: { limit: 10, type: "gold" },
  variables: { lang: "no" },
  nodes: { http_1: { state: "value", value: { status: 200, body: { items: [] } }, aliases: { status_code: "status" } }, gone: { state: "skipped" } },
};

function valueOf(source: string, more: ScopeDraft = {}): Json {
  const checked = checkCel(source);
  if (!checked.ok) throw new Error(`${checked.message} ${checked.hint ?? ""}`);
  return evaluateCel(source, checked.roots, scopeOf({ ...scope, ...more }));
}

describe("decisions", () => {
  test.each<[string, Json]>([
    ["input.count + 1", 4],
    ["input.count == 3", true],
    ["3 == input.count", true],
    ["input.count + input.ratio", 3.5],
    ["input.count * 2 - 1", 5],
    ["input.count / 2", 1.5],
    ["input.count % 2 == 1", true],
    ["7 % 2", 1],
    ["size(input.list) > 2", true],
    ["input.list.size() == 3", true],
    ["input.list[0] + input.list[input.count - 1]", 4],
    ["input.list[size(input.list) - 1]", 3],
    ["input.count in input.list && !(9 in input.list)", true],
    ["'on' in input.flags", true],
    ["input.text.startsWith('order') && input.text.contains('42')", true],
    ["input.text.matches('^order-[0-9]+$')", true],
    ["matches(input.text, '[0-9]')", true],
    ["input.none == null", true],
    ["input.count == null || input.text == 3", false],
    ["has(input.flags.on) && !has(input.flags.off)", true],
    ["input.people.exists(p, p.age < 18)", true],
    ["input.people.all(p, p.age > 18)", false],
    ["input.people.filter(p, p.age >= 18).map(p, p.name)", ["Ada"]],
    [
      "input.people.map(p, {'n': p.name, 'a': p.age + 1})",
      [
        { n: "Ada", a: 37 },
        { n: "Bo", a: 18 },
      ],
    ],
    ["input.people.exists_one(p, p.name == 'Ada')", true],
    ["input.list == [1, 2, 3]", true],
    [
      "input.list.map(a, input.list.map(b, a * b))",
      [
        [1, 2, 3],
        [2, 4, 6],
        [3, 6, 9],
      ],
    ],
    ["input.count > 2 ? 'many' : 'few'", "many"],
    ["string(input.count) + '!'", "3!"],
    ["int('5') + input.count", 8],
    ["-input.count", -3],
    ["[1, 'a', null]", [1, "a", null]],
    [
      "input",
      {
        count: 3,
        ratio: 0.5,
        list: [1, 2, 3],
        text: "order-42",
        none: null,
        flags: { on: true },
        people: [
          { name: "Ada", age: 36 },
          { name: "Bo", age: 17 },
        ],
        constructor: { x: 1 },
      },
    ],
    ["input.constructor.x == 1", true],
    ["timestamp('2026-01-01T00:00:00Z') < timestamp('2026-01-01T00:00:00-01:00')", true],
    ["timestamp('2026-01-01T10:00:00+02:00').getHours()", 8],
    ["timestamp('2026-01-01T10:00:00+02:00')", "2026-01-01T08:00:00.000Z"],
    ["duration('90m')", "5400s"],
    ["cel.bind(n, input.count, n + n)", 6],
    ["http_1.status == 200 && http_1.status_code == 200", true],
    ["limit > 5 && lang == 'no'", true],
    ["inputs.type == 'gold'", true],
    ["run.id", "run-1"],
  ])("A5: When the decision is %j, then it gives %j", (source, expected) => {
    expect(valueOf(source)).toEqual(expected);
  });

  test.each<[string, Json]>([
    ["gone == null", true],
    ["gone.body.items[0].name == null", true],
    ["(gone.body).items == null", true],
    ["has(gone.body)", false],
    ["has(gone.body.x) || http_1.status == 200", true],
    ["gone.x == null ? 'skipped' : gone.x", "skipped"],
    ["input.list.map(gone, gone + 1)", [2, 3, 4]],
    ["input.list.filter(n, gone.least == null || n > gone.least)", [1, 2, 3]],
    ["[gone.a, http_1.status]", [null, 200]],
  ])("A5: When a skipped node is read by %j, then it is null at any depth", (source, expected) => {
    expect(valueOf(source)).toEqual(expected);
    expect(valueOf(source.replaceAll("gone", "input"), { input: { body: { items: [{ name: 1 }] }, x: 1, a: 1, least: 1, list: [1, 2, 3] } })).toBeDefined();
  });

  test("A5: When the same text is read with a node that ran, then nothing of the skipped reading remains", () => {
    expect(valueOf("gone.x == null")).toBe(true);
    expect(valueOf("gone.x == null", { nodes: { gone: { x: 1 } } })).toBe(false);
    expect(valueOf("gone.x == null")).toBe(true);
  });

  test.each<[string, string]>([
    ["input.nothing", "No such key: nothing"],
    ["input.list[5]", "index out of bounds"],
    ["nobody == 1", "there is no node with a value, input or variable `nobody`"],
    ["input.text > 3", "no such overload"],
    ["input.none + 1", "no such overload"],
    ["input.count / 0", "no JSON number"],
    ["input.count % 0", "modulo by zero"],
    ["input.text.matches(input.bad)", "No such key"],
    ["timestamp('2026-01-01T00:00:00.000')", "Z or an offset"],
    ["type(1)", "no JSON value"],
    ["input.count ? 1 : 2", "must be bool"],
  ])("A16: When %j fails, then the error holds the source and the reason", (source, reason) => {
    expect(() => valueOf(source)).toThrow(expect.objectContaining({ code: "expression.failed", message: expect.stringContaining(source) as string }) as Error);
    expect(() => valueOf(source)).toThrow(reason);
  });
});

describe("bounds", () => {
  test("A10: When comprehensions read more than 10,000 items in all, then the evaluation fails, and the next one starts afresh", () => {
    const fits = Array.from({ length: MAX_CEL_ITEMS }, (_, index) => index);
    expect(valueOf("input.all(n, n >= 0)", { input: fits })).toBe(true);
    expect(() => valueOf("input.all(n, n >= 0)", { input: [...fits, 1] })).toThrow("more than 10000 list items");
    const square = Array.from({ length: 101 }, () => 1);
    expect(() => valueOf("input.map(a, inputs.b.map(b, a + b))", { input: square, inputs: { b: square } })).toThrow("more than 10000 list items");
    expect(valueOf("input.all(n, n >= 0)", { input: fits })).toBe(true);
  });

  test("A10: When a regular expression would take for ever by backtracking, then it does not", () => {
    const began = performance.now();
    expect(valueOf("input.matches('^(a+)+$')", { input: `${"a".repeat(5_000)}b` })).toBe(false);
    expect(performance.now() - began).toBeLessThan(20_000);
  });

  const doubled = (times: number, step: (name: string) => string, result: string): string => {
    let source = result.replaceAll("$", `v${times}`);
    for (let at = times; at > 0; at--) source = `cel.bind(v${at}, ${step(`v${at - 1}`)}, ${source})`;
    return `cel.bind(v0, input.start, ${source})`;
  };
  test.each([
    ["puts a list together with itself", doubled(25, (name) => `${name} + ${name}`, "$.size() > 0")],
    ["puts a text together with itself", doubled(12, (name) => `${name} + ${name}`, "$.contains('z')").replaceAll("input.start", "input.text")],
    ["gives back a list of lists of one list", doubled(25, (name) => `[${name}, ${name}]`, "$")],
    ["compares such lists", doubled(25, (name) => `[${name}, ${name}]`, "$ == [$, $]")],
    ["looks for something in such a list", doubled(27, (name) => `[${name}, ${name}]`, "dyn(7) in [$]")],
    ["copies a long text for every item", "input.items.map(item, input.text.upperAscii()).size() > 0"],
    ["takes a long text apart for every item", "input.items.map(item, input.text.split('')).size() > 0"],
    ["searches a long text for every item", "input.items.exists(item, input.text.contains('z'))"],
    ["matches a long text for every item", "input.items.exists(item, input.text.matches('(?i)x{1,50}y'))"],
    ["gives back a long text for every item", "input.items.map(item, input.text)"],
  ])("A10: When an expression %s, then it fails before it takes time or memory, and the next one starts afresh", (_what, source) => {
    const input = { start: [1, 2, 3, 4, 5, 6, 7, 8], items: Array.from({ length: 5_000 }, () => 1), text: "x".repeat(100_000) };
    const began = performance.now();
    expect(() => valueOf(source, { input })).toThrow(`more than ${MAX_CEL_WORK} values`);
    expect(performance.now() - began).toBeLessThan(20_000);
    expect(valueOf("input.items.map(item, item + 1).size() == 5000 && input.text.matches('^x+$')", { input })).toBe(true);
  });

  test("A10: When lists of thousands are compared and joined as people do, then nothing is refused", () => {
    const ids = Array.from({ length: 5_000 }, (_, index) => `id-${index}`);
    const rows = ids.map((id) => ({ id, tags: ["a", "b"], total: 5 }));
    const input = { ids, rows, text: "x".repeat(1_000_000) };
    expect(valueOf("input.rows.filter(row, row.id in input.ids && row.tags.join(',') == 'a,b').size() == 5000", { input })).toBe(true);
    expect(valueOf("(input.rows + input.rows).size() == 10000 && input.rows == input.rows && input.text.contains('y') == false", { input })).toBe(true);
    expect(valueOf("input", { input })).toEqual(input);
  });

  test("M2: When a decision is evaluated, then thousands of evaluations do not hang (their cost is in the bench)", () => {
    const readings = scopeOf(scope);
    const once = () => evaluateCel("http_1.status == 200 && input.count > 2", ["http_1", "input"], readings);
    for (let warm = 0; warm < 2_000; warm++) once();
    const began = performance.now();
    for (let times = 0; times < 5_000; times++) once();
    expect((performance.now() - began) / 5_000).toBeLessThan(5);
  });
});

describe("checks", () => {
  const cases: [string, string][] = [
    ["", "empty"],
    ["input.x >", "does not parse"],
    ["{{input.x}} == 1", "without `{{` and `}}`"],
    ["'a' + 1 == 2", "no such overload"],
    ["'text' && true", "requires bool operands"],
    ["nofunction(input)", "found no matching overload for 'nofunction"],
    ["input.x = 1", "Equality is written `==`"],
    ["input.a and input.b", "Logic is written `&&`"],
    ["type == 'gold'", "read as `inputs.type`"],
    ["input.a.map(x, x.map(y, y.map(z, z)))", "at most 2 deep"],
    ["input.t.getHours('Europe/Oslo') == 3", "different answers on different machines"],
    ["timestamp(input.t).getDayOfYear() == 3", "different answers on different machines"],
    ["input.text.matches('(')", "malformed"],
    ["input.x == 'unclosed", "does not parse"],
    [`${"(".repeat(200)}1${")".repeat(200)}`, "maxDepth"],
    [`${"!".repeat(9_000)}true`, "does not"],
    [Array.from({ length: 3_000 }, () => "1").join("+"), "maxAstNodes"],
    [`input.x == '${"x".repeat(10_001)}'`, "at most 10000 characters"],
    ["if", "Reserved identifier"],
  ];
  test.each(cases.map(([source, expected]) => [source.slice(0, 40), source, expected] as const))(
    "A2: When the decision is %j, then the finding says what is wrong",
    (_shown, source, expected) => {
      const checked = checkCel(source);
      expect(checked.ok).toBe(false);
      expect(JSON.stringify(checked)).toContain(expected);
    },
  );

  test.each<[string, string[]]>([
    ["a.b == c && d[e] > f.g.size()", ["a", "c", "d", "e", "f"]],
    ["list1.map(x, x + y).filter(z, z > x)", ["list1", "y", "x"]],
    ["cel.bind(v, a.b, v + w)", ["a", "w"]],
    ["has(a.b) ? {'k': b} : {'k': c}", ["a", "b", "c"]],
    ["size([1]) == int('1')", []],
  ])("A6: When the names of %j are found, then they are %j", (source, roots) => {
    expect(checkCel(source)).toEqual({ ok: true, roots });
  });
});
