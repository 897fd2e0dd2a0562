import type { RouteName } from "./routes.ts";

/** The systems whose clients are served (D8), as their documents call themselves. */
export const SYSTEMS = {
  kai_backend: "KAI-Fusion backend",
  kai_platform: "KAI-Fusion platform",
  kai_requirements: "KAI-Fusion requirements",
  workflow_builder: "AI Workflow Builder",
  workflow_engine: "AI Workflow Engine",
} as const;
export type SystemName = keyof typeof SYSTEMS;

export type HttpMethod = "get" | "post" | "put" | "patch" | "delete";

/** Where a field of a documented answer stands in the canonical one, as a dotted path; an object is made of several. */
export interface AnswerFields {
  readonly [field: string]: string | AnswerFields;
}

/** How a documented request becomes the canonical one, and the canonical answer the documented one. What is not named stays as it is. */
export interface Adaptation {
  /** Documented field of the body → canonical field, both as dotted paths. A canonical field that is sent too goes before it. */
  readonly body?: Readonly<Record<string, string>>;
  /** Documented query parameter → canonical query parameter. */
  readonly query?: Readonly<Record<string, string>>;
  /** Fields of the answer under their documented names, beside the canonical ones; in a list, of each item. */
  readonly answer?: AnswerFields;
  /** Canonical status → documented status, with its body where the canonical answer has none. */
  readonly replies?: Readonly<Record<number, { readonly status: number; readonly body?: Readonly<Record<string, string>> }>>;
}

interface Endpoint {
  readonly system: SystemName;
  readonly method: HttpMethod;
  /** As the document writes it. */
  readonly path: string;
  /** Row of the requirements that asks for it. */
  readonly requirement: string;
}

/** What is served, by the handler of a canonical route. */
export interface ServedEndpoint extends Endpoint {
  readonly serves: RouteName;
  /** Of the documented success. */
  readonly status: number;
  /** Documented fields of the request. */
  readonly takes?: readonly string[];
  /** Documented fields of the answer; of a list, of each item. */
  readonly answers?: readonly string[];
  readonly adapts?: Adaptation;
  /** Where the answer is not as documented, and why. */
  readonly differs?: string;
}

/** What is not served, with the reason. */
export interface UnservedEndpoint extends Endpoint {
  readonly unserved: string;
}

/** What is served as it is and is no operation of the contract. */
export interface ServedPage extends Endpoint {
  /** Where it stands. */
  readonly page: string;
  /** Of the documented success. */
  readonly status: number;
  /** Where it is not as documented, and why. */
  readonly differs?: string;
}

export type DocumentedEndpoint = ServedEndpoint | ServedPage | UnservedEndpoint;

type Rest<T> = Omit<T, "system" | "method" | "path" | "requirement">;

/** `"post /api/auth/login D1"` with what is said of it, as a row. */
function rows(system: SystemName, table: Readonly<Record<string, Rest<ServedEndpoint> | Rest<ServedPage> | string>>): DocumentedEndpoint[] {
  return Object.entries(table).map(([key, said]) => {
    const [method, path = "", requirement = ""] = key.split(" ");
    const endpoint = { system, method: method as HttpMethod, path, requirement };
    return typeof said === "string" ? { ...endpoint, unserved: said } : { ...endpoint, ...said };
  });
}

const LATER = "not built yet";
const ROOT = "served under `/api/v1` only: the root is left to the web app";

const TOKENS = ["access_token", "refresh_token", "token_type", "expires_in"];
const WORKFLOW = ["id", "user_id", "name", "description", "flow_data", "is_public", "version", "created_at", "updated_at"];
const STARTED = ["id", "execution_id", "status", "workflow_id", "started_at", "inputs"];
const RUN = ["id", "workflow_id", "user_id", "status", "inputs", "outputs", "error_message", "started_at", "completed_at"];

const NODE_TYPE = ["node_type", "node_class", "category", "schema_definition"];
const WEBHOOK = ["webhook_id", "workflow_id", "node_id", "endpoint_path", "webhook_url", "security_token", "config", "is_active"];
const DELIVERY = ["id", "webhook_id", "event_type", "payload", "correlation_id", "source_ip", "response_status", "execution_time_ms", "created_at"];
const JOB = [
  "id",
  "workflow_id",
  "node_id",
  "job_name",
  "timer_type",
  "cron_expression",
  "interval_seconds",
  "delay_seconds",
  "timezone",
  "max_executions",
  "current_executions",
  "is_enabled",
  "next_run_at",
  "last_run_at",
];
const JOB_EXECUTION = ["id", "job_id", "execution_id", "started_at", "completed_at", "status", "result", "error_message", "execution_time_ms"];
const JOB_FIELDS = ["job_name", "timer_config", "is_enabled"];
const NODE = ["id", "type", "position", "data"];
const EDGE = ["id", "source", "target"];

const ofUser: AnswerFields = { user_id: "created_by" };
const ofAccount: AnswerFields = { username: "name", full_name: "name" };
/** The documented client reads JSON of whatever it is answered. */
const deleted = { 204: { status: 200, body: { message: "Deleted." } } };
/** The registry of the requirements is a table by `node_type`, the name that its paths take. */
const ofRegistry: AnswerFields = { node_type: "name", node_class: "name", schema_definition: { inputs: "inputs", outputs: "outputs" } };

/** Settings stand in `data.inputs`; the documented client knows them as `config`. */
const ofNode: AnswerFields = { config: "data.inputs" };
const NODE_CLASS = "`request` says what its nodes send: a type of one's own is no code, and `schema_definition` comes of `input_schema` and `output_schema`";

const kaiBackend = rows("kai_backend", {
  "post /api/auth/register D1": {
    serves: "register",
    status: 201,
    takes: ["email", "username", "password"],
    answers: ["id", "email", "username", "created_at"],
    adapts: { answer: ofAccount },
  },
  "post /api/auth/login D1": { serves: "login", status: 200, takes: ["email", "password"], answers: TOKENS },
  "post /api/auth/refresh D1": { serves: "refresh", status: 200, takes: ["refresh_token (query)"], answers: TOKENS },
  "post /api/workflows/ D2": { serves: "createWorkflow", status: 201, takes: ["name", "description", "flow_data"], answers: WORKFLOW },
  "get /api/workflows/{workflow_id} D2": { serves: "getWorkflow", status: 200, answers: WORKFLOW },
  "put /api/workflows/{workflow_id} D2": { serves: "replaceWorkflow", status: 200, takes: ["name", "description", "flow_data"], answers: WORKFLOW },
  "delete /api/workflows/{workflow_id} D2": { serves: "deleteWorkflow", status: 200, answers: ["message"], adapts: { replies: deleted } },
  "post /api/workflows/{workflow_id}/execute D2": {
    serves: "executeWorkflow",
    status: 201,
    takes: ["inputs"],
    answers: STARTED,
    adapts: { answer: ofUser },
  },
  "get /api/executions/{execution_id} D4": { serves: "getExecution", status: 200, answers: RUN, adapts: { answer: ofUser } },
  "get /api/executions/{execution_id}/stream G1": { serves: "streamExecution", status: 200 },
  "get /api/workflows/{workflow_id}/stream G2": { serves: "openWorkflowStream", status: 101, takes: ["action", "inputs"] },
  "get /health K1": {
    serves: "health",
    status: 200,
    answers: ["status", "timestamp", "version"],
    differs: "`checks` of each dependency are `dependencies` of `/health/detailed`: this one says that the process lives",
  },
});

const kaiPlatform = rows("kai_platform", {
  "post /api/v1/auth/signup D1": {
    serves: "register",
    status: 201,
    takes: ["email", "password", "full_name"],
    answers: ["id", "email", "full_name", "role", "created_at"],
    adapts: { answer: ofAccount },
  },
  "post /api/v1/auth/signin D1": { serves: "login", status: 200, takes: ["email", "password"], answers: ["access_token", "refresh_token"] },
  "post /api/v1/auth/refresh D1": { serves: "refresh", status: 200, takes: ["refresh_token"], answers: ["access_token", "refresh_token"] },
  "get /api/v1/auth/profile D1": {
    serves: "me",
    status: 200,
    answers: ["id", "email", "full_name", "role", "created_at"],
    adapts: { answer: ofAccount },
  },
  "post /api/v1/workflows/ D2": { serves: "createWorkflow", status: 201, takes: ["name", "description", "flow_data", "is_public"], answers: WORKFLOW },
  "get /api/v1/workflows/ D2": { serves: "listWorkflows", status: 200, answers: WORKFLOW },
  "put /api/v1/workflows/{id} D2": { serves: "replaceWorkflow", status: 200, takes: ["name", "description", "flow_data", "is_public"], answers: WORKFLOW },
  "delete /api/v1/workflows/{id} D2": { serves: "deleteWorkflow", status: 204 },
  "post /api/v1/workflows/execute D2": {
    serves: "executeGraph",
    status: 201,
    takes: ["workflow_data", "input_text"],
    answers: ["id", "status", "inputs"],
    adapts: { body: { workflow_data: "flow_data", input_text: "inputs.input" } },
  },
  "post /api/v1/workflows/{id}/execute/stream G1": { serves: "executeWorkflowStream", status: 200, takes: ["inputs"] },
  "get /api/v1/nodes D5": {
    serves: "listNodes",
    status: 200,
    answers: ["name", "display_name", "description", "category", "node_type", "inputs", "outputs"],
  },
  "get /api/v1/nodes/categories D5": { serves: "listNodeCategories", status: 200, answers: ["name"] },
  "get /api/v1/nodes/{type} D5": {
    serves: "getNode",
    status: 200,
    answers: ["name", "display_name", "description", "category", "node_type", "inputs", "outputs"],
  },
  "get /health K1": {
    serves: "health",
    status: 200,
    answers: ["status", "version"],
    differs: "`components` are `dependencies` of `/health/detailed`",
  },
});

const kaiRequirements = rows("kai_requirements", {
  "get /api/v1/nodes/registry D5": {
    serves: "listNodes",
    status: 200,
    answers: ["node_type", "node_class", "category", "schema_definition"],
    adapts: { answer: ofRegistry },
  },
  "get /api/v1/nodes/registry/{node_type} D5": {
    serves: "getNode",
    status: 200,
    answers: ["node_type", "node_class", "category", "schema_definition"],
    adapts: { answer: ofRegistry },
  },
  "post /api/v1/nodes/registry D5": {
    serves: "registerNode",
    status: 201,
    takes: ["node_type", "category"],
    answers: NODE_TYPE,
    adapts: { body: { node_type: "name" }, answer: ofRegistry },
    differs: NODE_CLASS,
  },
  "put /api/v1/nodes/registry/{node_type} D5": {
    serves: "replaceNode",
    status: 200,
    takes: ["node_type", "category"],
    answers: NODE_TYPE,
    adapts: { body: { node_type: "name" }, answer: ofRegistry },
    differs: NODE_CLASS,
  },
  "post /api/v1/workflows D2": { serves: "createWorkflow", status: 201, takes: ["name", "nodes"], answers: ["id"] },
  "get /api/v1/workflows/{workflow_id}/executions D2": { serves: "listWorkflowExecutions", status: 200, answers: ["id"] },
  "get /api/v1/workflows/{workflow_id}/nodes D3": { serves: "listWorkflowNodes", status: 200, answers: NODE },
  "post /api/v1/workflows/{workflow_id}/nodes D3": { serves: "addWorkflowNode", status: 201, takes: NODE, answers: NODE },
  "put /api/v1/workflows/{workflow_id}/nodes/{node_id} D3": { serves: "replaceWorkflowNode", status: 200, takes: NODE, answers: NODE },
  "delete /api/v1/workflows/{workflow_id}/nodes/{node_id} D3": { serves: "deleteWorkflowNode", status: 204 },
  "get /api/v1/webhooks C1": { serves: "listWebhooks", status: 200, takes: ["workflow_id (query)", "active (query)"], answers: WEBHOOK },
  "post /api/v1/webhooks C1": {
    serves: "createWebhook",
    status: 201,
    takes: ["workflow_id", "node_id", "config"],
    answers: WEBHOOK,
    differs: "409 where the node has its webhook already: saving the graph makes one",
  },
  "put /api/v1/webhooks/{webhook_id} C1": { serves: "replaceWebhook", status: 200, takes: ["config", "is_active"], answers: WEBHOOK },
  "delete /api/v1/webhooks/{webhook_id} C1": { serves: "deleteWebhook", status: 204 },
  "get /api/v1/webhooks/{webhook_id}/logs C2": {
    serves: "listWebhookDeliveries",
    status: 200,
    takes: ["limit (query)", "offset (query)", "start_date (query)", "end_date (query)"],
    answers: DELIVERY,
    adapts: { query: { start_date: "from", end_date: "to" } },
  },
  "post /api/webhooks/{webhook_id} C2": { serves: "callWebhook", status: 200, answers: ["execution_id", "status", "result"] },
  "get /api/webhooks/{webhook_id}/info C2": {
    serves: "getWebhookInfo",
    status: 200,
    answers: ["webhook_id", "is_active"],
    differs: "needs the webhook's token, as a call does",
  },
  "get /api/v1/jobs/scheduled C3": { serves: "listSchedules", status: 200, takes: ["workflow_id (query)", "enabled (query)"], answers: JOB },
  "post /api/v1/jobs/scheduled C3": { serves: "createSchedule", status: 201, takes: ["workflow_id", "node_id", ...JOB_FIELDS], answers: JOB },
  "put /api/v1/jobs/scheduled/{job_id} C3": { serves: "replaceSchedule", status: 200, takes: JOB_FIELDS, answers: JOB },
  "delete /api/v1/jobs/scheduled/{job_id} C3": { serves: "deleteSchedule", status: 204 },
  "post /api/v1/jobs/scheduled/{job_id}/trigger C3": {
    serves: "triggerSchedule",
    status: 201,
    answers: ["id", "execution_id", "workflow_id", "status", "started_at"],
    differs: "answers with the run as it begins, and does not wait for its result",
  },
  "get /api/v1/jobs/scheduled/{job_id}/executions C3": {
    serves: "listScheduleExecutions",
    status: 200,
    takes: ["limit (query)", "status (query)"],
    answers: JOB_EXECUTION,
  },
  "get /api/v1/vectors/collections E1": `vector collections, ${LATER}`,
  "post /api/v1/vectors/collections E1": `vector collections, ${LATER}`,
  "delete /api/v1/vectors/collections/{collection_id} E1": `vector collections, ${LATER}`,
  "get /api/v1/vectors/collections/{collection_id}/stats E1": `vector collections, ${LATER}`,
  "post /api/v1/vectors/collections/{collection_id}/documents E1": `vector collections, ${LATER}`,
  "get /api/v1/vectors/collections/{collection_id}/search E1": `vector collections, ${LATER}`,
  "delete /api/v1/vectors/collections/{collection_id}/documents E1": `vector collections, ${LATER}`,
  "get /api/v1/documents/sources E3": `document sources, ${LATER}`,
  "post /api/v1/documents/sources E3": `document sources, ${LATER}`,
  "post /api/v1/documents/sources/{source_id}/process E3": `document sources, ${LATER}`,
  "get /api/v1/documents/sources/{source_id}/status E3": `document sources, ${LATER}`,
  "post /api/v1/tools/http/test D6": {
    serves: "testHttpRequest",
    status: 200,
    takes: ["url", "method", "headers", "body", "auth"],
    answers: ["status", "headers", "body", "elapsed_ms", "error"],
  },
  "get /api/v1/tools/http/logs D6": {
    serves: "listHttpRequests",
    status: 200,
    takes: ["workflow_id (query)", "node_id (query)"],
    answers: ["execution_id", "workflow_id", "node_id", "method", "url", "status_code", "duration_ms"],
  },
  "get /health K1": { serves: "health", status: 200, answers: ["status", "timestamp"] },
  "get /health/detailed K1": {
    serves: "detailedHealth",
    status: 200,
    answers: ["status", "timestamp"],
    differs: "`checks` are `dependencies`, each with its latency",
  },
});

/** The document counts 22 endpoints and names 19 paths; the rest are vectors, which it calls placeholders and gives no path. */
const workflowBuilder = rows("workflow_builder", {
  "post /api/auth/register D1": { serves: "register", status: 201, takes: ["email", "password"], answers: ["id", "email"], adapts: { answer: ofAccount } },
  "post /api/auth/login D1": { serves: "login", status: 200, takes: ["email", "password"], answers: ["access_token", "token_type"] },
  "get /api/auth/me D1": { serves: "me", status: 200, answers: ["id", "email"], adapts: { answer: ofAccount } },
  "get /api/workflows D2": { serves: "listWorkflows", status: 200, answers: ["id", "name", "description", "tags"] },
  "post /api/workflows D2": {
    serves: "createWorkflow",
    status: 201,
    takes: ["name", "description", "tags"],
    answers: ["id", "name", "description", "tags", "version"],
  },
  "get /api/workflows/{id} D2": { serves: "getWorkflow", status: 200, answers: ["id", "name", "description", "tags", "version"] },
  "put /api/workflows/{id} D2": {
    serves: "replaceWorkflow",
    status: 200,
    takes: ["name", "description", "tags"],
    answers: ["id", "name", "description", "tags", "version"],
  },
  "delete /api/workflows/{id} D2": { serves: "deleteWorkflow", status: 200, adapts: { replies: deleted } },
  "get /api/workflows/{id}/nodes D3": { serves: "listWorkflowNodes", status: 200, answers: NODE, adapts: { answer: ofNode } },
  "post /api/workflows/{id}/nodes D3": {
    serves: "addWorkflowNode",
    status: 201,
    takes: ["type", "position", "config"],
    answers: ["id", "type", "position", "config"],
    adapts: { answer: ofNode },
  },
  "get /api/workflows/{id}/nodes/{node_id} D3": { serves: "getWorkflowNode", status: 200, answers: NODE, adapts: { answer: ofNode } },
  "put /api/workflows/{id}/nodes/{node_id} D3": {
    serves: "replaceWorkflowNode",
    status: 200,
    takes: ["type", "position", "config"],
    answers: ["id", "type", "position", "config"],
    adapts: { answer: ofNode },
  },
  "delete /api/workflows/{id}/nodes/{node_id} D3": { serves: "deleteWorkflowNode", status: 204 },
  "get /api/workflows/{id}/edges D3": { serves: "listWorkflowEdges", status: 200, answers: EDGE },
  "post /api/workflows/{id}/edges D3": { serves: "addWorkflowEdge", status: 201, takes: ["source", "target"], answers: EDGE },
  "get /api/workflows/{id}/edges/{edge_id} D3": { serves: "getWorkflowEdge", status: 200, answers: EDGE },
  "delete /api/workflows/{id}/edges/{edge_id} D3": { serves: "deleteWorkflowEdge", status: 204 },
  "post /api/workflows/{id}/execute D2": {
    serves: "executeWorkflow",
    status: 201,
    takes: ["inputs"],
    answers: ["id", "run_id", "status"],
    adapts: { answer: { run_id: "id" } },
    differs: "a graph that cannot run is 422, not 400",
  },
  "get /api/workflows/{id}/runs/{run_id} D4": {
    serves: "getWorkflowRun",
    status: 200,
    answers: ["id", "run_id", "status", "node_executions"],
    adapts: { answer: { run_id: "id", user_id: "created_by" } },
  },
});

const workflowEngine = rows("workflow_engine", {
  "get /health K1": { serves: "health", status: 200, answers: ["status"] },
  "get /health/detailed K1": { serves: "detailedHealth", status: 200, answers: ["status"] },
  "get /metrics K1": {
    page: "/metrics",
    status: 200,
    differs: "needs `Authorization: Bearer` with METRICS_TOKEN, and is 403 where the operator has set none; API_METRICS_PORT serves it without",
  },
  "get /swagger-ui/ D7": { page: "/swagger-ui", status: 200, differs: "the same page as `/docs`" },
  "post /login D1": ROOT,
  "post /refresh D1": ROOT,
  "post /workflows D2": ROOT,
  "get /workflows/{id} D2": ROOT,
  "post /workflows/{id}/execute D2": ROOT,
  "get /workflows/{id}/status D4": `${ROOT}, and asks of a run: \`/api/v1/executions/{id}\``,
  "get /ws G3": { serves: "openHub", status: 101, takes: ["token (query)"] },
  "get /info G3": "not served: its document says nothing of the answer; `/health` tells the version, `/metrics` the connections",
  "post /analyze I1": `content analysis, ${LATER}`,
  "post /api/v1/search I3": `knowledge graph, ${LATER}`,
  "get /api/v1/concept/{id} I3": `knowledge graph, ${LATER}`,
  "post /api/v1/learning-path I3": `knowledge graph, ${LATER}`,
  "get /api/v1/related/{id} I3": `knowledge graph, ${LATER}`,
  "post /graphql H1": `GraphQL, ${LATER}`,
  "get /_service/schema H1": `GraphQL, ${LATER}`,
});

/** Every REST path that the five documents name. The one table: what is served, OpenAPI, docs/compatibility.md and the tests are made from it. */
export const DOCUMENTED: readonly DocumentedEndpoint[] = [...kaiBackend, ...kaiPlatform, ...kaiRequirements, ...workflowBuilder, ...workflowEngine];
