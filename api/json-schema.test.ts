import { describe, expect, test } from "vitest";
import { compileSchema } from "./json-schema.ts";

describe("a user's JSON schema", () => {
  test("When a value is wrong in several places, then the innermost of each is told, once, with its path", () => {
    const check = compileSchema({
      type: "object",
      properties: {
        items: { type: "array", items: { type: "object", properties: { "a/b": { type: "number" } }, required: ["id"] } },
        kind: { enum: ["x", "y"] },
      },
    });
    expect(check({ items: [{ id: 1, "a/b": "no" }, {}], kind: "z" }, "inputs").map(({ code, path }) => [code, path])).toEqual([
      ["schema.type", "inputs.items.0.a/b"],
      ["schema.required", "inputs.items.1"],
      ["schema.enum", "inputs.kind"],
    ]);
    expect(check({ items: [{ id: 1 }], kind: "x" }, "inputs")).toEqual([]);
  });

  test("F4: When a pattern would backtrack for ever, then it is answered at once", () => {
    const check = compileSchema({ type: "string", pattern: "^(a+)+$" });
    const startedAt = performance.now();
    expect(check(`${"a".repeat(50_000)}!`, "data")).toEqual([{ code: "schema.format", message: 'String does not match pattern "^(a+)+$".', path: "data" }]);
    expect(performance.now() - startedAt).toBeLessThan(20_000);
    expect(check("aaa", "data")).toEqual([]);
  });

  test("F4: When a hundred thousand items are wrong, then the first hundred are told, in short, and soon", () => {
    const check = compileSchema({ type: "array", items: { enum: Array.from({ length: 1_000 }, (_, index) => `choice ${index}`) } });
    const startedAt = performance.now();
    const findings = check(Array<string>(50_000).fill("none"), "inputs");
    expect(performance.now() - startedAt).toBeLessThan(10_000);
    expect([findings.length, findings[99]?.path]).toEqual([100, "inputs.99"]);
    expect(findings[0]?.message.length).toBeLessThan(400);
  });

  test("When a schema has a pattern and a format, then both count", () => {
    const check = compileSchema({ type: "string", format: "email", pattern: "example" });
    expect([check("a@b.com", "").length, check("example", "").length, check("a@example.com", "").length]).toEqual([1, 1, 0]);
  });

  test("When a property is called pattern, then it is a property", () => {
    const check = compileSchema({ type: "object", properties: { pattern: { type: "string" } }, required: ["pattern"] });
    expect([check({ pattern: "x" }, "").length, check({}, "").length]).toEqual([0, 1]);
  });

  test.each([
    ["has a pattern no linear engine takes", { pattern: "(?=x)" }],
    ["uses patternProperties", { properties: { a: { patternProperties: { "^x": {} } } } }],
  ])("When a schema %s, then it says so", (_what, schema) => {
    expect(() => compileSchema(schema)).toThrow("JSON schema");
  });

  test.each([
    ["refers to itself without end", { $ref: "#" }],
    ["refers to nothing", { $ref: "#/$defs/none" }],
  ])("When a schema %s, then the check fails with a sentence", (_what, schema) => {
    expect(() => compileSchema(schema)("x", "data")).toThrow("cannot be evaluated");
  });
});
