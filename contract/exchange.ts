import { z } from "@hono/zod-openapi";
import { defineRoute, needs } from "./route.ts";
import { flagQuery, idParam, json, jsonObject, withEtag } from "./values.ts";
import { fields, graphFields, workflow } from "./workflows.ts";

const tags = ["workflows"];
const base = "/api/v1/workflows";

export const EXPORT_FORMAT = "perdure.workflow";
/** Raised when a document of before could be misread. */
export const EXPORT_FORMAT_VERSION = 1;

/** A workflow as a file. */
export const workflowExport = z
  .object({
    format: z.literal(EXPORT_FORMAT),
    format_version: z.literal(EXPORT_FORMAT_VERSION),
    name: z.string(),
    description: z.string(),
    tags: z.array(z.string()),
    flow_data: json.openapi({ description: "`{nodes, edges, settings}` as it was saved, but for what is withheld." }),
    secrets: z.array(z.string()).openapi({ description: "Names of the secrets its graph refers to: what must be set where it is imported." }),
    withheld: z.array(z.object({ node_id: z.string(), path: z.string(), secret: z.string().optional() })).openapi({
      description: "What stood in the graph and is not in the file: secrets that were written out, now references (`secret`), and pinned outputs.",
    }),
  })
  .openapi("WorkflowExport");

const importBody = z
  .object({
    format: z.literal(EXPORT_FORMAT).optional(),
    format_version: z.literal(EXPORT_FORMAT_VERSION, `this release reads version ${EXPORT_FORMAT_VERSION} of the format`).optional(),
    name: fields.name.optional(),
    description: fields.description.nullish(),
    tags: fields.tags.nullish(),
    settings: fields.settings.nullish(),
    ...graphFields,
    flow_data: jsonObject.nullish(),
  })
  .openapi("WorkflowImport");

export const exchangeRoutes = {
  exportWorkflow: defineRoute({
    method: "get",
    path: `${base}/{id}/export`,
    operationId: "exportWorkflow",
    summary: "A workflow as a file",
    description:
      "The newest version unless another is asked for, drafts too. Holds no secret: graphs refer to secrets by name, and one that was written into a node's `api_key`, `auth`, header or the like becomes a reference. Pinned outputs, which are data of a run, are left out unless asked for.",
    tags,
    access: needs("workflow.read"),
    problems: [404, 413, 422],
    request: {
      params: z.object({ id: idParam }),
      query: z.object({
        format: z.enum(["json", "yaml"]).default("json"),
        version: z.coerce.number().int().min(1).max(2_147_483_647).optional(),
        pinned_outputs: flagQuery.default(false).openapi({ description: "Keep the outputs that nodes are pinned to." }),
      }),
    },
    responses: {
      200: {
        description: "The file.",
        content: { "application/json": { schema: workflowExport }, "application/yaml": { schema: z.string() } },
      },
    },
  }),
  importWorkflow: defineRoute({
    method: "post",
    path: `${base}/import`,
    operationId: "importWorkflow",
    summary: "Save a workflow from a file",
    description:
      "Takes what `export` gives, what `GET /workflows/{id}` answers, and a bare graph, each as JSON or YAML. Saved as by `POST /workflows`: a graph with problems becomes a draft that says so; nothing is run.",
    tags,
    access: needs("workflow.write"),
    problems: [400, 413, 422],
    request: {
      query: z.object({ name: fields.name.optional().openapi({ description: "Instead of the name in the file." }) }),
      body: { content: { "application/json": { schema: importBody }, "application/yaml": { schema: z.string() } }, required: true },
    },
    responses: { 201: { description: "As saved.", content: { "application/json": { schema: workflow } }, ...withEtag } },
  }),
};

export type WorkflowExportJson = z.input<typeof workflowExport>;
