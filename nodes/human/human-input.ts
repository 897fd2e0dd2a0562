import { z } from "zod";
import { defineNode } from "../define.ts";
import { duration, jsonSchema, list, text } from "../inputs.ts";

export default defineNode({
  kind: "control",
  type: "HumanInput",
  aliases: ["HumanInputNode"],
  category: "human",
  displayName: "Human input",
  description: "Waits until a person gives data that satisfies the schema.",
  inputs: z.object({
    prompt: text().default("Please give the data asked for.").describe("What is asked."),
    schema: jsonSchema().default({}).describe("JSON schema of the answer."),
    data: z.unknown().optional().describe("What the person is shown."),
    assignees: list(text()).default([]).describe("E-mail addresses of those who may answer; empty is anyone with the right to."),
    timeout: duration().optional().describe("How long it waits; without it, for ever."),
  }),
  inputAliases: { message: "prompt", question: "prompt" },
  outputs: z.unknown().describe("What was given."),
  routes: ["output", "timeout"],
});
