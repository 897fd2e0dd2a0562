import { randomBytes } from "node:crypto";
import { DOCUMENTED, type DocumentedEndpoint, type ServedEndpoint } from "#contract";
import type { JsonObject } from "#core";
import { createParser } from "eventsource-parser";
import { afterAll, beforeAll, expect, test } from "vitest";
import { ACCOUNT, type DocumentedRequest, REQUESTS, WORKFLOW } from "../fixtures/documented-requests.ts";
import { type Perdure, startPerdure } from "../support/perdure.ts";

const served = DOCUMENTED.filter((row): row is ServedEndpoint => "serves" in row);
const unserved = DOCUMENTED.filter((row): row is DocumentedEndpoint & { unserved: string } => "unserved" in row && row.path !== "/swagger-ui/");
const keyOf = ({ system, method, path }: DocumentedEndpoint): string => `${system} ${method} ${path}`;

let perdure: Perdure;
/** Of the documented account. */
let token: string;

beforeAll(async () => {
  perdure = await startPerdure();
  await send("POST", "/api/auth/register", ACCOUNT);
  token = String((await session())["access_token"]);
});
afterAll(() => perdure?.stop());

function send(method: string, path: string, body?: unknown, authorized = true): Promise<Response> {
  return fetch(new URL(path, perdure.base), {
    method,
    headers: { "Content-Type": "application/json", ...(authorized && token && { Authorization: `Bearer ${token}` }) },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
}

async function session(): Promise<JsonObject> {
  return (await (await send("POST", "/api/auth/login", ACCOUNT)).json()) as JsonObject;
}

/** A workflow of one's own with a run that has ended, for the parameters of the path. */
async function filled(path: string): Promise<string> {
  if (!path.includes("{")) return path;
  if (path.includes("type}")) return path.replace(/\{\w+\}/, "HttpRequest");
  const workflow = (await (await send("POST", "/api/workflows/", WORKFLOW)).json()) as JsonObject;
  const run = (await (await send("POST", `/api/v1/workflows/${workflow["id"]}/execute`, { inputs: { message: "Hello" }, mode: "wait" })).json()) as JsonObject;
  if (run["status"] !== "completed") throw new Error(`The run did not end well: ${JSON.stringify(run)}`);
  return path.replace(/\{(?:execution|run)_id\}/, String(run["id"])).replace(/\{(?:workflow_)?id\}/, String(workflow["id"]));
}

async function completed({ query = {}, body, uses }: DocumentedRequest): Promise<{ query: Record<string, string>; body: unknown }> {
  if (uses === "account") return { query, body: { ...ACCOUNT, email: `${randomBytes(6).toString("hex")}@example.com`, ...(body as JsonObject) } };
  if (uses !== "refresh_token") return { query, body };
  const fresh = { refresh_token: String((await session())["refresh_token"]) };
  return { query: "refresh_token" in query ? fresh : query, body: body === undefined ? undefined : fresh };
}

test.each(served.map((row): [string, ServedEndpoint] => [keyOf(row), row]))(
  "D8: When %s is called as documented, then status and fields are as documented",
  async (key, row) => {
    const request = REQUESTS[key];
    if (!request) throw new Error(`No documented request of ${key}.`);
    const { query, body } = await completed(request);
    const path = await filled(row.path);
    const search = new URLSearchParams(query).toString();
    const response = await send(row.method.toUpperCase(), search === "" ? path : `${path}?${search}`, body, !request.isPublic);
    const text = await response.text();
    expect(response.status, text).toBe(row.status);
    if (request.isStream) return expect(eventsOf(text)).toEqual(expect.arrayContaining(["run_start", "node_start", "node_end", "workflow_complete"]));
    if (row.status === 204) return expect(text).toBe("");
    const answer = JSON.parse(text) as JsonObject | JsonObject[];
    if (Array.isArray(answer)) expect(answer.length, "there is something to see").toBeGreaterThan(0);
    for (const item of Array.isArray(answer) ? answer : [answer]) {
      for (const field of row.answers ?? []) expect(item[field], `${field} of ${text.slice(0, 500)}`).toBeDefined();
    }
    if (request.expects) expect(answer).toMatchObject(request.expects);
  },
);

test.each(unserved.map((row) => [keyOf(row), row] as const))(
  "D8: When %s is called, which is not served, then no answer pretends that it is",
  async (_key, row) => {
    const response = await send(
      row.method.toUpperCase(),
      row.path.replaceAll(/\{\w+\}/g, "0197a0c0-0000-7000-8000-000000000000"),
      row.method === "get" ? undefined : {},
    );
    expect([404, 405, 426]).toContain(response.status);
  },
);

test("D8: When the table has a row that is served, then there is a documented request of it, and no request is of none", () => {
  expect(Object.keys(REQUESTS).toSorted()).toEqual(served.map(keyOf).toSorted());
});

function eventsOf(text: string): string[] {
  const events: string[] = [];
  const parser = createParser({ onEvent: ({ event }) => events.push(event ?? "") });
  parser.feed(text);
  return events;
}
