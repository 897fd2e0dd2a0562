import { describe, expect, test } from "vitest";
import { scopeFor } from "../evaluate/scope.ts";
import { scopeOf } from "../testing/catalogue.ts";
import { checkJsonata } from "./jsonata.ts";

describe("what a JSONata expression reads", () => {
  test.each<[string, string[], boolean]>([
    ["http_1.body.items[price > 3].{ 'a': name }", ["http_1"], false],
    ["$.input.x", ["input"], false],
    ["items[price > $$.inputs.least]", ["items", "inputs"], false],
    ["$map(items, function($v) { $v.x })", ["items"], false],
    ["{ 't': total, 'n': $count(items) }", ["total", "items"], false],
    ["($x := http_1; $x.body)", ["http_1"], false],
    ["`http-1`.body", ["http-1"], false],
    ["items^(price)", ["items"], false],
    ["a[$ > 3]", ["a"], false],
    ["a ? b : c", ["a", "b", "c"], false],
    ["$lookup($, 'http_1')", [], true],
    ["$keys($$)", [], true],
    ["*.x", [], true],
    ["**.x", [], true],
    ["$eval('http_1')", [], true],
    ["1 + 2", [], false],
  ])("A6: When %j is read, then its roots are %j", (source, roots, everything) => {
    expect(checkJsonata(source)).toMatchObject({ ok: true, roots, everything });
  });

  test("A6: When a name stands deeper or as a text, then it is a mention", () => {
    const checked = checkJsonata("$lookup(a.b, 'c')");
    expect(checked.ok && checked.mentions.sort()).toEqual(["a", "b", "c"]);
  });

  test.each([
    ["a bracket", "a["],
    ["nothing", ""],
    ["braces", "{{a}}"],
    ["depth", `${"(".repeat(50_000)}1`],
    ["length", "x".repeat(100_001)],
  ])("A2: When an expression does not parse for %s, then that is said, not thrown", (_what, source) => {
    expect(checkJsonata(source)).toMatchObject({ ok: false });
  });
});

describe("the scope handed to an activity", () => {
  const scope = scopeOf({
    input: 1,
    inputs: { a: "in", b: 2 },
    variables: { a: "var", c: 3 },
    nodes: { h: { state: "value", value: { status: 200 }, aliases: { status_code: "status" } }, gone: { state: "skipped" }, late: { state: "absent" } },
  });

  test("A6: When names are asked for, then nodes, roots and bare names are there, aliases included", () => {
    expect(scopeFor(["h", "gone", "late", "input", "a", "c", "item", "nobody"], scope)).toEqual({
      h: { status: 200, status_code: 200 },
      gone: null,
      input: 1,
      a: "in",
      c: 3,
    });
  });

  test("A6: When everything is asked for, then inputs win over variables, and nodes and roots over both", () => {
    const all = scopeFor(["h", "input", "*"], scopeOf({ ...scope, inputs: { a: "in", h: "not the node", __proto__: null }, nodes: { h: 5 } }));
    expect(all).toEqual({ a: "in", c: 3, h: 5, input: 1 });
  });

  test("A5: When a loop runs, then its item, index and what is around it can be read", () => {
    const outer = scopeOf({ item: "o", index: 0 });
    expect(scopeFor(["item", "index", "outer"], scopeOf({ item: { x: 1 }, index: 2, outer }))).toEqual({
      item: { x: 1 },
      index: 2,
      outer: { item: "o", index: 0 },
    });
  });
});
