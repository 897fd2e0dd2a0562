import { z } from "zod";
import { defineNode } from "../define.ts";
import { number, record, text } from "../inputs.ts";

export default defineNode({
  kind: "control",
  type: "SubWorkflow",
  aliases: ["SubWorkflowNode", "sub_workflow", "subworkflow", "ExecuteWorkflow", "execute_workflow", "CallWorkflow", "WorkflowNode"],
  category: "control",
  displayName: "Sub-workflow",
  description: "Runs another stored workflow as a child run.",
  inputs: z.object({
    workflow_id: text()
      .refine((id) => id !== "" && !id.includes("{{"), {
        error: "must be the id of a stored workflow, not an expression: which one runs is known before the run begins",
      })
      .describe("Which one, by its id."),
    version: z
      .union([z.literal("latest"), number((version) => version.int().positive())], { error: 'must be a number of a version, or "latest"' })
      .optional()
      .describe('Which version; `"latest"`: the one saved last when the run starts; without it, the published one.'),
    inputs: record().optional().describe("Its inputs; without them, what arrives."),
  }),
  inputAliases: {
    workflow: "workflow_id",
    flow_id: "workflow_id",
    sub_workflow_id: "workflow_id",
    child_workflow_id: "workflow_id",
    workflow_version: "version",
    parameters: "inputs",
    input_data: "inputs",
    input_mapping: "inputs",
    workflow_inputs: "inputs",
  },
  outputs: z.unknown().describe("The child's result."),
  dialects: { workflow_id: "literal", version: "literal" },
  fixedInputs: ["workflow_id", "version"],
});
