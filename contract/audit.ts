import { z } from "@hono/zod-openapi";
import { ROLES } from "./permissions.ts";
import { defineRoute, jsonReply, needs } from "./route.ts";
import { id, idParam, integerParam, json, momentParam, pageHeaders, pageQuery, timestamp } from "./values.ts";

const tags = ["audit"];
const base = "/api/v1/audit-events";

const filter = z.object({
  user_id: idParam.optional(),
  api_key_id: idParam.optional(),
  action: z.string().max(100).optional().openapi({ description: "Operation id, such as `updateWorkflow`." }),
  resource_type: z.string().max(100).optional(),
  resource_id: z.string().max(200).optional(),
  from: momentParam.optional(),
  to: momentParam.optional(),
  status: integerParam(100, 599).optional().openapi({ description: "`403`: what was refused; `401`: failed sign-ins." }),
});

export const auditEvent = z
  .object({
    id,
    at: timestamp,
    user_id: id.openapi({ description: "Who did it, or whose API key did." }),
    api_key_id: id.nullable(),
    role: z.enum(ROLES).openapi({ description: "At that moment." }),
    action: z.string().openapi({ description: "Operation id.", example: "updateWorkflow" }),
    resource_type: z.string().openapi({ example: "workflow" }),
    resource_id: z.string().nullable(),
    method: z.string(),
    path: z.string(),
    status: z.int(),
    before: json.nullable().openapi({ description: "The fields that changed, as they were; secrets are withheld." }),
    after: json.nullable().openapi({ description: "The fields that changed, as they are; of something new all." }),
    ip: z.string(),
    user_agent: z.string(),
    correlation_id: z.string(),
  })
  .openapi("AuditEvent");

export const auditRoutes = {
  listAuditEvents: defineRoute({
    method: "get",
    path: base,
    operationId: "listAuditEvents",
    summary: "List who changed what",
    description:
      "Every change that was made over this API, what members and their keys were refused (403; once a minute for each caller and route) and failed sign-ins of members (401), the newest first.",
    tags,
    access: needs("audit.read"),
    problems: [400, 422],
    request: { query: pageQuery.extend(filter.shape) },
    responses: { 200: { ...jsonReply("One page.", z.array(auditEvent)), headers: pageHeaders } },
  }),
  exportAuditEvents: defineRoute({
    method: "get",
    path: `${base}/export`,
    operationId: "exportAuditEvents",
    summary: "Export who changed what",
    description: "One JSON object on each line, the newest first, all that fit the filter.",
    tags,
    access: needs("audit.read"),
    problems: [422],
    request: { query: filter },
    responses: { 200: { description: "Lines of `AuditEvent`.", content: { "application/x-ndjson": { schema: z.string() } } } },
  }),
};
