import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { order } from "../../builder/order.examples.ts";
import type { JsonObject } from "#core";
import { type Call, type CountingServer, startCountingServer } from "../support/counting-server.ts";
import { type Perdure, startPerdure } from "../support/perdure.ts";
import { until } from "../support/until.ts";

interface Reply {
  status?: number;
  body?: unknown;
}

let perdure: Perdure;
let outside: CountingServer;
let reply: (call: Call) => Reply = () => ({});

beforeAll(async () => {
  outside = await startCountingServer({
    reply: (call, response) => {
      const { status = 200, body = {} } = reply(call);
      response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
    },
  });
  perdure = await startPerdure({ PERDURE_SECRET_SHOP_TOKEN: "a token of the shop", SECRETS_ORGANIZATIONS: "*" });
});
afterAll(async () => {
  await perdure?.stop();
  await outside?.close();
});
beforeEach(() => {
  outside.calls.length = 0;
});

/** Saves a workflow from a template and starts it. */
async function begin(template: string, inputs: JsonObject = {}): Promise<string> {
  const { user } = perdure;
  const { body: about } = await user.get(`/api/v1/templates/${template}`);
  const used = await user.post(`/api/v1/templates/${template}/use`);
  expect([used.status, used.body["problems"]]).toEqual([201, []]);
  return user.start(String(used.body["id"]), { ...(about["example_inputs"] as JsonObject), ...inputs });
}

async function answer(run: string, node: string, answered: JsonObject): Promise<void> {
  const { user } = perdure;
  let id: unknown;
  await until(`${node} asks`, async () => {
    const { body } = await user.get<JsonObject[]>("/api/v1/approvals?status=pending");
    id = body.find((approval) => approval["execution_id"] === run && approval["node_id"] === node)?.["id"];
    return id !== undefined;
  });
  expect((await user.post(`/api/v1/approvals/${String(id)}`, answered)).status).toBe(200);
}

const calls = () => outside.calls.map(({ method, path }) => `${method} ${path}`);

describe("templates", () => {
  test("A13 A18: When a support ticket is triaged without a provider's key, then it is answered", async () => {
    const run = await begin("support-triage");
    expect(await perdure.user.ended(run)).toMatchObject({
      status: "completed",
      outputs: { answered: true, answer: expect.stringContaining("Cannot sign in") },
    });
  });

  test("A13: When the nightly report is started, then figures are fetched, summed up and posted", async () => {
    reply = ({ path }) => (path === "/orders" ? { body: { orders: [{ amount: 10 }, { amount: 30 }] } } : {});
    const run = await begin("nightly-report", { metrics_url: `${outside.url}/orders`, report_url: `${outside.url}/report` });
    const figures = { orders: 2, revenue: 40, largest: 30 };
    expect(await perdure.user.ended(run)).toMatchObject({ status: "completed", outputs: figures });
    expect(calls()).toEqual(["GET /orders", "POST /report"]);
    expect(JSON.parse(outside.calls[1]?.body ?? "")).toEqual({ text: expect.stringContaining('"revenue":40') as string, figures });
  });

  test("A13 A5: When texts are summed up, then each has its summary, in their order", async () => {
    const run = await begin("summaries");
    expect(await perdure.user.ended(run)).toMatchObject({
      status: "completed",
      outputs: { failed: 0, tokens: expect.any(Number), summaries: [{ title: "Rivers", summary: expect.stringContaining("silt") }, { title: "Glaciers" }] },
    });
  });

  test.each([
    [{}, { todo: "Ship", order: "A-17" }],
    [{ body: { order: { id: "B-1", amount: 5000, customer: "Bob" } } }, { todo: "Call Bob", order: "B-1" }],
    [{ event_type: "order.cancelled" }, { todo: "Refund", order: "A-17" }],
    [{ event_type: "order.viewed" }, { todo: null, event: "order.viewed" }],
  ])("A13 A5: When the shop's webhook sends %j, then the result is %j", async (inputs, outputs) => {
    const run = await begin("webhook-router", inputs);
    expect(await perdure.user.ended(run)).toMatchObject({ status: "completed", outputs });
  });

  test("A13: When the parcel of an order cannot be booked, then the charge and the reservation are undone in reverse order", async () => {
    reply = ({ method, path }) =>
      path === "/parcels" ? { status: 422, body: { error: "no such street" } } : { body: { id: `${method}${path}`.replaceAll("/", "-") } };
    const run = await begin("order-saga", { shop_url: outside.url });
    expect(await perdure.user.ended(run)).toMatchObject({ status: "failed", error: { node_id: "ship" } });
    expect(calls()).toEqual(["POST /reservations", "POST /charges", "POST /parcels", "POST /refunds", "DELETE /reservations/POST-reservations"]);
    expect(outside.calls[1]?.headers["authorization"]).toBe("Bearer a token of the shop");
  });

  test("A13: When an expense is small it passes; when it is not, a person decides", async () => {
    const small = await begin("expense-approval", { amount: 50 });
    expect(await perdure.user.ended(small)).toMatchObject({ status: "completed", outputs: { granted: true, by: "the rule for small expenses" } });
    const large = await begin("expense-approval");
    await answer(large, "manager", { decision: "rejected", comment: "next year" });
    expect(await perdure.user.ended(large)).toMatchObject({ status: "completed", outputs: { granted: false, comment: "next year" } });
  });

  test("A13 A18: When an invoice cannot be read, then a person completes it", async () => {
    const run = await begin("invoice-data");
    await answer(run, "correct", { data: { number: "2026-118", total: 120 } });
    expect(await perdure.user.ended(run)).toMatchObject({ status: "completed", outputs: { number: "2026-118", total: 120 } });
  });

  test.each([
    ["done", { ready: true, result: { url: "x" }, asked: 3 }],
    ["failed", { ready: false, asked: 3 }],
  ])("A13 A5: When a job is asked for until it is %s, then that is the result", async (end, outputs) => {
    let asked = 0;
    reply = ({ method }) =>
      method === "POST" ? { body: { id: "j1" } } : { body: ++asked < 3 ? { status: "running" } : { status: end, result: { url: "x" } } };
    const run = await begin("poll-until-ready", { jobs_url: `${outside.url}/jobs`, pause: "100ms" });
    expect(await perdure.user.ended(run)).toMatchObject({ status: "completed", outputs });
    expect(calls()).toEqual(["POST /jobs", "GET /jobs/j1", "GET /jobs/j1", "GET /jobs/j1"]);
  });

  test("A13: When records are copied and one is refused, then the others are written and that one is named", async () => {
    const records = [1, 2, 3].map((id) => ({ id, email: `P${id}@Example.com`, first_name: "P", last_name: String(id) }));
    reply = ({ method, path }) => (method === "GET" ? { body: records } : path === "/target/2" ? { status: 422 } : {});
    const run = await begin("copy-records", { source_url: `${outside.url}/source`, target_url: `${outside.url}/target` });
    expect(await perdure.user.ended(run)).toMatchObject({
      status: "completed",
      outputs: { written: 2, failed: [expect.stringContaining("/target/2 answered 422")] },
    });
    expect(JSON.parse(outside.calls.find(({ path }) => path === "/target/1")?.body ?? "")).toEqual({ id: 1, email: "p1@example.com", name: "P 1" });
  });

  test("A13: When a payment comes, then the run that waits for it ends", async () => {
    const run = await begin("wait-for-payment");
    await perdure.user.until(run, ["waiting"]);
    expect(
      (await perdure.user.post(`/api/v1/executions/${run}/events`, { name: "payment.received", correlation: "2026-118", payload: { amount: 120 } })).status,
    ).toBe(200);
    expect(await perdure.user.ended(run)).toMatchObject({ status: "completed", outputs: { paid: true, payment: { amount: 120 } } });
  });

  test("A13 A18: When a text is drafted and improved, then a person has the last word", async () => {
    const run = await begin("draft-review");
    await answer(run, "publish", { decision: "approved" });
    expect(await perdure.user.ended(run)).toMatchObject({
      status: "completed",
      outputs: { published: true, text: expect.stringContaining("Rewrite the text") },
    });
  });
});

describe("graphs in code", () => {
  test.each([
    [10, "completed", { status: 200 }],
    [5, "completed", { sold: false, why: expect.stringContaining("answered 422") }],
  ])("A14: When the workflow of the README is posted as it is and runs at a price of %i, then it is booked or says why not", async (price, status, outputs) => {
    reply = ({ body }) => ({ status: (JSON.parse(body) as { total: number }).total > 10 ? 200 : 422, body: {} });
    const { user } = perdure;
    const saved = await user.post("/api/v1/workflows", order);
    expect(saved.body["problems"]).toEqual([]);
    const run = await user.start(String(saved.body["id"]), {
      customer: "Ada",
      shop: outside.url,
      rows: [
        { sku: "A", price },
        { sku: "B", price: 5 },
      ],
    });
    expect(await user.ended(run)).toMatchObject({ status, outputs });
    expect(outside.calls[0]?.headers["authorization"]).toBe("Bearer a token of the shop");
    expect(JSON.parse(outside.calls[0]?.body ?? "")).toMatchObject({ total: price * 0.9 + 5 });
  });
});
