import { type Json, type JsonObject, PerdureError, isObject } from "#core";
import { notFound } from "../problem.ts";

/** Nodes and edges of a graph as it is saved, by id. Pure: each change gives a new graph, all else in it stays as it was written. */
export interface Parts {
  readonly nodes: readonly JsonObject[];
  /** Each with the id under which it is found. */
  readonly edges: readonly { id: string; edge: JsonObject }[];
}

/** What a node or edge is called by; numbers are read as texts, as the compiler does. */
function idOf(part: JsonObject): string | undefined {
  const { id } = part;
  return typeof id === "number" ? String(id) : typeof id === "string" && id !== "" ? id : undefined;
}

const end = (edge: JsonObject, side: "source" | "target"): string => (edge[side] == null ? "" : String(edge[side] as string | number));

/** Where nodes and edges stand: at the top, or under `flow_data`. */
function holderOf(graph: JsonObject): JsonObject {
  const inner = graph["flow_data"];
  return graph["nodes"] === undefined && isObject(inner) ? (inner as JsonObject) : graph;
}

const listOf = (value: Json | undefined): JsonObject[] => (Array.isArray(value) ? value.filter(isObject) : []) as JsonObject[];

export function partsOf(graph: JsonObject): Parts {
  const holder = holderOf(graph);
  const edges = listOf(holder["edges"]);
  const taken = new Set(edges.map(idOf));
  return { nodes: listOf(holder["nodes"]), edges: edges.map((edge) => ({ id: idOf(edge) ?? unusedEdgeId(edge, taken), edge })) };
}

/** The id that findings give an edge without one. */
function unusedEdgeId(edge: JsonObject, taken: Set<string | undefined>): string {
  const base = `${end(edge, "source")}->${end(edge, "target")}`;
  let id = base;
  for (let count = 2; taken.has(id); count++) id = `${base}#${count}`;
  taken.add(id);
  return id;
}

/** @throws PerdureError `resource.not_found`. */
export function findNode(graph: JsonObject, id: string): JsonObject {
  const found = partsOf(graph).nodes.find((node) => idOf(node) === id);
  if (!found) throw notFound("node");
  return found;
}

/** @returns the edge with its id. @throws PerdureError `resource.not_found`. */
export function findEdge(graph: JsonObject, id: string): JsonObject {
  const found = partsOf(graph).edges.find((each) => each.id === id);
  if (!found) throw notFound("edge");
  return { ...found.edge, id: found.id };
}

/** @throws PerdureError `resource.conflict` where the id is taken. */
export function addNode(graph: JsonObject, node: JsonObject): { graph: JsonObject; id: string } {
  const { nodes } = partsOf(graph);
  const taken = new Set(nodes.map(idOf));
  const id = idOf(node) ?? unusedNodeId(String(node["type"]), taken);
  if (taken.has(id)) throw new PerdureError("resource.conflict", `There is a node \`${id}\` already.`);
  return { graph: withParts(graph, { nodes: [...rawNodes(graph), { ...node, id }] }), id };
}

/** `HttpRequest` → `http_request_1`, `http_request_2` … */
function unusedNodeId(type: string, taken: ReadonlySet<string | undefined>): string {
  const words = type
    .replace(/([a-z0-9])([A-Z])/g, "$1_$2")
    .replace(/[^A-Za-z0-9]+/g, "_")
    .toLowerCase()
    .replace(/^_+|_+$/g, "");
  for (let count = 1; ; count++) {
    const id = `${words || "node"}_${count}`;
    if (!taken.has(id)) return id;
  }
}

/** @throws PerdureError `resource.not_found`; `validation.failed` where the body has another id: others refer to a node by it. */
export function replaceNode(graph: JsonObject, id: string, change: (node: JsonObject) => JsonObject): JsonObject {
  const present = findNode(graph, id);
  const next = change(present);
  refuseOtherId(next, id);
  const replaced = { ...next, id: present["id"] as Json };
  return withParts(graph, { nodes: rawNodes(graph).map((node) => (node === present ? replaced : node)) });
}

/** Its edges go with it. @throws PerdureError `resource.not_found`. */
export function removeNode(graph: JsonObject, id: string): JsonObject {
  findNode(graph, id);
  const isOf = (edge: Json): boolean => isObject(edge) && [end(edge as JsonObject, "source"), end(edge as JsonObject, "target")].includes(id);
  return withParts(graph, {
    nodes: rawNodes(graph).filter((node) => !isObject(node) || idOf(node as JsonObject) !== id),
    edges: rawEdges(graph).filter((edge) => !isOf(edge)),
  });
}

/** @throws PerdureError `resource.conflict` for an edge that is there already, or its id; `validation.failed` where an end is no node. */
export function addEdge(graph: JsonObject, edge: JsonObject): { graph: JsonObject; id: string } {
  const { edges } = partsOf(graph);
  const given = idOf(edge);
  if (given !== undefined && edges.some(({ id }) => id === given)) throw new PerdureError("resource.conflict", `There is an edge \`${given}\` already.`);
  refuseEdge(graph, edge, undefined);
  const id = given ?? unusedEdgeId(edge, new Set(edges.map((each) => each.id)));
  return { graph: withParts(graph, { edges: [...rawEdges(graph), { ...edge, id }] }), id };
}

/** @throws PerdureError `resource.not_found`, and as `addEdge`. */
export function replaceEdge(graph: JsonObject, id: string, edge: JsonObject): JsonObject {
  const present = partsOf(graph).edges.find((each) => each.id === id);
  if (!present) throw notFound("edge");
  refuseOtherId(edge, id);
  refuseEdge(graph, edge, id);
  return withParts(graph, { edges: rawEdges(graph).map((each) => (each === present.edge ? { ...edge, id } : each)) });
}

/** @throws PerdureError `resource.not_found`. */
export function removeEdge(graph: JsonObject, id: string): JsonObject {
  const present = partsOf(graph).edges.find((each) => each.id === id);
  if (!present) throw notFound("edge");
  return withParts(graph, { edges: rawEdges(graph).filter((each) => each !== present.edge) });
}

/** RFC 7396: null takes a field away, objects are merged, all else is replaced. */
export function merged(target: JsonObject, patch: JsonObject): JsonObject {
  const result: JsonObject = { ...target };
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete result[key];
    else Object.defineProperty(result, key, { value: mergedValue(result[key], value), enumerable: true, writable: true, configurable: true });
  }
  return result;
}

function mergedValue(before: Json | undefined, patch: Json): Json {
  if (!isObject(patch)) return patch;
  return merged(isObject(before) ? (before as JsonObject) : {}, patch as JsonObject);
}

function refuseOtherId(part: JsonObject, id: string): void {
  const given = idOf(part);
  if (given === undefined || given === id) return;
  throw new PerdureError("validation.failed", "The request is not valid.", {
    findings: [{ code: "validation.id", message: "cannot be changed: add a new one and delete this one", path: "id" }],
  });
}

/** `self`: the edge that is replaced. */
function refuseEdge(graph: JsonObject, edge: JsonObject, self: string | undefined): void {
  const { nodes, edges } = partsOf(graph);
  const known = new Set(nodes.map(idOf));
  const findings = (["source", "target"] as const)
    .filter((side) => !known.has(end(edge, side)))
    .map((side) => ({ code: "edge.dangling", message: `There is no node \`${end(edge, side)}\`.`, path: side }));
  if (findings.length > 0) throw new PerdureError("validation.failed", "The edge joins what is not there.", { findings });
  const ends = endsOf(edge);
  const same = edges.find((each) => each.id !== self && endsOf(each.edge) === ends);
  if (same) {
    throw new PerdureError("resource.conflict", `The edge \`${same.id}\` joins \`${end(edge, "source")}\` to \`${end(edge, "target")}\` by the same handles.`);
  }
}

function endsOf(edge: JsonObject): string {
  const handle = (camel: string, snake: string, otherwise: string): string => String(edge[camel] || edge[snake] || otherwise);
  return JSON.stringify([
    end(edge, "source"),
    handle("sourceHandle", "source_handle", "output"),
    end(edge, "target"),
    handle("targetHandle", "target_handle", "input"),
  ]);
}

const rawNodes = (graph: JsonObject): Json[] => (Array.isArray(holderOf(graph)["nodes"]) ? (holderOf(graph)["nodes"] as Json[]) : []);
const rawEdges = (graph: JsonObject): Json[] => (Array.isArray(holderOf(graph)["edges"]) ? (holderOf(graph)["edges"] as Json[]) : []);

function withParts(graph: JsonObject, parts: { nodes?: Json[]; edges?: Json[] }): JsonObject {
  const holder = holderOf(graph);
  const changed = { ...holder, ...parts };
  return holder === graph ? changed : { ...graph, flow_data: changed };
}
