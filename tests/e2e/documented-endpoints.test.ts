import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { DOCUMENTED, type DocumentedEndpoint, type ServedEndpoint, type ServedPage, type UnservedEndpoint } from "#contract";
import type { JsonObject } from "#core";
import { createParser } from "eventsource-parser";
import { afterAll, beforeAll, expect, test } from "vitest";
import { ACCOUNT, type DocumentedRequest, REQUESTS } from "../fixtures/documented-requests.ts";
import { documentedThings } from "../support/documented-things.ts";
import { type Perdure, startPerdure } from "../support/perdure.ts";

const served = DOCUMENTED.filter((row): row is ServedEndpoint | ServedPage => !("unserved" in row));
const called = served.filter((row) => REQUESTS[keyOf(row)]?.testedBy === undefined);
const unserved = DOCUMENTED.filter((row): row is UnservedEndpoint => "unserved" in row);
const METRICS_TOKEN = "a-token-that-reads-metrics-4711";

function keyOf({ system, method, path }: DocumentedEndpoint): string {
  return `${system} ${method} ${path}`;
}

let perdure: Perdure;
/** Of the documented account. */
let token: string;

beforeAll(async () => {
  perdure = await startPerdure({ METRICS_TOKEN });
  await send("POST", "/api/auth/register", ACCOUNT);
  token = String((await session())["access_token"]);
});
afterAll(() => perdure?.stop());

/** `bearer`: the account's token, where nothing is said; none where it is empty. */
function send(method: string, path: string, body?: unknown, bearer = token): Promise<Response> {
  return fetch(new URL(path, perdure.base), {
    method,
    headers: { "Content-Type": "application/json", ...(bearer && { Authorization: `Bearer ${bearer}` }) },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
}

async function session(): Promise<JsonObject> {
  return (await (await send("POST", "/api/auth/login", ACCOUNT)).json()) as JsonObject;
}

async function completed({ query = {}, body, uses }: DocumentedRequest): Promise<{ query: Record<string, string>; body: unknown }> {
  if (uses === "account") return { query, body: { ...ACCOUNT, email: `${randomBytes(6).toString("hex")}@example.com`, ...(body as JsonObject) } };
  if (uses !== "refresh_token") return { query, body };
  const fresh = { refresh_token: String((await session())["refresh_token"]) };
  return { query: "refresh_token" in query ? fresh : query, body: body === undefined ? undefined : fresh };
}

const PLACE = /(?<!\{)\{(\w+)\}(?!\})/g;

test.each(called.map((row): [string, ServedEndpoint | ServedPage] => [keyOf(row), row]))(
  "D8: When %s is called as documented, then status and fields are as documented",
  async (key, row) => {
    const documented = REQUESTS[key];
    if (!documented) throw new Error(`No documented request of ${key}.`);
    const written = JSON.stringify({ path: row.path, ...(await completed(documented)) });
    const things = await documentedThings(
      send,
      [...written.matchAll(PLACE)].map(([, name = ""]) => name),
      row.method,
    );
    const request = JSON.parse(written.replaceAll(PLACE, (place, name: string) => things[name] ?? place)) as Required<DocumentedRequest> & { path: string };
    const search = new URLSearchParams(request.query).toString();
    const bearer = documented.isPublic ? "" : { webhook: things["webhook_token"], metrics: METRICS_TOKEN, account: token }[documented.bearer ?? "account"];
    const response = await send(row.method.toUpperCase(), search === "" ? request.path : `${request.path}?${search}`, request.body, bearer);
    const text = await response.text();
    expect(response.status, text).toBe(row.status);
    if (documented.isStream) return expect(eventsOf(text)).toEqual(expect.arrayContaining(["run_start", "node_start", "node_end", "workflow_complete"]));
    if (row.status === 204) return expect(text).toBe("");
    if ("page" in row) return expect(text.length).toBeGreaterThan(100);
    const answer = JSON.parse(text) as JsonObject | JsonObject[];
    if (Array.isArray(answer)) expect(answer.length, "there is something to see").toBeGreaterThan(0);
    for (const item of Array.isArray(answer) ? answer : [answer]) {
      for (const field of row.answers ?? []) expect(item[field], `${field} of ${text.slice(0, 500)}`).toBeDefined();
    }
    if (documented.expects) expect(Array.isArray(answer) ? answer[0] : answer).toMatchObject(documented.expects);
  },
);

test.each(unserved.map((row) => [keyOf(row), row] as const))(
  "D8: When %s is called, which is not served, then no answer pretends that it is",
  async (_key, row) => {
    const response = await send(
      row.method.toUpperCase(),
      row.path.replaceAll(PLACE, "0197a0c0-0000-7000-8000-000000000000"),
      row.method === "get" ? undefined : {},
    );
    expect([404, 405]).toContain(response.status);
  },
);

test("K1: When the documented metrics are asked for without METRICS_TOKEN, then they are not shown", async () => {
  expect([(await send("GET", "/metrics", undefined, "")).status, (await send("GET", "/metrics")).status]).toEqual([401, 401]);
});

test("D8: When the table has a row that is served, then there is a documented request of it, and no request is of none", () => {
  expect(Object.keys(REQUESTS).toSorted()).toEqual(served.map(keyOf).toSorted());
  for (const { testedBy } of Object.values(REQUESTS)) if (testedBy !== undefined) expect(existsSync(testedBy), testedBy).toBe(true);
});

function eventsOf(text: string): string[] {
  const events: string[] = [];
  const parser = createParser({ onEvent: ({ event }) => events.push(event ?? "") });
  parser.feed(text);
  return events;
}
