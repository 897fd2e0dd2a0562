import { afterAll, describe, expect, test } from "vitest";
import type { JsonObject } from "#core";
import { createSchemaChecks } from "./schema-checks.ts";

const checks = createSchemaChecks({ timeoutMs: 400, threads: 1 });
afterAll(() => checks.close());

/** Each definition asks for the next one twice. */
const next = (n: number): JsonObject => ({ $ref: `#/$defs/d${n + 1}` });
const doubling: JsonObject = {
  ...next(-1),
  $defs: Object.fromEntries(
    Array.from({ length: 40 }, (_, n): [string, JsonObject] => [`d${n}`, n === 39 ? { type: "string" } : { allOf: [next(n), next(n)] }]),
  ),
};

describe("checks of values against users' schemas", () => {
  test("When a value is checked on the spot or in a thread, then the findings are the same", async () => {
    const small = { type: "object", properties: { n: { type: "integer" } } };
    const large = { ...small, $comment: { pattern: 1 } };
    const expected = [{ code: "schema.type", message: expect.any(String), path: "inputs.n" }];
    expect(await checks.check(small, { n: "x" }, "inputs")).toEqual(expected);
    expect(await checks.check(large, { n: "x" }, "inputs")).toEqual(expected);
    expect(await checks.check(small, { n: 1, text: "y".repeat(100_000) }, "inputs")).toEqual([]);
  });

  test.each<[string, JsonObject, unknown]>([
    ["references that double", doubling, "x"],
    ["a list of unique items", { uniqueItems: true }, Array.from({ length: 60_000 }, (_, n) => n)],
    ["a format that backtracks", { format: "url" }, `http://${"a:".repeat(200_000)}\\`],
  ])(
    "F4: When a check would take for ever by %s, then it is refused in time, the process answers meanwhile, and the next check works",
    async (_what, schema, value) => {
      let ticks = 0;
      const ticking = setInterval(() => ticks++, 20);
      const refused = checks.check(schema, value as string, "inputs");
      await expect(refused).rejects.toMatchObject({ code: "validation.failed", message: expect.stringContaining("SCHEMA_CHECK_TIMEOUT_MS") });
      clearInterval(ticking);
      expect(ticks).toBeGreaterThan(3);
      expect(await checks.check({ pattern: "^a" }, "b", "inputs")).toHaveLength(1);
    },
  );

  test("When a schema cannot be used, then the thread says why", async () => {
    await expect(checks.check({ pattern: "(?=x)" }, "x", "data")).rejects.toMatchObject({
      code: "validation.failed",
      message: expect.stringContaining("pattern"),
    });
    await expect(checks.check({ $ref: "#/$defs/none" }, "x", "data")).rejects.toMatchObject({
      code: "validation.failed",
      message: expect.stringContaining("cannot be evaluated"),
    });
  });
});
