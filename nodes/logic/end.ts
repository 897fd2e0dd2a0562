import { z } from "zod";
import { defineNode } from "../define.ts";

export default defineNode({
  kind: "inline",
  type: "End",
  aliases: ["EndNode"],
  category: "logic",
  displayName: "End",
  description: "What reaches it is the run's result. It does not stop what still runs.",
  inputs: z.object({
    value: z.unknown().optional().describe("The result; without it, what arrives."),
  }),
  inputAliases: { output: "value", result: "value" },
  outputs: z.unknown().describe("The result."),
  terminal: true,
  run: ({ value }, { input }) => ({ value: value === undefined ? input : value }),
});
