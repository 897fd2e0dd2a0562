import type { Routes } from "#contract";
import { NODE_EXECUTIONS_SHOWN } from "#contract/executions.ts";
import { type RunStatus, isClosed, parseDuration } from "#core";
import type { Run } from "#runs";
import type { ApiContext } from "../context.ts";
import type { Handlers, Request } from "../mount.ts";
import { type PageQuery, pageHeadersOf, toPage } from "../paging.ts";
import { notFound } from "../problem.ts";
import { eventJson } from "../runs/event-json.ts";
import { createReconciler } from "../runs/reconciler.ts";
import { runJson, runResultJson } from "../runs/run-json.ts";
import { createRunStarter } from "../runs/starter.ts";
import type { Principal } from "../security/principal.ts";
import type { Services } from "../services.ts";
import { sseResponse } from "../streams/sse.ts";

type ExecutionRoute =
  | "executeWorkflow"
  | "executeWorkflowStream"
  | "executeGraph"
  | "listExecutions"
  | "listWorkflowExecutions"
  | "getExecution"
  | "getWorkflowRun"
  | "listNodeExecutions"
  | "listEvents"
  | "streamExecution"
  | "getResult"
  | "cancelExecution"
  | "terminateExecution"
  | "pauseExecution"
  | "resumeExecution"
  | "setVariable";

type Filter = {
  status?: RunStatus[] | undefined;
  from?: Date | undefined;
  to?: Date | undefined;
  forked_from?: string | undefined;
  error_code?: string | undefined;
} & PageQuery;
type Mode = "async" | "wait" | "stream";
type CommandOf = Parameters<Services["runs"]["command"]>[2];
type PlainCommand = Pick<Request<Routes["cancelExecution"]>, "params" | "body" | "principal">;

export function executionHandlers(services: Services): Handlers<ExecutionRoute> {
  const { db, runs, events: reader, logger, settings, shutdown } = services;
  const starter = createRunStarter(services);
  const reconciler = createReconciler(runs, logger);

  async function existing(principal: Principal, id: string): Promise<Run> {
    const run = await db.runs.get(principal.tenantId, id);
    if (!run) throw notFound("execution");
    return run;
  }

  function stream(principal: Principal, runId: string, after: number, c: ApiContext): Response {
    return sseResponse({
      events: reader,
      tenantId: principal.tenantId,
      runId,
      after,
      shutdown,
      reauthorize: c.get("reauthorize"),
      reauthorizeIntervalMs: settings.STREAM_REAUTHORIZE_INTERVAL_MS,
      onSilence: () => reconciler.nudge(principal.tenantId, runId),
      onError: (error) => logger.warn({ err: error, run_id: runId }, "stream ended early"),
    });
  }

  /** The run once it has ended, or as it stands when the time is over, the caller has gone or the process shuts down. */
  async function endOf(run: Run, timeoutMs: number, c: ApiContext): Promise<Run> {
    if (isClosed(run.status)) return run;
    const over = new AbortController();
    const stop = (): void => over.abort();
    const causes = [c.req.raw.signal, shutdown];
    for (const cause of causes) {
      if (cause.aborted) stop();
      cause.addEventListener("abort", stop, { once: true });
    }
    try {
      return await runs.waitForEnd(run.tenantId, run.id, timeoutMs, over.signal);
    } finally {
      for (const cause of causes) cause.removeEventListener("abort", stop);
    }
  }

  /** `RUN_WAIT_MAX_MS` at most, and where it is left out. */
  function waitMs(timeout: string | number | null | undefined): number {
    return Math.min((timeout == null ? undefined : parseDuration(timeout)) ?? settings.RUN_WAIT_MAX_MS, settings.RUN_WAIT_MAX_MS);
  }

  async function answerStart(run: Run, mode: Mode, timeout: string | number | null | undefined, principal: Principal, c: ApiContext) {
    if (mode === "stream") return stream(principal, run.id, 0, c);
    if (mode === "wait") {
      c.get("auditBegun")?.({ status: 201, body: runJson(run, settings) });
      const ended = await endOf(run, waitMs(timeout), c);
      return { status: isClosed(ended.status) ? (200 as const) : (202 as const), body: runJson(ended, settings) };
    }
    const body = runJson(run, settings);
    // The documented answer to a start carries a time.
    return { status: 201 as const, body: { ...body, started_at: body.started_at ?? body.created_at }, headers: { location: body.links.self } };
  }

  async function list(principal: Principal, workflowId: string | undefined, query: Filter, c: ApiContext) {
    const { status, from, to, forked_from: forkedFrom, error_code: errorCode } = query;
    const page = await db.runs.list(
      principal.tenantId,
      {
        ...(workflowId !== undefined && { workflowId }),
        ...(status && status.length > 0 && { status }),
        ...(from && { from }),
        ...(to && { to }),
        ...(forkedFrom !== undefined && { forkedFrom }),
        ...(errorCode !== undefined && { errorCode }),
      },
      toPage(query),
    );
    return { status: 200 as const, body: page.rows.map((run) => runJson(run, settings)), headers: pageHeadersOf(c, page) };
  }

  async function command(principal: Principal, id: string, what: CommandOf) {
    const { outcome, run } = await runs.command(principal.tenantId, id, what, principal.userId);
    return { status: outcome === "applied" ? (200 as const) : (202 as const), body: runJson(run, settings) };
  }

  const plain =
    (kind: "cancel" | "terminate" | "pause" | "resume") =>
    ({ params, body, principal }: PlainCommand) =>
      command(principal, params.id, kind === "pause" || kind === "resume" ? { kind } : { kind, ...(body.reason !== undefined && { reason: body.reason }) });

  return {
    async executeWorkflow({ params, headers, body, rawBody, principal, c }) {
      const mode = body.mode ?? (wantsEvents(c.req.header("accept")) ? "stream" : "async");
      const run = await starter.startWorkflow(params.id, { principal, body, rawBody, idempotencyKey: headers["idempotency-key"] });
      return answerStart(run, mode, body.timeout, principal, c);
    },

    async executeWorkflowStream({ params, headers, body, rawBody, principal, c }) {
      const run = await starter.startWorkflow(params.id, { principal, body, rawBody, idempotencyKey: headers["idempotency-key"] });
      return stream(principal, run.id, 0, c);
    },

    async executeGraph({ headers, body, rawBody, principal, c }) {
      const mode = body.mode ?? (wantsEvents(c.req.header("accept")) ? "stream" : "async");
      const run = await starter.startGraph({ principal, body, rawBody, idempotencyKey: headers["idempotency-key"] });
      return answerStart(run, mode, body.timeout, principal, c);
    },

    listExecutions: ({ query, principal, c }) => list(principal, query.workflow_id, query, c),

    async listWorkflowExecutions({ params, query, principal, c }) {
      const page = await list(principal, params.id, query, c);
      // A deleted workflow's runs stay readable; a workflow that never was has none.
      if (page.body.length === 0 && !(await db.workflows.get(principal.tenantId, params.id))) throw notFound("workflow");
      return page;
    },

    async getExecution({ params, principal }) {
      return { status: 200, body: runJson(await reconciler.freshen(await existing(principal, params.id)), settings) };
    },

    async getWorkflowRun({ params, principal }) {
      const run = await existing(principal, params.id);
      if (run.workflowId !== params.workflow_id) throw notFound("execution");
      const fresh = await reconciler.freshen(run);
      const nodes = await db.runs.nodes(principal.tenantId, run.id, { limit: NODE_EXECUTIONS_SHOWN });
      return { status: 200, body: { ...runJson(fresh, settings), node_executions: nodes.rows } };
    },

    async listNodeExecutions({ params, query, principal, c }) {
      await reconciler.freshen(await existing(principal, params.id));
      const page = await db.runs.nodes(principal.tenantId, params.id, toPage(query));
      return { status: 200, body: page.rows, headers: pageHeadersOf(c, page) };
    },

    async listEvents({ params, query, principal, c }) {
      await existing(principal, params.id);
      const { events, hasMore } = await db.runs.eventPage(principal.tenantId, params.id, query.after, query.limit);
      const last = events.at(-1);
      const next = last && hasMore ? `<${c.req.path}?after=${last.seq}&limit=${query.limit}>; rel="next"` : undefined;
      return { status: 200, body: events.map(eventJson), ...(next !== undefined && { headers: { link: next } }) };
    },

    async streamExecution({ params, query, headers, principal, c }) {
      const run = await existing(principal, params.id);
      const after = headers["last-event-id"] ?? query.after ?? 0;
      if (isClosed(run.status) && (await db.runs.events(principal.tenantId, run.id, after, 1)).length === 0) return { status: 204, body: undefined };
      return stream(principal, run.id, after, c);
    },

    async getResult({ params, query, principal, c }) {
      const run = await existing(principal, params.id);
      const waited = Math.min((query.wait ?? 0) * 1000, settings.RUN_WAIT_MAX_MS);
      const now = waited > 0 ? await endOf(run, waited, c) : await reconciler.freshen(run);
      return { status: isClosed(now.status) ? 200 : 202, body: runResultJson(now) };
    },

    cancelExecution: plain("cancel"),
    terminateExecution: plain("terminate"),
    pauseExecution: plain("pause"),
    resumeExecution: plain("resume"),

    setVariable: ({ params, body, principal }) => command(principal, params.id, { kind: "set_variable", name: params.name, value: body.value }),
  };
}

function wantsEvents(accept: string | undefined): boolean {
  return accept?.toLowerCase().includes("text/event-stream") ?? false;
}
