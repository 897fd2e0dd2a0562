import type { Caller } from "./client.ts";
import { operations } from "./operations.gen.ts";
import type { StreamOptions } from "./streaming.ts";
import { followRun } from "./streaming.ts";
import { ApiError } from "./errors.ts";
import { newKey } from "./request.ts";
import type { CallOptions, Transport } from "./transport.ts";
import { type AccountResource, accountOf } from "./resources/account.ts";
import { type AnalyticsResource, analyticsOf } from "./resources/analytics.ts";
import {
  type CredentialsResource,
  credentialsOf,
  type HttpRequestsResource,
  httpRequestsOf,
  type NodeTypesResource,
  nodeTypesOf,
  type VariablesResource,
  variablesOf,
} from "./resources/building.ts";
import { type BulkResource, bulkOf, type TemplatesResource, templatesOf } from "./resources/graphs.ts";
import { type LiveResource, liveOf } from "./resources/live.ts";
import { type OrganizationResource, organizationOf } from "./resources/organization.ts";
import { type SchedulesResource, schedulesOf, type WebhooksResource, webhooksOf } from "./resources/triggers.ts";
import type { Approval, BodyOf, Data, Item, PagedOperation, QueryOf, Run, RunEvent, RunResult, Validation, Workflow, WorkflowVersion } from "./types.ts";

/** A graph in code (`#builder`), or anything else that makes such a body as its JSON. */
type OrJson<T> = T | { toJSON(): T | object };
type Listing<N extends PagedOperation> = AsyncGenerator<Item<N>, void, undefined>;
type StartBody = Omit<BodyOf<"executeWorkflow">, "mode" | "timeout" | "inputs">;
type GraphBody = Omit<BodyOf<"executeGraph">, "mode" | "timeout">;

export interface Resources {
  readonly auth: AccountResource;
  readonly organization: OrganizationResource;
  readonly webhooks: WebhooksResource;
  readonly schedules: SchedulesResource;
  readonly nodeTypes: NodeTypesResource;
  readonly variables: VariablesResource;
  readonly credentials: CredentialsResource;
  readonly httpRequests: HttpRequestsResource;
  readonly templates: TemplatesResource;
  readonly bulk: BulkResource;
  readonly analytics: AnalyticsResource;
  readonly live: LiveResource;
  readonly workflows: {
    list(query?: QueryOf<"listWorkflows">, options?: CallOptions): Listing<"listWorkflows">;
    get(id: string, options?: CallOptions): Promise<Workflow>;
    /** All of exactly this name. */
    named(name: string, options?: CallOptions): Promise<Workflow[]>;
    /** A graph with problems is saved as a draft and answers with them in `problems`. */
    create(workflow: OrJson<BodyOf<"createWorkflow">>, options?: CallOptions): Promise<Workflow>;
    /** What is left out stays. `ifMatch`, the `ETag` last read, answers 412 where somebody was faster. */
    update(id: string, change: OrJson<BodyOf<"updateWorkflow">>, options?: CallOptions & { ifMatch?: string }): Promise<Workflow>;
    delete(id: string, options?: CallOptions): Promise<void>;
    validate(graph: OrJson<BodyOf<"validateGraph">>, options?: CallOptions): Promise<Validation>;
    publish(id: string, version?: number, options?: CallOptions): Promise<Workflow>;
    versions(id: string, options?: CallOptions): Listing<"listVersions">;
    version(id: string, version: number, options?: CallOptions): Promise<WorkflowVersion>;
    diff(id: string, between: QueryOf<"diffVersions">, options?: CallOptions): Promise<Data<"diffVersions">>;
    /** Makes that version the newest again. */
    restoreVersion(id: string, version: number, options?: CallOptions): Promise<Workflow>;
    duplicate(id: string, more?: BodyOf<"duplicateWorkflow">, options?: CallOptions): Promise<Workflow>;
    /** Brings back one that was deleted. */
    restore(id: string, options?: CallOptions): Promise<Workflow>;
    export(id: string, options?: CallOptions): Promise<Exclude<Data<"exportWorkflow">, string>>;
    exportYaml(id: string, options?: CallOptions): Promise<string>;
    /** Makes a workflow of what `export` gave, here or elsewhere. */
    import(document: BodyOf<"importWorkflow">, options?: CallOptions): Promise<Data<"importWorkflow">>;
    /** Starts a run and gives it at once. */
    start(id: string, inputs?: object, more?: StartBody, options?: CallOptions): Promise<Run>;
    /** Starts a run and waits for its end, however long. A run that failed is an answer, not an error: see `status`. */
    run(id: string, inputs?: object, more?: StartBody, options?: CallOptions): Promise<RunResult>;
    /** Starts a run and gives its events, the first of them with its id (`run_id`). */
    stream(id: string, inputs?: object, more?: StartBody, options?: CallOptions & StreamOptions): AsyncGenerator<RunEvent, void, undefined>;
  };
  readonly runs: {
    list(query?: QueryOf<"listExecutions">, options?: CallOptions): Listing<"listExecutions">;
    get(id: string, options?: CallOptions): Promise<Run>;
    /** Runs a graph that is not stored. */
    startGraph(graph: OrJson<GraphBody>, options?: CallOptions): Promise<Run>;
    /** Waits for the end, however long. */
    result(id: string, options?: CallOptions): Promise<RunResult>;
    nodes(id: string, options?: CallOptions): Listing<"listNodeExecutions">;
    /** The log as far as it goes. `stream` follows it. */
    events(id: string, after?: number, options?: CallOptions): Listing<"listEvents">;
    stream(id: string, options?: StreamOptions): AsyncGenerator<RunEvent, void, undefined>;
    cancel(id: string, reason?: string, options?: CallOptions): Promise<Run>;
    terminate(id: string, reason?: string, options?: CallOptions): Promise<Run>;
    pause(id: string, reason?: string, options?: CallOptions): Promise<Run>;
    resume(id: string, options?: CallOptions): Promise<Run>;
    retry(id: string, from?: BodyOf<"retryExecution">, options?: CallOptions): Promise<Run>;
    fork(id: string, from: BodyOf<"forkExecution">, options?: CallOptions): Promise<Run>;
    /** As a test: all is evaluated anew, and calls and waits are answered from what was recorded. */
    replay(id: string, on?: BodyOf<"replayExecution">, options?: CallOptions): Promise<Run>;
    /** With the run it was forked from, unless `with` names another. */
    compare(id: string, query?: QueryOf<"compareExecutions">, options?: CallOptions): Promise<Data<"compareExecutions">>;
    /** Takes a live run to another version; with `dryRun` only says what would come of it. */
    migrate(id: string, version: number, options?: CallOptions & { dryRun?: boolean }): Promise<Data<"migrateExecution">>;
    skipNode(id: string, nodeId: string, body?: BodyOf<"skipNode">, options?: CallOptions): Promise<Data<"skipNode">>;
    retryNode(id: string, nodeId: string, body?: BodyOf<"retryNode">, options?: CallOptions): Promise<Data<"retryNode">>;
    completeNode(id: string, nodeId: string, body?: BodyOf<"completeNode">, options?: CallOptions): Promise<Data<"completeNode">>;
    setVariable(id: string, name: string, value: unknown, options?: CallOptions): Promise<Run>;
    sendEvent(id: string, event: BodyOf<"sendEvent">, options?: CallOptions): Promise<Run>;
  };
  readonly approvals: {
    list(query?: QueryOf<"listApprovals">, options?: CallOptions): Listing<"listApprovals">;
    get(id: string, options?: CallOptions): Promise<Approval>;
    approve(id: string, answer?: { data?: unknown; comment?: string }, options?: CallOptions): Promise<Approval>;
    reject(id: string, answer?: { data?: unknown; comment?: string }, options?: CallOptions): Promise<Approval>;
    /** Answers a node that asks for input. */
    submit(id: string, data: unknown, comment?: string, options?: CallOptions): Promise<Approval>;
  };
}

/** Of one request that waits for the end of a run; below what servers and proxies cut off. In seconds. */
const WAIT_SECONDS = 25;
const LARGEST_PAGE = 500;

export function resourcesOf(caller: Caller, transport: Transport): Resources {
  const { call, list } = caller;
  const byId = (id: string) => ({ params: { id } });

  const command =
    (name: "cancelExecution" | "terminateExecution" | "pauseExecution") =>
    (id: string, reason?: string, options?: CallOptions): Promise<Run> =>
      call(name, { ...byId(id), body: reason === undefined ? {} : { reason } }, options);

  const answer =
    (decision: "approved" | "rejected") =>
    (id: string, given: { data?: unknown; comment?: string } = {}, options?: CallOptions): Promise<Approval> =>
      call("answerApproval", { ...byId(id), body: { decision, ...given } }, options);

  const start = (id: string, inputs: object = {}, more: StartBody = {}, options?: CallOptions): Promise<Run> =>
    call("executeWorkflow", { ...byId(id), body: { ...more, inputs, mode: "async" } }, options);

  async function result(id: string, options?: CallOptions): Promise<RunResult> {
    for (;;) {
      const reply = await caller.send("getResult", { ...byId(id), query: { wait: WAIT_SECONDS } }, options);
      if (reply.status === 200) return reply.data;
    }
  }

  return {
    auth: accountOf(caller, transport),
    organization: organizationOf(caller, transport),
    webhooks: webhooksOf(caller, transport),
    schedules: schedulesOf(caller),
    nodeTypes: nodeTypesOf(caller),
    variables: variablesOf(caller),
    credentials: credentialsOf(caller),
    httpRequests: httpRequestsOf(caller),
    templates: templatesOf(caller),
    bulk: bulkOf(caller),
    analytics: analyticsOf(caller),
    live: liveOf(caller, transport),
    workflows: {
      list: (query = {}, options) => list("listWorkflows", { query }, options),
      get: (id, options) => call("getWorkflow", byId(id), options),
      async named(name, options) {
        const found: Workflow[] = [];
        for await (const each of list("listWorkflows", { query: { search: name, limit: LARGEST_PAGE } }, options)) if (each.name === name) found.push(each);
        return found;
      },
      create: (workflow, options) => call("createWorkflow", { body: plain(workflow) }, options),
      update: (id, change, { ifMatch, ...options } = {}) =>
        call("replaceWorkflow", { ...byId(id), body: plain(change), ...(ifMatch !== undefined && { headers: { "if-match": ifMatch } }) }, options),
      delete: (id, options) => call("deleteWorkflow", byId(id), options),
      validate: (graph, options) => call("validateGraph", { body: plain(graph) }, options),
      publish: (id, version, options) => call("publishWorkflow", { ...byId(id), body: version === undefined ? {} : { version } }, options),
      versions: (id, options) => list("listVersions", byId(id), options),
      version: (id, version, options) => call("getVersion", { params: { id, version } }, options),
      diff: (id, query, options) => call("diffVersions", { ...byId(id), query }, options),
      restoreVersion: (id, version, options) => call("restoreVersion", { params: { id, version } }, options),
      duplicate: (id, more = {}, options) => call("duplicateWorkflow", { ...byId(id), body: more }, options),
      restore: (id, options) => call("restoreWorkflow", byId(id), options),
      export: async (id, options) =>
        (await call("exportWorkflow", { ...byId(id), query: { format: "json" } }, options)) as Exclude<Data<"exportWorkflow">, string>,
      exportYaml: async (id, options) => (await call("exportWorkflow", { ...byId(id), query: { format: "yaml" } }, options)) as string,
      import: (document, options) => call("importWorkflow", { body: document }, options),
      start,
      run: async (id, inputs, more, options) => result((await start(id, inputs, more, options)).id, withoutKey(options)),
      async *stream(id, inputs = {}, more = {}, options = {}) {
        const input = { ...byId(id), body: { ...more, inputs } };
        const response = await transport.open(operations.executeWorkflowStream, input, { ...options, idempotencyKey: options.idempotencyKey ?? newKey() });
        const runId = response.headers.get("x-execution-id");
        if (runId === null) {
          await response.body?.cancel();
          throw new ApiError({ status: response.status, code: "http.unexpected_answer", message: "The answer does not name its run (`x-execution-id`)." });
        }
        yield* followRun(transport, runId, options, response);
      },
    },
    runs: {
      list: (query = {}, options) => list("listExecutions", { query }, options),
      get: (id, options) => call("getExecution", byId(id), options),
      startGraph: (graph, options) => call("executeGraph", { body: { ...plain(graph), mode: "async" } }, options),
      result,
      nodes: (id, options) => list("listNodeExecutions", byId(id), options),
      events: (id, after = 0, options) => list("listEvents", { ...byId(id), query: { after } }, options),
      stream: (id, options) => caller.stream(id, options),
      cancel: command("cancelExecution"),
      terminate: command("terminateExecution"),
      pause: command("pauseExecution"),
      resume: (id, options) => call("resumeExecution", byId(id), options),
      retry: (id, from = {}, options) => call("retryExecution", { ...byId(id), body: from }, options),
      fork: (id, from, options) => call("forkExecution", { ...byId(id), body: from }, options),
      replay: (id, on = {}, options) => call("replayExecution", { ...byId(id), body: on }, options),
      compare: (id, query = {}, options) => call("compareExecutions", { ...byId(id), query }, options),
      migrate: (id, version, { dryRun, ...options } = {}) =>
        call("migrateExecution", { ...byId(id), ...(dryRun !== undefined && { query: { dry_run: dryRun } }), body: { version } }, options),
      skipNode: (id, nodeId, body = {}, options) => call("skipNode", { params: { id, node_id: nodeId }, body }, options),
      retryNode: (id, nodeId, body = {}, options) => call("retryNode", { params: { id, node_id: nodeId }, body }, options),
      completeNode: (id, nodeId, body = {}, options) => call("completeNode", { params: { id, node_id: nodeId }, body }, options),
      setVariable: (id, name, value, options) => call("setVariable", { params: { id, name }, body: { value: value as never } }, options),
      sendEvent: (id, event, options) => call("sendEvent", { ...byId(id), body: event }, options),
    },
    approvals: {
      list: (query = {}, options) => list("listApprovals", { query }, options),
      get: (id, options) => call("getApproval", byId(id), options),
      approve: answer("approved"),
      reject: answer("rejected"),
      submit: (id, data, comment, options) => call("answerApproval", { ...byId(id), body: { data, ...(comment !== undefined && { comment }) } }, options),
    },
  };
}

function plain<T extends object>(value: OrJson<T>): T {
  return "toJSON" in value && typeof value.toJSON === "function" ? (value.toJSON() as T) : (value as T);
}

/** A key names the start, not what is asked afterwards. */
function withoutKey({ idempotencyKey: _key, ...options }: CallOptions = {}): CallOptions {
  return options;
}
