import { z } from "@hono/zod-openapi";
import { defineRoute, jsonReply, needs } from "./route.ts";

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
  })
  .openapi("NodeType");

export const nodeCategory = z.looseObject({ name: z.string() }).openapi("NodeCategory");

export const nodeRoutes = {
  listNodes: defineRoute({
    method: "get",
    path: base,
    operationId: "listNodes",
    summary: "List the node types",
    tags,
    access: needs("node.read"),
    request: { query: z.object({ category: z.string().max(100).optional(), search: z.string().max(200).optional() }) },
    responses: { 200: jsonReply("Every node type with its JSON schemas.", z.array(nodeType)) },
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
    request: { params: z.object({ type: z.string().min(1).max(200) }) },
    responses: { 200: jsonReply("The node type.", nodeType) },
  }),
};

export type NodeTypeJson = z.input<typeof nodeType>;
export type NodeCategoryJson = z.input<typeof nodeCategory>;
