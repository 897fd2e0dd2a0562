/** What can be known about a graph without running it. */
export * from "./catalogue.ts";
export { compile, type CompileOptions, type CompileResult, selectEntries } from "./compile/index.ts";
export { diff, type GraphDiff } from "./diff.ts";
export { GRAPH_LIMITS, type GraphLimits, MAX_EDGES, MAX_EXPRESSIONS, MAX_GRAPH_BYTES, MAX_JSON_DEPTH, MAX_NODES } from "./limits.ts";
export * from "./plan.ts";
