import { isObject, ownProperty, safeParse } from "#core";
import type { z } from "zod";
import type { NodeCatalogue, NodeType } from "../catalogue.ts";
import type { Findings } from "../findings.ts";
import { warnOfMisplaced } from "../misplaced.ts";
import type { Nearest } from "../nearest.ts";
import { type GivenInputs, normaliseInputs } from "../normalise.ts";
import type { GraphNode } from "../parse.ts";
import { type NodeRecord, START_TYPE } from "./record.ts";
import { typeHint } from "./type-hint.ts";

/** Looks a node's type up and gathers its inputs; reports a type that is unknown or cannot run yet. */
export function readRecord(node: GraphNode, at: number, catalogue: NodeCatalogue, findings: Findings, nearest: Nearest): NodeRecord {
  const type = catalogue.get(node.type);
  if (!type) {
    findings.problem("node.unknown_type", `There is no node type \`${node.type}\`.`, {
      node_id: node.id,
      path: `nodes.${node.index}.type`,
      hint: typeHint(node.type, catalogue, nearest),
    });
    return { node, type: undefined, given: new Map(), routes: "unknown", checked: false, at };
  }
  if (type.unavailable !== undefined) {
    findings.problem("node.not_available", `${type.type} cannot run yet: ${type.unavailable}`, { node_id: node.id, path: `nodes.${node.index}.type` });
  }
  const given = normaliseInputs(node, type, findings, nearest);
  warnOfMisplaced(node, type, given, findings);
  return { node, type, given, routes: routesOf(type, given), checked: type.unavailable === undefined, at };
}

function routesOf(type: NodeType, given: GivenInputs): NodeRecord["routes"] {
  if (typeof type.routes !== "function") return type.routes;
  const inputs: Record<string, unknown> = {};
  for (const [name, schema] of Object.entries(type.inputs.shape)) {
    const parsed = safeParse(schema as z.ZodType, given.get(name));
    inputs[name] = parsed.success ? parsed.data : given.get(name);
  }
  try {
    return type.routes(inputs);
  } catch {
    return "unknown";
  }
}

/** The JSON schema of the run's inputs, and the names it declares where it allows no others to go unmentioned. */
export function declaredInputs(steps: readonly NodeRecord[]): { schema: Record<string, unknown>; names: ReadonlySet<string> | undefined } | undefined {
  const schemas = steps
    .filter((step) => step.type?.type === START_TYPE)
    .map((step) => step.given.get("schema"))
    .filter(isObject);
  const [schema] = schemas;
  if (!schema) return undefined;
  const properties = schemas.map((each) => ownProperty(each, "properties"));
  return { schema, names: properties.some((each) => !isObject(each)) ? undefined : new Set(properties.filter(isObject).flatMap((each) => Object.keys(each))) };
}
