import { sql } from "drizzle-orm";
import type { Logger } from "#platform";
import { openConnection } from "./connection/connection.ts";
import { translateStartup } from "./connection/errors.ts";
import { createNotifications } from "./connection/notifications.ts";
import { createPool } from "./connection/pool.ts";
import { createSessions } from "./connection/sessions.ts";
import { createAccountTokens } from "./queries/account-tokens.ts";
import { createAccounts } from "./queries/accounts.ts";
import { createAnalytics } from "./queries/analytics.ts";
import { createAdmission } from "./queries/admission.ts";
import { createApiKeys } from "./queries/api-keys.ts";
import { createApprovals } from "./queries/approvals.ts";
import { createAudit } from "./queries/audit.ts";
import { createCircuits } from "./queries/circuits.ts";
import { createBulkRows } from "./queries/bulk.ts";
import { createCommands } from "./queries/commands.ts";
import { createCredentials } from "./queries/credentials.ts";
import { createCustomNodes } from "./queries/custom-nodes.ts";
import { createEventLog } from "./queries/event-log.ts";
import { createHttpLog } from "./queries/http-log.ts";
import { createInvitations } from "./queries/invitations.ts";
import { createNodeCache } from "./queries/node-cache.ts";
import { createPayloadStore } from "./queries/payloads.ts";
import { createOrganizations } from "./queries/organizations.ts";
import { createRateBuckets } from "./queries/rate-buckets.ts";
import { createLiveRows } from "./queries/live.ts";
import { createReceipts } from "./queries/receipts.ts";
import { createRestoring } from "./queries/restoring.ts";
import { createErasures } from "./queries/erasures.ts";
import { createRetention } from "./queries/retention.ts";
import { createRunRows } from "./queries/runs.ts";
import { createVariables } from "./queries/variables.ts";
import { createSealedRows } from "./queries/sealed.ts";
import { createSecondFactors } from "./queries/second-factors.ts";
import { createIdentities } from "./queries/identities.ts";
import { createUserSessions } from "./queries/user-sessions.ts";
import { createWebhooks } from "./queries/webhooks.ts";
import { createScheduleRows } from "./queries/schedules.ts";
import { createWorkflows } from "./queries/workflows.ts";
import { ROLES } from "./roles.ts";
import type { RunObserver } from "./observer.ts";
import type { Database } from "./types/index.ts";

const PAGE_MAX_BYTES = 16 * 1024 * 1024;

export interface DatabaseSettings {
  /** `postgres://user:password@host:port/database`. */
  url: string;
  /** Connections at most; one more listens. */
  poolSize: number;
  /** Of one statement, waiting for locks included. @default 30 s */
  statementTimeoutMs?: number;
  /** Of the rows of one page, as JSON text; one row in any case. @default 16 MiB */
  pageMaxBytes?: number;
  logger?: Logger;
  /** Hears of nodes and runs whose end this process was the first to write. */
  observer?: RunObserver;
}

/**
 * @throws PerdureError `configuration.invalid` where the user cannot take on the narrow roles – a process must not serve without the second
 *   wall – or the URL is refused; `database.unavailable` where nothing answers.
 */
export async function openDatabase({
  url,
  poolSize,
  statementTimeoutMs,
  pageMaxBytes = PAGE_MAX_BYTES,
  logger,
  observer,
}: DatabaseSettings): Promise<Database> {
  await checkRoles(url);
  const pool = createPool(url, poolSize, { statementTimeoutMs });
  const sessions = createSessions(pool);
  const notifications = createNotifications(url, logger);
  const runs = createRunRows(sessions, pageMaxBytes, observer);
  return {
    accounts: createAccounts(sessions),
    userSessions: createUserSessions(sessions, pageMaxBytes),
    identities: createIdentities(sessions, pageMaxBytes),
    accountTokens: createAccountTokens(sessions),
    secondFactors: createSecondFactors(sessions),
    apiKeys: createApiKeys(sessions, pageMaxBytes),
    organizations: createOrganizations(sessions, pageMaxBytes),
    invitations: createInvitations(sessions, pageMaxBytes),
    audit: createAudit(sessions, pageMaxBytes),
    rateBuckets: createRateBuckets(sessions),
    workflows: createWorkflows(sessions, pageMaxBytes),
    webhooks: createWebhooks(sessions, pageMaxBytes),
    runs,
    admission: createAdmission(sessions, runs, observer),
    approvals: createApprovals(sessions, pageMaxBytes),
    commands: createCommands(sessions),
    receipts: createReceipts(sessions),
    nodeCache: createNodeCache(sessions),
    restoring: createRestoring(sessions),
    erasures: createErasures(sessions),
    retention: createRetention(sessions),
    circuits: createCircuits(sessions),
    bulk: createBulkRows(sessions, pageMaxBytes),
    payloads: createPayloadStore(sessions),
    sealed: createSealedRows(sessions),
    credentials: createCredentials(sessions, pageMaxBytes),
    variables: createVariables(sessions, pageMaxBytes),
    customNodes: createCustomNodes(sessions, pageMaxBytes),
    schedules: createScheduleRows(sessions, pageMaxBytes),
    log: createEventLog(sessions, notifications, observer),
    live: createLiveRows(sessions, notifications),
    analytics: createAnalytics(sessions),
    httpLog: createHttpLog(sessions),
    pool: () => pool.state(),
    async ping() {
      await sessions.once("system", (db) => db.execute(sql`select 1`));
    },
    async close() {
      await notifications.close();
      await pool.close();
    },
  };
}

async function checkRoles(url: string): Promise<void> {
  try {
    const connection = await openConnection(url);
    try {
      for (const role of ROLES) await connection.sendScript(`begin; set local role ${role}; rollback`);
    } finally {
      await connection.close();
    }
  } catch (error) {
    throw translateStartup(error);
  }
}
