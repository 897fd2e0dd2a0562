import { z } from "zod";
import { defineNode } from "../define.ts";
import { jsonSchema } from "../inputs.ts";

export default defineNode({
  kind: "trigger",
  type: "Start",
  aliases: ["StartNode"],
  category: "triggers",
  displayName: "Start",
  description: "Where a run begins that a person or the API starts. Hands on the run's inputs.",
  inputs: z.object({
    schema: jsonSchema().optional().describe("JSON schema that the run's inputs must satisfy."),
  }),
  inputAliases: { input_schema: "schema", inputs_schema: "schema" },
  outputs: z.unknown().describe("The run's inputs."),
});
