import { Validator, type Schema } from "@cfworker/json-schema";
import { expect, test } from "vitest";
import { valueThatFits } from "./mock-json.ts";

const node = {
  type: "object",
  properties: { name: { type: "string" }, children: { type: "array", items: { $ref: "#/$defs/node" } } },
  required: ["name", "children"],
};

test.each<[Schema, unknown]>([
  [
    { type: "object", properties: { n: { type: "integer" }, who: { type: "string" }, ok: { type: "boolean" } }, required: ["n"] },
    { n: 0, who: "mock", ok: false },
  ],
  [
    { properties: { kind: { enum: ["b", "a"] }, v: { const: 3 }, d: { type: "string", default: "x" }, none: { type: "null" } } },
    { kind: "b", v: 3, d: "x", none: null },
  ],
  [{ type: "array", items: { type: "number", minimum: 5 }, minItems: 2 }, [5, 5]],
  [{ type: "array", prefixItems: [{ type: "string" }, { type: "integer" }] }, ["mock", 0]],
  [{ type: "array", maxItems: 0 }, []],
  [{ type: ["null", "string"], minLength: 6 }, "mock.."],
  [{ type: "string", maxLength: 2 }, "mo"],
  [{ type: "string", format: "email" }, "mock@example.com"],
  [{ type: "integer", exclusiveMinimum: 2.5 }, 3],
  [{ type: "number", exclusiveMinimum: 0, exclusiveMaximum: 1 }, 0.5],
  [{ type: "integer", minimum: 10, multipleOf: 4 }, 12],
  [{ type: "integer", exclusiveMinimum: 8, multipleOf: 4 }, 12],
  [{ type: "integer", maximum: -3 }, -3],
  [{ type: "integer", exclusiveMaximum: 0 }, -1],
  [{ anyOf: [{ type: "object", properties: { a: { type: "integer" } }, required: ["a"] }, { type: "string" }] }, { a: 0 }],
  [
    {
      allOf: [
        { properties: { a: { const: 1 } }, required: ["a"] },
        { properties: { b: { const: 2 } }, required: ["b"] },
      ],
    },
    { a: 1, b: 2 },
  ],
  [{ type: "object", required: ["extra"] }, { extra: "mock" }],
  [{}, "mock"],
])("A18: When %j is asked for, then %j is made, which fits", (schema, value) => {
  const made = valueThatFits(schema, "mock");
  expect(made).toEqual(value);
  expect(new Validator(schema, "2020-12").validate(made).errors).toEqual([]);
});

test("A18: When a schema holds itself, then the value ends and fits", () => {
  const schema: Schema = { $ref: "#/$defs/node", $defs: { node } };
  const made = valueThatFits(schema, "mock");
  expect(made).toMatchObject({ name: "mock", children: [{ name: "mock" }] });
  expect(new Validator(schema, "2020-12").validate(made).valid).toBe(true);
});

test.each<[string, Schema]>([
  [
    "holds itself twice in what is required",
    { $ref: "#/$defs/a", $defs: { a: { type: "object", properties: { x: { $ref: "#/$defs/a" }, y: { $ref: "#/$defs/a" } }, required: ["x", "y"] } } },
  ],
  ["refers only to itself", { $ref: "#" }],
  ["refers to itself in four branches", { allOf: [{ $ref: "#" }, { $ref: "#" }, { $ref: "#" }, { $ref: "#" }] }],
  [
    "puts many names together again and again",
    {
      allOf: Array.from({ length: 100 }, () => ({ $ref: "#/$defs/many" })),
      $defs: { many: { allOf: Array.from({ length: 100 }, () => ({ properties: Object.fromEntries(Array.from({ length: 500 }, (_, n) => [`p${n}`, {}])) })) } },
    },
  ],
  ["has a long default many times", { type: "array", minItems: 100, items: { type: "array", minItems: 100, items: { default: "x".repeat(100_000) } } }],
  ["wants a thousand million", { type: "array", minItems: 1e9, items: { type: "string", minLength: 1e9 } }],
])("A18: When a schema %s, then the value is small all the same", (_, schema) => {
  expect(JSON.stringify(valueThatFits(schema, "mock")).length).toBeLessThan(2_000_000);
});
