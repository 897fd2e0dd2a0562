import { approvalRoutes } from "./approvals.ts";
import { authRoutes } from "./auth.ts";
import { codecRoutes } from "./codec.ts";
import { executionRoutes } from "./executions.ts";
import { healthRoutes } from "./health.ts";
import { nodeRoutes } from "./nodes.ts";
import { workflowRoutes } from "./workflows.ts";

/** Every route, by operation id. */
export const routes = { ...authRoutes, ...workflowRoutes, ...executionRoutes, ...approvalRoutes, ...nodeRoutes, ...codecRoutes, ...healthRoutes };

export type Routes = typeof routes;
export type RouteName = keyof Routes;
