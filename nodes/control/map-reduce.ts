import { z } from "zod";
import { defineNode } from "../define.ts";
import { number, word } from "../inputs.ts";

export default defineNode({
  kind: "control",
  type: "MapReduce",
  aliases: ["ForEach", "for_each", "foreach", "ForEachNode", "MapReduceNode", "map_reduce", "Iterator", "IteratorNode", "Iteration"],
  category: "control",
  displayName: "Map and reduce",
  description: "Runs its body for each item of a list, several at once, and collects the results in the order of the items.",
  inputs: z.object({
    items: z.array(z.unknown()).describe("The list, or an expression that gives one."),
    concurrency: number((count) => count.int().min(1).max(50))
      .default(10)
      .describe("How many at once."),
    on_item_error: word("fail", "skip", "collect")
      .default("fail")
      .describe("What the failure of one item does: end all, leave it out, or stand as a failure in its place."),
    reduce: z.string().min(1).optional().describe("JSONata over the collected results, `items`."),
  }),
  inputAliases: {
    list: "items",
    array: "items",
    collection: "items",
    input_array: "items",
    over: "items",
    max_concurrency: "concurrency",
    parallelism: "concurrency",
    max_parallel: "concurrency",
    error_handling: "on_item_error",
    reducer: "reduce",
    reduce_expression: "reduce",
  },
  outputs: z.unknown().describe("The results, or what `reduce` makes of them."),
  dialects: { reduce: "jsonata" },
  routes: ["body", "done"],
  body: { exits: ["return"] },
  fixedInputs: ["reduce"],
  ownNames: { reduce: ["items"] },
});
