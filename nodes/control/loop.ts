import { z } from "zod";
import { defineNode } from "../define.ts";
import { number } from "../inputs.ts";

export default defineNode({
  kind: "control",
  type: "Loop",
  category: "control",
  displayName: "Loop",
  description: "Runs its body again and again.",
  inputs: z.object({
    while: z.union([z.boolean(), z.string()]).optional().describe("CEL, asked before each iteration."),
    times: number((count) => count.int().nonnegative()).optional().describe("How many iterations."),
    max_iterations: number((count) => count.int().positive().max(100_000)).default(1000).describe("Reaching it with `while` still true fails."),
  }),
  outputs: z.object({ last: z.unknown().describe("Value of the last iteration."), iterations: z.number().int().describe("How many ran.") }),
  dialects: { while: "cel" },
  routes: ["body", "done"],
  body: { exits: ["return", "break"], asks: "while" },
  fixedInputs: ["while"],
});
