import type { Route } from "./route.ts";
import { type RouteName, routes } from "./routes.ts";

/** How a route stands in the audit log. */
export interface AuditRule {
  /** Kind of the thing that is changed. */
  readonly resource: string;
  /** The route that reads it as it was. */
  readonly before?: RouteName;
  /** Fields of what the routes answer that are kept; all, where it is left out. */
  readonly fields?: readonly string[];
  /** Whether `id` of the answer names the thing, and not `{id}` of the path. */
  readonly isNew?: boolean;
}

/** Routes that change nothing that stays although they are no GET, and sessions, of which the login activity tells. */
export const UNAUDITED: readonly RouteName[] = [
  "validateGraph",
  "validateWorkflow",
  "login",
  "finishLogin",
  "refresh",
  "logout",
  "forgotPassword",
  "sendVerification",
  "createStreamTicket",
  "publishMessage",
];

/** The graph of a workflow is in its versions. */
const WORKFLOW = ["id", "name", "description", "tags", "settings", "is_public", "version", "published_version"];
/** What a run is given and comes to belongs to the run. */
const RUN = ["id", "workflow_id", "version", "status", "forked_from"];

const NODE_TYPE = ["id", "name", "display_name", "description", "category", "version", "definition"];

const IDENTITY = ["id", "issuer", "provider", "email"];

const FIELDS: Readonly<Record<string, readonly string[]>> = {
  workflow: WORKFLOW,
  execution: RUN,
  approval: ["id", "execution_id", "node_id", "status", "decision", "comment", "answered_by"],
  webhook: ["id", "webhook_id", "workflow_id", "node_id", "is_active", "config"],
  account: ["id", "email", "name", "role", "organization"],
};

const start: Partial<AuditRule> = { resource: "execution", isNew: true };
/** What is answered is a secret, or nothing: that it was done is all that is kept. */
const ownAccount: Partial<AuditRule> = { resource: "account", fields: [] };
const newWorkflow: Partial<AuditRule> = { resource: "workflow", isNew: true };

/** Parts of a workflow, whose id the entry has; theirs is among the fields. */
const node: Partial<AuditRule> = { resource: "workflow_node", fields: ["id", "type", "data", "config", "workflow_version"] };
const edge: Partial<AuditRule> = {
  resource: "workflow_edge",
  fields: ["id", "source", "target", "sourceHandle", "targetHandle", "workflow_version"],
};

const variable: Partial<AuditRule> = { resource: "variable", isNew: true, fields: ["id", "name", "value", "description", "workflow_id"] };

/** Where a rule differs from what path and method say. */
const RULES: Partial<Record<RouteName, Partial<AuditRule>>> = {
  register: { resource: "account" },
  login: { resource: "account" },
  finishLogin: { resource: "account" },
  acceptInvitation: { resource: "account" },
  exchangeOidc: { resource: "account", fields: [] },
  resetPassword: ownAccount,
  changePassword: ownAccount,
  verifyEmail: ownAccount,
  enrolSecondFactor: ownAccount,
  confirmSecondFactor: ownAccount,
  renewRecoveryCodes: ownAccount,
  disableSecondFactor: ownAccount,
  logoutEverywhere: { resource: "session", fields: [] },
  endSession: { resource: "session", before: "getSession" },
  linkIdentity: { resource: "identity", isNew: true, fields: IDENTITY },
  unlinkIdentity: { resource: "identity", before: "getIdentity", fields: IDENTITY },
  joinOrganization: { resource: "organization" },
  // To whom and with what is the business of who asked: that a request was sent is all that is kept.
  testHttpRequest: { resource: "http_request", fields: [] },
  registerNode: { resource: "node_type", isNew: true, fields: NODE_TYPE },
  replaceNode: { resource: "node_type", isNew: true, fields: NODE_TYPE },
  deleteNode: { resource: "node_type", isNew: true, fields: NODE_TYPE },
  createVariable: variable,
  replaceVariable: variable,
  deleteVariable: variable,
  createWorkflowVariable: variable,
  replaceWorkflowVariable: variable,
  deleteWorkflowVariable: variable,
  duplicateWorkflow: newWorkflow,
  addWorkflowNode: node,
  replaceWorkflowNode: node,
  updateWorkflowNode: node,
  deleteWorkflowNode: node,
  addWorkflowEdge: edge,
  replaceWorkflowEdge: edge,
  deleteWorkflowEdge: edge,
  useTemplate: newWorkflow,
  executeWorkflow: start,
  executeWorkflowStream: start,
  retryExecution: start,
  forkExecution: start,
  replayExecution: start,
  triggerSchedule: start,
  setQueueLimit: { before: "getQueue", fields: ["limit"] },
};

/** @returns undefined where nothing is written. What is no GET is written unless it is one of `UNAUDITED`, so that no route can be forgotten. */
export function auditRuleOf(name: RouteName): AuditRule | undefined {
  const route: Route = routes[name];
  // Who calls a webhook is no member; what came in is in its deliveries.
  if (route.method === "get" || route.access.auth === "webhook" || UNAUDITED.includes(name)) return undefined;
  const own = RULES[name] ?? {};
  const resource = auditResourceOf(name);
  const before = own.before ?? (route.method === "post" ? undefined : readerOf(route.path));
  const fields = own.fields ?? FIELDS[resource];
  return { resource, ...(before && { before }), ...(fields && { fields }), ...(own.isNew && { isNew: true }) };
}

/** Kind of the thing that a route is about, also of routes that change nothing. */
export function auditResourceOf(name: RouteName): string {
  return RULES[name]?.resource ?? resourceOf(routes[name].path);
}

/** `/api/v1/api-keys/{id}` → `api_key`. */
function resourceOf(path: string): string {
  return (path.split("/")[3] ?? "").replaceAll("-", "_").replace(/s$/, "");
}

function readerOf(path: string): RouteName | undefined {
  return (Object.keys(routes) as RouteName[]).find((name) => (routes[name] as Route).method === "get" && routes[name].path === path);
}
