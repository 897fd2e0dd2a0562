import { fileURLToPath } from "node:url";
import { bundleWorkflowCode, DefaultLogger, type WorkflowBundleWithSourceMap } from "@temporalio/worker";
import { failureConverterPath } from "#payloads";
import { keptBundle } from "./kept-bundle.ts";

/** Loaded once for all runs of a process, not once for each: pure modules that keep no state of a run. */
const PRELOADED = ["../workflows/promise-tracing.ts", "../core/index.ts", "../graph/runtime.ts", "../nodes/inline.gen.ts"];

const pathOf = (module: string): string => fileURLToPath(new URL(module, import.meta.url));

/** @param workflows Module whose exports are the workflow types. @default ours */
export function bundleWorkflows(workflows: string = pathOf("../workflows/index.ts")): Promise<WorkflowBundleWithSourceMap> {
  return bundleWorkflowCode({
    workflowsPath: workflows,
    workflowInterceptorModules: [pathOf("../workflows/calling-off.ts")],
    logger: new DefaultLogger("ERROR"),
    preloadModules: PRELOADED.map(pathOf),
    failureConverterPath,
  });
}

/** Ours; kept for the next worker of the same code. */
export function ourWorkflows(): Promise<{ code: string }> {
  return keptBundle(() => bundleWorkflows());
}
