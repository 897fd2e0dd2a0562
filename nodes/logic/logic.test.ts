import type { Json } from "#core";
import { describe, expect, test } from "vitest";
import condition from "./condition.ts";
import end from "./end.ts";
import merge from "./merge.ts";
import switchNode from "./switch.ts";

const routeOf = (decision: unknown, input: unknown = null) => condition.run(condition.inputs.parse({ condition: decision }), { input: input as null }).route;

describe("Condition", () => {
  test.each([
    [true, "true"],
    [false, "false"],
    ["true", "true"],
    [{ left: 5, operator: ">", right: 3 }, "true"],
    [{ left: "10", operator: "greater_than", right: 9 }, "true"],
    [{ left: "b", operator: "lt", right: "a" }, "false"],
    [{ left: { a: 1, b: [2] }, operator: "==", right: { b: [2], a: 1 } }, "true"],
    [{ left: 1, operator: "equals", right: "1" }, "false"],
    [{ left: "refund please", operator: "contains", right: "refund" }, "true"],
    [{ left: ["x"], operator: "not_contains", right: "y" }, "true"],
    [{ left: "x", operator: "in", right: ["x", "y"] }, "true"],
    [{ left: { constructor: 1 }, operator: "contains", right: "toString" }, "false"],
    [{ left: [], operator: "is_empty" }, "true"],
    [{ left: null, operator: "exists" }, "false"],
    [{ all: [true, { left: 1, operator: "ne", right: 2 }] }, "true"],
    [{ any: [false, { not: true }] }, "false"],
    [{ all: [] }, "true"],
  ])("A5: When the decision is %j, then it goes on by %s", (decision, route) => {
    expect(routeOf(decision)).toBe(route);
  });

  test("A5: When it has decided, then it hands on its input", () => {
    expect(condition.run({ condition: true }, { input: { a: 1 } })).toEqual({ value: { a: 1 }, route: "true" });
  });

  test("When the sides have no order, then it fails and does not guess", () => {
    expect(() => routeOf({ left: [1], operator: ">", right: 2 })).toThrow(/a list and a number have no order/);
    expect(() => routeOf("maybe")).toThrow(/neither true nor false/);
  });

  test("When the operator is unknown, then the input is refused", () => {
    expect(condition.inputs.safeParse({ condition: { left: 1, operator: "resembles", right: 1 } }).success).toBe(false);
    expect(condition.inputs.safeParse({ condition: { left: 1, operator: "constructor", right: 1 } }).success).toBe(false);
  });
});

describe("Switch", () => {
  const run = (inputs: unknown, input: unknown = null) => switchNode.run(switchNode.inputs.parse(inputs), { input: input as null });

  test("A5: When several cases fit, then the first is taken", () => {
    expect(run({ value: "b", cases: [{ equals: "a" }, { equals: "b" }, { equals: "b" }] }).route).toBe("case:1");
    expect(run({ cases: [{ when: false }, { when: { left: 1, operator: "<", right: 2 } }] }, 7)).toEqual({ value: 7, route: "case:1" });
  });

  test("A5: When no case fits, then default is taken", () => {
    expect(run({ value: "z", cases: [{ equals: "a" }] }).route).toBe("default");
  });

  test("When value is not given, then the input is compared, and null may be asked for", () => {
    expect(run({ cases: [{ equals: null }] }, null).route).toBe("case:0");
    expect(run({ cases: [{ equals: "x" }] }, "x").route).toBe("case:0");
  });

  test("When its routes are asked for, then there is one for each case and default", () => {
    const routes = switchNode.routes as (inputs: Record<string, unknown>) => readonly string[];
    expect(routes({ cases: [{ equals: 1 }, { equals: 2 }] })).toEqual(["case:0", "case:1", "default"]);
    expect(routes({})).toEqual(["default"]);
  });

  test("When a case asks nothing, then it is refused", () => {
    expect(switchNode.inputs.safeParse({ cases: [{ name: "empty" }] }).error?.issues[0]?.path).toEqual(["cases", 0]);
  });
});

describe("Merge", () => {
  const arrivals: { key: string; value: Json }[] = [
    { key: "a", value: { x: 1, deep: { p: 1 } } },
    { key: "b", value: { y: 2, deep: { q: 2 } } },
  ];
  const run = (mode: string) => merge.run(merge.inputs.parse({ mode }), { input: { a: arrivals[0]!.value, b: arrivals[1]!.value }, arrivals }).value;

  test("A5: When two branches arrive, then each mode joins them its way", () => {
    expect(run("object")).toEqual({ a: arrivals[0]!.value, b: arrivals[1]!.value });
    expect(run("array")).toEqual([arrivals[0]!.value, arrivals[1]!.value]);
    expect(run("first")).toEqual(arrivals[0]!.value);
    expect(run("deep")).toEqual({ x: 1, y: 2, deep: { p: 1, q: 2 } });
  });

  test("When only one branch is taken, then it is still found under its node's id", () => {
    const only = [{ key: "b", value: 5 }];
    expect(merge.run({ mode: "object" }, { input: 5, arrivals: only }).value).toEqual({ b: 5 });
    expect(merge.run({ mode: "array" }, { input: 5, arrivals: only }).value).toEqual([5]);
  });

  test("When a value names __proto__, then nothing but a field of that name is made", () => {
    const evil = JSON.parse('{"__proto__": {"polluted": true}}') as { [key: string]: never };
    const merged = merge.run(
      { mode: "deep" },
      {
        input: null,
        arrivals: [
          { key: "a", value: { n: 1 } },
          { key: "b", value: evil },
        ],
      },
    ).value as object;
    expect(Object.hasOwn(merged, "__proto__")).toBe(true);
    expect(({} as Record<string, unknown>)["polluted"]).toBeUndefined();
    expect(Object.getPrototypeOf(merged)).toBe(Object.prototype);
  });
});

describe("End", () => {
  test("When it has a value, then that is the result, else what arrives", () => {
    expect(end.run({ value: 0 }, { input: "in" }).value).toBe(0);
    expect(end.run({ value: null }, { input: "in" }).value).toBeNull();
    expect(end.run({}, { input: "in" }).value).toBe("in");
  });
});
