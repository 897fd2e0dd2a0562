import { z } from "zod";
import { defineNode } from "../define.ts";
import { duration, jsonSchema, list, text } from "../inputs.ts";

export default defineNode({
  kind: "control",
  type: "HumanApproval",
  aliases: ["Approval", "HumanApprovalNode"],
  category: "human",
  displayName: "Approval",
  description: "Waits until a person approves or rejects, for as long as it takes.",
  inputs: z.object({
    prompt: text().default("Please approve or reject.").describe("What is asked."),
    data: z.unknown().optional().describe("What the person is shown."),
    schema: jsonSchema().optional().describe("JSON schema that the data of an answer must satisfy."),
    assignees: list(text()).default([]).describe("E-mail addresses of those who may answer; empty is anyone with the right to."),
    timeout: duration().optional().describe("How long it waits; without it, for ever."),
  }),
  inputAliases: { message: "prompt", question: "prompt", approvers: "assignees" },
  outputs: z.object({
    decision: z.enum(["approved", "rejected"]).describe("What was decided."),
    by: z.string().describe("Who answered."),
    at: z.string().describe("When, ISO 8601 UTC."),
    comment: z.string().nullable().describe("What was said."),
    data: z.unknown().describe("What was sent with the answer."),
  }),
  routes: ["approved", "rejected", "timeout"],
});
