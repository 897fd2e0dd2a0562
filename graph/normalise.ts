import { ownProperty } from "#core";
import type { z } from "zod";
import type { NodeType } from "./catalogue.ts";
import type { Findings } from "./findings.ts";
import type { Nearest } from "./nearest.ts";
import type { GraphNode } from "./parse.ts";

/** Inputs by declared name, as they were written. */
export type GivenInputs = Map<string, unknown>;

/** `maxTokens` → `max_tokens`. */
export function toSnakeCase(name: string): string {
  return name
    .replace(/([a-z0-9])([A-Z])/g, "$1_$2")
    .replace(/([A-Z]+)([A-Z][a-z])/g, "$1_$2")
    .toLowerCase();
}

/** The declared input that a written name means: itself, an alias, or either in snake_case. */
export function inputNamed(type: NodeType, name: string): string | undefined {
  return declared(type, name) ?? declared(type, toSnakeCase(name));
}

function declared(type: NodeType, name: string): string | undefined {
  if (Object.hasOwn(type.inputs.shape, name)) return name;
  const target = ownProperty(type.inputAliases, name);
  return typeof target === "string" ? target : undefined;
}

/** Whether a type takes inputs it does not declare. */
export function isOpen(type: NodeType): boolean {
  const catchall: z.core.$ZodType | undefined = type.inputs._zod.def.catchall;
  return catchall !== undefined && catchall._zod.def.type !== "never";
}

/** Keys of `data` that are never inputs, whatever a type declares. */
const NOT_INPUTS = new Set(["name", "label"]);

/** Gathers a node's inputs under their declared names; what nobody declared is warned of and left out. */
export function normaliseInputs(node: GraphNode, type: NodeType, findings: Findings, nearest: Nearest): GivenInputs {
  const given: GivenInputs = new Map();
  const exact = new Set<string>();
  for (const [key, value] of Object.entries(node.data)) {
    const name = NOT_INPUTS.has(key) ? undefined : inputNamed(type, key);
    if (name !== undefined) given.set(name, value);
  }
  const open = isOpen(type);
  for (const [key, value] of node.inputs.flatMap((inputs) => Object.entries(inputs))) {
    const name = inputNamed(type, key) ?? (open ? key : undefined);
    if (name === undefined) {
      const hint = nearest.hint(toSnakeCase(key), [...Object.keys(type.inputs.shape), ...Object.keys(type.inputAliases ?? {})]);
      findings.warn("input.unknown", `${type.type} has no input \`${key}\`; it is ignored.`, { node_id: node.id, path: `inputs.${key}`, hint });
    } else if (key === name || !exact.has(name)) {
      if (key === name) exact.add(name);
      given.set(name, value);
    }
  }
  return given;
}
