import { Hono } from "hono";
import { createAuditTrail } from "./audit/audit-trail.ts";
import { createRefusals } from "./audit/refusals.ts";
import type { ApiEnv } from "./context.ts";
import { locate } from "./limits/addresses.ts";
import { createRateLimiter } from "./limits/rate-limiter.ts";
import { createAccountLimits, createRouteLimits, rateHeaders } from "./limits/route-limits.ts";
import { type Live, createLive } from "./live/index.ts";
import { correlate } from "./middleware/correlation.ts";
import type { Callers } from "./middleware/guard.ts";
import { observe } from "./middleware/observe.ts";
import { codecAccess } from "./middleware/codec-access.ts";
import { cors } from "./middleware/cors.ts";
import { securityHeaders } from "./middleware/security-headers.ts";
import { type Handlers, mount } from "./mount.ts";
import { notFound, problemResponse } from "./problem.ts";
import { analyticsHandlers } from "./routes/analytics.ts";
import { auditHandlers } from "./routes/audit.ts";
import { apiKeyHandlers } from "./routes/api-keys.ts";
import { approvalHandlers } from "./routes/approvals.ts";
import { type AccountTools, authHandlers } from "./routes/auth.ts";
import { bulkHandlers } from "./routes/bulk.ts";
import { checkpointHandlers } from "./routes/checkpoints.ts";
import { codecHandlers } from "./routes/codec.ts";
import { httpToolHandlers } from "./routes/http-tool.ts";
import { credentialHandlers } from "./routes/credentials.ts";
import { mountDocuments } from "./routes/documents.ts";
import { executionHandlers } from "./routes/executions.ts";
import { mountMetrics } from "./routes/metrics.ts";
import { healthHandlers } from "./routes/health.ts";
import { identityHandlers } from "./routes/identities.ts";
import { invitationHandlers } from "./routes/invitations.ts";
import { memberHandlers, organizationHandlers } from "./routes/organizations.ts";
import { nodeHandlers } from "./routes/nodes.ts";
import { oidcHandlers } from "./routes/oidc.ts";
import { passwordHandlers } from "./routes/passwords.ts";
import { secondFactorHandlers } from "./routes/second-factor.ts";
import { sessionHandlers } from "./routes/sessions.ts";
import { exchangeHandlers } from "./routes/exchange.ts";
import { scheduleHandlers } from "./routes/schedules.ts";
import { templateHandlers } from "./routes/templates.ts";
import { queueHandlers } from "./routes/queue.ts";
import { retentionHandlers } from "./routes/retention.ts";
import { variableHandlers } from "./routes/variables.ts";
import { workflowPartHandlers } from "./routes/workflow-parts.ts";
import { webhookHandlers } from "./routes/webhooks.ts";
import { workflowHandlers } from "./routes/workflows.ts";
import { createAccountMails } from "./security/account-mails.ts";
import { createStanding } from "./security/caller.ts";
import { createSignInCodes } from "./security/sign-in-codes.ts";
import { createTickets } from "./security/tickets.ts";
import { createKeyHolders } from "./security/api-keys.ts";
import { createMembers } from "./security/members.ts";
import { rememberTokens } from "./security/remembered-tokens.ts";
import type { Services } from "./services.ts";
import { createWebhookDoor } from "./webhooks/door.ts";
import { keepWebhooks } from "./webhooks/keep-webhooks.ts";
import { webhookPreflight } from "./webhooks/preflight.ts";
import { createWebhookVault } from "./webhooks/secrets.ts";

/**
 * The REST API over its services. Reads no environment and opens no connection.
 * Tenants: every query below takes the tenant of the access token; ids of others are 404, as unknown ones are.
 */
export function createApi(given: Services): { app: Hono<ApiEnv>; live: Live } {
  const vault = createWebhookVault(given.payloads);
  const db = Object.assign(Object.create(given.db) as Services["db"], { workflows: keepWebhooks(given.db.workflows, vault) });
  const services: Services = { ...given, db };
  const { settings, logger, tokens } = services;
  const app = new Hono<ApiEnv>({ strict: false });

  app.use(observe(services.metrics, services.tracing, { takesTraces: settings.OTEL_PROPAGATORS === "tracecontext" }));
  app.use(correlate(logger));
  app.use(locate(settings.TRUSTED_PROXIES));
  app.use(rateHeaders());
  app.use(securityHeaders({ crossOrigin: settings.CORS_ORIGINS.length > 0 }));
  app.use(codecAccess(settings.TEMPORAL_UI_URL));
  app.use(webhookPreflight());
  if (settings.CORS_ORIGINS.length > 0) app.use(cors(settings.CORS_ORIGINS));
  app.onError((error, c) => {
    const answer = problemResponse(error, c.get("correlationId"), logger);
    const allow = c.get("allow");
    if (allow !== undefined) answer.headers.set("allow", allow);
    return answer;
  });
  app.notFound((c) => problemResponse(notFound("path"), c.get("correlationId"), logger));

  const members = createMembers(services.db.accounts);
  const limiter = createRateLimiter(services.db.rateBuckets, logger);
  const accountTools: AccountTools = { limits: createAccountLimits(limiter, settings), members, mails: createAccountMails(services) };
  const signInCodes = createSignInCodes(services.db.accountTokens);
  const limits = createRouteLimits(limiter, settings);
  const standing = createStanding(members, services.db.apiKeys);
  const callers: Callers = {
    tokens,
    members,
    keys: createKeyHolders(services.db.apiKeys, members),
    tickets: createTickets(services.db.live, standing),
    standing,
    limits,
    webhooks: createWebhookDoor({ rows: services.db.webhooks, vault, limits, metrics: services.metrics, bodyMaxBytes: settings.WEBHOOK_BODY_MAX_BYTES }),
  };
  const live = createLive(services, callers, (request, env) => app.fetch(request, env));
  const handlers: Handlers = {
    ...authHandlers(services, accountTools),
    ...sessionHandlers(services, accountTools),
    ...passwordHandlers(services, accountTools),
    ...secondFactorHandlers(services, accountTools),
    ...oidcHandlers(services, signInCodes),
    ...identityHandlers(services, accountTools, signInCodes),
    ...organizationHandlers(services),
    ...memberHandlers(services),
    ...invitationHandlers(services, accountTools),
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
    ...scheduleHandlers(services),
    ...retentionHandlers(services),
    ...nodeHandlers(services),
    ...httpToolHandlers(services),
    ...codecHandlers(services),
    ...credentialHandlers(services),
    ...webhookHandlers(services, vault),
    ...analyticsHandlers(services),
    ...healthHandlers(services),
    ...live.handlers,
  };
  mount(app, handlers, {
    ...callers,
    tokens: rememberTokens(tokens),
    audit: createAuditTrail(services.db.audit, { fieldMaxBytes: settings.AUDIT_FIELD_MAX_BYTES, logger }),
    refusals: createRefusals({ audit: services.db.audit, accounts: services.db.accounts, intervalMs: settings.AUDIT_REFUSAL_INTERVAL_MS, logger }),
    maxBodyBytes: settings.REQUEST_MAX_BODY_BYTES,
    yaml: services.yaml,
  });
  mountMetrics(app, services);
  mountDocuments(app, services.version);
  return { app, live };
}

export function createApp(services: Services): Hono<ApiEnv> {
  return createApi(services).app;
}
