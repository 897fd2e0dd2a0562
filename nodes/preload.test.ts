import { readdirSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { inlineNodes } from "./inline.gen.ts";

/** As Temporal's worker does with what preloaded modules export: own properties, recursively; not prototypes, not what functions hold. */
function deepFreeze(value: unknown, visited = new WeakSet<object>()): void {
  if ((typeof value !== "object" && typeof value !== "function") || value === null || visited.has(value)) return;
  visited.add(value);
  if (Object.isFrozen(value)) return;
  if (typeof value === "object") for (const key of Reflect.ownKeys(value)) deepFreeze((value as Record<PropertyKey, unknown>)[key], visited);
  Object.freeze(value);
}

/** Good ones first, a bad one last where there is any. */
const INPUTS: Record<string, unknown[]> = {
  Set: [{ values: { a: 1 } }, { values: 7 }],
  Template: [{ template: "text" }, {}],
  Condition: [{ condition: true }, { condition: { all: [{ left: 1, operator: "==", right: 1 }, { not: { any: [false] } }] } }, { condition: 7 }],
  Switch: [
    { value: "a", cases: [{ equals: "a" }, { when: true }] },
    { value: 1, cases: "none" },
  ],
  Merge: [{ mode: "first" }, { mode: "sideways" }],
  End: [{ value: { any: "thing" } }],
};

test("A3: When the modules of inline nodes are frozen as the worker freezes them, then every inline node still checks its inputs, good and bad", async () => {
  const folders = ["logic", "data", "."];
  for (const folder of folders) {
    for (const file of readdirSync(join(import.meta.dirname, folder)).filter((name) => name.endsWith(".ts") && !name.includes(".test."))) {
      for (const exported of Object.values((await import(join(import.meta.dirname, folder, file))) as object)) deepFreeze(exported);
    }
  }
  expect(Object.keys(inlineNodes)).toEqual(expect.arrayContaining(Object.keys(INPUTS)));
  for (const [type, { inputs }] of Object.entries(inlineNodes)) {
    const results = (INPUTS[type] ?? [{}]).map((sample) => inputs.safeParse(sample).success);
    if (INPUTS[type]) expect(results[0], type).toBe(true);
    if (results.length > 1) expect(results.at(-1), type).toBe(false);
  }
});
