import { z } from "zod";
import { defineNode } from "../define.ts";
import { number } from "../inputs.ts";
import { celPaths, decisionSchema } from "../logic/comparison.ts";

/** Iterations of one loop at most, whatever it says itself. */
const MOST_ITERATIONS = 100_000;

export default defineNode({
  kind: "control",
  type: "Loop",
  aliases: ["LoopNode", "loop", "WhileLoop", "while_loop", "Repeat"],
  category: "control",
  displayName: "Loop",
  description: "Runs its body again and again, one iteration after the other: a number of times, while a condition holds, or both.",
  inputs: z
    .object({
      while: decisionSchema()
        .optional()
        .describe(
          "Asked before each iteration: CEL, or a comparison as in Condition. `item` is what the iteration before returned (at first, what arrives), `index` how many there were.",
        ),
      times: number((count) => count.int().nonnegative().max(MOST_ITERATIONS))
        .optional()
        .describe("How many iterations at most."),
      max_iterations: number((count) => count.int().positive().max(MOST_ITERATIONS))
        .default(1_000)
        .describe("Reaching it with `while` still true fails."),
    })
    .refine((inputs) => inputs.while !== undefined || inputs.times !== undefined, { error: "give `times`, `while` or both" })
    .refine(({ times, max_iterations: most }) => times === undefined || times <= most, { error: "is more than `max_iterations` allows", path: ["times"] }),
  inputAliases: {
    condition: "while",
    while_condition: "while",
    loop_condition: "while",
    count: "times",
    iterations: "times",
    loop_count: "times",
    max_loops: "max_iterations",
    max_loop_count: "max_iterations",
  },
  outputs: z.object({
    last: z.unknown().describe("What the last iteration returned; what arrived, where there was none."),
    iterations: z.number().int().describe("How many ran."),
  }),
  dialects: celPaths("while"),
  routes: ["body", "done"],
  body: { exits: ["return", "break"], asks: "while" },
  fixedInputs: ["while"],
});
