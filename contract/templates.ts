import { z } from "@hono/zod-openapi";
import { defineRoute, jsonBody, jsonReply, needs } from "./route.ts";
import { jsonObject, withEtag } from "./values.ts";
import { fields, workflow } from "./workflows.ts";

const tags = ["templates"];
const base = "/api/v1/templates";

export const template = z
  .object({
    id: z.string().openapi({ example: "support-triage" }),
    name: z.string(),
    description: z.string(),
    category: z.string(),
    tags: z.array(z.string()),
    node_types: z.array(z.string()).openapi({ description: "The types of its nodes." }),
    secrets: z.array(z.string()).openapi({ description: "Names of the secrets it refers to." }),
    example_inputs: jsonObject.openapi({ description: "What a first run may be given." }),
  })
  .openapi("Template");

export const templateWithGraph = template.extend({ flow_data: jsonObject }).openapi("TemplateWithGraph");

const byId = z.object({ template_id: z.string().min(1).max(100) });

export const templateRoutes = {
  listTemplates: defineRoute({
    method: "get",
    path: base,
    operationId: "listTemplates",
    summary: "List the templates of workflows",
    tags,
    access: needs("workflow.read"),
    problems: [422],
    request: { query: z.object({ category: z.string().max(100).optional(), search: z.string().max(200).optional() }) },
    responses: {
      200: { ...jsonReply("All of them, by category and name.", z.array(template)), headers: z.object({ "x-total-count": z.string().optional() }) },
    },
  }),
  getTemplate: defineRoute({
    method: "get",
    path: `${base}/{template_id}`,
    operationId: "getTemplate",
    summary: "Read a template with its graph",
    tags,
    access: needs("workflow.read"),
    problems: [404],
    request: { params: byId },
    responses: { 200: jsonReply("The template.", templateWithGraph) },
  }),
  useTemplate: defineRoute({
    method: "post",
    path: `${base}/{template_id}/use`,
    operationId: "useTemplate",
    summary: "Save a workflow of one's own from a template",
    tags,
    access: needs("workflow.write"),
    problems: [400, 404, 413, 422],
    request: {
      params: byId,
      body: jsonBody(z.object({ name: fields.name.nullish(), description: fields.description.nullish(), tags: fields.tags.nullish() }), false),
    },
    responses: { 201: { ...jsonReply("The workflow.", workflow), ...withEtag } },
  }),
};

export type TemplateJson = z.input<typeof templateWithGraph>;
