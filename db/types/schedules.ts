import type { FailureValue, Json, JsonObject, RunStatus, TenantId } from "#core";
import type { Page, Paged } from "./paging.ts";

export type ScheduleType = "cron" | "interval" | "once" | "manual";

/** What becomes of a moment that comes while the run of an earlier one has not ended. */
export type OverlapPolicy = "allow_all" | "skip" | "buffer_one" | "buffer_all" | "cancel_other" | "terminate_other";

export type ScheduleSource = "node" | "api";
export type FiringOutcome = "pending" | "started" | "refused" | "missed";

/** When a schedule fires, complete and checked. As it is stored. */
export interface ScheduleDefinition {
  type: ScheduleType;
  /** Of `cron`: as it was written. */
  cron_expression?: string;
  /** IANA name. */
  timezone: string;
  /** Of `interval`: fires where seconds since 1970 less `offset_seconds` are a multiple of it. */
  interval_seconds?: number;
  offset_seconds?: number;
  /** Whether the offset was asked for; else it follows from when the schedule was made. */
  has_own_offset?: true;
  /** Of `once`: ISO 8601 UTC, whole seconds. */
  scheduled_time?: string;
  /** Of `once`, where the moment was told as a time from now. */
  delay_seconds?: number;
  /** ISO 8601 UTC: no moment before, none after. */
  start_at?: string;
  end_at?: string;
  jitter_seconds: number;
  overlap_policy: OverlapPolicy;
  /** How late a moment may be fired after an outage. */
  catchup_window_seconds: number;
  /** 0: no limit. */
  max_executions: number;
  retry_on_failure: boolean;
  retry_count: number;
  retry_delay_seconds: number;
  /** Of a timer: whether the node is switched on. */
  timer_enabled?: boolean;
}

export interface Schedule {
  id: string;
  tenantId: TenantId;
  workflowId: string;
  nodeId: string | null;
  source: ScheduleSource;
  name: string;
  definition: ScheduleDefinition;
  inputs: JsonObject;
  enabled: boolean;
  /** Why it is paused, or why it goes on. */
  note: string;
  pausedAt: Date | null;
  /** Moments up to then fire although it is paused. */
  backfilledTo: Date | null;
  executions: number;
  firings: number;
  revision: number;
  syncedRevision: number;
  syncError: string | null;
  changedAt: Date;
  checkedAt: Date | null;
  createdBy: string | null;
  createdAt: Date;
  updatedAt: Date;
  deletedAt: Date | null;
  /** When it last fired. */
  lastFiredAt: Date | null;
}

export type NewSchedule = Pick<Schedule, "id" | "workflowId" | "nodeId" | "source" | "name" | "definition" | "inputs" | "enabled" | "note" | "createdBy">;
export type ScheduleChange = Partial<Pick<Schedule, "source" | "name" | "definition" | "inputs" | "enabled" | "note">>;

/** A timer of a version that is published. */
export interface TimerSchedule {
  nodeId: string;
  name: string;
  definition: ScheduleDefinition;
  inputs: JsonObject;
  enabled: boolean;
}

/** One moment of a schedule, or one start by hand. */
export interface ScheduleFiring {
  scheduleId: string;
  scheduledAt: Date;
  attempt: number;
  /** 1 for the first firing of the schedule; tries of one moment share it. */
  number: number;
  isManual: boolean;
  /** The idempotency key of its run. */
  key: string;
  outcome: FiringOutcome;
  runId: string | null;
  error: FailureValue | null;
  firedAt: Date;
}

/** With what became of its run; null where there is none. */
export interface ScheduleExecution extends ScheduleFiring {
  run: { status: RunStatus; outputs: Json; error: FailureValue | null; startedAt: Date | null; completedAt: Date | null } | null;
}

export interface ScheduleRows {
  /**
   * @throws PerdureError `resource.not_found` where there is no such workflow, `resource.conflict` where the node has a schedule,
   *   `validation.failed` beyond `max` of the tenant.
   */
  create(tenant: TenantId, schedule: NewSchedule, max: number): Promise<Schedule>;
  get(tenant: TenantId, id: string): Promise<Schedule | undefined>;
  /** As `get`, also of what was deleted. */
  find(tenant: TenantId, id: string): Promise<Schedule | undefined>;
  /** The newest first. */
  list(tenant: TenantId, filter: { workflowId?: string; enabled?: boolean }, page: Page): Promise<Paged<Schedule>>;
  /** Also those that were deleted, as long as Temporal may have them. */
  ofWorkflow(tenant: TenantId, workflowId: string): Promise<Schedule[]>;
  update(tenant: TenantId, id: string, change: ScheduleChange): Promise<Schedule | undefined>;
  /** Moments up to then may fire, also while it is paused. */
  allowBackfill(tenant: TenantId, id: string, to: Date): Promise<void>;
  /** Soft: its firings stay. */
  remove(tenant: TenantId, id: string): Promise<Schedule | undefined>;
  /** Temporal has it as of this revision, or why it has not. */
  synced(tenant: TenantId, id: string, revision: number, error?: string): Promise<void>;
  /** Takes up schedules to compare: those whose change Temporal has not got for a while, and those not compared for `everyMs` (system role). */
  due(everyMs: number, unsyncedAfterMs: number, limit: number): Promise<{ tenantId: TenantId; id: string }[]>;
  /**
   * Notes that a moment fires; again it changes nothing and returns the same. Undefined where the schedule is gone, or has fired as often as it
   * may, or was paused before the moment and no backfill asked for it.
   */
  fire(
    tenant: TenantId,
    firing: { scheduleId: string; scheduledAt: Date; attempt: number; isManual: boolean; starter?: string },
  ): Promise<{ schedule: Schedule; firing: ScheduleFiring } | undefined>;
  settle(
    tenant: TenantId,
    firing: Pick<ScheduleFiring, "scheduleId" | "scheduledAt" | "attempt">,
    outcome: { outcome: Exclude<FiringOutcome, "pending">; runId?: string; error?: FailureValue },
  ): Promise<void>;
  /** Which workflow of Temporal waits for a run; undefined where none does. */
  starterOf(tenant: TenantId, runId: string): Promise<string | undefined>;
  /** Which workflow of Temporal had a run stored and has not said yet that it started it; undefined where none has. */
  pendingStarterOf(tenant: TenantId, runId: string): Promise<string | undefined>;
  /** The run that a firing has stored, by the firing's key, whether or not it was settled. */
  runOf(tenant: TenantId, key: string): Promise<string | undefined>;
  /** The newest first; undefined where there is no such schedule. */
  executions(tenant: TenantId, id: string, filter: { status?: RunStatus[] }, page: Page): Promise<Paged<ScheduleExecution> | undefined>;
}
