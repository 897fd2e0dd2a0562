import { type Json, PerdureError } from "#core";
import { describe, expect, test } from "vitest";
import { evaluate } from "../evaluate/compiled.ts";
import { Nearest } from "../nearest.ts";
import type { Compiled } from "../plan.ts";
import { type ScopeDraft, scopeOf } from "../testing/catalogue.ts";
import { compileTemplate, type TemplateNames } from "./compile.ts";
import { readablePaths } from "./paths.ts";

const NODES = new Set(["h", "http-1", "gone", "1", "late"]);

class TestNames implements TemplateNames {
  readonly nearest = new Nearest();
  readonly said: string[] = [];
  get problems(): number {
    return this.said.length;
  }
  resolve(parts: string[], source: string) {
    const [head = "", ...path] = parts;
    if (head === "input" || head === "inputs" || head === "variables" || head === "run") return { root: head, path, source } as const;
    if (NODES.has(head)) return { root: "node", id: head, path, source } as const;
    return { root: "bare", id: head, path, source } as const;
  }
  isNode(id: string): boolean {
    return NODES.has(id);
  }
  secret(name: string | undefined, source: string): void {
    if (name === undefined) this.problem("secret.invalid", source);
  }
  problem(code: string, message: string, hint?: string): void {
    this.said.push(`${code}: ${message}${hint === undefined ? "" : ` (${hint})`}`);
  }
}

function compiled(template: string): Compiled {
  const names = new TestNames();
  const result = compileTemplate(template, names);
  expect(names.said).toEqual([]);
  return JSON.parse(JSON.stringify(result)) as Compiled;
}

function saidOf(template: string): string[] {
  const names = new TestNames();
  compileTemplate(template, names);
  return names.said;
}

const input = {
  name: "Ada",
  html: "<b>&</b>",
  count: 3,
  zero: 0,
  none: null,
  empty: [],
  items: [
    { name: "a", price: 1, tags: ["x", "y"] },
    { name: "b", price: 2, tags: [] },
  ],
  map: { k1: 1, k2: 2 },
  "odd key": "odd",
  constructor: "mine",
  when: "2026-03-01T12:30:45.5+02:00",
};
const scope: ScopeDraft = {
  input,
  inputs: { city: "Oslo", user: { name: "Bo" } },
  variables: { lang: "no", city: "Bergen" },
  nodes: { h: { body: { items: [10, 20] }, text: "{{input.name}} {{secrets.K}}" }, "http-1": { body: "dash" }, gone: { state: "skipped" }, "1": "one" },
};

function valueOf(template: string, more: ScopeDraft = {}): Json {
  return evaluate(compiled(template), scopeOf({ ...scope, ...more })).value;
}

describe("texts", () => {
  test.each<[string, Json]>([
    ["plain", "plain"],
    ["Hello {{input.name}}!", "Hello Ada!"],
    ["{{{input.html}}} {{input.html}} {{&input.html}}", "<b>&</b> <b>&</b> <b>&</b>"],
    ["a \\{{input.name}} b", "a {{input.name}} b"],
    ["{{! a comment }}{{input.name}}{{!-- and }} another --}}.", "Ada."],
    ["x {{~input.name~}} y", "xAday"],
    ["{{city}} {{lang}} {{user.name}}", "Oslo no Bo"],
    ["{{http-1.body}}", "dash"],
    ["{{1}}{{1.length}}", "one3"],
    ["{{input.items[0].name}}{{input.items.[1].name}}{{input.items.0.tags[1]}}", "aby"],
    ["{{input['odd key']}} {{input.[odd key]}} {{input[\"odd key\"]}}", "odd odd odd"],
    ["n={{input.none}} o={{input.map}} l={{input.items.1.tags}} t={{input.count}}", 'n= o={"k1":1,"k2":2} l=[] t=3'],
    ["{{input.constructor}}", "mine"],
    ["{{this.city}} {{@root.city}} {{./city}}", "Oslo Oslo Oslo"],
    ["{{gone.any.thing}}|{{gone}}|", "||"],
    ["}} and { {", "}} and { {"],
    ["größe {{input.name}} 🙂", "größe Ada 🙂"],
    ["line\n  {{#if input.count}}\n  yes\n  {{/if}}\nend", "line\n  yes\nend"],
    ["", ""],
    ["{{input.items.length}} {{input.name.length}} x", "2 3 x"],
    [`${"(".repeat(300)}{{input.name}}${":(".repeat(300)}`, `${"(".repeat(300)}Ada${":(".repeat(300)}`],
  ])("A6: When the template is %j, then it gives %j", (template, expected) => {
    expect(valueOf(template)).toBe(expected);
  });
});

describe("a text that is one expression", () => {
  test.each<[string, Json]>([
    ["{{h.body.items}}", [10, 20]],
    ["{{h.body.items.[1]}}", 20],
    ["{{{input.count}}}", 3],
    ["{{~input.map~}}", { k1: 1, k2: 2 }],
    ["{{input.none}}", null],
    ["{{gone.x.y}}", null],
    ["{{this}}", input],
    ["{{default input.nothing 7}}", 7],
    ["{{default input.items 7}}", input.items],
    ["{{or input.nothing input.zero input.name}}", "Ada"],
    ["{{eq input.count 3}}", true],
    ["{{length input.items}}", 2],
    ["{{true}}", true],
    ["{{42}}", 42],
  ])("A6: When the template is %j, then the type is kept", (template, expected) => {
    expect(valueOf(template)).toEqual(expected);
  });

  test("A6: When the value itself looks like a template, then it stays text", () => {
    expect(valueOf("{{h.text}}")).toBe("{{input.name}} {{secrets.K}}");
    expect(valueOf("> {{h.text}}")).toBe("> {{input.name}} {{secrets.K}}");
  });
});

describe("blocks", () => {
  test.each<[string, string]>([
    ["{{#if input.count}}y{{else}}n{{/if}}{{#if input.zero}}y{{else}}n{{/if}}{{#if input.nothing.at.all}}y{{else}}n{{/if}}", "ynn"],
    ["{{#if input.zero}}a{{else if input.count}}b{{else}}c{{/if}}", "b"],
    ["{{#unless input.empty}}none{{/unless}}", "none"],
    ["{{#each input.items}}{{@index}}:{{name}}={{this.price}}{{#unless @last}}, {{/unless}}{{/each}}", "0:a=1, 1:b=2"],
    ["{{#each input.items as |row at|}}{{at}}{{row.name}}{{/each}}", "0a1b"],
    ["{{#each input.map}}{{@key}}={{this}};{{/each}}", "k1=1;k2=2;"],
    ["{{#each input.empty}}x{{else}}nothing{{/each}}{{#each gone.rows}}x{{else}}skipped{{/each}}", "nothingskipped"],
    ["{{#each input.items}}{{#each tags}}{{../name}}{{this}}{{@../index}}{{@first}} {{/each}}{{/each}}", "ax0true ay0false "],
    ["{{#with input.items.[0]}}{{name}} {{price}} {{../city}} {{@root.city}} {{city}}{{/with}}", "a 1 Oslo Oslo Oslo"],
    ["{{#with input.none}}x{{else}}y{{/with}}", "y"],
    ["{{#with input as |i|}}{{i.name}}{{/with}}", "Ada"],
    ["{{#if (and (gt input.count 2) (not input.zero))}}both{{/if}}", "both"],
    ["{{#if (eq input.nothing.x 'a')}}y{{else}}n{{/if}}", "n"],
    ["{{#each input.items}}{{input.name}}{{/each}}", "AdaAda"],
    ["{{#each h.body.items}}{{this}}{{/each}}", "1020"],
  ])("A6: When the template is %j, then it gives %j", (template, expected) => {
    expect(valueOf(`.${template}`)).toBe(`.${expected}`);
  });
});

describe("helpers", () => {
  test.each<[string, string]>([
    ["{{json input.items.0}}", '{"name":"a","price":1,"tags":["x","y"]}'],
    ["{{json input.map 2}}", '{\n  "k1": 1,\n  "k2": 2\n}'],
    ["{{join input.items.0.tags}} {{join input.items.0.tags '-'}}", "x, y x-y"],
    ["{{upper input.name}}{{lower input.name}}{{trim '  x '}}", "ADAadax"],
    ["{{date input.when}} {{date input.when 'date'}} {{date input.when 'time'}}", "2026-03-01T10:30:45.500Z 2026-03-01 10:30:45"],
    ["{{date 0}} {{date '2026-03-01'}} {{date '2026-03-01T10:00'}}", "1970-01-01T00:00:00.000Z 2026-03-01T00:00:00.000Z 2026-03-01T10:00:00.000Z"],
    ["{{default input.nothing.deep 'd'}} {{default input.none input.zero}} {{default gone.x 'e'}}", "d 0 e"],
    ["{{ne 1 2}}{{gte 2 2}}{{lt 'a' 'b'}}{{lte 3 2}}{{gt 'a' 1}}", "truetruetruefalsefalse"],
    ["{{and 1 0 2}}|{{or 0 ''}}|{{not 0}}", "0||true"],
    ["{{eq input.map input.map}}", "true"],
    ["{{upper (default input.nothing (trim ' x '))}}", "X"],
  ])("A6: When the template is %j, then it gives %j", (template, expected) => {
    expect(valueOf(`.${template}`)).toBe(`.${expected}`);
  });

  test.each(["{{join input.name}}", "{{date 'yesterday'}}", "{{date input.when 'week'}}"])(
    "A6: When a helper cannot use its value (%j), then it fails saying so",
    (template) => {
      expect(() => valueOf(template)).toThrow(expect.objectContaining({ code: "expression.failed" }) as Error);
    },
  );
});

describe("what is not there", () => {
  test.each<[string, string]>([
    ["{{h.body.rows}}", "`{{h.body.rows}}` cannot be read: the value of node h at `body` has no `rows`; there is: items."],
    ["{{h.body.items.7}}", "`{{h.body.items.7}}` cannot be read: the value of node h at `body.items` has no `7`; it is a list of 2."],
    ["x {{late.body}}", "`{{late.body}}` cannot be read: node late has no value yet."],
    ["{{nobody}}", "`{{nobody}}` cannot be read: there is no input or variable `nobody`; there is: lang, city, user."],
    ["{{input.none.x}}", "`{{input.none.x}}` cannot be read: `input` at `none` has no `x`; it is null."],
    ["{{input.toString}}", "has no `toString`"],
    ["{{input.__proto__}}", "has no `__proto__`"],
    ["{{#each input.items}}{{colour}}{{/each}}", "`this` has no `colour`; there is: name, price, tags."],
    ["{{upper input.nothing}}", "has no `nothing`"],
  ])("A6: When %j is read, then the error says where the path ended and what there was", (template, expected) => {
    expect(() => valueOf(template)).toThrow(PerdureError);
    expect(() => valueOf(template)).toThrow(
      expect.objectContaining({ code: "template.missing", message: expect.stringContaining(expected) as string }) as Error,
    );
  });
});

describe("what does not parse", () => {
  const cases: [string, string][] = [
    ["{{#if input.x}}open", "A block is not closed"],
    ["{{#if a}}x{{/each}}", "doesn't match each"],
    ["{{name", "ends with `}}`"],
    ["{{}}", "found `}}`"],
    ["{{a + b}}", "template.syntax"],
    ["{{name | upper}}", "There are no filters"],
    ["{{> card}}", "Partials"],
    ["{{* deco}}", "Partials"],
    ["{{#section}}x{{/section}}", "no block `#section`"],
    ["{{#repeat 3}}x{{/repeat}}", "no block `#repeat`"],
    ["{{uper name}}", "Did you mean `upper`?"],
    ["{{lookup a b}}", "no helper `lookup`"],
    ["{{#if (explode a)}}x{{/if}}", "no helper `explode`"],
    ["{{json a b c}}", "takes 1 to 2 values, not 3"],
    ["{{join a sep='-'}}", "takes no named arguments"],
    ["{{#if}}x{{/if}}", "takes exactly one value"],
    ["{{#each a b}}x{{/each}}", "takes exactly one value"],
    ["{{#if a as |x|}}x{{/if}}", "no names"],
    ["{{@index}}", "only there inside `#each`"],
    ["{{@env}}", "no `@env`"],
    ["{{../x}}", "goes further out"],
    ["{{upper secrets.K}}", "secret.in_expression"],
    ["{{#if secrets.K}}x{{/if}}", "secret.in_expression"],
    ["{{secrets.a.b}}", "secret.invalid"],
    ["{{secrets}}", "secret.invalid"],
    ["{{(lookup a b).c}}", "A path cannot begin with a call"],
    ["a\0b{{x}}", "NUL"],
    [`${"{{#if a}}".repeat(5_000)}${"{{/if}}".repeat(5_000)}`, "deep"],
    [`{{not ${"(not ".repeat(5_000)}a${")".repeat(5_000)}}}`, "deep"],
    [`{{x}}${"x".repeat(600_000)}`, "at most"],
    [`${"{{#if a}}1{{else}}".repeat(200)}${"{{/if}}".repeat(200)}`, "deep"],
    [`{{#if a}}0${"{{else if a}}1".repeat(200)}{{/if}}`, "deep"],
  ];
  test.each(cases.map(([template, expected]) => [template.slice(0, 40), template, expected] as const))(
    "A6: When the template is %j, then the finding says what is wrong",
    (_shown, template, expected) => {
      const said = saidOf(template);
      expect(said.join("\n")).toContain(expected);
      expect(said.length).toBeLessThan(4);
    },
  );

  test("A6: When a problem is explained, then it names the line", () => {
    expect(saidOf("one\ntwo\n{{three")[0]).toMatch(/line 3/);
  });
});

describe("secrets", () => {
  test("F2: When a text holds secrets, then they come out of band and the value holds none", () => {
    const inputs: Compiled = {
      k: "object",
      fields: [
        ["auth", compiled("Bearer {{secrets.TOKEN}}!")],
        ["list", { k: "list", items: [compiled("{{secrets.KEY}}"), compiled("{{input.name}}")] }],
        ["block", compiled("{{#if input.count}}a{{secrets.X}}b{{input.name}}{{secrets.Y}}{{/if}}")],
      ],
    };
    expect(evaluate(inputs, scopeOf(scope))).toEqual({
      value: { auth: "", list: ["", "Ada"], block: "" },
      secrets: [
        { path: ["auth"], parts: ["Bearer ", { secret: "TOKEN" }, "!"] },
        { path: ["list", 0], parts: [{ secret: "KEY" }] },
        { path: ["block"], parts: ["a", { secret: "X" }, "bAda", { secret: "Y" }] },
      ],
    });
  });
});

describe("bounds", () => {
  test("A10: When a template would write without end, then it stops with an error", () => {
    const rows = Array.from({ length: 1_000 }, () => "x");
    expect(() => valueOf("{{#each input}}{{#each ../input}}.{{/each}}{{/each}}", { input: rows })).toThrow(
      expect.objectContaining({ code: expect.stringMatching(/output\.too_large|template\.missing/) as string }) as Error,
    );
    expect(() => valueOf("{{#each input}}{{#each inputs.rows}}.{{/each}}{{/each}}", { input: rows, inputs: { rows } })).toThrow(
      expect.objectContaining({ code: "output.too_large" }) as Error,
    );
    expect(() => valueOf("{{#each input}}{{inputs.big}}{{/each}}", { input: rows, inputs: { big: "x".repeat(20_000) } })).toThrow(
      expect.objectContaining({ code: "output.too_large" }) as Error,
    );
  });
});

describe("paths", () => {
  test.each<[string, string]>([
    ["{{items[0].name}}", "{{items.[0].name}}"],
    ["{{a[0][1]}}", "{{a.[0].[1]}}"],
    ["{{a.[0]}} [x] {{[b c].d}}", "{{a.[0]}} [x] {{[b c].d}}"],
    ["{{upper 'a[0]'}} {{a['x y']}}", "{{upper 'a[0]'}} {{a.[x y]}}"],
    ["{{! a[0] }} {{!-- b[0] }} --}} \\{{c[0]}} \\\\{{d[0]}}", "{{! a[0] }} {{!-- b[0] }} --}} \\{{c[0]}} \\\\{{d.[0]}}"],
    ["{{a[0", "{{a[0"],
    ["{{upper (trim a[0])}}", "{{upper (trim a.[0])}}"],
    [
      "{{a.0}} {{a.b.12 }} {{gt x 1.5}} {{1.5}} {{a.0.b}} {{a.true}} {{a.trueish}}",
      "{{a.[0]}} {{a.b.[12] }} {{gt x 1.5}} {{1.5}} {{a.0.b}} {{a.[true]}} {{a.trueish}}",
    ],
  ])("A6: When %j is read, then Handlebars is given %j", (template, expected) => {
    expect(readablePaths(template)).toBe(expected);
  });
});
