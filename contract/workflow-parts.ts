import { z } from "@hono/zod-openapi";
import { defineRoute, jsonBody, jsonReply, needs } from "./route.ts";
import { finding, idParam, ifMatch, json, optionalObject, pageHeaders, pageQuery, trimmedText, withEtag } from "./values.ts";

const base = "/api/v1/workflows/{id}";

/** As graphs have them (`graph/limits.ts`). */
const nodeId = trimmedText(200);
const byId = z.object({ id: idParam });
const byNode = z.object({ id: idParam, node_id: z.string().min(1).max(200) });
const byEdge = z.object({ id: idParam, edge_id: z.string().min(1).max(500) });

const position = z.looseObject({ x: z.number(), y: z.number() });

/** A node as it stands in the graph; unknown fields are kept. */
export const workflowNode = z
  .looseObject({
    id: z.string(),
    type: json.optional().openapi({ description: "A name of `GET /api/v1/nodes`." }),
    position: json.optional(),
    data: json.optional().openapi({ description: "`name`, `inputs`, `settings`." }),
  })
  .openapi("WorkflowNode");

export const workflowEdge = z
  .looseObject({
    id: z.string(),
    source: z.string(),
    target: z.string(),
    sourceHandle: json.optional(),
    targetHandle: json.optional(),
  })
  .openapi("WorkflowEdge");

/** What a save answers with beside the part that was saved. */
const saved = {
  workflow_version: z.int().openapi({ description: "The version that the change made." }),
  problems: z.array(finding).openapi({ description: "What keeps the whole graph from running; empty where nothing does." }),
  warnings: z.array(finding),
};
/** Fields of an answer that are not of the part: a body may bring them back. */
export const BESIDE_THE_PART = Object.keys(saved);

const savedNode = workflowNode.extend(saved).openapi("SavedWorkflowNode");
const savedEdge = workflowEdge.extend(saved).openapi("SavedWorkflowEdge");

const nodeFields = {
  type: trimmedText(200),
  position: position.nullish(),
  data: optionalObject,
  config: optionalObject.openapi({ description: "Another documented name of `data.inputs`." }),
};
const newNode = z
  .looseObject({ id: nodeId.nullish().openapi({ description: "Made from the type where it is left out." }), ...nodeFields })
  .openapi("NewWorkflowNode");
const nodeReplacement = z.looseObject({ id: nodeId.nullish().openapi({ description: "That of the path." }), ...nodeFields }).openapi("WorkflowNodeReplacement");
const nodeChanges = z
  .looseObject({ id: nodeId.nullish(), ...nodeFields, type: nodeFields.type.optional() })
  .openapi("WorkflowNodeChanges", { description: "Merged into the node (RFC 7396): null takes a field away." });

const handle = z.string().max(200).nullish();
const edgeFields = {
  source: nodeId,
  target: nodeId,
  sourceHandle: handle,
  targetHandle: handle,
  source_handle: handle,
  target_handle: handle,
};
const newEdge = z.looseObject({ id: trimmedText(500).nullish(), ...edgeFields }).openapi("NewWorkflowEdge");
const edgeReplacement = z.looseObject({ id: z.string().max(500).nullish(), ...edgeFields }).openapi("WorkflowEdgeReplacement");

const read = { access: needs("workflow.read") };
const write = { access: needs("workflow.write") };
const draft = "The workflow is saved as by `PUT /workflows/{id}`: a new version, a draft where the graph has problems.";

const nodes = { ...write, tags: ["workflow nodes"], description: draft };
const edges = { ...write, tags: ["workflow edges"], description: draft };

/** Nodes and edges of the newest version, one by one (D3). */
export const workflowPartRoutes = {
  listWorkflowNodes: defineRoute({
    ...read,
    method: "get",
    path: `${base}/nodes`,
    operationId: "listWorkflowNodes",
    summary: "List the nodes of a workflow",
    tags: nodes.tags,
    problems: [400, 404, 422],
    request: { params: byId, query: pageQuery.extend({ type: z.string().max(200).optional(), search: z.string().max(200).optional() }) },
    responses: { 200: { ...jsonReply("One page, in the order of the graph.", z.array(workflowNode)), headers: pageHeaders.extend({ etag: z.string() }) } },
  }),
  addWorkflowNode: defineRoute({
    ...nodes,
    method: "post",
    path: `${base}/nodes`,
    operationId: "addWorkflowNode",
    summary: "Add a node to a workflow",
    problems: [400, 404, 409, 412, 413, 422],
    request: { params: byId, headers: ifMatch, body: jsonBody(newNode) },
    responses: { 201: { ...jsonReply("The node.", savedNode), ...withEtag } },
  }),
  getWorkflowNode: defineRoute({
    ...read,
    method: "get",
    path: `${base}/nodes/{node_id}`,
    operationId: "getWorkflowNode",
    summary: "Read a node of a workflow",
    tags: nodes.tags,
    problems: [404],
    request: { params: byNode },
    responses: { 200: { ...jsonReply("The node.", workflowNode), ...withEtag } },
  }),
  replaceWorkflowNode: defineRoute({
    ...nodes,
    method: "put",
    path: `${base}/nodes/{node_id}`,
    operationId: "replaceWorkflowNode",
    rules: "`id`, where it is given, is that of the path.",
    summary: "Replace a node of a workflow",
    problems: [400, 404, 409, 412, 413, 422],
    request: { params: byNode, headers: ifMatch, body: jsonBody(nodeReplacement) },
    responses: { 200: { ...jsonReply("The node.", savedNode), ...withEtag } },
  }),
  updateWorkflowNode: defineRoute({
    ...nodes,
    method: "patch",
    path: `${base}/nodes/{node_id}`,
    operationId: "updateWorkflowNode",
    rules: "`id`, where it is given, is that of the path.",
    summary: "Change some of a node of a workflow",
    problems: [400, 404, 409, 412, 413, 422],
    request: { params: byNode, headers: ifMatch, body: jsonBody(nodeChanges) },
    responses: { 200: { ...jsonReply("The node.", savedNode), ...withEtag } },
  }),
  deleteWorkflowNode: defineRoute({
    ...nodes,
    method: "delete",
    path: `${base}/nodes/{node_id}`,
    operationId: "deleteWorkflowNode",
    summary: "Take a node out of a workflow, and its edges with it",
    problems: [404, 409, 412, 422],
    request: { params: byNode, headers: ifMatch },
    responses: { 204: { description: "It is gone.", ...withEtag } },
  }),
  listWorkflowEdges: defineRoute({
    ...read,
    method: "get",
    path: `${base}/edges`,
    operationId: "listWorkflowEdges",
    summary: "List the edges of a workflow",
    tags: edges.tags,
    problems: [400, 404, 422],
    request: { params: byId, query: pageQuery.extend({ source: nodeId.optional(), target: nodeId.optional() }) },
    responses: { 200: { ...jsonReply("One page, in the order of the graph.", z.array(workflowEdge)), headers: pageHeaders.extend({ etag: z.string() }) } },
  }),
  addWorkflowEdge: defineRoute({
    ...edges,
    method: "post",
    path: `${base}/edges`,
    operationId: "addWorkflowEdge",
    rules: "`source` and `target` are nodes of the graph.",
    summary: "Join two nodes of a workflow",
    problems: [400, 404, 409, 412, 413, 422],
    request: { params: byId, headers: ifMatch, body: jsonBody(newEdge) },
    responses: { 201: { ...jsonReply("The edge.", savedEdge), ...withEtag } },
  }),
  getWorkflowEdge: defineRoute({
    ...read,
    method: "get",
    path: `${base}/edges/{edge_id}`,
    operationId: "getWorkflowEdge",
    summary: "Read an edge of a workflow",
    description: "An edge that was saved without an id has the one that findings give it: `source->target`, with `#2` … where there are more.",
    tags: edges.tags,
    problems: [404],
    request: { params: byEdge },
    responses: { 200: { ...jsonReply("The edge.", workflowEdge), ...withEtag } },
  }),
  replaceWorkflowEdge: defineRoute({
    ...edges,
    method: "put",
    path: `${base}/edges/{edge_id}`,
    operationId: "replaceWorkflowEdge",
    rules: "`source` and `target` are nodes of the graph, and `id`, where it is given, is that of the path.",
    summary: "Replace an edge of a workflow",
    problems: [400, 404, 409, 412, 413, 422],
    request: { params: byEdge, headers: ifMatch, body: jsonBody(edgeReplacement) },
    responses: { 200: { ...jsonReply("The edge.", savedEdge), ...withEtag } },
  }),
  deleteWorkflowEdge: defineRoute({
    ...edges,
    method: "delete",
    path: `${base}/edges/{edge_id}`,
    operationId: "deleteWorkflowEdge",
    summary: "Take an edge out of a workflow",
    problems: [404, 409, 412, 422],
    request: { params: byEdge, headers: ifMatch },
    responses: { 204: { description: "It is gone.", ...withEtag } },
  }),
};
