import { analyticsRoutes } from "./analytics.ts";
import { apiKeyRoutes } from "./api-keys.ts";
import { approvalRoutes } from "./approvals.ts";
import { auditRoutes } from "./audit.ts";
import { authRoutes } from "./auth.ts";
import { bulkRoutes } from "./bulk.ts";
import { checkpointRoutes } from "./checkpoints.ts";
import { codecRoutes } from "./codec.ts";
import { credentialRoutes } from "./credentials.ts";
import { executionRoutes } from "./executions.ts";
import { healthRoutes } from "./health.ts";
import { liveRoutes } from "./live.ts";
import { httpToolRoutes } from "./http-tool.ts";
import { nodeRoutes } from "./nodes.ts";
import { exchangeRoutes } from "./exchange.ts";
import { organizationRoutes } from "./organizations.ts";
import { queueRoutes } from "./queue.ts";
import { signInRoutes } from "./sign-in.ts";
import { scheduleRoutes } from "./schedules.ts";
import { retentionRoutes } from "./retention.ts";
import { templateRoutes } from "./templates.ts";
import { variableRoutes } from "./variables.ts";
import { workflowPartRoutes } from "./workflow-parts.ts";
import { webhookRoutes } from "./webhooks.ts";
import { workflowRoutes } from "./workflows.ts";

/** Every route, by operation id. */
export const routes = {
  ...authRoutes,
  ...signInRoutes,
  ...organizationRoutes,
  ...apiKeyRoutes,
  ...auditRoutes,
  ...workflowRoutes,
  ...workflowPartRoutes,
  ...variableRoutes,
  ...exchangeRoutes,
  ...templateRoutes,
  ...executionRoutes,
  ...checkpointRoutes,
  ...bulkRoutes,
  ...approvalRoutes,
  ...queueRoutes,
  ...scheduleRoutes,
  ...liveRoutes,
  ...retentionRoutes,
  ...nodeRoutes,
  ...httpToolRoutes,
  ...codecRoutes,
  ...credentialRoutes,
  ...webhookRoutes,
  ...analyticsRoutes,
  ...healthRoutes,
};

export type Routes = typeof routes;
export type RouteName = keyof Routes;
