import { describe, expect, expectTypeOf, test } from "vitest";
import { order } from "../builder/order.examples.ts";
import { type Client, type Data, type Run, type RunEvent, type Workflow, createClient } from "./index.ts";

/** Each line below is checked by the type check of the project: a mistake that it does not find is an error there. */
const client: Client = createClient({ url: "http://127.0.0.1:1", fetch: () => Promise.reject(new TypeError("no network")), retry: { attempts: 1 } });
const id = "019ab1c0-0000-7000-8000-000000000000";

interface Order {
  amount: number;
}
const given: Order = { amount: 120 };

/** Never run: what matters is that it compiles. */
async function compiles(): Promise<void> {
  const workflow = await client.call("getWorkflow", { params: { id } });
  expectTypeOf(workflow.name).toEqualTypeOf<string>();
  expectTypeOf(workflow.published_version).toEqualTypeOf<number | null>();
  const run = await client.call("executeWorkflow", { params: { id }, body: { inputs: given, mode: "wait" } });
  expectTypeOf(run.status).toEqualTypeOf<"queued" | "running" | "waiting" | "paused" | "completed" | "failed" | "cancelled" | "timed_out">();
  expectTypeOf<Data<"deleteWorkflow">>().toEqualTypeOf<undefined>();
  await client.call("listNodes");
  await client.call("health");
  await client.call("listExecutions", { query: { status: ["failed", "cancelled"], from: new Date(), limit: 10 } });
  await client.call("listExecutions", { query: { status: "failed", from: "2026-01-01T00:00:00Z" } });
  await client.call("listApprovals", { query: { mine: true } });
  await client.call("publishWorkflow", { params: { id }, body: { version: 2 } });
  await client.call("replaceWorkflow", { params: { id }, headers: { "if-match": '"1"' }, body: { name: "x" } });
  await client.call("createWorkflow", { body: { name: "x", flow_data: order.graph() } });
  await client.workflows.create(order);
  const reply = await client.send("getResult", { params: { id } });
  expectTypeOf(reply.status).toEqualTypeOf<200 | 202>();
  for await (const each of client.list("listWorkflows")) expectTypeOf(each).toEqualTypeOf<Workflow>();
  for await (const page of client.pages("listExecutions", { query: { limit: 5 } })) expectTypeOf(page).toEqualTypeOf<Run[]>();
  for await (const event of client.stream(id)) {
    expectTypeOf(event).toEqualTypeOf<RunEvent>();
    expectTypeOf(event.seq).toEqualTypeOf<number>();
  }
}

async function doesNotCompile(): Promise<void> {
  // @ts-expect-error -- there is no such operation
  await client.call("getWorkflw", { params: { id } });
  // @ts-expect-error -- the path needs an id
  await client.call("getWorkflow");
  // @ts-expect-error -- `id`, not `workflow`
  await client.call("getWorkflow", { params: { workflow: id } });
  // @ts-expect-error -- one of three words
  await client.call("executeWorkflow", { params: { id }, body: { mode: "later" } });
  // @ts-expect-error -- inputs are an object
  await client.call("executeWorkflow", { params: { id }, body: { inputs: 1 } });
  // @ts-expect-error -- a name is text
  await client.call("createWorkflow", { body: { name: 1 } });
  // @ts-expect-error -- a name is required
  await client.call("createWorkflow", { body: {} });
  // @ts-expect-error -- a page has a number of rows
  await client.call("listWorkflows", { query: { limit: "ten" } });
  // @ts-expect-error -- no status of a run
  await client.call("listExecutions", { query: { status: "broken" } });
  // @ts-expect-error -- reading a workflow takes no body
  await client.call("getWorkflow", { params: { id }, body: {} });
  // @ts-expect-error -- it streams
  await client.call("streamExecution", { params: { id } });
  // @ts-expect-error -- it is no list
  client.list("getWorkflow", { params: { id } });
}

describe("what TypeScript knows of the API", () => {
  test("D9: When an operation is called with what it does not take, then it does not compile", () => {
    expect([compiles, doesNotCompile].every((each) => typeof each === "function")).toBe(true);
  });
});
