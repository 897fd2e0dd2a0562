import type { EventKind, FailureValue, Json, JsonObject, RetentionDays, RetentionKind, RunEvent, RunStatus, TenantId } from "#core";
import type { Plan } from "#graph";
import type { ScheduleRows, TimerSchedule } from "./schedule-types.ts";
import type { Approval, NodeRow, QueuedStart, RecordedNode, RecordedOutput, Run, StartRun, StoredEvent } from "../runs/types.ts";
import type { SealedKind } from "./sealed.ts";
import type { NewWebhook, Webhooks } from "./webhook-types.ts";

export interface User {
  id: string;
  email: string;
  name: string;
  createdAt: Date;
  /** null: nobody has shown yet that the address is theirs. */
  emailVerifiedAt: Date | null;
}

/** What signing in looks at. */
export interface SignInUser extends User {
  /** null: they sign in with an identity provider alone. */
  passwordHash: string | null;
  /** Counts up when the password, the second factor or all sessions change: a sign-in that began before opens no session. */
  securityEpoch: number;
}

export type Role = "admin" | "editor" | "operator" | "viewer";

export interface Membership {
  tenantId: TenantId;
  organizationName: string;
  role: Role;
}

export type SignInMethod = "password" | "totp" | "recovery_code" | "oidc" | "invitation" | "registration";

/** One attempt to sign in. */
export interface Login {
  id: number;
  at: Date;
  method: SignInMethod;
  succeeded: boolean;
  ip: string;
  userAgent: string;
}

/** What has no tenant yet: sign-up and sign-in. Runs under the narrow role `perdure_system`. */
export interface Accounts {
  /**
   * Makes the user, an organization of their own and an admin membership. `identity` is theirs at a provider that says the address is verified.
   * @throws PerdureError `resource.conflict` when the e-mail is taken.
   */
  register(account: {
    email: string;
    passwordHash: string | null;
    name: string;
    organizationName: string;
    identity?: Identity;
  }): Promise<{ user: User; membership: Membership }>;
  findByEmail(email: string): Promise<SignInUser | undefined>;
  find(userId: string): Promise<SignInUser | undefined>;
  memberships(userId: string): Promise<Membership[]>;
  /** Undefined where they are no member (any more), or the session, where one is named, is not theirs or has ended. */
  membership(userId: string, tenant: TenantId, sessionId?: string): Promise<Membership | undefined>;
  /** The organization that was made before all others; undefined where there is none. */
  firstOrganization(): Promise<TenantId | undefined>;
  /** Ends all sessions but `except`, and every way to sign in that was under way. @returns false where the password is not `from` any more. */
  changePassword(userId: string, change: { from: string | null; to: string; except?: string }): Promise<boolean>;
  /** Uses the token up, sets the password and ends all sessions, all or nothing: of two at once one succeeds. The address is verified by it. */
  resetPassword(tokenHash: string, passwordHash: string): Promise<User | undefined>;
  /** Uses the token up. Undefined also where the account has another address by now. */
  verifyEmail(tokenHash: string): Promise<User | undefined>;
  findByIdentity(identity: Pick<Identity, "issuer" | "subject">): Promise<SignInUser | undefined>;
  recordLogin(login: { email: string; userId?: string; method: SignInMethod; succeeded: boolean; ip: string; userAgent: string }): Promise<void>;
  /** The newest first. */
  logins(userId: string, page: Page): Promise<Paged<Login>>;
}

/** Who somebody is at an identity provider. */
export interface Identity {
  issuer: string;
  subject: string;
  /** As the provider said it; null: it told of none that it had verified. */
  email: string | null;
}

/** An identity as its user sees it. */
export interface LinkedIdentity extends Pick<Identity, "issuer" | "email"> {
  id: string;
  createdAt: Date;
  lastUsedAt: Date;
}

/** Who users are at identity providers. They have no tenant: run under `perdure_system`. */
export interface Identities {
  /** The newest first. */
  list(userId: string, page: Page): Promise<Paged<LinkedIdentity>>;
  get(userId: string, id: string): Promise<LinkedIdentity | undefined>;
  /**
   * One that is theirs already stays as it is.
   * @param by `user`: they are signed in and ask for it; `address`: both sides know the same one.
   * @throws PerdureError `resource.conflict` where it is another user's; by `address` also where this user has unlinked it.
   */
  link(userId: string, identity: Identity, by: "user" | "address"): Promise<LinkedIdentity>;
  /**
   * A sign-in that is under way comes to nothing; sessions go on.
   * @param opensDoor whether who is known at this issuer can sign in by it.
   * @throws PerdureError `resource.conflict` where the account has neither a password nor another identity that opens the door, also when two go at once.
   */
  unlink(userId: string, id: string, opensDoor: (issuer: string) => boolean): Promise<LinkedIdentity | undefined>;
}

export interface UserSession {
  id: string;
  method: SignInMethod;
  ip: string;
  userAgent: string;
  createdAt: Date;
  lastUsedAt: Date;
  expiresAt: Date;
}

export type SessionEnd = "sign_out" | "sign_out_everywhere" | "ended" | "password" | "reuse" | "membership";

/** Sessions of users and their refresh tokens. They have no tenant: run under `perdure_system`. */
export interface UserSessions {
  /** @returns false where the user's `securityEpoch` is another one by now: nothing was opened then. */
  open(session: {
    id: string;
    userId: string;
    tenantId: TenantId;
    securityEpoch: number;
    method: SignInMethod;
    ip: string;
    userAgent: string;
    tokenHash: string;
    expiresAt: Date;
  }): Promise<boolean>;
  /**
   * Exchanges a refresh token for another one. The tokens that were made last are good; those before them for `graceMs` more, so that an answer that
   * was lost and calls that race get a pair of the same session. Any other token of the session has been copied: the session ends.
   */
  rotate(rotation: {
    tokenHash: string;
    newTokenHash: string;
    expiresAt: Date;
    graceMs: number;
    ip: string;
    userAgent: string;
    /** The organization that the new token is for, where it is another; the old one stays good where the user is no member of it. */
    switchTo?: string;
  }): Promise<{ outcome: "rotated"; userId: string; tenantId: TenantId; sessionId: string } | { outcome: "reused" | "expired" | "unknown" | "not_a_member" }>;
  /** The session of a refresh token. @returns whose it was, where there was a live one. */
  endByToken(tokenHash: string): Promise<{ userId: string } | undefined>;
  end(userId: string, id: string): Promise<boolean>;
  /** Also every way to sign in that was under way. */
  endAll(userId: string): Promise<void>;
  /** Those that are live, the newest first. */
  list(userId: string, page: Page): Promise<Paged<UserSession>>;
  get(userId: string, id: string): Promise<UserSession | undefined>;
}

export type AccountTokenPurpose = "verify_email" | "reset_password" | "second_factor" | "sign_in";

export interface AccountToken {
  userId: string | null;
  data: JsonObject;
}

/** Single-use tokens, by their hashes. They have no tenant: run under `perdure_system`. */
export interface AccountTokens {
  /** A new token of a user takes the place of those before it of the same purpose, unless they may stand side by side (`keepOthers`). */
  create(token: {
    purpose: AccountTokenPurpose;
    userId: string | null;
    tokenHash: string;
    data: JsonObject;
    expiresAt: Date;
    keepOthers?: boolean;
  }): Promise<void>;
  /** One that is good, without using it up. */
  find(purpose: AccountTokenPurpose, tokenHash: string): Promise<AccountToken | undefined>;
  /** Counts an attempt; undefined after `maxAttempts` of them. */
  attempt(purpose: AccountTokenPurpose, tokenHash: string, maxAttempts: number): Promise<AccountToken | undefined>;
  /** Exactly one of several calls gets it. */
  use(purpose: AccountTokenPurpose, tokenHash: string): Promise<AccountToken | undefined>;
}

export interface SecondFactor {
  keyVersion: number;
  sealed: Buffer;
  confirmedAt: Date | null;
  recoveryCodesLeft: number;
}

/** TOTP secrets, sealed, and recovery codes, as hashes. They have no tenant: run under `perdure_system`. */
export interface SecondFactors {
  find(userId: string): Promise<SecondFactor | undefined>;
  /** Takes the place of one that was never confirmed. @returns false where a confirmed one stands. */
  enrol(userId: string, sealed: { keyVersion: number; sealed: Buffer }): Promise<boolean>;
  /** Turns it on, with these recovery codes. @returns false where it is on already, or the step is used up. */
  confirm(userId: string, step: number, codeHashes: readonly string[]): Promise<boolean>;
  /** Uses up the code of a time step and all before it; false where it was used. Exactly one of several calls gets true. */
  useStep(userId: string, step: number): Promise<boolean>;
  useRecoveryCode(userId: string, codeHash: string): Promise<boolean>;
  /** In place of all codes there were. */
  replaceRecoveryCodes(userId: string, codeHashes: readonly string[]): Promise<boolean>;
  remove(userId: string): Promise<boolean>;
}

export interface ApiKey {
  id: string;
  createdBy: string;
  name: string;
  /** The first characters of the key, to tell it from others. */
  prefix: string;
  /** Permissions it was given; at any time it has those of them that its creator's role has as well. */
  scopes: string[];
  createdAt: Date;
  /** null: never. */
  expiresAt: Date | null;
  lastUsedAt: Date | null;
  revokedAt: Date | null;
  /** Raised by every change; its use is none. */
  revision: number;
}

/** Keys of services. `createdBy` narrows to the keys of one member. */
export interface ApiKeys {
  create(tenant: TenantId, key: Pick<ApiKey, "id" | "createdBy" | "name" | "prefix" | "scopes" | "expiresAt"> & { keyHash: string }): Promise<ApiKey>;
  /** Keys that are neither revoked nor expired. */
  countLive(tenant: TenantId): Promise<number>;
  /** The newest first. */
  list(tenant: TenantId, filter: { createdBy?: string }, page: Page): Promise<Paged<ApiKey>>;
  get(tenant: TenantId, id: string, filter: { createdBy?: string }): Promise<ApiKey | undefined>;
  /** Once and for all; again it changes nothing. @throws PerdureError `precondition.failed`. */
  revoke(tenant: TenantId, id: string, filter: { createdBy?: string }, expectedRevision?: number): Promise<ApiKey | undefined>;
  /** Whose key it is, undefined where it is unknown, revoked or expired; sets `lastUsedAt`. Has no tenant yet: runs under `perdure_system`. */
  use(keyHash: string): Promise<(Pick<ApiKey, "id" | "createdBy" | "scopes" | "expiresAt"> & { tenantId: TenantId }) | undefined>;
}

export interface Organization {
  id: string;
  name: string;
  createdAt: Date;
  /** Hosts that its nodes may reach; null: all that the operator lets them. */
  outboundHosts: readonly string[] | null;
  /** Raised by every change of its name or hosts. */
  revision: number;
}

/** A user as a member of one organization; `id` is the user's. */
export interface Member {
  id: string;
  email: string;
  name: string;
  role: Role;
  joinedAt: Date;
  /** Raised by every change of the role. */
  revision: number;
}

export interface Organizations {
  get(tenant: TenantId): Promise<Organization | undefined>;
  /** What is left out stays as it is. @throws PerdureError `precondition.failed`. */
  update(tenant: TenantId, change: { name?: string; outboundHosts?: readonly string[] | null }, expectedRevision?: number): Promise<Organization | undefined>;
  /** Who came last first. */
  members(tenant: TenantId, page: Page): Promise<Paged<Member>>;
  member(tenant: TenantId, userId: string): Promise<Member | undefined>;
  /** @throws PerdureError `precondition.failed`; `resource.conflict` where no admin would be left, also when two are changed at once. */
  setRole(tenant: TenantId, userId: string, role: Role, expectedRevision?: number): Promise<Member | undefined>;
  /** Revokes what they signed in with and their API keys as well. @throws as `setRole`. */
  removeMember(tenant: TenantId, userId: string, expectedRevision?: number): Promise<boolean>;
}

export interface Invitation {
  id: string;
  email: string;
  role: Role;
  invitedBy: string;
  createdAt: Date;
  expiresAt: Date;
  acceptedAt: Date | null;
  acceptedBy: string | null;
  revokedAt: Date | null;
  /** Raised by every change. */
  revision: number;
}

export interface Invitations {
  /** Revokes an open one of the same address. @throws PerdureError `resource.conflict` where they are a member already. */
  create(tenant: TenantId, invitation: Pick<Invitation, "id" | "email" | "role" | "invitedBy" | "expiresAt"> & { tokenHash: string }): Promise<Invitation>;
  /** The newest first. */
  list(tenant: TenantId, page: Page): Promise<Paged<Invitation>>;
  get(tenant: TenantId, id: string): Promise<Invitation | undefined>;
  /** Another token in place of the one before, good until another moment. @throws PerdureError `precondition.failed`; `resource.conflict` where it was accepted or revoked. */
  renew(tenant: TenantId, id: string, token: { tokenHash: string; expiresAt: Date }, expectedRevision?: number): Promise<Invitation | undefined>;
  /** @throws PerdureError `precondition.failed`; `resource.conflict` where it was accepted. */
  revoke(tenant: TenantId, id: string, expectedRevision?: number): Promise<boolean>;
  /** One that can be accepted. Has no tenant yet: runs under `perdure_system`, as `accept` does. */
  find(tokenHash: string): Promise<Pick<Invitation, "id" | "email" | "role"> | undefined>;
  /**
   * Makes the user a member, exactly once; and first the user, where `passwordHash` is given. Who is a member already keeps their role.
   * @throws PerdureError `resource.not_found` where it cannot be accepted (any more), `resource.conflict` where the account exists by now.
   */
  accept(tokenHash: string, acceptance: { user: Omit<User, "emailVerifiedAt">; passwordHash?: string }): Promise<Membership>;
}

/** Buckets of tokens that all processes share (F4). They belong to no tenant: limits hold before it is known who calls. */
export interface RateBuckets {
  /**
   * Takes as many of the `wanted` tokens as there are, in one statement; a negative number puts tokens back.
   * @returns how many it got, and how many the bucket holds now (a fraction).
   */
  take(key: string, wanted: number, bucket: { burst: number; tokensPerSecond: number }): Promise<{ taken: number; tokens: number }>;
  /** Forgets buckets that are full again. */
  sweep(): Promise<void>;
}

export interface AuditEvent {
  id: string;
  at: Date;
  userId: string;
  apiKeyId: string | null;
  role: Role;
  /** Operation id of the route. */
  action: string;
  resourceType: string;
  resourceId: string | null;
  method: string;
  path: string;
  status: number;
  /** Without secrets. */
  before: Json;
  after: Json;
  ip: string;
  userAgent: string;
  correlationId: string;
}

export interface AuditFilter {
  userId?: string;
  apiKeyId?: string;
  action?: string;
  resourceType?: string;
  resourceId?: string;
  from?: Date;
  to?: Date;
  status?: number;
}

/** Who changed what (F5). Written once, never changed. */
export interface Audit {
  record(tenant: TenantId, event: Omit<AuditEvent, "id" | "at">): Promise<void>;
  /** The newest first. */
  list(tenant: TenantId, filter: AuditFilter, page: Page): Promise<Paged<AuditEvent>>;
  /** Deletes the oldest entries of all tenants from before a moment, at most `limit` of them. @returns how many. */
  forget(before: Date, limit: number): Promise<number>;
}

export interface Workflow {
  id: string;
  name: string;
  description: string;
  tags: string[];
  settings: JsonObject;
  isPublic: boolean;
  /** The newest version. */
  version: number;
  /** Raised by every change, of the row or of the graph. */
  revision: number;
  publishedVersion: number | null;
  createdBy: string | null;
  createdAt: Date;
  updatedAt: Date;
  deletedAt: Date | null;
}

/** Orders of a list of workflows; `-` is the reverse. */
export type WorkflowOrder = "name" | "-name" | "created_at" | "-created_at" | "updated_at" | "-updated_at";

export interface WorkflowFilter {
  /** Part of the name or description. */
  search?: string;
  /** All of them. */
  tags?: string[];
  isPublic?: boolean;
  /** Whether a version is published. */
  isPublished?: boolean;
  /** Those that were deleted, instead of the others. */
  deleted?: boolean;
  /** Leaves the graphs unread: each row has null for it. */
  withoutGraph?: boolean;
  /** @default "-created_at" */
  order?: WorkflowOrder;
}

export interface WorkflowVersion {
  version: number;
  /** As it was sent: unknown fields and all. */
  graph: Json;
  /** Absent where the graph has problems (a draft). */
  plan: Plan | null;
  problems: Json[];
  /** SHA-256 of the graph's stable JSON; saving the same graph again makes no new version, unless it compiles to something else by now. */
  hash: string;
  createdBy: string | null;
  createdAt: Date;
}

export interface NewVersion {
  /** Its webhook nodes: their webhooks are made and brought in line with it as it is saved. Left out, they stay as they are. */
  webhooks?: NewWebhook[];
  graph: Json;
  plan: Plan | null;
  problems: Json[];
  hash: string;
  createdBy: string | null;
  /** Ids of the credentials that its nodes name. */
  credentials?: string[];
}

/** A value that graphs read by name: of the organization (`workflowId` null) or of one workflow. */
export interface Variable {
  id: string;
  workflowId: string | null;
  name: string;
  value: Json;
  description: string;
  revision: number;
  createdBy: string | null;
  createdAt: Date;
  updatedAt: Date;
}

/** Of one scope: an organization, or one workflow. */
export interface VariableLimits {
  max: number;
  /** Names and values as JSON, in all. */
  maxBytes: number;
}

export interface Variables {
  /** By name; undefined where there is no such workflow. */
  list(tenant: TenantId, workflowId: string | null, filter: { search?: string }, page: Page): Promise<Paged<Variable> | undefined>;
  get(tenant: TenantId, workflowId: string | null, name: string): Promise<Variable | undefined>;
  /**
   * Makes it, or changes what it is; a description that is left out stays. Undefined where there is no such workflow.
   * @throws PerdureError `resource.conflict` where it must be new and is not; `precondition.failed`; `validation.failed` and `request.too_large` beyond the limits.
   */
  set(
    tenant: TenantId,
    workflowId: string | null,
    variable: { name: string; value: Json; description?: string; createdBy: string | null },
    limits: VariableLimits,
    options?: { expectedRevision?: number; mustBeNew?: boolean },
  ): Promise<{ variable: Variable; created: boolean } | undefined>;
  /** @throws PerdureError `precondition.failed`. */
  remove(tenant: TenantId, workflowId: string | null, name: string, expectedRevision?: number): Promise<boolean>;
  /** What a run of the workflow begins with: the workflow's where both have one of a name. One round trip; on the hot path of `execute`. */
  forRun(tenant: TenantId, workflowId: string | null): Promise<JsonObject>;
}

/** A node type that an organization has registered, as its newest version is. */
export interface CustomNode {
  id: string;
  /** Without the prefix that graphs write before it. */
  name: string;
  version: number;
  revision: number;
  /** As `nodes/custom/` reads it. */
  definition: JsonObject;
  createdBy: string | null;
  createdAt: Date;
  updatedAt: Date;
}

export interface CustomNodes {
  /** One that was deleted comes back with another version. @throws PerdureError `resource.conflict` where there is one; `validation.failed` beyond `max`. */
  register(tenant: TenantId, node: Pick<CustomNode, "name" | "definition" | "createdBy">, max: number): Promise<CustomNode>;
  /** A new version, unless it is the same. @throws PerdureError `precondition.failed`. */
  update(tenant: TenantId, name: string, node: Pick<CustomNode, "definition" | "createdBy">, expectedRevision?: number): Promise<CustomNode | undefined>;
  get(tenant: TenantId, name: string): Promise<CustomNode | undefined>;
  /** All, by name. */
  list(tenant: TenantId): Promise<CustomNode[]>;
  /** Of these names, those there are. */
  named(tenant: TenantId, names: readonly string[]): Promise<CustomNode[]>;
  /** The newest first; undefined where there is no such type. */
  versions(tenant: TenantId, name: string, page: Page): Promise<Paged<Pick<CustomNode, "version" | "definition" | "createdBy" | "createdAt">> | undefined>;
  /** Soft: what was compiled with it goes on. @throws PerdureError `precondition.failed`. */
  remove(tenant: TenantId, name: string, expectedRevision?: number): Promise<boolean>;
}

/** One page. Its rows may be fewer than `limit` where they hold much; `nextCursor` tells whether there are more. */
export interface Page {
  limit: number;
  /** Opaque to callers: the sort key and id of the last row seen. */
  cursor?: string;
  offset?: number;
}

export interface Paged<T> {
  rows: T[];
  nextCursor: string | undefined;
  total: number;
}

export interface PublishOptions {
  expectedRevision?: number;
  timers?: readonly TimerSchedule[];
  /** Whose schedules they are. */
  by?: string;
}

export interface Workflows {
  create(
    tenant: TenantId,
    workflow: { name: string; description: string; tags: string[]; settings: JsonObject; isPublic: boolean; createdBy: string | null },
    version: NewVersion,
  ): Promise<{ workflow: Workflow; version: WorkflowVersion }>;
  list(tenant: TenantId, filter: WorkflowFilter, page: Page): Promise<Paged<Workflow & { graph: Json }>>;
  get(tenant: TenantId, id: string): Promise<{ workflow: Workflow; version: WorkflowVersion } | undefined>;
  /** Saves fields and, where given and different in graph, plan or problems, a new version, in one transaction. `expectedRevision` guards against lost updates (`precondition.failed`). */
  update(
    tenant: TenantId,
    id: string,
    fields: Partial<Pick<Workflow, "name" | "description" | "tags" | "settings" | "isPublic">>,
    version?: NewVersion,
    expectedRevision?: number,
  ): Promise<{ workflow: Workflow; version: WorkflowVersion } | undefined>;
  /** Soft: its runs stay readable. Its schedules go with it. @throws PerdureError `precondition.failed`. */
  remove(tenant: TenantId, id: string, expectedRevision?: number): Promise<boolean>;
  /** Takes a deletion back; one that is not deleted stays as it is. */
  restore(tenant: TenantId, id: string): Promise<{ workflow: Workflow; version: WorkflowVersion } | undefined>;
  /** The newest first. */
  versions(tenant: TenantId, id: string, page: Page): Promise<Paged<Omit<WorkflowVersion, "plan" | "graph">> | undefined>;
  version(tenant: TenantId, id: string, version: number): Promise<WorkflowVersion | undefined>;
  /** `timers` of the version become the workflow's schedules, in the same transaction. @throws PerdureError `precondition.failed`. */
  publish(tenant: TenantId, id: string, version: number, options?: PublishOptions): Promise<Workflow | undefined>;
  /** What running takes: the version asked for, else the published, else the newest. One round trip; on the hot path of `execute`. */
  runnable(tenant: TenantId, id: string, version?: number): Promise<{ workflow: Workflow; version: WorkflowVersion } | undefined>;
}

/** Which runs are meant; what is left out does not matter. */
export interface RunFilter {
  workflowId?: string;
  status?: RunStatus[];
  /** When they were made: from this moment on, and before that one. */
  from?: Date;
  to?: Date;
  forkedFrom?: string;
  /** Of the failure they ended with. */
  errorCode?: string;
  ids?: string[];
}

/** What a run began with, beside its row. */
export interface RunOrigin {
  run: Run;
  variables: JsonObject;
  entries: string[];
  /** Where it is not a version of a workflow as it is stored. */
  graph: Json | null;
}

export interface RunRows {
  /**
   * Inserts the run (`queued`) and its `run_queued` event; with an idempotency key, the run that the key already names. `limited`: a limit of
   * concurrency concerns it, so it has a slot to wait for and is started by who is given it by `Admission.admit`. Without terms no limit does.
   * @throws PerdureError `idempotency.mismatch`, `rate.limited` where the queue is full.
   */
  insert(tenant: TenantId, id: string, request: StartRun, terms?: AdmissionTerms): Promise<{ run: Run; created: boolean; limited: boolean }>;
  get(tenant: TenantId, id: string): Promise<Run | undefined>;
  list(tenant: TenantId, filter: RunFilter, page: Page): Promise<Paged<Run>>;
  /** In the order in which they began. */
  nodes(tenant: TenantId, id: string, page: Page): Promise<Paged<NodeRow>>;
  events(tenant: TenantId, id: string, after: number, limit: number): Promise<StoredEvent[]>;
  /** As `events`, as long as they hold no more than `maxBytes` (as one page, unless said), the first in any case; `hasMore` says whether there are more by now. */
  eventPage(tenant: TenantId, id: string, after: number, limit: number, maxBytes?: number): Promise<{ events: StoredEvent[]; hasMore: boolean }>;
  /** When the run was last told anything, and whether Temporal has acknowledged its start. */
  markStarted(tenant: TenantId, id: string): Promise<void>;
  /** `variables` as they began and as commands have changed them since. */
  origin(tenant: TenantId, id: string): Promise<RunOrigin | undefined>;
  /** What the rows say of its nodes, without their values, in the order in which they began; no more than `limit`. @throws PerdureError `run.state` where they are kept no longer. */
  recorded(tenant: TenantId, id: string, limit: number): Promise<RecordedNode[]>;
  /** Outputs and failures of these nodes; nodes without a row are left out. */
  outputs(tenant: TenantId, id: string, nodes: readonly { node_id: string; iteration: string }[]): Promise<RecordedOutput[]>;
  /** It goes on by another version of its workflow. */
  setVersion(tenant: TenantId, id: string, version: number): Promise<void>;
  /** What reconciling asks of a run besides its row. */
  standing(tenant: TenantId, id: string): Promise<{ run: Run; started: boolean; silentMs: number } | undefined>;
  /** Writes the end once: status, outputs or error, the closing event, open approvals closed. No effect on a run that is closed. */
  close(tenant: TenantId, id: string, end: { status: RunStatus; outputs?: Json; error?: import("#core").FailureValue; at: Date }): Promise<Run>;
  /** As `close`, where the node rows are as many of each status as `counts` says; else nothing is written (`closed: false`). One round trip. */
  closeIfComplete(
    tenant: TenantId,
    id: string,
    end: { status: RunStatus; outputs?: Json; error?: import("#core").FailureValue; at: Date },
    counts: Partial<Record<import("#core").NodeStatus, number>>,
  ): Promise<{ closed: boolean; run: Run }>;
  /** Adds facts that are missing and corrects rows that differ, from a snapshot. */
  repair(tenant: TenantId, id: string, nodes: readonly import("#workflows/messages").NodeSnapshot[]): Promise<void>;
  /** Which of these are not closed (system role). */
  stillOpen(ids: readonly string[]): Promise<string[]>;
  /** For the sweeper (system role): runs not closed and silent for so long. */
  silent(olderThanMs: number, limit: number): Promise<{ tenantId: TenantId; id: string; status: RunStatus; started: boolean; createdAt: Date }[]>;
}

/** What limits a run before it begins. */
export interface AdmissionTerms {
  /** Runs with the same one share `maxRuns`. */
  groupKey: string;
  workflowId: string | null;
  /** 1 (first) to 5. */
  priority: number;
  maxRuns: number | null;
  maxQueued: number | null;
  holdsWhileWaiting: boolean;
  /** The operator's settings limit it, whatever its workflow and organization say. */
  isLimited: boolean;
  organizationMaxQueued: number;
  waitingMs: number;
  /** Given where it is known before that it will be limited; else to be offered afterwards. */
  request?: QueuedStart;
}

export interface ConcurrencyLimits {
  /** Of all organizations together, and of each; undefined: none. */
  installation: number | undefined;
  organization: number | undefined;
  waitingMs: number;
}

export interface QueueGroup {
  /** Null of ad-hoc runs. */
  workflowId: string | null;
  workflowName: string | null;
  /** What the workflow's concurrency key came to. */
  key: string | null;
  limit: number | null;
  /** Runs with a slot. */
  running: number;
  queued: number;
  oldestQueuedAt: Date | null;
}

/** Who may run now (docs/decisions/010). */
export interface Admission {
  /** Stores what a limited run is started with; before that it is passed over. */
  offer(tenant: TenantId, runId: string, request: QueuedStart): Promise<void>;
  /**
   * Gives free slots away, `atMost` of them, in the order of fairness, priority and age, and returns the runs that the caller is to start (system
   * role): also those that were given away `retryMs` ago and that nobody has noted as started. `isThorough`: tidies up after crashes.
   */
  admit(
    limits: ConcurrencyLimits,
    retryMs: number,
    atMost: number,
    isThorough: boolean,
  ): Promise<{ tenantId: TenantId; runId: string; request: QueuedStart }[]>;
  /** Temporal has taken the run. */
  started(tenant: TenantId, runId: string): Promise<void>;
  /** Ends a run that waits for its slot; undefined where it does not (any more). */
  withdraw(tenant: TenantId, runId: string, end: { status: RunStatus; error: import("#core").FailureValue; at: Date }): Promise<Run | undefined>;
  /** Keeps a run that waits for its slot from getting one; false where it does not wait (any more). */
  setPaused(tenant: TenantId, runId: string, pauses: boolean): Promise<boolean>;
  /** Counts all open runs from now on: for operator's limits that are new (system role). */
  adopt(): Promise<void>;
  /** The organization's own limit, and its groups that have runs; groups without a limit among them where the organization has one. */
  overview(tenant: TenantId, waitingMs: number): Promise<{ limit: number | null; running: number; queued: number; groups: QueueGroup[] }>;
  /** Counts the runs that are open. @throws PerdureError `resource.not_found`. */
  setLimit(tenant: TenantId, limit: number | null): Promise<void>;
}

export interface Approvals {
  /** `assignee`: the names one person goes by (id, e-mail address), found in any case and with blanks around; also what is for everybody. */
  list(tenant: TenantId, filter: { status?: Approval["status"]; assignee?: readonly string[] }, page: Page): Promise<Paged<Approval>>;
  get(tenant: TenantId, id: string): Promise<Approval | undefined>;
  forNode(tenant: TenantId, runId: string, nodeId: string, iteration: string): Promise<Approval | undefined>;
  answered(tenant: TenantId, id: string, answer: { decision: string; data: Json | null; comment: string | null; by: string; at: Date }): Promise<void>;
}

export interface CommandRow {
  id: string;
  tenantId: TenantId;
  runId: string;
  command: Json;
  by: string;
  at: Date;
  status: "open" | "applied" | "refused";
  outcome: Json | null;
}

export interface Commands {
  /** @throws PerdureError `approval.answered` when another answer to the same wait is open or applied. */
  insert(tenant: TenantId, row: { id: string; runId: string; command: Json; by: string; at: Date; exclusiveKey?: string }): Promise<void>;
  settle(tenant: TenantId, id: string, status: "applied" | "refused", outcome: Json | null): Promise<void>;
  /** For the relay (system role). */
  open(olderThanMs: number, limit: number): Promise<CommandRow[]>;
}

/** Receipts and attempt counts of paid or changing calls (architecture.md 2, points 6 and 7). */
export interface Receipts {
  /** `failedAttempts`: as they were counted. */
  find(tenant: TenantId, key: string): Promise<{ result: Json | undefined; failure: FailureValue | undefined; failedAttempts: number[] } | undefined>;
  /** The results that stand under these keys; calls that never succeeded are left out. */
  results(tenant: TenantId, keys: readonly string[]): Promise<Map<string, Json>>;
  /** The first receipt wins; returns the one that stands. */
  store(tenant: TenantId, runId: string, key: string, result: Json): Promise<Json>;
  /** Keeps a failure after which nothing is tried again; the first one stands. */
  storeFailure(tenant: TenantId, runId: string, key: string, failure: FailureValue): Promise<void>;
  /** Counts one failure of the handler for this attempt (repeating the call for the same attempt counts once); returns how many there are now above `after`. */
  countFailure(tenant: TenantId, runId: string, key: string, attempt: number, after: number): Promise<number>;
}

/** Results of nodes that may stand for later ones given the same. */
export interface NodeCache {
  find(tenant: TenantId, key: string): Promise<Json | undefined>;
  store(tenant: TenantId, key: string, result: Json, ttlMs: number): Promise<void>;
  /** Takes away up to `limit` that have expired; returns how many. */
  prune(limit: number): Promise<number>;
}

export interface StorageSize {
  kind: string;
  rows: number;
  /** Of values as they are stored, without indexes. */
  bytes: number;
}

/** How long organizations keep what runs leave behind. */
export interface Retention {
  /** What the organization has said itself. */
  get(tenant: TenantId): Promise<Partial<RetentionDays>>;
  set(tenant: TenantId, days: Partial<RetentionDays>): Promise<void>;
  organizations(): Promise<{ tenantId: TenantId; days: Partial<RetentionDays> }[]>;
  /** One batch, of `limit` runs or rows. */
  sweep(tenant: TenantId, kind: RetentionKind, days: number, limit: number): Promise<{ removed: number; more: boolean }>;
  storage(tenant: TenantId): Promise<StorageSize[]>;
}

/** Erasing whole organizations. All but `request` runs under `perdure_system`. */
export interface Erasures {
  /** Harmless to repeat. */
  request(tenant: TenantId, by: string): Promise<void>;
  /** One that nobody has taken for `leaseMs`. `emptiedMs`: since when nothing of it was found; null where something was. */
  take(leaseMs: number): Promise<{ tenantId: TenantId; requestedBy: string; emptiedMs: number | null } | undefined>;
  /** Ends every access, and deletes the keys without which nothing that is sealed can be read. */
  shut(tenant: TenantId): Promise<void>;
  /** Deletes rows of every table with an organization; returns how many there were. */
  eraseRows(tenant: TenantId): Promise<number>;
  /** Puts the job back. */
  emptied(tenant: TenantId, isEmpty: boolean): Promise<void>;
  /** Deletes the organization, users who belonged to no other, and the job. */
  finish(tenant: TenantId): Promise<void>;
}

/** What bringing an older Temporal up to Postgres after a restore needs to read and to set back. */
export interface Restoring {
  /** Open runs of all organizations that wait for no slot, by id from `after` on. */
  openRuns(after: string | undefined, limit: number): Promise<{ id: string; tenantId: TenantId; parentId: string | null; started: boolean; createdAt: Date }[]>;
  /** Runs that were closed since then. */
  closedRuns(since: Date, after: string | undefined, limit: number): Promise<{ id: string; tenantId: TenantId; hasOpenParent: boolean }[]>;
  /** Makes commands that were applied to open runs since then open again, and the approvals that they answered pending; returns how many. */
  reopenCommands(since: Date): Promise<number>;
  /** Notes that a backup which was begun at `takenAt` has been restored. */
  note(takenAt: Date): Promise<void>;
  /** When a backup was restored last; undefined where none ever was. */
  last(): Promise<Date | undefined>;
}

export type BulkAction = "retry" | "cancel" | "terminate" | "fork" | "migrate";

export interface BulkJob {
  id: string;
  action: BulkAction;
  filter: JsonObject;
  options: JsonObject;
  status: "pending" | "running" | "completed" | "cancelled";
  ratePerMinute: number;
  createdBy: string;
  createdAt: Date;
  completedAt: Date | null;
  /** How many of its runs have been dealt with, in vain, or not yet. */
  done: number;
  failed: number;
  pending: number;
}

export interface BulkItem {
  runId: string;
  status: "pending" | "done" | "failed";
  attempts: number;
  /** The run that came of it. */
  resultRunId: string | null;
  error: FailureValue | null;
  settledAt: Date | null;
}

/** Runs of one job that a process has taken up: they are its own until `leaseMs` are over. */
export interface BulkClaim {
  tenantId: TenantId;
  job: Pick<BulkJob, "id" | "action" | "options" | "createdBy">;
  items: { runId: string; attempts: number }[];
}

export interface BulkRows {
  /** How many runs are meant, counted up to `limit`, and the newest of them. */
  preview(tenant: TenantId, filter: RunFilter, limit: number, sampleSize: number): Promise<{ total: number; sample: Run[] }>;
  /** Stores the job with its runs. @throws PerdureError `validation.failed` where there are more than `maxRuns`. */
  create(
    tenant: TenantId,
    job: { id: string; action: BulkAction; filter: JsonObject; options: JsonObject; ratePerMinute: number; createdBy: string },
    runs: RunFilter,
    maxRuns: number,
  ): Promise<BulkJob>;
  get(tenant: TenantId, id: string): Promise<BulkJob | undefined>;
  list(tenant: TenantId, page: Page): Promise<Paged<BulkJob>>;
  /** By the ids of their runs. */
  items(tenant: TenantId, id: string, filter: { status?: BulkItem["status"] }, page: Page): Promise<Paged<BulkItem> | undefined>;
  /** Takes up no more of its runs. Undefined where there is no such job; one that has ended stays as it is. */
  cancel(tenant: TenantId, id: string): Promise<BulkJob | undefined>;
  /** The next runs of the job that is due first, as many as its rate allows for `roundMs`, at most `limit` (system role). Ends jobs with nothing left to do. */
  claim(options: { roundMs: number; limit: number; leaseMs: number }): Promise<BulkClaim | undefined>;
  settle(
    tenant: TenantId,
    id: string,
    runId: string,
    outcome: { status: "done"; resultRunId?: string } | { status: "failed"; error: FailureValue },
  ): Promise<void>;
}

/** A tenant's data key, wrapped. */
export interface PayloadKeyRow {
  /** 1, 2, 3 … of a tenant; the highest seals, all of them open. */
  version: number;
  masterId: string;
  wrapped: Buffer;
}

/** What the payload codec keeps (docs/decisions/012-payload-codec.md). */
export interface PayloadStore {
  /** From the oldest to the newest. */
  keys(tenant: TenantId): Promise<PayloadKeyRow[]>;
  /** False where that version exists already: another process was faster. */
  addKey(tenant: TenantId, key: PayloadKeyRow): Promise<boolean>;
  /** One key of each master key (system role). */
  keySamples(): Promise<(PayloadKeyRow & { tenantId: TenantId })[]>;
  /** Some that another master key than this wraps (system role), in the order of tenants and versions; [] when there are no more. */
  keysWrappedByOthers(masterId: string, after?: { tenantId: TenantId; version: number }): Promise<(PayloadKeyRow & { tenantId: TenantId })[]>;
  /** Some organizations and users that have a key, and none that was made since `olderThan` (system role), in their order; [] when there are no more. */
  keyOwners(filter: { after?: TenantId; olderThan?: Date }): Promise<TenantId[]>;
  rewrapKey(tenant: TenantId, key: PayloadKeyRow): Promise<void>;
  /** Whether the blob is there; notes that it is used. */
  useBlob(tenant: TenantId, hash: string): Promise<boolean>;
  /** Durable when it resolves. The first bytes under a hash stay. */
  putBlob(tenant: TenantId, hash: string, bytes: Buffer): Promise<void>;
  getBlob(tenant: TenantId, hash: string): Promise<Buffer | undefined>;
}

/** A credential as lists show it: nothing of what it holds. */
export interface Credential {
  id: string;
  name: string;
  /** Of the registry in `nodes/credential-types.ts`. */
  type: string;
  description: string;
  /** Names of the fields that are set. */
  fields: string[];
  /** Raised by every change of what people see. */
  revision: number;
  createdBy: string | null;
  createdAt: Date;
  updatedAt: Date;
  testedAt: Date | null;
  testResult: CredentialVerdict | null;
}

export interface CredentialVerdict {
  /** `unknown`: the other side did not say. */
  verdict: "valid" | "invalid" | "unknown";
  message: string;
}

/** What a credential holds, sealed with the tenant's data key of that version. */
export interface SealedBytes {
  keyVersion: number;
  sealed: Buffer;
}

export interface SealedRow extends SealedBytes {
  id: string;
}

/** What `SEALED` lists, for sealing it anew. `tenant`: the owner of the data key, an organization or a user. */
export interface SealedRows {
  /** A batch of those that are sealed with a key older than this, the oldest key first, behind `after`; [] when there are no more. */
  older(tenant: TenantId, kind: SealedKind, keyVersion: number, after?: Pick<SealedRow, "keyVersion" | "id">): Promise<SealedRow[]>;
  /** Replaces those that are as they were read; returns how many. */
  replace(tenant: TenantId, kind: SealedKind, rows: readonly { id: string; before: Buffer; after: SealedBytes }[]): Promise<number>;
}

export type SealedCredential = Pick<Credential, "id" | "type"> & SealedBytes;

/** A workflow that names a credential. */
export interface CredentialUse {
  workflowId: string;
  workflowName: string;
  /** Its versions that name it and may run again or still do: the newest, the published, and those of open runs. */
  versions: number[];
  isCurrent: boolean;
  isPublished: boolean;
  openRuns: number;
}

export interface CredentialRows {
  /** @throws PerdureError `resource.conflict` where the name is taken; `validation.failed` beyond `max` of the tenant. */
  create(
    tenant: TenantId,
    credential: Pick<Credential, "id" | "name" | "type" | "description" | "fields" | "createdBy"> & SealedBytes,
    max: number,
  ): Promise<Credential>;
  get(tenant: TenantId, id: string): Promise<Credential | undefined>;
  list(
    tenant: TenantId,
    filter: { type?: string; search?: string; order?: "name" | "-name" | "created_at" | "-created_at" },
    page: Page,
  ): Promise<Paged<Credential>>;
  /**
   * What was told by a test stays only where the values do. `values.before`: what they replace.
   * @throws PerdureError `resource.conflict` where the name is taken, or somebody else replaced the values meanwhile; `precondition.failed`.
   */
  update(
    tenant: TenantId,
    id: string,
    fields: Partial<Pick<Credential, "name" | "description">>,
    values?: Pick<Credential, "type" | "fields"> & SealedBytes & { before: Buffer },
    expectedRevision?: number,
  ): Promise<Credential | undefined>;
  /** For good. False where there is none. @throws PerdureError `resource.conflict` that names the workflows that use it, unless forced. */
  remove(tenant: TenantId, id: string, options: { force: boolean; expectedRevision?: number }): Promise<boolean>;
  /** By the workflows' names. */
  usage(tenant: TenantId, id: string): Promise<CredentialUse[]>;
  /** Types by id, of those there are. */
  types(tenant: TenantId, ids: readonly string[]): Promise<Map<string, string>>;
  sealed(tenant: TenantId, ids: readonly string[]): Promise<SealedCredential[]>;
  /** Where the values are still those that were tested. */
  noteTest(tenant: TenantId, id: string, tested: Buffer, result: CredentialVerdict): Promise<void>;
}

export interface EventLog {
  /**
   * Appends facts of any number of runs in one statement under the event-writer role: numbers without gaps per run, known keys ignored, the
   * projections (`node_executions`, run status, approvals) brought up to date in the same transaction, listeners notified.
   * Events of closed runs are ignored. Returns how many were new.
   */
  append(facts: readonly { tenantId: string; event: RunEvent }[]): Promise<number>;
  /** Calls back with the run id whenever facts were appended, by any process. */
  listen(onRun: (runId: string) => void): Promise<{ close(): Promise<void> }>;
  /** The number of the newest event of each of these runs, in one statement: for readers who may have missed a call. */
  heads(runIds: readonly string[]): Promise<Map<string, number>>;
}

/** Opens one connection, once. */
export interface StreamTicket {
  tenantId: TenantId;
  userId: string;
  /** Of an API key, with what it may; null of a member. */
  apiKeyId: string | null;
  sessionId: string | null;
  scopes: string[] | null;
  /** When the session ends that it was asked for in. */
  sessionEndsAt: Date | null;
}

/** A user who watches a topic. */
export interface Watcher {
  user_id: string;
  name: string;
}

/** Somebody began, or ceased, to watch a topic in a process. */
export interface Watching {
  tenantId: TenantId;
  topic: string;
  userId: string;
}

/** What live connections share between processes (G2, G3). */
export interface LiveRows {
  /** Tells all processes that listen, this one too; kept nowhere. No more than 7,999 bytes. */
  tell(message: string): Promise<void>;
  listen(onMessage: (message: string) => void): Promise<{ close(): Promise<void> }>;
  /** Sweeps those that have expired. */
  createTicket(tenant: TenantId, ticket: Omit<StreamTicket, "tenantId"> & { ticketHash: string; expiresAt: Date }): Promise<void>;
  /** The ticket, which is gone afterwards; undefined where it is unknown, used or expired. Has no tenant yet: runs under `perdure_system`. */
  takeTicket(ticketHash: string): Promise<StreamTicket | undefined>;
  /** Whose runs these are (system role). Unknown ones are left out. */
  owners(runIds: readonly string[]): Promise<Map<string, { tenantId: TenantId; workflowId: string | null; createdBy: string | null }>>;
  /** The number of the newest event of each run under way, no more than `limit` of them. */
  openHeads(tenant: TenantId, limit: number): Promise<Map<string, number>>;
  /** Notes watchers of a process for so long; returns those whom no other process had (system role). */
  join(process: string, watching: readonly Watching[], validMs: number): Promise<(Watching & { name: string })[]>;
  /** Returns those whom no other process has (system role). */
  leave(process: string, watching: readonly Watching[]): Promise<(Watching & { name: string })[]>;
  /** Says that the process lives; returns how many of its watchers are noted (system role). */
  stay(process: string, validMs: number): Promise<number>;
  /** Forgets what processes left behind that are gone; returns whom nobody has any more (system role). */
  sweepWatchers(): Promise<(Watching & { name: string })[]>;
  /** By name, no more than `limit`, and how many there are. */
  watchers(tenant: TenantId, topic: string, limit: number): Promise<{ watchers: Watcher[]; total: number }>;
}

/** A circuit breaker that is not closed. */
export interface CircuitState {
  state: "open" | "half_open";
  /** Failures in a row. */
  failures: number;
  /** ISO 8601. */
  opened_at: string;
  /** From when on a call may try again, ISO 8601. */
  retry_at: string;
}

/** Circuit breakers of all workers that stand open (A17), as the workers tell of them. */
export interface Circuits {
  /** By kind and name; each worker learns for itself, so that one host may stand there more than once. */
  list(tenant: TenantId): Promise<(CircuitState & { worker: string; kind: string; name: string })[]>;
  /** Of all tenants (system role). */
  count(): Promise<{ open: number; half_open: number }>;
  /** All that one worker knows of, in place of what it told before; forgotten after `validMs` unless it is told again (system role). */
  report(worker: string, circuits: readonly (CircuitState & { tenantId: string; kind: string; name: string })[], validMs: number): Promise<void>;
}

/** How the whole installation stands. */
export interface InstallationNumbers {
  /** Runs that have not come to their end. */
  open: { status: RunStatus; count: number }[];
  /** Of them, those behind a limit of concurrency. */
  queued: number;
  oldestQueuedMs: number;
}

export interface AnalyticsRange {
  /** When runs were accepted. */
  from: Date;
  to: Date;
  workflowId?: string;
}

/** Milliseconds, of what completed. */
export interface Latency {
  p50: number;
  p90: number;
  p95: number;
  p99: number;
  mean: number;
}

export interface RunStats {
  runs: number;
  completed: number;
  failed: number;
  timed_out: number;
  cancelled: number;
  open: number;
  latency: Latency | null;
}

export interface NodeStats {
  nodeType: string;
  /** Where one workflow is asked for. */
  nodeId: string | null;
  name: string | null;
  executions: number;
  completed: number;
  failed: number;
  skipped: number;
  cancelled: number;
  open: number;
  /** Attempts beyond the first. */
  retries: number;
  latency: Latency | null;
}

/** `considered`: rows that were looked at, the newest; `isTruncated`: there are more. */
interface Considered {
  considered: number;
  isTruncated: boolean;
}

export interface Analytics {
  runs(
    tenant: TenantId,
    range: AnalyticsRange,
    bucketMs: number,
    maxRows: number,
  ): Promise<
    Considered & {
      totals: RunStats;
      /** In order; those without runs are left out. */
      buckets: ({ at: Date } & RunStats)[];
      /** The most runs first. */
      workflows: ({ workflowId: string | null; workflowName: string } & RunStats)[];
    }
  >;
  nodes(tenant: TenantId, range: AnalyticsRange, maxRows: number): Promise<Considered & { nodes: NodeStats[] }>;
  /** Of all organizations (system role); read from the index of open runs. */
  installation(): Promise<InstallationNumbers>;
}

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
  pool(): PoolState;
  /** One cheap statement. */
  ping(): Promise<void>;
  close(): Promise<void>;
}

export type { EventKind };
export type * from "./schedule-types.ts";
