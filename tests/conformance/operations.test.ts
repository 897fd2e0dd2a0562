import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { JsonObject } from "#core";
import { openApiDocument } from "../../api/openapi.ts";
import { TestClient } from "../support/client.ts";
import { type Perdure, startPerdure } from "../support/perdure.ts";
import { type MadeRequest, type Operation, fitsSchema, misfits, operationsOf, requestsOf } from "./operation.ts";

/** Requests of each operation that fit, and as many that do not. The longer form is `CONFORMANCE_RUNS=200`. */
const RUNS = Number(process.env["CONFORMANCE_RUNS"] ?? 6);
const METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"];
const SETTINGS = {
  LOG_LEVEL: "warn",
  RATE_LIMIT_USER: "off",
  RATE_LIMIT_ADDRESS: "off",
  RATE_LIMIT_SIGN_IN_FAILURES: "off",
  RATE_LIMIT_ACCOUNT_FAILURES: "off",
  RUN_WAIT_MAX_MS: "1000",
};

const document = JSON.parse(JSON.stringify(openApiDocument("0.0.0"))) as JsonObject;
const operations = operationsOf(document);
let perdure: Perdure;

beforeAll(async () => {
  perdure = await startPerdure(SETTINGS);
});
afterAll(() => perdure?.stop());

/** Somebody new, so that an operation which ends their session or deletes what they have disturbs no other; and what exists for them. */
async function somebody(): Promise<{ user: TestClient; ids: string[] }> {
  const user = await TestClient.register(perdure.base);
  const flow = { nodes: [{ id: "start", type: "Start" }], edges: [] };
  const { body: workflow } = await user.post("/api/v1/workflows", { name: "A workflow", flow_data: flow });
  const { body: run } = await user.post(`/api/v1/workflows/${String(workflow["id"])}/execute`, {});
  return { user, ids: [String(workflow["id"]), String(run["id"])] };
}

async function send(user: TestClient, method: string, { path, headers, body }: MadeRequest) {
  const response = await fetch(`${perdure.base}${path}`, {
    method,
    headers: { authorization: `Bearer ${user.accessToken}`, ...(body !== undefined && { "content-type": "application/json" }), ...headers },
    ...(body !== undefined && { body }),
    redirect: "manual",
  });
  const type = response.headers.get("content-type");
  // A stream of a run that goes on does not end.
  if (type?.startsWith("text/event-stream")) await response.body?.cancel();
  return { status: response.status, type, headers: response.headers, text: type?.startsWith("text/event-stream") ? "" : await response.text() };
}

async function expectToHold(
  operation: Operation,
  kind: "fitting" | "unfitting",
  judge: (answer: { status: number; text: string }, request: MadeRequest) => void,
): Promise<void> {
  const { user, ids } = await somebody();
  const before = perdure.api.logs().length;
  await fc.assert(
    fc.asyncProperty(requestsOf(document, operation, ids)[kind], async (request) => {
      const answer = await send(user, operation.method, request);
      expect(misfits(document, operation, answer), answer.text.slice(0, 500)).toEqual([]);
      expect(answer.status, answer.text.slice(0, 500)).not.toBe(500);
      judge(answer, request);
    }),
    { numRuns: RUNS, ...(process.env["CONFORMANCE_RUNS"] === undefined && { seed: 7 }) },
  );
  expect(perdure.api.logs().slice(before), "nothing is logged as a failure of ours").not.toContain('"request failed"');
}

test("D7: When the description is served, then it is the one that is checked here", async () => {
  const served = (await (await fetch(`${perdure.base}/openapi.json`)).json()) as JsonObject;
  expect(Object.keys(served["paths"] as JsonObject)).toEqual(Object.keys(document["paths"] as JsonObject));
});

const named = operations.map((operation): [string, Operation] => [`${operation.method} ${operation.path}`, operation]);

test.each(named)("D7: When %s gets requests that fit its schemas, then it answers as described and refuses none for its form", async (_name, operation) => {
  await expectToHold(operation, "fitting", ({ status, text }) => {
    if ([400, 413, 422].includes(status)) expect(operation.refusals, `${status} ${text.slice(0, 500)}`).toContain(status);
  });
});

test.each(named)("D7 F4: When %s gets requests that do not fit, then it answers as described and nothing breaks", async (_name, operation) => {
  await expectToHold(operation, "unfitting", ({ status, text }, { body }) => {
    if (operation.body && body !== undefined && !fitsSchema(document, operation, body)) expect(status, text.slice(0, 500)).toBeGreaterThanOrEqual(400);
  });
});

const paths = [...Map.groupBy(operations, ({ path }) => path)];
test.each(paths)("D7: When %s is called with a method that is not described, then it is 405 with those that are", async (path, described) => {
  const { user } = await somebody();
  const takes = described.map(({ method }) => method);
  for (const method of [...METHODS, "OPTIONS", "PROPFIND"].filter((each) => !takes.includes(each))) {
    const answer = await send(user, method, { path: path.replaceAll(/\{\w+\}/g, "0197a0c0-0000-7000-8000-000000000000"), headers: {}, body: undefined });
    expect([answer.status, answer.type], `${method} ${answer.text}`).toEqual([405, "application/problem+json"]);
    expect(answer.headers.get("allow")?.split(", ").toSorted()).toEqual([...takes, ...(takes.includes("GET") ? ["HEAD"] : [])].toSorted());
  }
});
