import { z } from "zod";
import { defineNode } from "../define.ts";

export default defineNode({
  kind: "activity",
  type: "Transform",
  category: "data",
  displayName: "Transform",
  description: "Shapes data with a JSONata 2 expression over all that the run has made so far.",
  inputs: z.object({
    expression: z.string().min(1).describe('JSONata: `input.items[price > 10].{"name": name}`.'),
  }),
  inputAliases: { jsonata: "expression" },
  outputs: z.unknown().describe("What the expression gives; null where it gives nothing."),
  dialects: { expression: "jsonata" },
  local: true,
  policy: { timeout: "15s" },
  effect: "none",
  run: async ({ expression }, { services, scope, signal }) => ({ value: await services.jsonata.evaluate(expression, scope, signal) }),
});
