import { type Json, PerdureError, type RetentionDays, type RunStatus, type TenantId, isClosed, stableStringify, uuidv7 } from "#core";
import type {
  Admission,
  ApiKey,
  Approvals,
  AuditEvent,
  BulkJob,
  BulkRows,
  Circuits,
  Database,
  Identity,
  EventLog,
  Erasures,
  Retention,
  Invitation,
  LinkedIdentity,
  Login,
  Membership,
  Paged,
  Role,
  RunFilter,
  RunRows,
  SecondFactor,
  SignInUser,
  Webhook,
  Workflow,
  WorkflowVersion,
  Workflows,
} from "#db";
import {
  type MemoryAccountToken,
  type MemorySession,
  memoryAccounts,
  memoryAccountTokens,
  memoryIdentities,
  memorySecondFactors,
  memoryUserSessions,
} from "./memory-accounts.ts";
import { memoryApiKeys, memoryAudit, memoryInvitations, memoryOrganizations, memoryRateBuckets } from "./memory-organizations.ts";
import type { Approval, NodeRow, Run, StoredEvent } from "#runs";
import { createMemoryLive } from "./memory-live.ts";
import { createMemoryCredentials, type StoredCredential } from "./memory-credentials.ts";
import { createMemoryCustomNodes } from "./memory-custom-nodes.ts";
import { memorySealed } from "./memory-sealed.ts";
import { createMemoryVariables } from "./memory-variables.ts";
import { memoryWebhooks, type StoredDelivery, storeWebhook } from "./memory-webhooks.ts";
import { createMemorySchedules } from "./memory-schedules.ts";
import { createMemoryStore } from "../../payloads/testing/memory-store.ts";
import { memoryAnalytics } from "./memory-analytics.ts";
import { memoryHttpLog } from "./memory-http-log.ts";

export interface StoredWorkflow {
  tenant: TenantId;
  workflow: Workflow;
  versions: WorkflowVersion[];
}

/** What the database would hold, open to the test. */
export interface MemoryState {
  users: SignInUser[];
  /** `revision`: 1, where it is left out. */
  memberships: (Membership & { userId: string; revision?: number })[];
  sessions: MemorySession[];
  accountTokens: MemoryAccountToken[];
  secondFactors: Map<string, Omit<SecondFactor, "recoveryCodesLeft"> & { lastStep: number; codes: Set<string> }>;
  identities: (Identity & LinkedIdentity & { userId: string; isUnlinked: boolean })[];
  logins: (Login & { email: string; userId?: string })[];
  workflows: StoredWorkflow[];
  runs: Run[];
  nodes: Map<string, NodeRow[]>;
  events: Map<string, StoredEvent[]>;
  approvals: Approval[];
  circuits: (Awaited<ReturnType<Circuits["list"]>>[number] & { tenantId: TenantId })[];
  /** Organizations' own limits of concurrency. */
  limits: Map<TenantId, number | null>;
  invitations: (Invitation & { tenantId: TenantId; tokenHash: string })[];
  apiKeys: (ApiKey & { tenantId: TenantId; keyHash: string })[];
  audit: (AuditEvent & { tenantId: TenantId })[];
  erasures: Set<TenantId>;
  bulk: (BulkJob & { tenant: TenantId; runIds: string[] })[];
  webhooks: Webhook[];
  deliveries: StoredDelivery[];
}

export interface MemoryDatabase extends Database {
  readonly state: MemoryState;
  /** Gives a user another role. */
  setRole(userId: string, role: Role): void;
}

export function pageOf<T>(rows: T[], { limit, cursor, offset }: { limit: number; cursor?: string; offset?: number }): Paged<T> {
  const start = cursor === undefined ? (offset ?? 0) : Number(cursor);
  const nextCursor = start + limit < rows.length ? String(start + limit) : undefined;
  return { rows: rows.slice(start, start + limit), nextCursor, total: rows.length };
}

/** Keeps in memory what the api calls of `db/types/`, for tests of what HTTP sees. Not for concurrency, not for SQL. */
export function createMemoryDatabase(): MemoryDatabase {
  const state: MemoryState = {
    users: [],
    memberships: [],
    sessions: [],
    accountTokens: [],
    secondFactors: new Map(),
    identities: [],
    logins: [],
    workflows: [],
    runs: [],
    nodes: new Map(),
    events: new Map(),
    approvals: [],
    circuits: [],
    limits: new Map(),
    apiKeys: [],
    invitations: [],
    audit: [],
    bulk: [],
    webhooks: [],
    deliveries: [],
    erasures: new Set(),
  };
  const credentials: StoredCredential[] = [];
  const wantedRuns = (tenant: TenantId, { workflowId, status, from, to, forkedFrom, ids }: RunFilter): Run[] =>
    state.runs
      .filter(
        (run) =>
          run.tenantId === tenant &&
          (workflowId === undefined || run.workflowId === workflowId) &&
          (status === undefined || status.includes(run.status)) &&
          (from === undefined || run.createdAt >= from) &&
          (to === undefined || run.createdAt <= to) &&
          (forkedFrom === undefined || run.forkedFrom === forkedFrom) &&
          (ids === undefined || ids.includes(run.id)),
      )
      .toReversed();
  return {
    state,
    payloads: createMemoryStore(),
    credentials: createMemoryCredentials(credentials),
    sealed: memorySealed(state, credentials),
    variables: createMemoryVariables(workflows(state)),
    customNodes: createMemoryCustomNodes(),
    webhooks: memoryWebhooks(state),
    schedules: createMemorySchedules(state),
    setRole(userId, role) {
      for (const membership of state.memberships) if (membership.userId === userId) membership.role = role;
    },
    accounts: memoryAccounts(state),
    userSessions: memoryUserSessions(state),
    identities: memoryIdentities(state),
    accountTokens: memoryAccountTokens(state),
    secondFactors: memorySecondFactors(state),
    apiKeys: memoryApiKeys(state),
    organizations: memoryOrganizations(state),
    invitations: memoryInvitations(state),
    audit: memoryAudit(state),
    rateBuckets: memoryRateBuckets(),
    live: createMemoryLive(state),
    pool: () => ({ busy: 0, idle: 1, free: 9, waiting: 0 }),
    analytics: memoryAnalytics(state),
    httpLog: memoryHttpLog(state),
    workflows: workflows(state),
    runs: {
      get: async (tenant, id) => state.runs.find((run) => run.tenantId === tenant && run.id === id),
      list: async (tenant, filter, page) => pageOf(wantedRuns(tenant, filter), page),
      nodes: async (_tenant, id, page) => pageOf(state.nodes.get(id) ?? [], page),
      events: async (_tenant, id, after, limit) => (state.events.get(id) ?? []).filter(({ seq }) => seq > after).slice(0, limit),
      async eventPage(_tenant, id, after, limit) {
        const rows = (state.events.get(id) ?? []).filter(({ seq }) => seq > after);
        return { events: rows.slice(0, limit), hasMore: rows.length > limit };
      },
    } satisfies Partial<RunRows> as RunRows,
    approvals: {
      list: async (tenant, { status, runId, assignee }, page) =>
        pageOf(
          state.approvals.filter(
            (each) =>
              each.tenantId === tenant &&
              (!status || each.status === status) &&
              (!runId || each.runId === runId) &&
              (!assignee || each.assignees.length === 0 || each.assignees.some((written) => assignee.includes(written.trim().toLowerCase()))),
          ),
          page,
        ),
      get: async (tenant, id) => state.approvals.find((each) => each.tenantId === tenant && each.id === id),
    } satisfies Partial<Approvals> as Approvals,
    circuits: {
      list: async (tenant) => state.circuits.filter((each) => each.tenantId === tenant).map(({ tenantId: _tenant, ...circuit }) => circuit),
      count: async () => ({
        open: state.circuits.filter((each) => each.state === "open").length,
        half_open: state.circuits.filter((each) => each.state === "half_open").length,
      }),
    } satisfies Partial<Circuits> as Circuits,
    admission: {
      overview: async (tenant) => {
        const queued = state.runs.filter((run) => run.tenantId === tenant && run.slot?.state === "queued").length;
        return { limit: state.limits.get(tenant) ?? null, running: 0, queued, groups: [] };
      },
      async setLimit(tenant, limit) {
        state.limits.set(tenant, limit);
      },
    } satisfies Partial<Admission> as unknown as Admission,
    bulk: bulk(state, wantedRuns),
    retention: memoryRetention(),
    erasures: { request: async (tenant) => void state.erasures.add(tenant) } satisfies Partial<Erasures> as unknown as Erasures,
    log: {
      listen: async () => ({ close: async () => undefined }),
      heads: async (runIds) => new Map(runIds.map((id) => [id, state.events.get(id)?.length ?? 0])),
    } satisfies Partial<EventLog> as unknown as EventLog,
    ...({} as Pick<Database, "commands" | "receipts" | "nodeCache" | "restoring">),
    ping: async () => undefined,
    close: async () => undefined,
  };
}

function memoryRetention(): Retention {
  const settings = new Map<TenantId, Partial<RetentionDays>>();
  return {
    get: async (tenant) => settings.get(tenant) ?? {},
    set: async (tenant, days) => void settings.set(tenant, days),
    organizations: async () => [...settings].map(([tenantId, days]) => ({ tenantId, days })),
    sweep: async () => ({ removed: 0, more: false }),
    storage: async () => [{ kind: "runs", rows: 2, bytes: 10 }],
  };
}

function bulk(state: MemoryState, wantedRuns: (tenant: TenantId, filter: RunFilter) => Run[]): BulkRows {
  const find = (tenant: TenantId, id: string) => state.bulk.find((job) => job.tenant === tenant && job.id === id);
  return {
    async preview(tenant, filter, limit, sampleSize) {
      const found = wantedRuns(tenant, filter);
      return { total: Math.min(found.length, limit), sample: found.slice(0, sampleSize) };
    },
    async create(tenant, job, filter, maxRuns) {
      const runIds = wantedRuns(tenant, filter).map(({ id }) => id);
      if (runIds.length > maxRuns) throw new PerdureError("validation.failed", "More runs are meant than may be.");
      const stored = {
        ...job,
        tenant,
        runIds,
        status: "pending" as const,
        createdAt: new Date(),
        completedAt: null,
        done: 0,
        failed: 0,
        pending: runIds.length,
      };
      state.bulk.push(stored);
      return stored;
    },
    get: async (tenant, id) => find(tenant, id),
    list: async (tenant, page) => pageOf(state.bulk.filter((job) => job.tenant === tenant).toReversed(), page),
    async items(tenant, id, { status }, page) {
      const job = find(tenant, id);
      const rows = (job?.runIds ?? []).map((runId) => ({ runId, status: "pending" as const, attempts: 0, resultRunId: null, error: null, settledAt: null }));
      return job && pageOf(status === undefined || status === "pending" ? rows : [], page);
    },
    async cancel(tenant, id) {
      const job = find(tenant, id);
      if (job && job.status !== "completed") Object.assign(job, { status: "cancelled", completedAt: new Date() });
      return job;
    },
    claim: async () => undefined,
    settle: async () => undefined,
  };
}

function workflows(state: MemoryState): Workflows {
  const find = (tenant: TenantId, id: string): StoredWorkflow | undefined =>
    state.workflows.find((each) => each.tenant === tenant && each.workflow.id === id && each.workflow.deletedAt === null);
  const at = (stored: StoredWorkflow, number: number): { workflow: Workflow; version: WorkflowVersion } | undefined => {
    const version = stored.versions.find((each) => each.version === number);
    return version && { workflow: { ...stored.workflow }, version };
  };
  const change = ({ workflow }: StoredWorkflow, expected: number | undefined, fields: Partial<Workflow>): void => {
    if (expected !== undefined && expected !== workflow.revision) throw new PerdureError("precondition.failed", "The workflow was changed meanwhile.");
    Object.assign(workflow, fields, { revision: workflow.revision + 1, updatedAt: new Date() });
  };
  return {
    async create(tenant, fields, version) {
      const now = new Date();
      const stored: StoredWorkflow = {
        tenant,
        workflow: { ...fields, id: uuidv7(), version: 1, revision: 1, publishedVersion: null, createdAt: now, updatedAt: now, deletedAt: null },
        versions: [{ ...version, version: 1, createdAt: now }],
      };
      state.workflows.push(stored);
      for (const webhook of version.webhooks ?? []) storeWebhook(state, tenant, stored.workflow.id, webhook);
      return at(stored, 1) as { workflow: Workflow; version: WorkflowVersion };
    },
    async list(tenant, { search, tags, deleted = false }, page) {
      const rows = state.workflows
        .filter((each) => each.tenant === tenant && (each.workflow.deletedAt !== null) === deleted)
        .filter(({ workflow }) => !search || workflow.name.toLowerCase().includes(search.toLowerCase()))
        .filter(({ workflow }) => !tags || tags.every((tag) => workflow.tags.includes(tag)))
        .map(({ workflow, versions }) => ({ ...workflow, graph: versions.at(-1)?.graph as Json }));
      return pageOf(rows, page);
    },
    async get(tenant, id) {
      const stored = find(tenant, id);
      return stored && at(stored, stored.workflow.version);
    },
    async update(tenant, id, fields, version, expectedRevision) {
      const stored = find(tenant, id);
      if (!stored) return undefined;
      change(stored, expectedRevision, fields);
      const newest = stored.versions.at(-1);
      if (version && (version.hash !== newest?.hash || stableStringify([version.plan, version.problems]) !== stableStringify([newest.plan, newest.problems]))) {
        stored.workflow.version++;
        stored.versions.push({ ...version, version: stored.workflow.version, createdAt: new Date() });
      }
      return at(stored, stored.workflow.version);
    },
    async remove(tenant, id, expectedRevision) {
      const stored = find(tenant, id);
      if (stored) change(stored, expectedRevision, { deletedAt: new Date() });
      return stored !== undefined;
    },
    async restore(tenant, id) {
      const stored = state.workflows.find((each) => each.tenant === tenant && each.workflow.id === id);
      if (stored && stored.workflow.deletedAt !== null) change(stored, undefined, { deletedAt: null });
      return stored && at(stored, stored.workflow.version);
    },
    async versions(tenant, id, page) {
      const stored = find(tenant, id);
      return stored && pageOf(stored.versions.toReversed(), page);
    },
    version: async (tenant, id, version) => find(tenant, id)?.versions.find((each) => each.version === version),
    async publish(tenant, id, version, { expectedRevision } = {}) {
      const stored = find(tenant, id);
      if (stored) change(stored, expectedRevision, { publishedVersion: version });
      return stored && { ...stored.workflow };
    },
    async runnable(tenant, id, version) {
      const stored = find(tenant, id);
      return stored && at(stored, version ?? stored.workflow.publishedVersion ?? stored.workflow.version);
    },
  };
}

export function endRun(run: Run, status: RunStatus, outputs: Json = null): void {
  if (isClosed(run.status)) return;
  Object.assign(run, { status, outputs, completedAt: new Date() });
}
