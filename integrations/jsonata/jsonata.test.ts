import { afterAll, describe, expect, test } from "vitest";
import { createJsonata } from "./index.ts";

const TIMEOUT_MS = 1500;
const service = createJsonata({ timeoutMs: TIMEOUT_MS, memoryMb: 32, threads: 2, maxResultLength: 100_000 });
afterAll(() => service.close());

const never = new AbortController().signal;
const evaluate = (expression: string, scope = {}, signal = never) => service.evaluate(expression, scope, signal);

describe("results", () => {
  test.each([
    ["input.items[price > 10].name", ["b", "c"]],
    ["$sum(input.items.price)", 35],
    ["nothing.here", null],
    ["function($x) { $x }", null],
    ['{"f": $sum, "n": 1}', { f: null, n: 1 }],
    ["$$.input.items[0]", { name: "a", price: 5 }],
  ])("B1: When %s is evaluated over the scope, then it gives %j", async (expression, expected) => {
    const scope = {
      input: {
        items: [
          { name: "a", price: 5 },
          { name: "b", price: 15 },
          { name: "c", price: 15 },
        ],
      },
    };
    expect(await evaluate(expression, scope)).toEqual(expected);
  });

  test("When the expression is wrong, then the failure says where and is not retried", async () => {
    await expect(evaluate("input.(")).rejects.toMatchObject({ code: "expression.failed", retryable: false });
    await expect(evaluate("input.(")).rejects.toThrow(/at character \d+/);
    await expect(evaluate('$error("no stock")')).rejects.toThrow(/no stock/);
  });
});

describe("limits", () => {
  test.each([
    ["an endless recursion", "($f := function($n) { $f($n + 1) }; $f(0))"],
    ["a regular expression that explodes", '$match("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!", /(a+)+$/)'],
  ])("F4: When the expression is %s, then its thread ends and the next expression is evaluated", async (_what, expression) => {
    const begun = Date.now();
    await expect(evaluate(expression)).rejects.toMatchObject({ code: "expression.failed", retryable: false });
    expect(Date.now() - begun).toBeLessThan(TIMEOUT_MS + 20_000);
    expect(await evaluate("1 + 1")).toBe(2);
  });

  test("F4: When the expression takes too much memory, then only its thread ends", async () => {
    await expect(evaluate("($f := function($a) { $f($append($a, [1..100000].{'k': $string($)})) }; $f([]))")).rejects.toMatchObject({
      code: "expression.failed",
    });
    expect(await evaluate("1 + 1")).toBe(2);
  });

  test("When the result is too long, then it is output.too_large", async () => {
    await expect(evaluate('$pad("", 200000, "x")')).rejects.toMatchObject({ code: "output.too_large" });
  });

  test("A9: When it is cancelled, then it ends with that reason, in a thread or waiting for one", async () => {
    const caller = new AbortController();
    const slow = '$match("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!", /(a+)+$/)';
    const pending = [1, 2, 3].map(() => evaluate(slow, {}, caller.signal));
    setTimeout(() => caller.abort(new Error("cancelled")), 100);
    for (const result of await Promise.allSettled(pending)) expect(result).toMatchObject({ status: "rejected", reason: { message: "cancelled" } });
    expect(await evaluate("1 + 1")).toBe(2);
  });
});

describe("isolation", () => {
  test.each([
    '{}.constructor.constructor("return process")()',
    '$lookup({}, "constructor")',
    '$sum.constructor("return 1")',
    "$string.environment",
    '$eval("{}.constructor")',
  ])("F4: When %s reaches for the machinery, then there is nothing", async (expression) => {
    const [result] = await Promise.allSettled([evaluate(expression)]);
    if (result?.status === "fulfilled") expect(result.value).toBeNull();
    else expect(result?.reason).toMatchObject({ code: "expression.failed" });
  });

  test.each([
    '{"__proto__": {"polluted": true}}',
    '$merge([input, {"polluted": true}])',
    'input ~> | $ | {"__proto__": {"polluted": true}} |',
    '$lookup(input, "__proto__") ~> | $ | {"polluted": true} |',
  ])("F4: When %s writes to a prototype, then neither this process nor the next evaluation sees it", async (expression) => {
    await evaluate(expression, { input: JSON.parse('{"__proto__": {"x": 1}}') as never }).catch(() => {});
    expect(({} as Record<string, unknown>)["polluted"]).toBeUndefined();
    expect(await evaluate('$lookup({}, "polluted")')).toBeNull();
    expect(await evaluate("$string({})")).toBe("{}");
  });
});

test("When evaluations follow each other, then a warm thread answers quickly", async () => {
  await evaluate("1");
  const begun = performance.now();
  for (let count = 0; count < 50; count++) await evaluate("input * 2", { input: count });
  expect((performance.now() - begun) / 50).toBeLessThan(1000);
});
