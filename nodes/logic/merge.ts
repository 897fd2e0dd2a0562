import { isObject, type Json } from "#core";
import { z } from "zod";
import { defineNode, type Arrival } from "../define.ts";
import { word } from "../inputs.ts";

/** Fields of both, objects within objects likewise; of anything else the later one stands. Own fields only, whatever their names. */
function deepMerge(first: Json, second: Json): Json {
  if (!isObject(first) || !isObject(second)) return second;
  const merged = new Map<string, Json>(Object.entries(first) as [string, Json][]);
  for (const [key, value] of Object.entries(second) as [string, Json][]) {
    const before = merged.get(key);
    merged.set(key, before === undefined ? value : deepMerge(before, value));
  }
  return Object.fromEntries(merged);
}

/** An object that came without its edges is taken for several values by source id, as `input` has them. */
function asArrivals(input: Json): readonly Arrival[] {
  return isObject(input) ? (Object.entries(input) as [string, Json][]).map(([key, value]) => ({ key, value })) : [{ key: "input", value: input }];
}

export default defineNode({
  kind: "inline",
  type: "Merge",
  category: "logic",
  displayName: "Merge",
  description: "Joins branches: waits for all that are taken and puts their values together.",
  inputs: z.object({
    mode: word("object", "array", "first", "deep")
      .default("object")
      .describe("`object`: by node id; `array`: a list; `first`: the first value; `deep`: objects merged field by field, the later one wins."),
  }),
  outputs: z.unknown().describe("The merged value."),
  run: ({ mode }, { input, arrivals = asArrivals(input) }) => {
    const values = arrivals.map((each) => each.value);
    switch (mode) {
      case "object":
        return { value: Object.fromEntries(arrivals.map(({ key, value }) => [key, value])) };
      case "array":
        return { value: values };
      case "first":
        return { value: values[0] ?? null };
      case "deep":
        return { value: values.length === 0 ? null : values.slice(1).reduce(deepMerge, values[0] ?? null) };
    }
  },
});
