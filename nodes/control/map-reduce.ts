import { z } from "zod";
import { defineNode } from "../define.ts";
import { number, word } from "../inputs.ts";

export default defineNode({
  kind: "control",
  type: "MapReduce",
  aliases: ["ForEach"],
  category: "control",
  displayName: "Map and reduce",
  description: "Runs its body for each item of a list, several at once, and collects the results in the order of the items.",
  inputs: z.object({
    items: z.array(z.unknown()).describe("The list."),
    concurrency: number((count) => count.int().min(1).max(50)).default(10).describe("How many at once."),
    on_item_error: word("fail", "skip", "collect").default("fail").describe("What the failure of one item does."),
    reduce: z.string().optional().describe("JSONata over the collected results."),
  }),
  outputs: z.unknown().describe("The results, or what `reduce` makes of them."),
  dialects: { reduce: "jsonata" },
  routes: ["body", "done"],
  body: { exits: ["return"] },
  fixedInputs: ["reduce"],
  ownNames: { reduce: ["items"] },
});
