import { type RouteName, routes } from "#contract";
import { uuidv7 } from "#core";
import type { TestApp } from "./test-app.ts";

/** A member of an organization with one of everything that a path can name. */
export interface Owner {
  readonly token: string;
  readonly userId: string;
}

/** `outside`: a server on the loopback, for what calls one. */
type Make = (app: TestApp, owner: Owner, outside: string) => Promise<string>;

/**
 * What an organization owns, by the canonical path up to the parameter that names it. A route whose path has a parameter that stands in none of these
 * tables fails api/matrices.test.ts: whoever adds it says here what it names, so that the matrix asks for it as a stranger.
 */
const OWNED: Readonly<Record<string, Make>> = {
  "/api/v1/workflows/{id}": (app, { token }) => app.saveWorkflow(token),
  "/api/v1/workflows/{workflow_id}": (app, owner) => workflowOfRun(app, owner),
  "/api/v1/workflows/{workflow_id}/runs/{id}": (app, owner) => runOf(app, owner),
  "/api/v1/executions/{id}": (app, owner) => runOf(app, owner),
  "/api/v1/approvals/{id}": async (app, owner) => {
    const runId = await runOf(app, owner);
    const id = uuidv7();
    app.db.state.approvals.push({
      id,
      tenantId: tenantOf(app, owner),
      runId,
      nodeId: "ask",
      iteration: "",
      kind: "approval",
      status: "pending",
      prompt: "",
      data: null,
      schema: null,
      assignees: [],
      decision: null,
      answer: null,
      comment: null,
      answeredBy: null,
      answeredAt: null,
      expiresAt: null,
      createdAt: new Date(),
    });
    return id;
  },
  "/api/v1/bulk-operations/{id}": async (app, owner) => {
    const job = { id: uuidv7(), action: "cancel" as const, filter: {}, options: {}, ratePerMinute: 1, createdBy: owner.userId };
    return (await app.db.bulk.create(tenantOf(app, owner), job, {}, 10)).id;
  },
  // Of the same user: one that a path may end without ending the one which calls.
  "/api/v1/auth/sessions/{id}": async (app, { userId }) => {
    await app.services.tokens.issue({ userId, tenantId: membership(app, userId).tenantId, role: "admin" });
    return app.db.state.sessions.findLast((each) => each.userId === userId)?.id ?? "";
  },
  "/api/v1/auth/identities/{id}": async (app, { userId }) =>
    (await app.db.identities.link(userId, { issuer: "https://id.example.com", subject: uuidv7(), email: null }, "user")).id,
  "/api/v1/api-keys/{id}": (app, owner) => made(app, owner, "/api/v1/api-keys", { name: "a key" }),
  "/api/v1/invitations/{id}": (app, owner) => made(app, owner, "/api/v1/invitations", { email: "guest@example.com", role: "viewer" }),
  // A second admin, whom the owner may change and remove.
  "/api/v1/members/{id}": async (app, owner) => {
    const { userId } = await app.signUp();
    app.db.state.memberships.unshift({ ...membership(app, owner.userId), userId });
    return userId;
  },
  "/api/v1/credentials/{id}": (app, owner, outside) =>
    made(app, owner, "/api/v1/credentials", { name: "Key", type: "http_bearer", data: { token: "t-1", test_url: `${outside}/` } }),
  "/api/v1/schedules/{id}": async (app, owner) =>
    made(app, owner, "/api/v1/schedules", { workflow_id: await app.saveWorkflow(owner.token), interval_seconds: 60 }),
  "/api/v1/webhooks/{id}": (app, owner) => webhookOf(app, owner),
  "/api/v1/webhooks/{id}/deliveries/{delivery_id}": async (app, owner) => {
    const id = await webhookOf(app, owner);
    const { body } = await app.call("GET", `/api/v1/webhooks/${id}`, { token: owner.token });
    const { body: taken } = await app.call("POST", `/api/v1/hooks/${id}`, { token: String(body["security_token"]), body: {} });
    return String(taken["delivery_id"]);
  },
  "/api/v1/hooks/{id}": (app, owner) => webhookOf(app, owner),
};

/** What each organization gives a name of its own: the same name is another thing elsewhere, and `PUT` may make it. */
const NAMESPACED: Readonly<Record<string, Make>> = {
  "/api/v1/variables/{name}": async (app, { token }) => {
    await app.call("POST", "/api/v1/variables", { token, body: { name: "a_variable", value: 1 } });
    return "a_variable";
  },
  "/api/v1/nodes/{type}": async (app, { token }) => {
    await app.call("POST", "/api/v1/nodes", { token, body: BODIES.registerNode });
    return "custom.weather";
  },
};

/** Names inside of what an organization owns: they name nothing by themselves. */
const WITHIN: Readonly<Record<string, string>> = {
  "/api/v1/workflows/{id}/versions/{version}": "1",
  "/api/v1/workflows/{id}/nodes/{node_id}": "start",
  "/api/v1/workflows/{id}/edges/{edge_id}": "start->end",
  "/api/v1/workflows/{id}/variables/{name}": "a_variable",
  "/api/v1/executions/{id}/nodes/{node_id}": "start",
  "/api/v1/executions/{id}/variables/{name}": "a_variable",
};

/** What has to be made before a name inside of something names anything. */
const MADE_WITHIN: Readonly<Record<string, (app: TestApp, owner: Owner, id: string) => Promise<unknown>>> = {
  "/api/v1/workflows/{id}/variables/{name}": (app, { token }, id) =>
    app.call("PUT", `/api/v1/workflows/${id}/variables/a_variable`, { token, body: { value: 1 } }),
};

/** What all organizations have in common. */
const COMMON: Readonly<Record<string, string>> = {
  "/api/v1/templates/{template_id}": "expense-approval",
  "/api/v1/auth/oidc/{provider}": "corporate",
};

/** Bodies that pass their route's schema and come to a success, so that what is tested is the look-up. */
const BODIES: Partial<Record<RouteName, unknown>> = {
  replaceCredential: { name: "Another name" },
  setVariable: { value: 1 },
  registerNode: { name: "weather", request: { url: "https://api.example/" } },
  replaceNode: { request: { url: "https://api.example/" } },
  testHttpRequest: { url: "http://127.0.0.1:9/" },
  createVariable: { name: "another", value: 1 },
  createWorkflowVariable: { name: "another", value: 1 },
  replaceVariable: { value: 1 },
  replaceWorkflowVariable: { value: 1 },
  addWorkflowNode: { type: "Set" },
  replaceWorkflowNode: { type: "Start" },
  addWorkflowEdge: { source: "end", target: "start" },
  replaceWorkflowEdge: { source: "start", target: "end" },
  answerApproval: { decision: "approved" },
  forkExecution: { from_node: "start" },
  migrateExecution: { version: 1 },
  sendEvent: { name: "paid" },
  createApiKey: { name: "a key" },
  updateMember: { role: "admin" },
  createInvitation: { email: "guest@example.com", role: "viewer" },
  acceptInvitation: { token: "t", password: "secure_password" },
  joinOrganization: { token: "t" },
  backfillSchedule: { start_at: "2026-01-01T00:00:00Z", end_at: "2026-01-01T00:03:00Z" },
};

/** Queries without which a route answers nothing. */
const QUERIES: Partial<Record<RouteName, string>> = { diffVersions: "?from=1&to=1" };

const PARAMETER = /\{\w+\}/g;

/** Parameters of a route's path, each as the path up to its end. */
function parametersOf(name: RouteName): readonly { key: string; parameter: string }[] {
  const { path } = routes[name];
  return [...path.matchAll(PARAMETER)].map((match) => ({ key: path.slice(0, match.index + match[0].length), parameter: match[0] }));
}

/** Whether a path names something of an organization by an id. */
export function namesOwned(name: RouteName): boolean {
  return parametersOf(name).some(({ key }) => key in OWNED);
}

/** Whether a path names something by the name that its organization gave it. */
export function namesNamespaced(name: RouteName): boolean {
  return parametersOf(name).some(({ key }) => key in NAMESPACED);
}

/** Parameters of which no table says what they name. */
export function unknownParameters(name: RouteName): readonly string[] {
  return parametersOf(name)
    .map(({ key }) => key)
    .filter((key) => !(key in OWNED) && !(key in NAMESPACED) && !(key in WITHIN) && !(key in COMMON));
}

/** Keys of the tables above that no route has any more. */
export function idleParameters(): readonly string[] {
  const used = new Set((Object.keys(routes) as RouteName[]).flatMap((name) => parametersOf(name).map(({ key }) => key)));
  return [...Object.keys(OWNED), ...Object.keys(NAMESPACED), ...Object.keys(WITHIN), ...Object.keys(COMMON)].filter((key) => !used.has(key));
}

export function bodyOf(name: RouteName): { body?: unknown } {
  return routes[name].method === "get" ? {} : { body: BODIES[name] ?? {} };
}

/** A path of the route, canonical or alias, with its query; what is owned is named by `idOf`. */
export function fill(name: RouteName, path: string, idOf: (key: string) => string): string {
  const filled = parametersOf(name).reduce((text, { key, parameter }) => text.replace(parameter, WITHIN[key] ?? COMMON[key] ?? idOf(key)), path);
  return filled + (QUERIES[name] ?? "");
}

/** The path with ids that nobody has. */
export function fillUnknown(name: RouteName, path: string): string {
  return fill(name, path, unknownIdOf);
}

/** An id that nobody has, for the parameter up to which the path is `key`. */
export function unknownIdOf(key: string): string {
  return UNKNOWN_IDS[key] ?? (key in NAMESPACED ? UNKNOWN_NAME : UNKNOWN_ID);
}

const UNKNOWN_ID = uuidv7();
const UNKNOWN_NAME = "no_such_name";
const UNKNOWN_WEBHOOK = `wh_${"f".repeat(24)}`;
const UNKNOWN_IDS: Readonly<Record<string, string>> = { "/api/v1/webhooks/{id}": UNKNOWN_WEBHOOK, "/api/v1/hooks/{id}": UNKNOWN_WEBHOOK };

/** Makes what the route's path names; what of it belongs together does. */
export async function specimensOf(app: TestApp, owner: Owner, name: RouteName, outside: string): Promise<(key: string) => string> {
  const ids = new Map<string, string>();
  for (const { key } of parametersOf(name)) {
    const make = OWNED[key] ?? NAMESPACED[key];
    if (make) ids.set(key, await make(app, owner, outside));
    await MADE_WITHIN[key]?.(app, owner, [...ids.values()][0] ?? "");
  }
  return (key) => {
    const id = ids.get(key);
    if (id === undefined) throw new Error(`api/testing/specimens.ts does not say what ${key} names`);
    return id;
  };
}

function membership({ db }: TestApp, userId: string) {
  const found = db.state.memberships.find((each) => each.userId === userId);
  if (!found) throw new Error("no membership");
  return found;
}

function tenantOf(app: TestApp, owner: Owner) {
  return membership(app, owner.userId).tenantId;
}

async function made(app: TestApp, { token }: Owner, path: string, body: unknown): Promise<string> {
  const answer = await app.call("POST", path, { token, body });
  if (answer.status !== 201) throw new Error(`${path} answered ${answer.status}: ${JSON.stringify(answer.body)}`);
  return String(answer.body["id"]);
}

/** The owner's run, the same however often it is asked for. */
async function runOf(app: TestApp, owner: Owner): Promise<string> {
  const tenant = tenantOf(app, owner);
  const found = app.db.state.runs.find((run) => run.tenantId === tenant);
  return found?.id ?? app.startRun(owner.token, await app.saveWorkflow(owner.token));
}

async function workflowOfRun(app: TestApp, owner: Owner): Promise<string> {
  const id = await runOf(app, owner);
  return String(app.db.state.runs.find((run) => run.id === id)?.workflowId);
}

/** The owner's webhook, the same however often it is asked for; it answers at once. */
async function webhookOf(app: TestApp, owner: Owner): Promise<string> {
  const tenant = tenantOf(app, owner);
  const find = (): string | undefined => app.db.state.webhooks.find((each) => each.tenantId === tenant)?.id;
  const trigger = { nodes: [{ id: "start", type: "WebhookTrigger", data: { response_mode: "accepted" } }], edges: [] };
  if (find() === undefined) await app.saveWorkflow(owner.token, trigger);
  return find() ?? "";
}
