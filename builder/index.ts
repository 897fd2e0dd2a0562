/**
 * Graphs in code: a typed builder that makes the JSON which `POST /workflows` takes. Inputs, routes, handles and fields that a node type does
 * not have are errors of TypeScript. Pure: loads in a browser and a test alike, and knows the node types only as types.
 */
export { cel, jsonata } from "./expressions.ts";
export type { NodeTypes } from "./node-types.gen.ts";
export { type AnyReference, type Anything, field, path, type Reference, type ReferenceTo, type TextValue, typed, type Value } from "./reference.ts";
export { index, input, item, outer, run, secret, variables } from "./scope.ts";
export type { GraphSettings, NodeSettings } from "./settings.ts";
export type { AnyNode, Entry, Exit, InputsOf, NodeOf, NodeOptions, NodeTypeName } from "./types.ts";
export { type GraphJson, Workflow, workflow, type WorkflowJson, type WorkflowOptions } from "./workflow.ts";
