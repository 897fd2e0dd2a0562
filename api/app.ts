import { PerdureError } from "#core";
import { Hono } from "hono";
import { methodNotAllowed } from "hono/method-not-allowed";
import { createAuditTrail } from "./audit/audit-trail.ts";
import type { ApiEnv } from "./context.ts";
import { locate } from "./limits/addresses.ts";
import { createRateLimiter } from "./limits/rate-limiter.ts";
import { createAccountLimits, createRouteLimits, rateHeaders } from "./limits/route-limits.ts";
import { correlate } from "./middleware/correlation.ts";
import { codecAccess } from "./middleware/codec-access.ts";
import { cors } from "./middleware/cors.ts";
import { securityHeaders } from "./middleware/security-headers.ts";
import { type Handlers, mount } from "./mount.ts";
import { notFound, problemResponse } from "./problem.ts";
import { auditHandlers } from "./routes/audit.ts";
import { apiKeyHandlers } from "./routes/api-keys.ts";
import { approvalHandlers } from "./routes/approvals.ts";
import { authHandlers } from "./routes/auth.ts";
import { bulkHandlers } from "./routes/bulk.ts";
import { checkpointHandlers } from "./routes/checkpoints.ts";
import { codecHandlers } from "./routes/codec.ts";
import { credentialHandlers } from "./routes/credentials.ts";
import { mountDocuments } from "./routes/documents.ts";
import { executionHandlers } from "./routes/executions.ts";
import { healthHandlers } from "./routes/health.ts";
import { invitationHandlers } from "./routes/invitations.ts";
import { memberHandlers, organizationHandlers } from "./routes/organizations.ts";
import { nodeHandlers } from "./routes/nodes.ts";
import { exchangeHandlers } from "./routes/exchange.ts";
import { templateHandlers } from "./routes/templates.ts";
import { queueHandlers } from "./routes/queue.ts";
import { retentionHandlers } from "./routes/retention.ts";
import { variableHandlers } from "./routes/variables.ts";
import { workflowPartHandlers } from "./routes/workflow-parts.ts";
import { workflowHandlers } from "./routes/workflows.ts";
import { createKeyHolders } from "./security/api-keys.ts";
import { createMembers } from "./security/members.ts";
import type { Services } from "./services.ts";

/**
 * The REST API over its services. Reads no environment and opens no connection.
 * Tenants: every query below takes the tenant of the access token; ids of others are 404, as unknown ones are.
 */
export function createApp(services: Services): Hono<ApiEnv> {
  const { settings, logger, tokens } = services;
  const app = new Hono<ApiEnv>({ strict: false });

  app.use(correlate(logger));
  app.use(locate(settings.TRUSTED_PROXIES));
  app.use(rateHeaders());
  app.use(securityHeaders({ crossOrigin: settings.CORS_ORIGINS.length > 0 }));
  app.use(codecAccess(settings.TEMPORAL_UI_URL));
  if (settings.CORS_ORIGINS.length > 0) app.use(cors(settings.CORS_ORIGINS));
  app.use(
    methodNotAllowed({
      app,
      onMethodNotAllowed: (c, methods) => {
        const allowed = methods.join(", ");
        const answer = problemResponse(new PerdureError("request.method_not_allowed", `This path takes ${allowed}.`), c.get("correlationId"), logger);
        answer.headers.set("allow", allowed);
        return answer;
      },
    }),
  );
  app.onError((error, c) => problemResponse(error, c.get("correlationId"), logger));
  app.notFound((c) => problemResponse(notFound("path"), c.get("correlationId"), logger));

  const limiter = createRateLimiter(services.db.rateBuckets, logger);
  const accountLimits = createAccountLimits(limiter, settings);
  const handlers: Handlers = {
    ...authHandlers(services, accountLimits),
    ...organizationHandlers(services),
    ...memberHandlers(services),
    ...invitationHandlers(services, accountLimits),
    ...apiKeyHandlers(services),
    ...auditHandlers(services),
    ...workflowHandlers(services),
    ...workflowPartHandlers(services),
    ...variableHandlers(services),
    ...exchangeHandlers(services),
    ...templateHandlers(services),
    ...executionHandlers(services),
    ...checkpointHandlers(services),
    ...bulkHandlers(services),
    ...approvalHandlers(services),
    ...queueHandlers(services),
    ...retentionHandlers(services),
    ...nodeHandlers(services),
    ...codecHandlers(services),
    ...credentialHandlers(services),
    ...healthHandlers(services),
  };
  const members = createMembers(services.db.accounts);
  mount(app, handlers, {
    tokens,
    members,
    keys: createKeyHolders(services.db.apiKeys, members),
    audit: createAuditTrail(services.db.audit, { fieldMaxBytes: settings.AUDIT_FIELD_MAX_BYTES, logger }),
    limits: createRouteLimits(limiter, settings),
    maxBodyBytes: settings.REQUEST_MAX_BODY_BYTES,
    yaml: services.yaml,
  });
  mountDocuments(app, services.version);
  return app;
}
