/** The examples of docs/client.md: each region stands there as it is, and is run by client-examples.test.ts. */
import { workflow } from "#builder";
import { ApiError, type Client, ConnectionError, createClient, type SessionStore, type SessionTokens } from "#client";

export type Say = (text: string) => void;

export async function signIn(url: string, email: string, password: string): Promise<Client> {
  // #region sign-in
  const client = createClient({ url });
  await client.auth.login({ email, password });
  const account = await client.auth.me();
  // #endregion
  if (account.email !== email) throw new Error(`signed in as ${account.email}`);
  return client;
}

export async function saveAndRun(client: Client, say: Say): Promise<string> {
  // #region save-and-run
  const flow = workflow<{ name: string }>({ name: "Greet" });
  const start = flow.add("Start", "start");
  const greet = flow.add("Template", "greet", { template: `Hello ${flow.inputs.name}` });
  start.to(greet).to(flow.add("End", "end", { value: greet.output }));

  const saved = await client.workflows.create(flow);
  for (const { node_id, message } of saved.problems ?? []) say(`${node_id}: ${message}`);

  const { status, outputs, error } = await client.workflows.run(saved.id, { name: "Ada" });
  say(status === "completed" ? `It says ${outputs}.` : `It is ${status}: ${error?.message}`);
  // #endregion
  return saved.id;
}

export async function start(client: Client, id: string, say: Say): Promise<string> {
  // #region start
  const run = await client.workflows.start(id, { name: "Ada" }, { priority: 1 }, { idempotencyKey: "order-17" });
  const ended = await client.runs.result(run.id, { signal: AbortSignal.timeout(60_000) });
  // #endregion
  say(ended.status);
  return run.id;
}

export async function follow(client: Client, id: string, say: Say): Promise<void> {
  // #region follow
  for await (const event of client.workflows.stream(id, { name: "Ada" })) {
    if (event.kind === "token_delta") say(String(event.text));
    if (event.kind === "node_end") say(`${event.node_id}: ${JSON.stringify(event.output)}`);
  }
  // #endregion
}

export async function followLater(client: Client, runId: string, say: Say): Promise<void> {
  // #region follow-later
  for await (const { seq, kind } of client.runs.stream(runId, { after: 2 })) say(`${seq} ${kind}`);
  // #endregion
}

export async function answer(client: Client, say: Say): Promise<void> {
  // #region answer
  for await (const approval of client.approvals.list({ status: "pending", mine: true })) {
    await client.approvals.approve(approval.id, { comment: "as agreed" });
    say(approval.prompt);
  }
  // #endregion
}

export async function list(client: Client, say: Say): Promise<void> {
  // #region list
  for await (const run of client.runs.list({ status: ["failed", "timed_out"], limit: 100 })) say(`${run.id} ${run.error?.code}`);

  for await (const page of client.pages("listWorkflows", { query: { search: "Greet", limit: 50 } })) {
    say(`${page.length} workflows`);
    break;
  }
  // #endregion
}

export async function anyOperation(client: Client, id: string, say: Say): Promise<void> {
  // #region any-operation
  const diff = await client.call("diffVersions", { params: { id }, query: { from: 1, to: 1 } });
  const { data, headers } = await client.send("getWorkflow", { params: { id } });
  await client.call("updateWorkflow", { params: { id }, headers: { "if-match": headers.get("etag") ?? "" }, body: { tags: [...data.tags, "shop"] } });
  // #endregion
  say(`${diff.nodes.changed.length} changes`);
}

export async function errors(client: Client, id: string, say: Say): Promise<void> {
  // #region errors
  try {
    await client.workflows.start(id, { name: "Ada" });
  } catch (error) {
    if (error instanceof ApiError && error.code === "graph.invalid") for (const { node_id, message } of error.errors) say(`${node_id}: ${message}`);
    else if (error instanceof ApiError) say(`${error.status} ${error.code}: ${error.message} (${error.correlationId})`);
    else if (error instanceof ConnectionError) say("The API cannot be reached.");
    else throw error;
  }
  // #endregion
}

export async function webhooks(client: Client, workflowId: string, say: Say): Promise<void> {
  // #region webhooks
  for await (const hook of client.webhooks.list({ workflow_id: workflowId })) {
    const { security_token: token, webhook_url: url } = await client.webhooks.rotate(hook.id, { overlap: "10m" });
    say(`Call ${url} with ${token?.slice(0, 4)}…`);
    for await (const delivery of client.webhooks.deliveries(hook.id, { errors: true })) await client.webhooks.redeliver(hook.id, delivery.id);
  }
  // #endregion
}

export async function schedules(client: Client, workflowId: string, say: Say): Promise<void> {
  // #region schedules
  const schedule = await client.schedules.create({
    workflow_id: workflowId,
    name: "Each weekday",
    cron_expression: "0 9 * * 1-5",
    timezone: "Europe/Berlin",
    inputs: { name: "Ada" },
  });
  await client.schedules.trigger(schedule.id);
  await client.schedules.pause(schedule.id, { note: "holidays" });
  // #endregion
  say((await client.schedules.get(schedule.id)).status);
}

export async function building(client: Client, workflowId: string, say: Say): Promise<void> {
  // #region building
  await client.variables.create({ name: "greeting", value: "Hello" });
  await client.variables.of(workflowId).create({ name: "greeting", value: "Good day" });

  await client.nodeTypes.register({
    name: "weather",
    display_name: "Weather",
    input_schema: { type: "object", properties: { city: { type: "string" } }, required: ["city"] },
    request: { method: "GET", url: "https://weather.example.com/v1/now", query: { city: "{{inputs.city}}" } },
  });
  const custom = await client.nodeTypes.list({ custom: true });
  // #endregion
  say(custom.map(({ name }) => name).join());
}

export async function counted(client: Client, workflowId: string, say: Say): Promise<void> {
  // #region analytics
  const { totals } = await client.analytics.runs({ workflow_id: workflowId, from: new Date(Date.now() - 86_400_000), bucket: "hour" });
  // #endregion
  say(String(totals.runs > 0));
}

export async function organization(client: Client, say: Say): Promise<void> {
  // #region organization
  const { key } = await client.organization.apiKeys.create({ name: "Nightly reports", scopes: ["run.start", "run.read"] });
  await client.organization.invitations.create({ email: "grace@example.com", role: "editor" });
  await client.organization.setRetention({ days: { run_events: 90 } });
  for await (const { at, action, user_id } of client.organization.audit.export({ from: new Date(Date.now() - 86_400_000) })) say(`${at} ${user_id} ${action}`);
  // #endregion
  say(key.slice(0, 3));
}

export async function secondFactor(client: Client, password: string, authenticator: { codeOf(secret: string): string }, say: Say): Promise<void> {
  // #region second-factor
  const { secret, otpauth_uri: uri } = await client.auth.secondFactor.enrol(password);
  const recoveryCodes = await client.auth.secondFactor.confirm(authenticator.codeOf(secret));
  // #endregion
  say(`${uri.slice(0, 10)} ${recoveryCodes.length}`);
  // #region sessions
  for await (const session of client.auth.sessions()) if (!session.is_current) await client.auth.endSession(session.id);
  // #endregion
}

export async function live(client: Client, id: string, say: Say): Promise<void> {
  // #region live
  for await (const message of client.live.follow([`workflow:${id}`, "kitchen"])) {
    if (message.type === "Event") say(`${message.data.run_id}: ${message.data.kind}`);
    if (message.type === "Broadcast") break;
  }
  // #endregion
}

/** What a page has of the browser's, as far as the example needs it. */
interface Page {
  localStorage: { getItem(key: string): string | null; setItem(key: string, value: string): void; removeItem(key: string): void };
  navigator: { locks: { request<T>(name: string, work: () => Promise<T>): Promise<T> } };
}

export function inPage(url: string, { localStorage, navigator }: Page): Client {
  // #region session
  const session: SessionStore = {
    load: () => JSON.parse(localStorage.getItem("perdure") ?? "null") ?? undefined,
    save: (tokens?: SessionTokens) => (tokens ? localStorage.setItem("perdure", JSON.stringify(tokens)) : localStorage.removeItem("perdure")),
    exclusive: (work) => navigator.locks.request("perdure", work),
  };
  const client = createClient({ url, session });
  // #endregion
  return client;
}
