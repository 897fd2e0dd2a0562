/** What the worker bundles: every exported function is a Temporal workflow type. */
export { runGraph } from "./run-graph.ts";
export { startScheduledRun } from "./start-scheduled-run.ts";
