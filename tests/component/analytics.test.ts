import { afterAll, beforeAll, expect, test } from "vitest";
import { eventKey, type NodeStatus, type RunEvent, type TenantId, uuidv7 } from "#core";
import { type ClosedRun, type Database, openDatabase, type SettledNode } from "#db";
import postgres from "postgres";
import { createTestDatabase, type TestDatabase } from "#tests/database.ts";

let database: TestDatabase;
let db: Database;
let admin: postgres.Sql;
const settled: SettledNode[] = [];
const closed: ClosedRun[] = [];

beforeAll(async () => {
  database = await createTestDatabase();
  admin = postgres(database.url, { max: 1, onnotice: () => {} });
  db = await openDatabase({
    url: database.url,
    poolSize: 6,
    observer: { nodesSettled: (nodes) => void settled.push(...nodes), runClosed: (run) => void closed.push(run) },
  });
});
afterAll(async () => {
  await admin?.end();
  await db?.close();
  await database?.drop();
});

let organizations = 0;
async function organization(): Promise<TenantId> {
  const email = `a${++organizations}@example.com`;
  return (await db.accounts.register({ email, passwordHash: "h", name: "A", organizationName: "A" })).membership.tenantId;
}

async function newRun(tenant: TenantId, more: { workflowId?: string; workflowName?: string; traceparent?: string } = {}): Promise<string> {
  const { workflowId = null, workflowName = "w", ...rest } = more;
  const request = {
    workflowId,
    workflowName,
    version: null,
    plan: {} as never,
    inputs: {},
    variables: {},
    entries: [],
    trigger: "api",
    createdBy: null,
    ...rest,
  };
  return (await db.runs.insert(tenant, uuidv7(), request)).run.id;
}

const start = (runId: string, nodeId: string, attempt = 1): RunEvent => ({
  run_id: runId,
  key: eventKey("node_start", nodeId, "", attempt),
  kind: "node_start",
  at: new Date().toISOString(),
  node_id: nodeId,
  iteration: "",
  attempt,
  data: { type: "Set", name: nodeId },
});
function end(runId: string, nodeId: string, status: NodeStatus = "completed", durationMs = 10, attempt = 1): RunEvent {
  const key = eventKey("node_end", nodeId, "", status === "completed" ? 1 : 0);
  return {
    run_id: runId,
    key,
    kind: "node_end",
    at: new Date().toISOString(),
    node_id: nodeId,
    iteration: "",
    attempt,
    data: { type: "Set", name: nodeId, status, duration_ms: durationMs },
  };
}
const facts = (tenant: TenantId, ...events: RunEvent[]) => db.log.append(events.map((event) => ({ tenantId: tenant, event })));

test("K1: When a node's end is told again, from other processes at once, or in another way, then it is settled once", async () => {
  const tenant = await organization();
  const run = await newRun(tenant);
  settled.length = 0;
  await facts(tenant, start(run, "a"), end(run, "a"));
  await Promise.all(Array.from({ length: 8 }, () => facts(tenant, start(run, "a"), end(run, "a"), end(run, "b", "skipped"))));
  await facts(tenant, end(run, "a", "cancelled"));
  await db.runs.repair(tenant, run, [
    { node_id: "a", iteration: "", type: "Set", name: "a", status: "completed" },
    { node_id: "c", iteration: "", type: "Set", name: "c", status: "completed" },
  ]);
  await facts(tenant, start(run, "d"));
  await Promise.all(
    Array.from({ length: 4 }, () =>
      db.runs.close(tenant, run, { status: "failed", error: { code: "internal", message: "m", retryable: false }, at: new Date() }),
    ),
  );
  expect(settled.map(({ status }) => status).toSorted()).toEqual(["cancelled", "completed", "completed", "skipped"]);
  expect(settled[0]).toEqual({ type: "Set", status: "completed", duration_ms: 10 });
  expect(closed.filter(({ id }) => id === run)).toMatchObject([{ status: "failed", error: "internal", traceparent: null }]);
});

test("K2: When a run is traced, then its nodes and its end are told with the trace", async () => {
  const tenant = await organization();
  const traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
  const run = await newRun(tenant, { traceparent });
  settled.length = 0;
  await facts(tenant, start(run, "a"), end(run, "a"));
  expect(settled).toMatchObject([{ trace: { traceparent, run_id: run, node_id: "a", iteration: "", attempt: 1, error: null } }]);
  await db.runs.close(tenant, run, { status: "completed", outputs: null, at: new Date() });
  expect(closed.find(({ id }) => id === run)).toMatchObject({ traceparent });
});

const hour = 3_600_000;
const from = new Date("2026-03-02T00:00:00Z");
const to = new Date("2026-03-09T00:00:00Z");

async function past(
  tenant: TenantId,
  at: string,
  status: "completed" | "failed" | "cancelled" | "timed_out" | "open",
  ms: number,
  workflowId?: string,
): Promise<string> {
  const run = await newRun(tenant, { ...(workflowId !== undefined && { workflowId }), workflowName: workflowId === undefined ? "ad hoc" : "Orders" });
  const error = status === "completed" ? {} : { error: { code: "internal", message: "m", retryable: false } };
  await facts(tenant, start(run, "a"), end(run, "a", "completed", ms / 2), end(run, "b", "skipped"));
  if (status !== "open") await db.runs.close(tenant, run, { status, ...error, at: new Date() });
  await admin`update runs set created_at = ${at}, completed_at = case when completed_at is null then null else ${at}::timestamptz + make_interval(secs => ${ms / 1000}) end where id = ${run}`;
  return run;
}

test("K6: When runs are counted, then totals, buckets and workflows agree with what happened, and other organizations' runs and other times are not in them", async () => {
  const [tenant, other] = [await organization(), await organization()];
  const workflow = uuidv7();
  for (const [day, ms] of [1, 2, 3, 4].entries()) await past(tenant, `2026-03-0${day + 2}T10:30:00Z`, "completed", ms * 1000, workflow);
  await past(tenant, "2026-03-02T10:59:59Z", "failed", 50, workflow);
  await past(tenant, "2026-03-02T11:00:00Z", "timed_out", 50);
  await past(tenant, "2026-03-03T11:00:00Z", "cancelled", 50);
  await past(tenant, "2026-03-03T11:00:00Z", "open", 0);
  await past(tenant, "2026-03-09T00:00:00Z", "completed", 1);
  await past(tenant, "2026-03-01T23:59:59Z", "completed", 1);
  await past(other, "2026-03-03T11:00:00Z", "completed", 1);

  const found = await db.analytics.runs(tenant, { from, to }, hour, 1_000);
  expect(found.totals).toEqual({
    runs: 8,
    completed: 4,
    failed: 1,
    timed_out: 1,
    cancelled: 1,
    open: 1,
    latency: { p50: 2500, p90: expect.closeTo(3700) as number, p95: expect.closeTo(3850) as number, p99: expect.closeTo(3970) as number, mean: 2500 },
  });
  expect(found.buckets.map(({ at, runs }) => [at.toISOString(), runs]).slice(0, 4)).toEqual([
    ["2026-03-02T10:00:00.000Z", 2],
    ["2026-03-02T11:00:00.000Z", 1],
    ["2026-03-03T10:00:00.000Z", 1],
    ["2026-03-03T11:00:00.000Z", 2],
  ]);
  expect(found.workflows.map(({ workflowId, workflowName, runs }) => [workflowId, workflowName, runs])).toEqual([
    [workflow, "Orders", 5],
    [null, "ad hoc", 3],
  ]);
  expect(found).toMatchObject({ considered: 8, isTruncated: false });
  const weeks = await db.analytics.runs(tenant, { from, to }, 7 * 24 * hour, 1_000);
  expect(weeks.buckets.map(({ at }) => at.toISOString())).toEqual(["2026-03-02T00:00:00.000Z"]);
  expect((await db.analytics.runs(tenant, { from, to, workflowId: workflow }, hour, 1_000)).totals).toMatchObject({ runs: 5, completed: 4, failed: 1 });
  expect(await db.analytics.runs(tenant, { from, to }, hour, 8)).toMatchObject({ considered: 8, isTruncated: false });
  expect(await db.analytics.runs(tenant, { from, to }, hour, 3)).toMatchObject({ considered: 3, isTruncated: true, totals: { runs: 3, completed: 2 } });
  expect((await db.analytics.runs(tenant, { from: to, to: new Date(to.getTime() + 1) }, hour, 8)).totals.runs).toBe(1);

  const types = await db.analytics.nodes(tenant, { from, to }, 1_000);
  expect(types.nodes).toMatchObject([{ nodeType: "Set", nodeId: null, name: null, executions: 16, completed: 8, skipped: 8, open: 0, retries: 0 }]);
  const each = await db.analytics.nodes(tenant, { from, to, workflowId: workflow }, 1_000);
  expect(each.nodes.map(({ nodeId, name, completed, skipped }) => [nodeId, name, completed, skipped])).toEqual([
    ["a", "a", 5, 0],
    ["b", "b", 0, 5],
  ]);
  expect(each.nodes[0]?.latency).toMatchObject({ p50: 1000, mean: 1005 });
  expect(await db.analytics.nodes(tenant, { from, to }, 5)).toMatchObject({ considered: 5, isTruncated: true });
});

test("K6: When runs of a time are looked for, then by an index of the lists, however many there are of other times", async () => {
  const tenant = await organization();
  await admin`
    insert into runs (id, tenant_id, workflow_name, status, trigger, inputs, variables, entries, created_at, last_seq)
    select gen_random_uuid(), ${tenant}, 'w', 'queued', 'api', '{}', '{}', '{}', timestamptz '2020-01-01' + make_interval(mins => n), 1 from generate_series(1, 20000) n`;
  await admin`analyze runs`;
  const plan = await admin.unsafe(
    `explain select r.id from runs r where r.tenant_id = '${tenant}' and r.created_at >= '2020-01-02' and r.created_at < '2020-01-03' order by r.created_at desc, r.id desc limit 1001`,
  );
  expect(JSON.stringify(plan)).toContain("runs_list_idx");
});
