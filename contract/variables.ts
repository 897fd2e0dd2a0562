import { z } from "@hono/zod-openapi";
import { defineRoute, jsonBody, jsonReply, needs } from "./route.ts";
import { id, idParam, ifMatch, json, pageHeaders, pageQuery, timestamp, withEtag } from "./values.ts";

const tags = ["variables"];
const ofOrganization = "/api/v1/variables";
const ofWorkflow = "/api/v1/workflows/{id}/variables";

/** As templates and expressions can write it. */
const name = z
  .string()
  .regex(/^(?!__proto__$)[A-Za-z_][A-Za-z0-9_]{0,99}$/, "begins with a letter or _, then letters, digits and _, 100 at most")
  .openapi({ example: "api_base" });
const byName = z.object({ name });
const byWorkflow = z.object({ id: idParam });
const byWorkflowAndName = z.object({ id: idParam, name });

const VARIABLE_TYPES = ["string", "number", "boolean", "object", "array", "null"] as const;
const type = z.enum(VARIABLE_TYPES);

export const variable = z
  .object({
    id,
    name: z.string(),
    value: json,
    type: type.openapi({ description: "The JSON type of the value." }),
    description: z.string(),
    scope: z.enum(["organization", "workflow"]),
    workflow_id: id.nullable(),
    looks_secret: z.boolean().openapi({
      description: "Its name is that of a secret. Variables are shown to who may read them, stand in runs and logs: what is secret belongs into credentials.",
    }),
    created_by: id.nullable(),
    created_at: timestamp,
    updated_at: timestamp,
  })
  .openapi("Variable");

const content = {
  value: json,
  type: type.nullish().openapi({ description: "Checked against the value where it is given." }),
  description: z.string().max(1_000).nullish(),
  is_secret: z
    .literal(false, "secrets are no variables: store a credential, or name a secret of the installation")
    .nullish()
    .openapi({ enum: [false, null] }),
};
const has = (body: object): boolean => "value" in body;
const newVariable = z
  .object({ name, ...content })
  .refine(has, { error: "is required", path: ["value"] })
  .openapi("NewVariable", { required: ["name", "value"] });
const replacement = z
  .object({ name: name.nullish().openapi({ description: "That of the path." }), ...content })
  .refine(has, { error: "is required", path: ["value"] })
  .openapi("VariableReplacement", { required: ["value"] });

const query = pageQuery.extend({ search: z.string().max(200).optional().openapi({ description: "Part of the name or description." }) });
const read = { tags, access: needs("variable.read") };
const write = { tags, access: needs("variable.write") };

const list = { ...read, method: "get", responses: { 200: { ...jsonReply("One page, by name.", z.array(variable)), headers: pageHeaders } } } as const;
const get = { ...read, method: "get", problems: [404], responses: { 200: { ...jsonReply("The variable.", variable), ...withEtag } } } as const;
const create = { ...write, method: "post", responses: { 201: { ...jsonReply("The variable.", variable), ...withEtag } } } as const;
const put = {
  ...write,
  method: "put",
  problems: [400, 404, 412, 413, 422],
  description: "One that is not there is made, unless `If-Match` names a state of it.",
  responses: {
    200: { ...jsonReply("As changed.", variable), ...withEtag },
    201: { ...jsonReply("As made.", variable), ...withEtag },
  },
} as const;
const remove = { ...write, method: "delete", problems: [404, 412, 422], responses: { 204: { description: "It is gone." } } } as const;

/**
 * Values that graphs read as `{{variables.name}}`, and by the bare name where no input has it. Nearest first: what a run is started with, the
 * workflow's, the organization's. A run reads what they were when it began.
 */
export const variableRoutes = {
  listVariables: defineRoute({
    ...list,
    path: ofOrganization,
    operationId: "listVariables",
    summary: "List the organization's variables",
    problems: [400, 422],
    request: { query },
  }),
  createVariable: defineRoute({
    ...create,
    path: ofOrganization,
    operationId: "createVariable",
    rules: "the value has the `type` that is named and no more bytes than VARIABLE_MAX_BYTES.",
    summary: "Make a variable of the organization",
    problems: [400, 409, 413, 422],
    request: { body: jsonBody(newVariable) },
  }),
  getVariable: defineRoute({
    ...get,
    path: `${ofOrganization}/{name}`,
    operationId: "getVariable",
    summary: "Read a variable of the organization",
    request: { params: byName },
  }),
  replaceVariable: defineRoute({
    ...put,
    path: `${ofOrganization}/{name}`,
    operationId: "replaceVariable",
    rules: "the value has the `type` that is named and no more bytes than VARIABLE_MAX_BYTES; `name`, where it is given, is that of the path.",
    summary: "Set a variable of the organization",
    request: { params: byName, headers: ifMatch, body: jsonBody(replacement) },
  }),
  deleteVariable: defineRoute({
    ...remove,
    path: `${ofOrganization}/{name}`,
    operationId: "deleteVariable",
    summary: "Delete a variable of the organization",
    request: { params: byName, headers: ifMatch },
  }),
  listWorkflowVariables: defineRoute({
    ...list,
    path: ofWorkflow,
    operationId: "listWorkflowVariables",
    summary: "List a workflow's own variables",
    problems: [400, 404, 422],
    request: { params: byWorkflow, query },
  }),
  createWorkflowVariable: defineRoute({
    ...create,
    path: ofWorkflow,
    operationId: "createWorkflowVariable",
    rules: "the value has the `type` that is named and no more bytes than VARIABLE_MAX_BYTES.",
    summary: "Make a variable of a workflow",
    problems: [400, 404, 409, 413, 422],
    request: { params: byWorkflow, body: jsonBody(newVariable) },
  }),
  getWorkflowVariable: defineRoute({
    ...get,
    path: `${ofWorkflow}/{name}`,
    operationId: "getWorkflowVariable",
    summary: "Read a variable of a workflow",
    request: { params: byWorkflowAndName },
  }),
  replaceWorkflowVariable: defineRoute({
    ...put,
    path: `${ofWorkflow}/{name}`,
    operationId: "replaceWorkflowVariable",
    rules: "the value has the `type` that is named and no more bytes than VARIABLE_MAX_BYTES; `name`, where it is given, is that of the path.",
    summary: "Set a variable of a workflow",
    request: { params: byWorkflowAndName, headers: ifMatch, body: jsonBody(replacement) },
  }),
  deleteWorkflowVariable: defineRoute({
    ...remove,
    path: `${ofWorkflow}/{name}`,
    operationId: "deleteWorkflowVariable",
    summary: "Delete a variable of a workflow",
    request: { params: byWorkflowAndName, headers: ifMatch },
  }),
};

export type VariableJson = z.input<typeof variable>;
