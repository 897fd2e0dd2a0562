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
