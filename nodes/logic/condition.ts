import { z } from "zod";
import { defineNode } from "../define.ts";
import { celPaths, decide, decisionSchema } from "./comparison.ts";

export default defineNode({
  kind: "inline",
  type: "Condition",
  aliases: ["IfElse", "condition", "ConditionNode"],
  category: "logic",
  displayName: "Condition",
  description: "Goes on by `true` or `false`. The condition is a CEL expression, a comparison, or several joined by `all`, `any`, `not`.",
  inputs: z.object({
    condition: decisionSchema().describe(
      'CEL (`input.score > 5`), or `{"left": "{{input.score}}", "operator": "greater_than", "right": 5}`, or `{"all": [...]}`, `{"any": [...]}`.',
    ),
  }),
  inputAliases: { expression: "condition", if: "condition" },
  outputs: z.unknown().describe("What arrived."),
  dialects: celPaths("condition"),
  routes: ["true", "false"],
  run: ({ condition }, { input }) => ({ value: input, route: decide(condition) ? "true" : "false" }),
});
