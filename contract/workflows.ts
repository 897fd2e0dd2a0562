import { z } from "@hono/zod-openapi";
import type { JsonObject } from "#core";
import { defineRoute, jsonBody, jsonReply, needs } from "./route.ts";
import {
  fieldsQuery,
  finding,
  flagQuery,
  id,
  idParam,
  ifMatch,
  integerParam,
  json,
  jsonObject,
  listQuery,
  optionalObject,
  pageHeaders,
  pageQuery,
  rowsInPart,
  timestamp,
  trimmedText,
  withEtag,
} from "./values.ts";

const tags = ["workflows"];
const base = "/api/v1/workflows";

const versionNumber = integerParam(1, 2_147_483_647);
const byId = z.object({ id: idParam });
/** A version of a workflow, by number or by what it is. */
const versionName = z
  .union([z.enum(["draft", "published"]), integerParam(1, 999_999_999)])
  .openapi({ type: "string", pattern: "^(draft|published|[1-9][0-9]{0,8})$", description: "A number, `draft` or `published`." });
const byVersion = z.object({ id: idParam, version: versionNumber });

export const fields = {
  name: trimmedText(200),
  description: z.string().max(10_000),
  tags: z.array(trimmedText(100)).max(50),
  is_public: z.boolean(),
};

const SETTINGS = "`execution`, `max_parallel`, `deadline`, `priority`, `concurrency` of the graph's runs.";
export const optionalSettings = optionalObject.openapi({ description: SETTINGS });

/** A graph under `flow_data`, or its `nodes` and `edges` at the top level. Looked into by the compiler only. */
export const graphFields = {
  flow_data: jsonObject.optional().openapi({ description: "`{nodes, edges}`, as React Flow writes it; unknown fields are kept." }),
  nodes: z.array(json).optional(),
  edges: z.array(json).optional(),
};

export const workflow = z
  .object({
    id,
    name: z.string(),
    description: z.string(),
    tags: z.array(z.string()),
    flow_data: json,
    settings: jsonObject,
    is_public: z.boolean(),
    version: z.int().openapi({ description: "The newest version." }),
    published_version: z.int().nullable(),
    problems: z.array(finding).optional().openapi({ description: "What keeps the newest version from running; empty where nothing does." }),
    warnings: z.array(finding).optional().openapi({ description: "Given when a graph is saved." }),
    user_id: id.nullable(),
    created_at: timestamp,
    updated_at: timestamp,
    deleted_at: timestamp.optional().openapi({ description: "Of one that is deleted." }),
  })
  .openapi("Workflow");

export const workflowVersion = z
  .object({
    version: z.int(),
    hash: z.string().openapi({ description: "SHA-256 of the graph's JSON with sorted keys." }),
    published: z.boolean(),
    problems: z.array(finding),
    created_by: id.nullable(),
    created_at: timestamp,
  })
  .openapi("WorkflowVersion");

const workflowVersionWithGraph = workflowVersion.extend({ flow_data: json }).openapi("WorkflowVersionWithGraph");

const edgeEnds = z.object({ source: z.string(), source_handle: z.string(), target: z.string(), target_handle: z.string() });
const change = z.object({ path: z.string(), before: json.optional(), after: json.optional() });

export const versionDiff = z
  .object({
    from: z.int(),
    to: z.int(),
    nodes: z.object({
      added: z.array(z.string()),
      removed: z.array(z.string()),
      changed: z.array(z.object({ id: z.string(), changes: z.array(change) })),
    }),
    edges: z.object({ added: z.array(edgeEnds), removed: z.array(edgeEnds) }),
    migration: z
      .object({
        any_run: z.boolean().openapi({ description: "Every live run of `from` may go on by `to`." }),
        obstacles: z.array(z.object({ node_id: z.string(), message: z.string() })).openapi({
          description: "What would keep a run that has come to all nodes. A run that has not reached these nodes may go on by `to`.",
        }),
      })
      .nullable()
      .openapi({ description: "Whether live runs can be moved (`POST /executions/{id}/migrate`); null where one of the two has problems." }),
  })
  .openapi("VersionDiff");

export const validation = z.object({ valid: z.boolean(), errors: z.array(finding), warnings: z.array(finding) }).openapi("Validation");

/** A graph that runs as it is. */
export const GREETING: JsonObject = {
  nodes: [
    { id: "start", type: "Start", position: { x: 0, y: 0 } },
    { id: "greet", type: "Template", position: { x: 240, y: 0 }, data: { name: "Greeting", inputs: { template: "Hello {{inputs.name}}" } } },
    { id: "end", type: "End", position: { x: 480, y: 0 } },
  ],
  edges: [
    { source: "start", target: "greet" },
    { source: "greet", target: "end" },
  ],
};

const unread = json.optional().openapi({ description: "Not looked at." });
/** So that an exported file can be sent as it is. */
const fileFields = { format: unread, format_version: unread, secrets: unread, withheld: unread };
/** So that a workflow can be sent to be checked as it will be to be saved. */
const workflowFields = { name: unread, description: unread, tags: unread, is_public: unread, ...fileFields };

const createBody = z
  .object({
    name: fields.name,
    description: fields.description.nullish(),
    tags: fields.tags.nullish(),
    settings: optionalSettings,
    is_public: fields.is_public.nullish(),
    ...graphFields,
    ...fileFields,
  })
  .openapi("WorkflowCreate", { example: { name: "Greet", description: "Says hello.", tags: ["first"], flow_data: GREETING } });

const updateBody = z
  .object({
    name: fields.name.optional(),
    description: fields.description.nullish(),
    tags: fields.tags.nullish(),
    settings: optionalSettings,
    is_public: fields.is_public.nullish(),
    ...graphFields,
    ...fileFields,
  })
  .openapi("WorkflowUpdate", { example: { description: "Says hello, politely.", tags: ["first", "polite"] } });

const update = {
  tags,
  access: needs("workflow.write"),
  problems: [400, 404, 412, 413, 422],
  request: { params: byId, headers: ifMatch, body: jsonBody(updateBody) },
  responses: { 200: { ...jsonReply("As saved. A changed graph is a new version; one with problems is saved as a draft and says so.", workflow), ...withEtag } },
  description: "What is left out stays as it is.",
};

/** Orders of a list; `-` before a name is the reverse. */
export const workflowOrder = z.enum(["created_at", "-created_at", "updated_at", "-updated_at", "name", "-name"]);

const workflowQuery = pageQuery.extend({
  search: z.string().max(200).optional().openapi({ description: "Part of the name or description." }),
  tags: listQuery.optional(),
  is_public: flagQuery.optional(),
  published: flagQuery.optional().openapi({ description: "Whether a version is published." }),
  deleted: flagQuery.optional().openapi({ description: "Those that were deleted, instead of the others." }),
  sort: workflowOrder.default("-created_at"),
  fields: fieldsQuery(workflow),
  skip: pageQuery.shape.offset,
});

export const workflowRoutes = {
  listWorkflows: defineRoute({
    method: "get",
    path: base,
    operationId: "listWorkflows",
    summary: "List workflows",
    tags,
    access: needs("workflow.read"),
    problems: [400, 422],
    request: { query: workflowQuery },
    responses: { 200: { ...jsonReply("One page, the newest first unless asked otherwise.", rowsInPart(workflow)), headers: pageHeaders } },
  }),
  createWorkflow: defineRoute({
    method: "post",
    path: base,
    operationId: "createWorkflow",
    summary: "Save a new workflow",
    tags,
    access: needs("workflow.write"),
    problems: [400, 413, 422],
    request: { body: jsonBody(createBody) },
    responses: { 201: { ...jsonReply("As saved. A graph with problems is saved as a draft and says so.", workflow), ...withEtag } },
  }),
  validateGraph: defineRoute({
    method: "post",
    path: `${base}/validate`,
    operationId: "validateGraph",
    summary: "Check a graph without saving it",
    tags,
    access: needs("workflow.read"),
    problems: [400, 413, 422],
    request: {
      body: jsonBody(
        z.object({ ...workflowFields, ...graphFields, settings: optionalSettings }).openapi("GraphToValidate", { example: { flow_data: GREETING } }),
      ),
    },
    responses: { 200: jsonReply("All that is wrong with it.", validation) },
  }),
  getWorkflow: defineRoute({
    method: "get",
    path: `${base}/{id}`,
    operationId: "getWorkflow",
    summary: "Read a workflow",
    tags,
    access: needs("workflow.read"),
    problems: [404],
    request: { params: byId },
    responses: { 200: { ...jsonReply("The workflow with its newest graph.", workflow), ...withEtag } },
  }),
  replaceWorkflow: defineRoute({ ...update, method: "put", path: `${base}/{id}`, operationId: "replaceWorkflow", summary: "Change a workflow" }),
  updateWorkflow: defineRoute({ ...update, method: "patch", path: `${base}/{id}`, operationId: "updateWorkflow", summary: "Change a workflow" }),
  deleteWorkflow: defineRoute({
    method: "delete",
    path: `${base}/{id}`,
    operationId: "deleteWorkflow",
    summary: "Delete a workflow; its runs stay readable",
    tags,
    description: "`POST …/restore` takes it back.",
    access: needs("workflow.write"),
    problems: [404, 412, 422],
    request: { params: byId, headers: ifMatch },
    responses: { 204: { description: "Deleted." } },
  }),
  restoreWorkflow: defineRoute({
    method: "post",
    path: `${base}/{id}/restore`,
    operationId: "restoreWorkflow",
    summary: "Take the deletion of a workflow back",
    description: "One that is not deleted stays as it is.",
    tags,
    access: needs("workflow.write"),
    problems: [404],
    request: { params: byId },
    responses: { 200: { ...jsonReply("The workflow.", workflow), ...withEtag } },
  }),
  validateWorkflow: defineRoute({
    method: "post",
    path: `${base}/{id}/validate`,
    operationId: "validateWorkflow",
    summary: "Check the newest version again",
    tags,
    access: needs("workflow.read"),
    problems: [404],
    request: { params: byId },
    responses: { 200: jsonReply("All that is wrong with it.", validation) },
  }),
  publishWorkflow: defineRoute({
    method: "post",
    path: `${base}/{id}/publish`,
    operationId: "publishWorkflow",
    rules: "the version has no problems.",
    summary: "Make a version the one that runs",
    tags,
    access: needs("workflow.publish"),
    problems: [400, 404, 412, 422],
    request: { params: byId, headers: ifMatch, body: jsonBody(z.object({ version: z.int().min(1).max(2_147_483_647).nullish() }), false) },
    responses: { 200: { ...jsonReply("The workflow.", workflow), ...withEtag } },
  }),
  duplicateWorkflow: defineRoute({
    method: "post",
    path: `${base}/{id}/duplicate`,
    operationId: "duplicateWorkflow",
    summary: "Copy a workflow",
    tags,
    access: needs("workflow.write"),
    problems: [400, 404, 422],
    request: { params: byId, body: jsonBody(z.object({ name: fields.name.optional() }), false) },
    responses: { 201: { ...jsonReply("The copy.", workflow), ...withEtag } },
  }),
  listVersions: defineRoute({
    method: "get",
    path: `${base}/{id}/versions`,
    operationId: "listVersions",
    summary: "List the versions of a workflow",
    tags,
    access: needs("workflow.read"),
    problems: [400, 404, 422],
    request: { params: byId, query: pageQuery },
    responses: { 200: { ...jsonReply("One page, the newest first.", z.array(workflowVersion)), headers: pageHeaders } },
  }),
  getVersion: defineRoute({
    method: "get",
    path: `${base}/{id}/versions/{version}`,
    operationId: "getVersion",
    summary: "Read one version with its graph",
    tags,
    access: needs("workflow.read"),
    problems: [404],
    request: { params: byVersion },
    responses: { 200: jsonReply("The version.", workflowVersionWithGraph) },
  }),
  diffVersions: defineRoute({
    method: "get",
    path: `${base}/{id}/diff`,
    operationId: "diffVersions",
    summary: "What changed from one version to another",
    description: "Positions and other drawing are no change. `draft` is the newest version, `published` the one that runs.",
    tags,
    access: needs("workflow.read"),
    problems: [404, 422],
    request: { params: byId, query: z.object({ from: versionName.default("published"), to: versionName.default("draft") }) },
    responses: { 200: jsonReply("Nodes and edges that were added, removed or changed.", versionDiff) },
  }),
  restoreVersion: defineRoute({
    method: "post",
    path: `${base}/{id}/versions/{version}/restore`,
    operationId: "restoreVersion",
    summary: "Save the graph of an old version as the newest",
    tags,
    access: needs("workflow.write"),
    problems: [404, 412, 422],
    request: { params: byVersion, headers: ifMatch },
    responses: { 200: { ...jsonReply("The workflow.", workflow), ...withEtag } },
  }),
};
