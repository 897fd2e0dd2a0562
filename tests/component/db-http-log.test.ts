import postgres from "postgres";
import { afterAll, beforeAll, expect, test } from "vitest";
import { eventKey, type Json, type RunEvent, type TenantId, uuidv7 } from "#core";
import { type Database, openDatabase } from "#db";
import { createTestDatabase, type TestDatabase } from "#tests/database.ts";

let database: TestDatabase;
let db: Database;
let admin: postgres.Sql;
beforeAll(async () => {
  database = await createTestDatabase();
  admin = postgres(database.url, { max: 1, onnotice: () => {} });
  db = await openDatabase({ url: database.url, poolSize: 4 });
});
afterAll(async () => {
  await admin?.end();
  await db?.close();
  await database?.drop();
});

let organizations = 0;
async function organization(): Promise<TenantId> {
  const email = `h${++organizations}@example.com`;
  return (await db.accounts.register({ email, passwordHash: "h", name: "H", organizationName: "H" })).membership.tenantId;
}

async function newRun(tenant: TenantId, workflowId: string | null = null): Promise<string> {
  const request = {
    workflowId,
    workflowName: "Orders",
    version: null,
    plan: {} as never,
    inputs: {},
    variables: {},
    entries: [],
    trigger: "api",
    createdBy: null,
  };
  return (await db.runs.insert(tenant, uuidv7(), request)).run.id;
}

interface Sent {
  run: string;
  node: string;
  at: string;
  iteration?: string;
  type?: string;
  input?: Json;
  output?: Json;
}

/** What a node that began then, and took 20 ms, told of itself. */
async function sent(tenant: TenantId, { run, node, at, iteration = "", type = "HttpRequest", input = {}, output = { status: 200 } }: Sent): Promise<void> {
  const event = (kind: "node_start" | "node_end", data: Record<string, Json>): RunEvent => ({
    run_id: run,
    key: eventKey(kind, node, iteration, 1),
    kind,
    at: new Date(Date.parse(at) + (kind === "node_end" ? 20 : 0)).toISOString(),
    node_id: node,
    iteration,
    attempt: 1,
    data: { type, name: node, ...data },
  });
  const facts = [event("node_start", { input }), event("node_end", { status: "completed", duration_ms: 20, output })];
  await db.log.append(facts.map((each) => ({ tenantId: tenant, event: each })));
}

const at = (day: number): string => `2026-02-${String(day).padStart(2, "0")}T12:00:00.000Z`;

test("D6: When nodes have sent requests, then the log has what they sent, got and failed with, and no other nodes", async () => {
  const tenant = await organization();
  const workflowId = uuidv7();
  const run = await newRun(tenant, workflowId);
  await sent(tenant, { run, node: "call", at: at(1), input: { url: "https://a.example/{{secrets.K}}", method: "post" }, output: { status: 201, body: "x" } });
  await sent(tenant, { run, node: "set", at: at(2), type: "Set" });
  await sent(tenant, { run, node: "odd", at: at(3), iteration: "2", input: null, output: "no object" });
  const failure = { code: "upstream.failed", message: "GET https://a.example/ answered 503.", retryable: true };
  const error: RunEvent = {
    run_id: run,
    key: eventKey("node_error", "bad", "", 1),
    kind: "node_error",
    at: at(4),
    node_id: "bad",
    iteration: "",
    attempt: 3,
    data: { type: "HttpRequest", name: "Bad", error: failure, duration_ms: 5 },
  };
  const start: RunEvent = {
    ...error,
    key: eventKey("node_start", "bad", "", 3),
    kind: "node_start",
    data: { type: "HttpRequest", name: "Bad", input: { url: "u" } },
  };
  const skipped: RunEvent = { ...error, key: "skipped", kind: "node_end", node_id: "skipped", data: { type: "HttpRequest", name: "s", status: "skipped" } };
  await db.log.append([start, error, skipped].map((event) => ({ tenantId: tenant, event })));
  const { rows, total } = await db.httpLog.list(tenant, {}, { limit: 10 });
  expect(total).toBe(3);
  const common = { runId: run, workflowId, workflowName: "Orders" };
  expect(rows).toEqual([
    {
      ...common,
      nodeId: "bad",
      name: "Bad",
      iteration: "",
      status: "failed",
      attempt: 3,
      method: null,
      url: "u",
      answered: null,
      error: failure,
      startedAt: new Date(at(4)),
      completedAt: new Date(at(4)),
      durationMs: 5,
    },
    expect.objectContaining({ ...common, nodeId: "odd", iteration: "2", method: null, url: null, answered: null }),
    {
      ...common,
      nodeId: "call",
      name: "call",
      iteration: "",
      status: "completed",
      attempt: 1,
      method: "post",
      url: "https://a.example/{{secrets.K}}",
      answered: 201,
      error: null,
      startedAt: new Date(at(1)),
      completedAt: new Date(Date.parse(at(1)) + 20),
      durationMs: 20,
    },
  ]);
});

test("D6 F2: When another organization has sent requests, also in a run or workflow of the same id, then they are not in the log", async () => {
  const [mine, theirs] = [await organization(), await organization()];
  const workflowId = uuidv7();
  const [run, foreign] = [await newRun(mine, workflowId), await newRun(theirs, workflowId)];
  await sent(mine, { run, node: "a", at: at(1) });
  await sent(theirs, { run: foreign, node: "a", at: at(2) });
  for (const filter of [{}, { workflowId }, { nodeId: "a" }]) {
    const { rows, total } = await db.httpLog.list(mine, filter, { limit: 10 });
    expect([rows.map(({ runId }) => runId), total]).toEqual([[run], 1]);
  }
  expect((await db.httpLog.list(await organization(), { workflowId }, { limit: 10 })).rows).toEqual([]);
});

test("D6: When a workflow, a node or a time is asked for, then only what is of it is listed", async () => {
  const tenant = await organization();
  const [one, two] = [uuidv7(), uuidv7()];
  const [first, second, adHoc] = [await newRun(tenant, one), await newRun(tenant, two), await newRun(tenant)];
  await sent(tenant, { run: first, node: "a", at: at(1) });
  await sent(tenant, { run: first, node: "b", at: at(2) });
  await sent(tenant, { run: second, node: "a", at: at(3) });
  await sent(tenant, { run: adHoc, node: "c", at: at(4) });
  const listed = async (filter: Parameters<typeof db.httpLog.list>[1]) =>
    (await db.httpLog.list(tenant, filter, { limit: 10 })).rows.map(({ nodeId, startedAt }) => `${nodeId}${startedAt.getUTCDate()}`);
  expect(await listed({})).toEqual(["c4", "a3", "b2", "a1"]);
  expect(await listed({ workflowId: one })).toEqual(["b2", "a1"]);
  expect(await listed({ nodeId: "a" })).toEqual(["a3", "a1"]);
  expect(await listed({ workflowId: one, nodeId: "a" })).toEqual(["a1"]);
  expect(await listed({ from: new Date(at(2)), to: new Date(at(4)) })).toEqual(["a3", "b2"]);
  expect(await listed({ workflowId: uuidv7() })).toEqual([]);
});

test("D6: When the log is paged, then each row is there once, rows of one moment too, and new ones do not move the pages", async () => {
  const tenant = await organization();
  const run = await newRun(tenant, uuidv7());
  for (let n = 0; n < 7; n++) await sent(tenant, { run, node: "loop", iteration: String(n), at: at(1) });
  const fine = "2026-02-01T12:00:00.000123Z";
  await admin`update node_executions set started_at = ${fine}::text::timestamptz where run_id = ${run} and iteration in ('1', '3', '5')`;
  const seen: string[] = [];
  let cursor: string | undefined;
  do {
    const page = await db.httpLog.list(tenant, {}, { limit: 2, ...(cursor !== undefined && { cursor }) });
    expect(page.rows.length).toBeLessThanOrEqual(2);
    expect(page.total).toBeGreaterThanOrEqual(7);
    seen.push(...page.rows.map(({ iteration }) => iteration));
    if (cursor === undefined) await sent(tenant, { run, node: "new", at: at(2) });
    cursor = page.nextCursor;
  } while (cursor !== undefined);
  expect(seen).toEqual(["5", "3", "1", "6", "4", "2", "0"]);
  expect((await db.httpLog.list(tenant, {}, { limit: 2, offset: 1 })).rows.map(({ iteration }) => iteration)).toEqual(["5", "3"]);
});

test.each([
  [""],
  ["x"],
  [[]],
  [[1, 2, 3, 4]],
  [[1.5, uuidv7(), "a", ""]],
  [[1e18, uuidv7(), "a", ""]],
  [[1, "no id", "a", ""]],
  [[1, uuidv7(), "a\0", ""]],
  [[1, uuidv7(), "a", null]],
])("D6: When the cursor is %j, then it is 400", async (key) => {
  const cursor = Buffer.from(JSON.stringify(key)).toString("base64url");
  await expect(db.httpLog.list(await organization(), {}, { limit: 2, cursor })).rejects.toMatchObject({ code: "request.malformed" });
});

test("D6: When an organization has many rows, then a page is read from the index of the log", async () => {
  const tenant = await organization();
  const run = await newRun(tenant);
  await admin`insert into node_executions (tenant_id, run_id, node_id, iteration, type, name, status, attempt, started_at, first_seq)
    select ${tenant}, ${run}, 'n' || n, '', case when n % 50 = 0 then 'HttpRequest' else 'Set' end, 'n', 'completed', 1, now() - n * interval '1 second', n from generate_series(1, 20000) n`;
  await admin`analyze node_executions`;
  const plan = await admin`explain select n.run_id, n.node_id, n.iteration, n.started_at from node_executions n
    where n.tenant_id = ${tenant} and n.type = 'HttpRequest' and n.started_at is not null
    order by n.started_at desc, n.run_id desc, n.node_id desc, n.iteration desc limit 51`;
  const text = plan.map((row) => String(row["QUERY PLAN"])).join("\n");
  expect(text).toContain("node_executions_http_idx");
  expect(text).not.toContain("Sort");
  expect((await db.httpLog.list(tenant, {}, { limit: 500 })).total).toBe(400);
});
