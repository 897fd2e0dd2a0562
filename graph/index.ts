/** What can be known about a graph without running it. */
export * from "./catalogue.ts";
export { compile, type CompileOptions, type CompileResult, type ResolveWorkflow, selectEntries } from "./compile/index.ts";
export type { GraphSettingsInput, NodeSettingsInput } from "./compile/settings.ts";
export { diff, type GraphDiff } from "./diff.ts";
export { type Decision, readDecision } from "./expression/decision.ts";
export { GRAPH_LIMITS, type GraphLimits, MAX_EDGES, MAX_EXPRESSIONS, MAX_GRAPH_BYTES, MAX_ID_LENGTH, MAX_JSON_DEPTH, MAX_NODES } from "./limits.ts";
export { canMigrate, type MigrationObstacle, type MigrationRun } from "./migrate.ts";
export { Nearest } from "./nearest.ts";
export { nodeTypesOf } from "./node-types-of.ts";
export { planText } from "./plan-text.ts";
export * from "./plan.ts";
export { compileOwnTemplates } from "./template/own.ts";
export { credentialNamed, credentialsOf } from "./credentials.ts";
export { compileText } from "./template/standalone.ts";
export { nodesOfType } from "./triggers.ts";
export { type SubWorkflowRef, subWorkflowsOf } from "./sub-workflows.ts";
