import { z } from "@hono/zod-openapi";
import { defineRoute, jsonBody, jsonReply, needs } from "./route.ts";
import {
  PAGE_MAX,
  duration,
  flagQuery,
  id,
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

const tags = ["nodes"];
const base = "/api/v1/nodes";

/** What the registry tells of a node type (B12). Further fields come from the catalogue itself. */
export const nodeType = z
  .looseObject({
    name: z.string().openapi({ description: "The type, as graphs write it." }),
    display_name: z.string(),
    description: z.string(),
    category: z.string(),
    node_type: z.string().openapi({ description: "`provider`, `processor` or `terminator`." }),
    custom: z.boolean().optional().openapi({ description: "Registered by the organization; then `version` and `definition` say what it is." }),
  })
  .openapi("NodeType");

const typeParam = z.object({ type: z.string().min(1).max(200) });
const METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"] as const;

/** What a custom type sends. Texts are templates over its inputs: `{{inputs.city}}`. */
const customRequest = z
  .object({
    method: z.enum(METHODS).default("GET"),
    url: trimmedText(4_000).openapi({ example: "https://api.example.com/v1/weather/{{inputs.city}}" }),
    headers: z.record(z.string().max(100), z.string().max(4_000)).default({}),
    query: jsonObject.prefault({}),
    body: json.optional().openapi({ description: "Text as it is, anything else as JSON; templates in any of its texts." }),
    timeout: duration.default("30s"),
    follow_redirects: z.boolean().default(true),
    response_type: z.enum(["auto", "json", "text", "binary"]).default("auto"),
  })
  .openapi("CustomNodeRequest", { description: "Scheme and host of `url` are written out. Sent through the outgoing guard, as an HttpRequest node sends." });

const definition = {
  display_name: trimmedText(200).nullish(),
  description: z.string().max(10_000).nullish(),
  category: trimmedText(100).nullish().openapi({ description: "`custom` where it is left out." }),
  input_schema: optionalObject.openapi({ description: "JSON schema of an object; its properties are the inputs of the node." }),
  output_schema: optionalObject.openapi({ description: "JSON schema of the answer's body, which is what the node hands on." }),
  request: customRequest,
  credential_types: z.array(z.string().max(50)).max(20).nullish().openapi({
    description: "Nodes may name a credential of one of these types in the input `credential`; it proves who sends the request.",
  }),
};
const customName = z
  .string()
  .regex(/^(?:custom\.)?[a-z][a-z0-9_-]{0,62}$/, "is written in small letters, digits, - and _, 63 at most")
  .openapi({ example: "weather", description: "Graphs write it with `custom.` before it." });

const newCustomNode = z.object({ name: customName, ...definition }).openapi("NewCustomNode");
const customNodeReplacement = z
  .object({ name: customName.nullish().openapi({ description: "That of the path." }), ...definition })
  .openapi("CustomNodeReplacement");

const customNodeVersion = z.object({ version: z.int(), definition: jsonObject, created_by: id.nullable(), created_at: timestamp }).openapi("CustomNodeVersion");

export const nodeCategory = z.looseObject({ name: z.string() }).openapi("NodeCategory");

export const nodeRoutes = {
  listNodes: defineRoute({
    method: "get",
    path: base,
    operationId: "listNodes",
    summary: "List the node types",
    tags,
    access: needs("node.read"),
    problems: [400, 422],
    request: {
      query: pageQuery.partial({ limit: true }).extend({
        limit: integerParam(1, PAGE_MAX).optional().openapi({ description: "All of them where it is left out." }),
        category: z.string().max(100).optional(),
        search: z.string().max(200).optional(),
        fields: listQuery.optional().openapi({ type: "string", description: "Only these fields of each row, separated by commas." }),
        custom: flagQuery.optional().openapi({ description: "Those that the organization has registered, or those that come with the product." }),
      }),
    },
    responses: { 200: { ...jsonReply("Every node type with its JSON schemas.", rowsInPart(nodeType)), headers: pageHeaders } },
  }),
  registerNode: defineRoute({
    method: "post",
    path: base,
    operationId: "registerNode",
    rules:
      "the schemas are JSON schemas, `request` writes out scheme and host, reads inputs that there are and holds no secret, and `credential_types` are types that there are.",
    summary: "Register a node type of the organization",
    description:
      "A node of this type sends one HTTP request, through the same guard and with the same credentials as HttpRequest. Nothing is sent or run when it is saved. A name that was deleted comes back as its next version.",
    tags,
    access: needs("node.write"),
    problems: [400, 409, 413, 422],
    request: { body: jsonBody(newCustomNode) },
    responses: { 201: { ...jsonReply("The node type.", nodeType), ...withEtag } },
  }),
  replaceNode: defineRoute({
    method: "put",
    path: `${base}/{type}`,
    operationId: "replaceNode",
    rules:
      "the schemas are JSON schemas, `request` writes out scheme and host, reads inputs that there are and holds no secret, and `credential_types` are types that there are; `name`, where it is given, is that of the path.",
    summary: "Change a node type of the organization",
    description:
      "Makes a version. Workflows are compiled with what a type is when they are saved: versions that are saved, and runs that have begun, keep what they were compiled with.",
    tags,
    access: needs("node.write"),
    problems: [400, 404, 409, 412, 413, 422],
    request: { params: typeParam, headers: ifMatch, body: jsonBody(customNodeReplacement) },
    responses: { 200: { ...jsonReply("The node type.", nodeType), ...withEtag } },
  }),
  deleteNode: defineRoute({
    method: "delete",
    path: `${base}/{type}`,
    operationId: "deleteNode",
    summary: "Delete a node type of the organization",
    description: "Saved versions and runs that have begun go on with it; no graph can be saved with it as more than a draft.",
    tags,
    access: needs("node.write"),
    problems: [404, 412, 422],
    request: { params: typeParam, headers: ifMatch },
    responses: { 204: { description: "It is gone." } },
  }),
  listNodeVersions: defineRoute({
    method: "get",
    path: `${base}/{type}/versions`,
    operationId: "listNodeVersions",
    summary: "List the versions of a node type of the organization",
    tags,
    access: needs("node.read"),
    problems: [400, 404, 422],
    request: { params: typeParam, query: pageQuery },
    responses: { 200: { ...jsonReply("One page, the newest first.", z.array(customNodeVersion)), headers: pageHeaders } },
  }),
  listNodeCategories: defineRoute({
    method: "get",
    path: `${base}/categories`,
    operationId: "listNodeCategories",
    summary: "List the categories of node types",
    tags,
    access: needs("node.read"),
    responses: { 200: jsonReply("The categories.", z.array(nodeCategory)) },
  }),
  getNode: defineRoute({
    method: "get",
    path: `${base}/{type}`,
    operationId: "getNode",
    summary: "Read one node type, by its name or an alias",
    tags,
    access: needs("node.read"),
    problems: [404],
    request: { params: typeParam },
    responses: { 200: { ...jsonReply("The node type. One of the organization has an `ETag`.", nodeType), headers: z.object({ etag: z.string().optional() }) } },
  }),
};

export type NodeTypeJson = z.input<typeof nodeType>;
export type NodeCategoryJson = z.input<typeof nodeCategory>;
