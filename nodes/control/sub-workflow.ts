import { z } from "zod";
import { defineNode } from "../define.ts";
import { record, text } from "../inputs.ts";

export default defineNode({
  kind: "control",
  type: "SubWorkflow",
  category: "control",
  displayName: "Sub-workflow",
  description: "Runs another stored workflow as a child run.",
  inputs: z.object({
    workflow_id: text().describe("Which one."),
    version: z.union([z.number().int().positive(), z.literal("latest")]).optional().describe("Which version; without it, the published one."),
    inputs: record().optional().describe("Its inputs; without them, what arrives."),
  }),
  outputs: z.unknown().describe("The child's result."),
  unavailable: "arrives with the next release",
});
