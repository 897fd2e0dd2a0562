import { expect, test } from "vitest";
import set from "./set.ts";
import template from "./template.ts";

test("When Set keeps its input, then the values are added to its fields", () => {
  expect(set.run({ values: { b: 2 }, keep_input: true }, { input: { a: 1, b: 1 } }).value).toEqual({ a: 1, b: 2 });
  expect(set.run({ values: { b: 2 }, keep_input: true }, { input: [1] }).value).toEqual({ input: [1], b: 2 });
  expect(set.run({ values: { b: 2 }, keep_input: false }, { input: { a: 1 } }).value).toEqual({ b: 2 });
});

test("When a Template is one expression that gives no text, then it is written as JSON", () => {
  expect(template.run(template.inputs.parse({ template: { a: 1 } }), { input: null }).value).toBe('{"a":1}');
  expect(template.run(template.inputs.parse({ template: "Hi Ada" }), { input: null }).value).toBe("Hi Ada");
});
