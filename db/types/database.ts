import type { AccountTokens } from "./account-tokens.ts";
import type { Accounts } from "./accounts.ts";
import type { Admission } from "./admission.ts";
import type { Analytics } from "./analytics.ts";
import type { ApiKeys } from "./api-keys.ts";
import type { Approvals } from "./approvals.ts";
import type { Audit } from "./audit.ts";
import type { BulkRows } from "./bulk.ts";
import type { Circuits } from "./circuits.ts";
import type { Commands } from "./commands.ts";
import type { CredentialRows } from "./credentials.ts";
import type { CustomNodes } from "./custom-nodes.ts";
import type { Erasures } from "./erasures.ts";
import type { EventLog } from "./event-log.ts";
import type { HttpLog } from "./http-log.ts";
import type { Identities } from "./identities.ts";
import type { Invitations } from "./invitations.ts";
import type { LiveRows } from "./live.ts";
import type { NodeCache } from "./node-cache.ts";
import type { Organizations } from "./organizations.ts";
import type { PayloadStore } from "./payloads.ts";
import type { RateBuckets } from "./rate-buckets.ts";
import type { Receipts } from "./receipts.ts";
import type { Restoring } from "./restoring.ts";
import type { Retention } from "./retention.ts";
import type { RunRows } from "./runs.ts";
import type { ScheduleRows } from "./schedules.ts";
import type { SealedRows } from "./sealed.ts";
import type { SecondFactors } from "./second-factors.ts";
import type { UserSessions } from "./user-sessions.ts";
import type { Variables } from "./variables.ts";
import type { Webhooks } from "./webhooks.ts";
import type { Workflows } from "./workflows.ts";

/** Connections of a process. `free` ones may still be opened; `waiting` are statements that wait for one. */
export interface PoolState {
  busy: number;
  idle: number;
  free: number;
  waiting: number;
}

export interface Database {
  accounts: Accounts;
  userSessions: UserSessions;
  identities: Identities;
  accountTokens: AccountTokens;
  secondFactors: SecondFactors;
  apiKeys: ApiKeys;
  organizations: Organizations;
  invitations: Invitations;
  audit: Audit;
  rateBuckets: RateBuckets;
  workflows: Workflows;
  webhooks: Webhooks;
  runs: RunRows;
  admission: Admission;
  approvals: Approvals;
  commands: Commands;
  receipts: Receipts;
  nodeCache: NodeCache;
  restoring: Restoring;
  erasures: Erasures;
  retention: Retention;
  circuits: Circuits;
  bulk: BulkRows;
  payloads: PayloadStore;
  sealed: SealedRows;
  credentials: CredentialRows;
  variables: Variables;
  customNodes: CustomNodes;
  schedules: ScheduleRows;
  log: EventLog;
  live: LiveRows;
  analytics: Analytics;
  httpLog: HttpLog;
  pool(): PoolState;
  /** One cheap statement. */
  ping(): Promise<void>;
  close(): Promise<void>;
}
