import { z } from "zod";
import { defineNode } from "../define.ts";
import { celPaths, decide, decisionSchema, equalJson } from "./comparison.ts";

const caseSchema = z
  .object({
    when: decisionSchema().optional().describe("Taken when this holds: CEL, or a comparison as in Condition."),
    equals: z.unknown().optional().describe("Taken when `value` equals this."),
    name: z.string().optional().describe("For people to read."),
  })
  .refine((each) => each.when !== undefined || Object.hasOwn(each, "equals"), { error: "needs `when` or `equals`" });

export default defineNode({
  kind: "inline",
  type: "Switch",
  category: "logic",
  displayName: "Switch",
  description: "Goes on by the first case that fits (`case:0`, `case:1`, …), else by `default`.",
  inputs: z.object({
    value: z.unknown().optional().describe("What `equals` is compared with; without it, what arrives."),
    cases: z.array(caseSchema).min(1).max(100).describe("Asked in order."),
  }),
  outputs: z.unknown().describe("What arrived."),
  dialects: celPaths("cases.*.when"),
  routes: (inputs) => [...(Array.isArray(inputs["cases"]) ? inputs["cases"].map((_, index) => `case:${index}`) : []), "default"],
  run: ({ value, cases }, { input }) => {
    const subject = value === undefined ? input : value;
    const index = cases.findIndex((each) => (each.when === undefined ? equalJson(subject, each.equals) : decide(each.when)));
    return { value: input, route: index < 0 ? "default" : `case:${index}` };
  },
});
