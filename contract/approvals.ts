import { z } from "@hono/zod-openapi";
import { defineRoute, jsonBody, jsonReply, needs } from "./route.ts";
import { flagQuery, id, idParam, json, jsonObject, pageHeaders, pageQuery, timestamp } from "./values.ts";

const tags = ["approvals"];
const base = "/api/v1/approvals";
const byId = z.object({ id: idParam });

export const APPROVAL_STATUSES = ["pending", "answered", "expired", "cancelled"] as const;

export const approval = z
  .object({
    id,
    execution_id: id,
    node_id: z.string(),
    iteration: z.string(),
    kind: z.enum(["approval", "input"]),
    status: z.enum(APPROVAL_STATUSES),
    prompt: z.string(),
    data: json.nullable().openapi({ description: "What is to be judged." }),
    schema: jsonObject.nullable().openapi({ description: "JSON schema of the answer's `data`." }),
    assignees: z.array(z.string()).openapi({ description: "Who may answer, by e-mail address or user id; empty: everybody who may answer at all." }),
    decision: z.string().nullable(),
    answer: json.nullable(),
    comment: z.string().nullable(),
    answered_by: id.nullable(),
    answered_at: timestamp.nullable(),
    expires_at: timestamp.nullable(),
    created_at: timestamp,
  })
  .openapi("Approval");

export const approvalRoutes = {
  listApprovals: defineRoute({
    method: "get",
    path: base,
    operationId: "listApprovals",
    summary: "List what waits for people",
    tags,
    access: needs("approval.read"),
    problems: [422],
    request: { query: pageQuery.extend({ status: z.enum(APPROVAL_STATUSES).optional(), mine: flagQuery.optional(), execution_id: idParam.optional() }) },
    responses: { 200: { ...jsonReply("One page.", z.array(approval)), headers: pageHeaders } },
  }),
  getApproval: defineRoute({
    method: "get",
    path: `${base}/{id}`,
    operationId: "getApproval",
    summary: "Read one",
    tags,
    access: needs("approval.read"),
    problems: [404],
    request: { params: byId },
    responses: { 200: jsonReply("The approval.", approval) },
  }),
  answerApproval: defineRoute({
    method: "post",
    path: `${base}/{id}`,
    operationId: "answerApproval",
    rules: "`decision` is one that is asked for, and `data` fits the schema of the approval.",
    summary: "Answer",
    description: "A HumanApproval takes a `decision`; a HumanInput takes `data` alone. The first answer counts, a second one gets 409.",
    tags,
    access: needs("approval.answer"),
    problems: [400, 404, 409, 413, 422],
    request: {
      params: byId,
      body: jsonBody(
        z
          .object({
            decision: z.enum(["approved", "rejected", "submitted"]).nullish(),
            data: json.optional(),
            comment: z.string().max(10_000).nullish(),
          })
          .openapi("ApprovalAnswer", { example: { decision: "approved", comment: "As agreed." } }),
      ),
    },
    responses: { 200: jsonReply("The answer took effect.", approval), 202: jsonReply("The answer is kept for a worker that is away.", approval) },
  }),
};
