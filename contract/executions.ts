import { z } from "@hono/zod-openapi";
import { NODE_STATUSES, RUN_STATUSES } from "#core";
import { eventStream, runEvent } from "./events.ts";
import { GREETING } from "./workflows.ts";
import { defineRoute, jsonBody, jsonReply, needs } from "./route.ts";
import {
  duration,
  failure,
  fieldsQuery,
  id,
  idParam,
  integerParam,
  json,
  jsonObject,
  listQueryOf,
  momentParam,
  optionalObject,
  pageHeaders,
  pageQuery,
  rowsInPart,
  timestamp,
  trimmedText,
} from "./values.ts";

const tags = ["executions"];
const base = "/api/v1/executions";
const workflows = "/api/v1/workflows";

const byId = z.object({ id: idParam });
const byWorkflow = z.object({ id: idParam });

export const run = z
  .object({
    id,
    execution_id: id.openapi({ description: "The same as `id`." }),
    workflow_id: id.nullable(),
    workflow_name: z.string(),
    version: z.int().nullable(),
    status: z.enum(RUN_STATUSES),
    inputs: jsonObject,
    outputs: json.nullable(),
    error: failure.nullable(),
    error_message: z.string().nullable(),
    trigger: z.string(),
    waiting_for: z
      .array(
        z.object({
          kind: z.string(),
          node_id: z.string(),
          iteration: z.string(),
          approval_id: id.optional(),
          expires_at: timestamp.optional(),
          position: z.int().optional(),
        }),
      )
      .openapi({ description: "`slot`: the run is queued, since limits of concurrency let it not begin yet; `position` 1 is next of its workflow." }),
    parent_id: id.nullable(),
    forked_from: id.nullable(),
    created_by: id.nullable(),
    created_at: timestamp,
    started_at: timestamp.nullable(),
    completed_at: timestamp.nullable(),
    links: z.object({
      self: z.string(),
      stream: z.string(),
      forks: z.string().openapi({ description: "Lists the runs that go on from this one." }),
      comparison: z.string().optional().openapi({ description: "Compares it with the run it was forked from." }),
      temporal_ui: z.string(),
    }),
  })
  .openapi("Execution");

export const nodeExecution = z
  .object({
    node_id: z.string(),
    iteration: z.string().openapi({ description: '`"2.5"`: item 5 of the inner loop in item 2 of the outer; empty outside loops.' }),
    type: z.string(),
    name: z.string(),
    status: z.enum(NODE_STATUSES),
    attempt: z.int(),
    route: z.string().nullable(),
    input: json.nullable(),
    output: json.nullable(),
    error: failure.nullable(),
    started_at: timestamp.nullable(),
    completed_at: timestamp.nullable(),
    duration_ms: z.number().nullable(),
  })
  .openapi("NodeExecution");

/** Of a run that is shown with its nodes; `/executions/{id}/nodes` pages through all. */
export const NODE_EXECUTIONS_SHOWN = 1_000;

const runWithNodes = run
  .extend({ node_executions: z.array(nodeExecution).openapi({ description: `The first ${NODE_EXECUTIONS_SHOWN}, in the order in which they began.` }) })
  .openapi("ExecutionWithNodes");

export const runResult = z
  .object({ id, execution_id: id, status: z.enum(RUN_STATUSES), outputs: json.nullable(), error: failure.nullable(), completed_at: timestamp.nullable() })
  .openapi("ExecutionResult");

const start = {
  inputs: optionalObject,
  entry: z.string().max(200).nullish().openapi({ description: "The trigger node to begin at, where there are several." }),
  mode: z.enum(["async", "wait", "stream"]).nullish().openapi({
    description:
      "`async` (default): 201 at once. `wait`: 200 with the finished run. `stream`: its events, which is the default where the request accepts `text/event-stream`.",
  }),
  timeout: duration.nullish().openapi({ description: "How long `wait` waits before it answers 202 with the run as it stands." }),
  priority: z.int().min(1).max(5).nullish().openapi({ description: "1 is first, 5 last; 3 where nothing is said." }),
  variables: optionalObject,
};
const startBody = z
  .object({ ...start, version: z.int().min(1).max(2_147_483_647).nullish() })
  .openapi("ExecuteRequest", { example: { inputs: { name: "Ada" }, mode: "wait", timeout: "10s" } });
const adHocBody = z
  .object({
    ...start,
    name: trimmedText(200).nullish(),
    flow_data: optionalObject,
    nodes: z.array(json).nullish(),
    edges: z.array(json).nullish(),
    settings: optionalObject,
  })
  .openapi("AdHocExecuteRequest", { example: { inputs: { name: "Ada" }, mode: "wait", timeout: "10s", flow_data: GREETING } });

/** Longest `Idempotency-Key`, in characters. */
export const IDEMPOTENCY_KEY_MAX_LENGTH = 200;

export const startHeaders = z.object({
  "idempotency-key": z
    .string()
    .min(1)
    .max(IDEMPOTENCY_KEY_MAX_LENGTH)
    .optional()
    .openapi({ description: "The same key with the same request names the same run; with another request: 409." }),
});

const startReplies = {
  200: {
    description: "The finished run (`mode: wait`), or its events (`mode: stream`).",
    content: { "application/json": { schema: run }, ...eventStream.content },
  },
  201: jsonReply("The run has been taken on.", run),
  202: jsonReply("`timeout` ended before the run did.", run),
};
const startProblems = [400, 404, 409, 413, 422];

const eventNumber = integerParam(0, 2_147_483_647);

const secondsParam = z
  .string()
  .max(50)
  .regex(/^\d+(?:\.\d+)?(?:e[+-]?\d+)?$/i, "is no number of seconds")
  .transform(Number)
  .pipe(z.number().max(1_000_000))
  .openapi({ type: "number", minimum: 0, maximum: 1_000_000 });

/** Rows of a run are small and many. */
const manyRows = integerParam(1, 1_000).default(1_000);

const streamRequest = {
  params: byId,
  query: z.object({ after: eventNumber.optional() }),
  headers: z.object({ "last-event-id": eventNumber.optional().openapi({ description: "The last `id:` seen; goes before `after`." }) }),
};

/** What commands to a live run share. */
export const command = {
  tags,
  access: needs("run.control"),
  problems: [400, 404, 409],
  request: { params: byId, body: jsonBody(z.object({ reason: z.string().max(1_000).optional() }), false) },
  responses: { 200: jsonReply("It took effect.", run), 202: jsonReply("It is kept for a worker that is away.", run) },
};

const listFilter = pageQuery.extend({
  status: listQueryOf(RUN_STATUSES).optional(),
  from: momentParam.optional(),
  to: momentParam.optional(),
  skip: pageQuery.shape.offset,
  fields: fieldsQuery(run),
});
const listReply = { 200: { ...jsonReply("One page, the newest first.", rowsInPart(run)), headers: pageHeaders } };

export const executionRoutes = {
  executeWorkflow: defineRoute({
    method: "post",
    path: `${workflows}/{id}/execute`,
    operationId: "executeWorkflow",
    rules: "the graph has no problems, `inputs` fit the schema of its start, `entry` is one of its triggers, and `timeout` is a duration.",
    summary: "Run a workflow",
    description: "Runs the version asked for, else the published one, else the newest. A graph with problems answers 422 with all of them.",
    tags,
    access: needs("run.start"),
    problems: startProblems,
    request: { params: byWorkflow, headers: startHeaders, body: jsonBody(startBody, false) },
    responses: startReplies,
  }),
  executeWorkflowStream: defineRoute({
    method: "post",
    path: `${workflows}/{id}/execute/stream`,
    operationId: "executeWorkflowStream",
    rules: "the graph has no problems, `inputs` fit the schema of its start, `entry` is one of its triggers, and `timeout` is a duration.",
    summary: "Run a workflow and stream its events",
    tags,
    access: needs("run.start"),
    problems: startProblems,
    request: { params: byWorkflow, headers: startHeaders, body: jsonBody(startBody, false) },
    responses: { 200: eventStream },
  }),
  executeGraph: defineRoute({
    method: "post",
    path: base,
    operationId: "executeGraph",
    rules: "there is a graph without problems, `inputs` fit the schema of its start, `entry` is one of its triggers, and `timeout` is a duration.",
    summary: "Run a graph that is not stored",
    tags,
    access: needs("run.ad_hoc"),
    problems: startProblems,
    request: { headers: startHeaders, body: jsonBody(adHocBody) },
    responses: startReplies,
  }),
  listExecutions: defineRoute({
    method: "get",
    path: base,
    operationId: "listExecutions",
    summary: "List runs",
    tags,
    access: needs("run.read"),
    problems: [422],
    request: {
      query: listFilter.extend({
        workflow_id: idParam.optional(),
        forked_from: idParam.optional().openapi({ description: "Retries, forks and replays of this run." }),
        error_code: z.string().max(100).optional().openapi({ description: "Of the failure they ended with." }),
      }),
    },
    responses: listReply,
  }),
  listWorkflowExecutions: defineRoute({
    method: "get",
    path: `${workflows}/{id}/executions`,
    operationId: "listWorkflowExecutions",
    summary: "List the runs of a workflow",
    tags,
    access: needs("run.read"),
    problems: [404, 422],
    request: { params: byWorkflow, query: listFilter },
    responses: listReply,
  }),
  getExecution: defineRoute({
    method: "get",
    path: `${base}/{id}`,
    operationId: "getExecution",
    summary: "Read a run",
    tags,
    access: needs("run.read"),
    problems: [404],
    request: { params: byId },
    responses: { 200: jsonReply("The run.", run) },
  }),
  getWorkflowRun: defineRoute({
    method: "get",
    path: `${workflows}/{workflow_id}/runs/{id}`,
    operationId: "getWorkflowRun",
    summary: "Read a run of a workflow",
    tags,
    access: needs("run.read"),
    problems: [404],
    request: { params: z.object({ workflow_id: idParam, id: idParam }) },
    responses: { 200: jsonReply("The run with what its nodes did.", runWithNodes) },
  }),
  listNodeExecutions: defineRoute({
    method: "get",
    path: `${base}/{id}/nodes`,
    operationId: "listNodeExecutions",
    summary: "Read what each node of a run did",
    tags,
    access: needs("run.read"),
    problems: [400, 404, 422],
    request: { params: byId, query: pageQuery.extend({ limit: manyRows, fields: fieldsQuery(nodeExecution) }) },
    responses: { 200: { ...jsonReply("One page, in the order in which they began.", rowsInPart(nodeExecution)), headers: pageHeaders } },
  }),
  listEvents: defineRoute({
    method: "get",
    path: `${base}/{id}/events`,
    operationId: "listEvents",
    summary: "Read the log of a run",
    tags,
    access: needs("run.read"),
    problems: [404, 422],
    request: {
      params: byId,
      query: z.object({ after: eventNumber.default(0), limit: manyRows.default(500) }),
    },
    responses: { 200: { ...jsonReply("Events after `after`.", z.array(runEvent)), headers: pageHeaders } },
  }),
  streamExecution: defineRoute({
    method: "get",
    path: `${base}/{id}/stream`,
    operationId: "streamExecution",
    summary: "Follow a run",
    description: "204 where the run has ended and all of its events have been seen, which tells an EventSource to stop.",
    tags,
    access: needs("run.read"),
    problems: [404, 422],
    request: streamRequest,
    responses: { 200: eventStream, 204: { description: "There is nothing more to come." } },
  }),
  getResult: defineRoute({
    method: "get",
    path: `${base}/{id}/result`,
    operationId: "getResult",
    summary: "Read the result of a run",
    tags,
    access: needs("run.read"),
    problems: [404, 422],
    request: { params: byId, query: z.object({ wait: secondsParam.optional().openapi({ description: "Seconds to wait for the end." }) }) },
    responses: { 200: jsonReply("The run has ended.", runResult), 202: jsonReply("It has not.", runResult) },
  }),
  cancelExecution: defineRoute({
    ...command,
    method: "post",
    path: `${base}/{id}/cancel`,
    operationId: "cancelExecution",
    summary: "Cancel a run; compensation still runs",
  }),
  terminateExecution: defineRoute({
    ...command,
    method: "post",
    path: `${base}/{id}/terminate`,
    operationId: "terminateExecution",
    summary: "End a run at once",
  }),
  pauseExecution: defineRoute({ ...command, method: "post", path: `${base}/{id}/pause`, operationId: "pauseExecution", summary: "Start no further node" }),
  resumeExecution: defineRoute({ ...command, method: "post", path: `${base}/{id}/resume`, operationId: "resumeExecution", summary: "Go on" }),
  setVariable: defineRoute({
    ...command,
    method: "put",
    path: `${base}/{id}/variables/{name}`,
    operationId: "setVariable",
    summary: "Change a variable of a run",
    description: "The body is `{value}`.",
    problems: [400, 404, 409, 413, 422],
    request: {
      params: z.object({ id: idParam, name: z.string().regex(/^(?!__proto__$)[A-Za-z_][A-Za-z0-9_-]{0,99}$/) }),
      body: jsonBody(z.looseObject({ value: json }).openapi({ required: ["value"], example: { value: { approved: true } } })),
    },
  }),
};
