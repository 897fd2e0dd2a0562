import type { z } from "@hono/zod-openapi";
import type { Routes } from "#contract";
import type { schedule as scheduleSchema, scheduleExecution } from "#contract/schedules.ts";
import { PerdureError } from "#core";
import type { Schedule, ScheduleDefinition, ScheduleExecution } from "#db";
import type { ScheduleRequest, StandingSchedule } from "#runs";
import { temporalWorkflowId } from "#workflows/messages";
import type { Handlers, Request } from "../mount.ts";
import { pageHeadersOf, toPage } from "../paging.ts";
import { runJson } from "../runs/run-json.ts";
import type { ApiSettings, Services } from "../services.ts";

type ScheduleRoute =
  | "listSchedules"
  | "createSchedule"
  | "getSchedule"
  | "replaceSchedule"
  | "updateSchedule"
  | "deleteSchedule"
  | "triggerSchedule"
  | "pauseSchedule"
  | "resumeSchedule"
  | "backfillSchedule"
  | "listScheduleExecutions";

type Written = Request<Routes["updateSchedule"]>["body"];

export function scheduleHandlers({ schedules, settings }: Services): Handlers<ScheduleRoute> {
  const shown = (standing: StandingSchedule) => ({ status: 200 as const, body: toJson(standing, settings) });

  return {
    async listSchedules({ query, principal, c }) {
      const filter = {
        ...(query.workflow_id !== undefined && { workflowId: query.workflow_id }),
        ...(query.enabled !== undefined && { enabled: query.enabled }),
      };
      const page = await schedules.list(principal.tenantId, filter, toPage(query));
      return { status: 200, body: page.rows.map((standing) => toJson(standing, settings)), headers: pageHeadersOf(c, page) };
    },

    async createSchedule({ body, principal }) {
      const created = await schedules.create(principal.tenantId, {
        workflowId: body.workflow_id,
        nodeId: body.node_id ?? null,
        name: body.name ?? body.job_name ?? "Schedule",
        inputs: body.inputs ?? {},
        enabled: enabledIn(body) ?? true,
        note: body.note ?? "",
        createdBy: principal.userId,
        when: requestOf(fieldsOf(body)),
      });
      return { status: 201, body: toJson(created, settings) };
    },

    getSchedule: async ({ params, principal }) => shown(await schedules.get(principal.tenantId, params.id)),

    async replaceSchedule({ params, body, principal }) {
      const fields = fieldsOf(body);
      return shown(
        await schedules.update(principal.tenantId, params.id, { ...othersOf(body), ...(Object.keys(fields).length > 0 && { when: requestOf(fields) }) }),
      );
    },

    async updateSchedule({ params, body, principal }) {
      const fields = fieldsOf(body);
      if (Object.keys(fields).length === 0) return shown(await schedules.update(principal.tenantId, params.id, othersOf(body)));
      const { schedule } = await schedules.get(principal.tenantId, params.id);
      return shown(await schedules.update(principal.tenantId, params.id, { ...othersOf(body), when: merged(schedule.definition, fields) }));
    },

    async deleteSchedule({ params, principal }) {
      await schedules.remove(principal.tenantId, params.id);
      return { status: 204, body: undefined };
    },

    async triggerSchedule({ params, headers, principal }) {
      return { status: 201, body: runJson(await schedules.trigger(principal.tenantId, params.id, headers["idempotency-key"]), settings) };
    },

    pauseSchedule: async ({ params, body, principal }) =>
      shown(await schedules.update(principal.tenantId, params.id, { enabled: false, note: body?.note ?? "" })),
    resumeSchedule: async ({ params, body, principal }) =>
      shown(await schedules.update(principal.tenantId, params.id, { enabled: true, note: body?.note ?? "" })),

    async backfillSchedule({ params, body, principal }) {
      const moments = await schedules.backfill(principal.tenantId, params.id, momentOf(body.start_at, "start_at"), momentOf(body.end_at, "end_at"));
      return { status: 202, body: { moments } };
    },

    async listScheduleExecutions({ params, query, principal, c }) {
      const page = await schedules.executions(principal.tenantId, params.id, { ...(query.status && { status: [query.status] }) }, toPage(query));
      return { status: 200, body: page.rows.map(executionJson), headers: pageHeadersOf(c, page) };
    },
  };
}

type Fields = { -readonly [K in keyof ScheduleRequest]?: ScheduleRequest[K] };

const TIMING = [
  "cron_expression",
  "timezone",
  "interval_seconds",
  "offset_seconds",
  "scheduled_time",
  "delay_seconds",
  "start_at",
  "end_at",
  "jitter_seconds",
  "overlap_policy",
  "catchup_window_seconds",
  "max_executions",
  "retry_on_failure",
  "retry_count",
  "retry_delay_seconds",
] as const satisfies readonly (keyof ScheduleRequest)[];

/** What is said of when it fires; fields beside `timer_config` count first. */
function fieldsOf(body: Written): Fields {
  const config = body.timer_config ?? {};
  const type = body.schedule_type ?? body.timer_type ?? config.schedule_type ?? config.timer_type ?? undefined;
  const said = TIMING.flatMap((field) => {
    const value = body[field] ?? config[field] ?? undefined;
    return value === undefined ? [] : [[field, value]];
  });
  return { ...(Object.fromEntries(said) as Fields), ...(type !== undefined && { type }) };
}

function requestOf(fields: Fields): ScheduleRequest {
  const type = fields.type ?? impliedType(fields);
  if (type !== undefined) return { ...fields, type };
  throw new PerdureError("validation.failed", "The request is not valid.", {
    findings: [
      { code: "validation.required", message: "is required, or cron_expression, interval_seconds, scheduled_time or delay_seconds", path: "schedule_type" },
    ],
  });
}

function impliedType(fields: Fields): ScheduleRequest["type"] | undefined {
  if (fields.cron_expression !== undefined) return "cron";
  if (fields.interval_seconds !== undefined) return "interval";
  return fields.scheduled_time !== undefined || fields.delay_seconds !== undefined ? "once" : undefined;
}

/** What is said takes the place of what there was; moments that follow from a field that is said anew are found anew. */
function merged(
  { has_own_offset: hasOwnOffset, timer_enabled: _timer, offset_seconds: offset, scheduled_time: at, delay_seconds: _delay, ...before }: ScheduleDefinition,
  fields: Fields,
): ScheduleRequest {
  const type = fields.type ?? impliedType(fields) ?? before.type;
  const keepsInterval = type === "interval" && (fields.interval_seconds === undefined || hasOwnOffset === true);
  const keepsMoment = type === "once" && fields.scheduled_time === undefined && fields.delay_seconds === undefined;
  return {
    ...before,
    ...(keepsInterval && offset !== undefined && { offset_seconds: offset }),
    ...(keepsMoment && at !== undefined && { scheduled_time: at }),
    ...fields,
    type,
  };
}

function enabledIn(body: Written): boolean | undefined {
  const config = body.timer_config ?? {};
  if (body.enabled == null && body.is_enabled == null && config.auto_trigger_workflow === false) return false;
  return body.enabled ?? body.is_enabled ?? config.enabled ?? undefined;
}

function othersOf(body: Written) {
  const name = body.name ?? body.job_name ?? undefined;
  const enabled = enabledIn(body);
  return {
    ...(name !== undefined && { name }),
    ...(body.inputs != null && { inputs: body.inputs }),
    ...(enabled !== undefined && { enabled }),
    ...(body.note != null && { note: body.note }),
  };
}

function momentOf(text: string, path: string): Date {
  const at = new Date(text);
  if (/^\d{4}-\d\d-\d\dT.*(?:Z|[+-]\d\d:?\d\d)$/i.test(text) && !Number.isNaN(at.getTime())) return at;
  throw new PerdureError("validation.failed", "The request is not valid.", {
    findings: [{ code: "schedule.backfill", message: "takes a moment, ISO 8601 with an offset or Z", path }],
  });
}

type LinkSettings = Pick<ApiSettings, "PUBLIC_URL" | "TEMPORAL_NAMESPACE" | "TEMPORAL_UI_URL">;

function toJson({ schedule, status, next, missed, skipped, isInSync }: StandingSchedule, settings: LinkSettings): z.input<typeof scheduleSchema> {
  const { definition } = schedule;
  return {
    id: schedule.id,
    name: schedule.name,
    job_name: schedule.name,
    workflow_id: schedule.workflowId,
    node_id: schedule.nodeId,
    source: schedule.source,
    status,
    enabled: schedule.enabled,
    is_enabled: schedule.enabled,
    note: schedule.note,
    paused_at: schedule.pausedAt?.toISOString() ?? null,
    schedule_type: definition.type,
    timer_type: definition.type,
    cron_expression: definition.cron_expression ?? null,
    interval_seconds: definition.interval_seconds ?? null,
    offset_seconds: definition.offset_seconds ?? null,
    scheduled_time: definition.scheduled_time ?? null,
    delay_seconds: definition.delay_seconds ?? null,
    timezone: definition.timezone,
    start_at: definition.start_at ?? null,
    end_at: definition.end_at ?? null,
    jitter_seconds: definition.jitter_seconds,
    overlap_policy: definition.overlap_policy,
    catchup_window_seconds: definition.catchup_window_seconds,
    max_executions: definition.max_executions,
    current_executions: schedule.executions,
    retry_on_failure: definition.retry_on_failure,
    retry_count: definition.retry_count,
    retry_delay_seconds: definition.retry_delay_seconds,
    inputs: schedule.inputs,
    next_run_at: next?.[0]?.toISOString() ?? null,
    next_runs: next?.map((at) => at.toISOString()) ?? null,
    last_run_at: schedule.lastFiredAt?.toISOString() ?? null,
    missed: missed ?? null,
    skipped: skipped ?? null,
    in_sync: isInSync,
    sync_error: schedule.syncError,
    created_by: schedule.createdBy,
    created_at: schedule.createdAt.toISOString(),
    updated_at: schedule.updatedAt.toISOString(),
    links: linksOf(schedule, settings),
  };
}

function linksOf({ id, tenantId }: Schedule, { PUBLIC_URL, TEMPORAL_NAMESPACE, TEMPORAL_UI_URL }: LinkSettings) {
  const self = `${(PUBLIC_URL ?? "").replace(/\/+$/, "")}/api/v1/schedules/${id}`;
  const ui = `${TEMPORAL_UI_URL.replace(/\/+$/, "")}/namespaces/${encodeURIComponent(TEMPORAL_NAMESPACE)}`;
  return { self, executions: `${self}/executions`, temporal_ui: `${ui}/schedules/${encodeURIComponent(temporalWorkflowId(tenantId, id))}` };
}

function executionJson({ scheduleId, scheduledAt, attempt, run, ...firing }: ScheduleExecution): z.input<typeof scheduleExecution> {
  const error = run?.error ?? firing.error;
  const { startedAt = null, completedAt = null } = run ?? {};
  return {
    id: `${scheduleId}:${scheduledAt.toISOString()}:${attempt}`,
    job_id: scheduleId,
    schedule_id: scheduleId,
    execution_id: firing.runId,
    scheduled_at: scheduledAt.toISOString(),
    fired_at: firing.firedAt.toISOString(),
    started_at: startedAt?.toISOString() ?? null,
    completed_at: completedAt?.toISOString() ?? null,
    number: firing.number,
    attempt,
    is_manual: firing.isManual,
    status: run?.status ?? (firing.outcome === "started" ? "queued" : firing.outcome),
    result: run?.outputs ?? null,
    error,
    error_message: error?.message ?? null,
    execution_time_ms: startedAt && completedAt ? completedAt.getTime() - startedAt.getTime() : null,
  };
}
