import { z } from "@hono/zod-openapi";
import { RUN_STATUSES } from "#core";
import { MAX_ID_LENGTH } from "#graph";
import { run, startHeaders } from "./executions.ts";
import { defineRoute, jsonBody, jsonReply, needs } from "./route.ts";
import { failure, flagQuery, id, idParam, json, jsonObject, optionalObject, pageHeaders, pageQuery, timestamp, trimmedText } from "./values.ts";

const tags = ["schedules"];
const base = "/api/v1/schedules";
const byId = z.object({ id: idParam });

export const SCHEDULE_TYPES = ["cron", "interval", "once", "manual"] as const;
export const OVERLAP_POLICIES = ["allow_all", "skip", "buffer_one", "buffer_all", "cancel_other", "terminate_other"] as const;

const type = z.enum(SCHEDULE_TYPES);
const overlap = z.enum(OVERLAP_POLICIES).openapi({
  description:
    "What becomes of a moment that comes while the run of an earlier one has not ended: it runs beside it (`allow_all`), not at all (`skip`), after it (the next one, `buffer_one`; all, `buffer_all`), or in its place (`cancel_other`, `terminate_other`).",
});
const time = z.string().max(40);

/** What the documented clients write; `timer_config` of a job holds the same. */
const when = {
  schedule_type: type.nullish().openapi({ description: "Where it is left out it follows from what is given." }),
  timer_type: type.nullish().openapi({ description: "The same as `schedule_type`." }),
  cron_expression: z.string().max(200).nullish().openapi({
    example: "0 9 * * 1-5",
    description: "Minute, hour, day of month, month, day of week; with six fields, seconds first. Names, ranges, steps, lists, `L`, `5L`, `FRI#2`, `@daily`.",
  }),
  timezone: z
    .string()
    .max(100)
    .nullish()
    .openapi({ example: "America/New_York", description: "IANA name of the zone whose clocks `cron_expression` speaks of; UTC where nothing is said." }),
  interval_seconds: z.number().nullish(),
  offset_seconds: z
    .number()
    .nullish()
    .openapi({ description: "Of an interval: its moments are those at which the seconds since 1970 less this are a multiple of it." }),
  scheduled_time: time.nullish().openapi({ description: "Of `once`: ISO 8601." }),
  delay_seconds: z.number().nullish().openapi({ description: "Of `once`: seconds from now." }),
  start_at: time.nullish().openapi({ description: "No moment before it." }),
  end_at: time.nullish().openapi({ description: "No moment after it." }),
  jitter_seconds: z.number().nullish().openapi({ description: "Each moment is put off by a random part of it." }),
  overlap_policy: overlap.nullish(),
  catchup_window_seconds: z.number().nullish().openapi({ description: "How late a moment may be fired after an outage." }),
  max_executions: z.number().nullish().openapi({ description: "Moments in all; 0 is no limit. Starts by hand do not count." }),
  retry_on_failure: z.boolean().nullish(),
  retry_count: z.number().nullish().openapi({ description: "How often a run that failed is started again." }),
  retry_delay_seconds: z.number().nullish(),
};

const name = trimmedText(200);
const written = {
  ...when,
  name: name.nullish(),
  job_name: name.nullish().openapi({ description: "The same as `name`." }),
  inputs: optionalObject.openapi({
    description:
      "Of each run. Texts may read `{{schedule.time}}`, `local_time`, `date`, `fired_at`, `number`, `attempt`, `id`, `name`, `workflow_id`, `timezone`.",
  }),
  enabled: z.boolean().nullish(),
  is_enabled: z.boolean().nullish().openapi({ description: "The same as `enabled`." }),
  note: z.string().max(500).nullish().openapi({ description: "Why it is paused, say." }),
  timer_config: z
    .object({ ...when, enabled: z.boolean().nullish(), auto_trigger_workflow: z.boolean().nullish() })
    .nullish()
    .openapi({ description: "The same fields, as jobs are documented; those beside it count first." }),
};

export const schedule = z
  .object({
    id,
    name: z.string(),
    job_name: z.string(),
    workflow_id: id,
    node_id: z.string().nullable(),
    source: z.enum(["node", "api"]).openapi({ description: "`node`: the timer of the published version says how it is." }),
    status: z.enum(["active", "paused", "over"]),
    enabled: z.boolean(),
    is_enabled: z.boolean(),
    note: z.string(),
    paused_at: timestamp.nullable(),
    schedule_type: type,
    timer_type: type,
    cron_expression: z.string().nullable(),
    interval_seconds: z.int().nullable(),
    offset_seconds: z.int().nullable(),
    scheduled_time: timestamp.nullable(),
    delay_seconds: z.number().nullable(),
    timezone: z.string(),
    start_at: timestamp.nullable(),
    end_at: timestamp.nullable(),
    jitter_seconds: z.int(),
    overlap_policy: overlap,
    catchup_window_seconds: z.int(),
    max_executions: z.int(),
    current_executions: z.int(),
    retry_on_failure: z.boolean(),
    retry_count: z.int(),
    retry_delay_seconds: z.int(),
    inputs: jsonObject,
    next_run_at: timestamp.nullable(),
    next_runs: z.array(timestamp).nullable().openapi({ description: "As Temporal has them, ten at most; null where it could not be asked." }),
    last_run_at: timestamp.nullable(),
    missed: z.int().nullable().openapi({ description: "Moments that came too late for the catch-up window." }),
    skipped: z.int().nullable().openapi({ description: "Moments that the overlap policy left out." }),
    in_sync: z.boolean().openapi({ description: "Temporal has it as it stands here. What is not yet, the workers bring there." }),
    sync_error: z.string().nullable(),
    created_by: id.nullable(),
    created_at: timestamp,
    updated_at: timestamp,
    links: z.object({ self: z.string(), executions: z.string(), temporal_ui: z.string() }),
  })
  .openapi("Schedule");

export const scheduleExecution = z
  .object({
    id: z.string(),
    job_id: id,
    schedule_id: id,
    execution_id: id.nullable(),
    scheduled_at: timestamp,
    fired_at: timestamp,
    started_at: timestamp.nullable(),
    completed_at: timestamp.nullable(),
    number: z.int(),
    attempt: z.int(),
    is_manual: z.boolean(),
    status: z.enum([...RUN_STATUSES, "pending", "refused", "missed"]).openapi({ description: "Of its run; `refused` and `missed`: there is none." }),
    result: json.nullable(),
    error: failure.nullable(),
    error_message: z.string().nullable(),
    execution_time_ms: z.number().nullable(),
  })
  .openapi("ScheduleExecution");

const found = { 200: jsonReply("The schedule.", schedule) };
const noted = jsonBody(z.object({ note: z.string().max(500).nullish() }).openapi("ScheduleNote"), false);

export const scheduleRoutes = {
  listSchedules: defineRoute({
    method: "get",
    path: base,
    operationId: "listSchedules",
    summary: "List schedules",
    tags,
    access: needs("schedule.read"),
    problems: [400, 422],
    request: { query: pageQuery.extend({ workflow_id: idParam.optional(), enabled: flagQuery.optional() }) },
    responses: { 200: { ...jsonReply("One page, the newest first.", z.array(schedule)), headers: pageHeaders } },
  }),
  createSchedule: defineRoute({
    method: "post",
    path: base,
    operationId: "createSchedule",
    rules: "it says when it fires, by an expression, a zone, lengths and moments that there are, and `inputs` name what can be filled in.",
    summary: "Have a workflow run at certain times",
    description:
      "Each moment runs the version that is published by then (else the newest), as the organization. Timers of graphs (`TimerStartNode`) get their schedules when the workflow is published.",
    tags,
    access: needs("schedule.write"),
    problems: [400, 404, 409, 413, 422],
    request: { body: jsonBody(z.object({ ...written, workflow_id: idParam, node_id: z.string().min(1).max(MAX_ID_LENGTH).nullish() }).openapi("NewSchedule")) },
    responses: { 201: jsonReply("The schedule.", schedule) },
  }),
  getSchedule: defineRoute({
    method: "get",
    path: `${base}/{id}`,
    operationId: "getSchedule",
    summary: "Read a schedule, with its next moments",
    tags,
    access: needs("schedule.read"),
    problems: [404],
    request: { params: byId },
    responses: found,
  }),
  replaceSchedule: defineRoute({
    method: "put",
    path: `${base}/{id}`,
    operationId: "replaceSchedule",
    rules: "it says when it fires, by an expression, a zone, lengths and moments that there are, and `inputs` name what can be filled in.",
    summary: "Say anew when a schedule fires",
    description: "What is not said of when it fires has its default again. A timer's schedule is then its own: publishing leaves it alone.",
    tags,
    access: needs("schedule.write"),
    problems: [400, 404, 409, 413, 422],
    request: { params: byId, body: jsonBody(z.object(written).openapi("ScheduleReplacement")) },
    responses: found,
  }),
  updateSchedule: defineRoute({
    method: "patch",
    path: `${base}/{id}`,
    operationId: "updateSchedule",
    rules: "it says when it fires, by an expression, a zone, lengths and moments that there are, and `inputs` name what can be filled in.",
    summary: "Change some of a schedule",
    tags,
    access: needs("schedule.write"),
    problems: [400, 404, 409, 413, 422],
    request: { params: byId, body: jsonBody(z.object(written).openapi("ScheduleChanges")) },
    responses: found,
  }),
  deleteSchedule: defineRoute({
    method: "delete",
    path: `${base}/{id}`,
    operationId: "deleteSchedule",
    summary: "Delete a schedule",
    description: "Runs that it has started go on. A timer's schedule comes again when the workflow is published.",
    tags,
    access: needs("schedule.write"),
    problems: [404],
    request: { params: byId },
    responses: { 204: { description: "It is gone." } },
  }),
  triggerSchedule: defineRoute({
    method: "post",
    path: `${base}/{id}/trigger`,
    operationId: "triggerSchedule",
    rules: "the version that runs has no problems.",
    summary: "Start a run of a schedule now",
    description: "Beside its moments: the overlap policy has no say, and it does not count against `max_executions`. Also while it is paused.",
    tags,
    access: needs("run.start"),
    problems: [404, 409, 422],
    request: { params: byId, headers: startHeaders },
    responses: { 201: jsonReply("The run has been taken on.", run) },
  }),
  pauseSchedule: defineRoute({
    method: "post",
    path: `${base}/{id}/pause`,
    operationId: "pauseSchedule",
    summary: "Let a schedule rest",
    description: "Moments that come meanwhile are not made up for; `backfill` does that. Runs that it has started go on.",
    tags,
    access: needs("run.control"),
    problems: [400, 404, 422],
    request: { params: byId, body: noted },
    responses: found,
  }),
  resumeSchedule: defineRoute({
    method: "post",
    path: `${base}/{id}/resume`,
    operationId: "resumeSchedule",
    summary: "Let a schedule fire again",
    tags,
    access: needs("run.control"),
    problems: [400, 404, 422],
    request: { params: byId, body: noted },
    responses: found,
  }),
  backfillSchedule: defineRoute({
    method: "post",
    path: `${base}/{id}/backfill`,
    operationId: "backfillSchedule",
    rules: "`start_at` and `end_at` are moments with a zone, in order, not too long ago and with not too many moments of the schedule between them.",
    summary: "Fire the moments of a time that has passed",
    description: "Those that have had their run get no other. The overlap policy of the schedule holds.",
    tags,
    access: needs("run.start"),
    problems: [400, 404, 409, 422],
    request: { params: byId, body: jsonBody(z.object({ start_at: time, end_at: time }).openapi("Backfill")) },
    responses: { 202: jsonReply("They have been taken on.", z.object({ moments: z.int() }).openapi("BackfillResult")) },
  }),
  listScheduleExecutions: defineRoute({
    method: "get",
    path: `${base}/{id}/executions`,
    operationId: "listScheduleExecutions",
    summary: "See what became of a schedule's moments",
    tags,
    access: needs("schedule.read"),
    problems: [400, 404, 422],
    request: { params: byId, query: pageQuery.extend({ status: z.enum(RUN_STATUSES).optional() }) },
    responses: { 200: { ...jsonReply("One page, the newest first.", z.array(scheduleExecution)), headers: pageHeaders } },
  }),
};
