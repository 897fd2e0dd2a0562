import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, expect, test } from "vitest";
import { PerdureError, type TenantId, uuidv7 } from "#core";
import { type Database, openDatabase } from "#db";
import type { Plan } from "#graph";
import { createLogger } from "#platform";
import { type Checkpoints, createBulkRounds, type Rounds, type Runs } from "#runs";
import { createTestDatabase, type TestDatabase } from "#tests/database.ts";
import { until } from "#tests/until.ts";

let database: TestDatabase;
let db: Database;
let tenant: TenantId;
let other: TenantId;

const PLAN: Plan = { format_version: 1, settings: { execution: "standard", max_parallel: 1 }, entries: { manual: [], triggers: [] }, steps: [], edges: [] };

beforeAll(async () => {
  database = await createTestDatabase();
  db = await openDatabase({ url: database.url, poolSize: 4 });
  const register = async (name: string) =>
    (await db.accounts.register({ email: `${randomUUID()}@example.com`, passwordHash: "h", name, organizationName: name })).membership.tenantId;
  [tenant, other] = [await register("a"), await register("b")];
});
afterAll(async () => {
  await db?.close();
  await database?.drop();
});

const request = (more: object = {}) => ({
  workflowId: null,
  workflowName: "w",
  version: null,
  plan: PLAN,
  inputs: {},
  variables: {},
  entries: [],
  trigger: "api",
  createdBy: null,
  ...more,
});

async function failedRuns(count: number, ofTenant = tenant): Promise<string[]> {
  const ids: string[] = [];
  for (let n = 0; n < count; n++) {
    const { run } = await db.runs.insert(ofTenant, uuidv7(), request());
    await db.runs.close(ofTenant, run.id, { status: "failed", error: { code: "handler.failed", message: "No.", retryable: false }, at: new Date() });
    ids.push(run.id);
  }
  return ids;
}

const jobOf = (more: object = {}) => ({ id: uuidv7(), action: "retry" as const, filter: {}, options: {}, ratePerMinute: 6_000, createdBy: uuidv7(), ...more });

/** Rounds whose retries only store the new run, as `Runs.start` does first of all. */
function rounds(settle: Database["bulk"]["settle"], more: Partial<{ retry: Checkpoints["retry"]; command: Runs["command"] }> = {}): Rounds {
  return createBulkRounds({
    db: { bulk: { ...db.bulk, settle } },
    runs: { command: more.command ?? (async () => Promise.reject(new Error("not asked for"))) },
    checkpoints: {
      retry:
        more.retry ??
        ((of, runId, _request, { idempotency }) => db.runs.insert(of, uuidv7(), request({ forkedFrom: runId, ...(idempotency && { idempotency }) }))),
      fork: async () => Promise.reject(new Error("not asked for")),
      migrate: async () => Promise.reject(new Error("not asked for")),
    },
    env: { BULK_LEASE_MS: 1_000 },
    logger: createLogger("worker", "silent"),
    intervalMs: 50,
  });
}

test("A15: When a process dies after each run was retried and before it could say so, then another finds the same new runs", async () => {
  const runs = await failedRuns(6);
  const { id } = await db.bulk.create(tenant, jobOf(), { ids: runs }, 10);
  let unsaid = 0;
  const dying = rounds(async () => {
    unsaid++;
    throw new PerdureError("database.unavailable", "The process is as good as dead.");
  });
  await until("all to be taken up", () => unsaid >= 6);
  await dying.close();
  expect(await db.bulk.get(tenant, id)).toMatchObject({ status: "running", pending: 6, done: 0 });

  const living = rounds((...args) => db.bulk.settle(...args));
  await until("the end", async () => (await db.bulk.get(tenant, id))?.status === "completed");
  await living.close();
  const items = await db.bulk.items(tenant, id, {}, { limit: 10 });
  for (const run of runs) {
    const forks = await db.runs.list(tenant, { forkedFrom: run }, { limit: 10 });
    const item = items?.rows.find(({ runId }) => runId === run);
    expect([forks.rows.map((fork) => fork.id), item?.status]).toEqual([[item?.resultRunId], "done"]);
    expect(item?.attempts).toBeGreaterThan(1);
  }
});

test("A15: When two processes work on one operation, then each run is taken up by one of them", async () => {
  const runs = await failedRuns(30);
  const { id } = await db.bulk.create(tenant, jobOf(), { ids: runs }, 100);
  const retried: string[] = [];
  const retry: Checkpoints["retry"] = async (of, runId) => {
    retried.push(runId);
    return db.runs.insert(of, uuidv7(), request({ forkedFrom: runId }));
  };
  const both = [rounds((...args) => db.bulk.settle(...args), { retry }), rounds((...args) => db.bulk.settle(...args), { retry })];
  await until("the end", async () => (await db.bulk.get(tenant, id))?.status === "completed");
  await Promise.all(both.map((each) => each.close()));
  expect(retried.toSorted()).toEqual(runs.toSorted());
});

test("A15: When a run cannot be dealt with, then its failure is told and the others go on; one that ended meanwhile by our own doing is done", async () => {
  const runs = await failedRuns(3);
  const { id } = await db.bulk.create(tenant, jobOf({ action: "cancel" }), { ids: runs }, 10);
  const asked = new Map<string, number>();
  const command: Runs["command"] = async (of, runId) => {
    asked.set(runId, (asked.get(runId) ?? 0) + 1);
    if (runId === runs[0]) throw new PerdureError("run.closed", "The run is closed.");
    if (runId === runs[1])
      throw asked.get(runId) === 1 ? new PerdureError("temporal.unavailable", "Away.") : new PerdureError("run.closed", "The run is closed.");
    const run = await db.runs.get(of, runId);
    if (!run) throw new Error("no run");
    return { outcome: "applied", run };
  };
  const worker = rounds((...args) => db.bulk.settle(...args), { command });
  await until("the end", async () => (await db.bulk.get(tenant, id))?.status === "completed");
  await worker.close();
  const items = await db.bulk.items(tenant, id, {}, { limit: 10 });
  expect(runs.map((run) => items?.rows.find(({ runId }) => runId === run)).map((item) => [item?.status, item?.error?.code])).toEqual([
    ["failed", "run.closed"],
    ["done", undefined],
    ["done", undefined],
  ]);
  expect((await db.bulk.items(tenant, id, { status: "failed" }, { limit: 10 }))?.total).toBe(1);
});

test("F1 A15: When another tenant asks for an operation, then there is none, and its runs are never among those meant", async () => {
  const [mine] = await failedRuns(1);
  const theirs = await failedRuns(2, other);
  const { id } = await db.bulk.create(other, jobOf({ ratePerMinute: 1 }), { ids: [...theirs, mine as string] }, 10);
  expect((await db.bulk.get(other, id))?.pending).toBe(2);
  expect(await db.bulk.get(tenant, id)).toBeUndefined();
  expect(await db.bulk.items(tenant, id, {}, { limit: 10 })).toBeUndefined();
  expect(await db.bulk.cancel(tenant, id)).toBeUndefined();
  expect((await db.bulk.preview(tenant, { ids: theirs }, 10, 10)).total).toBe(0);
  expect((await db.bulk.list(tenant, { limit: 50 })).rows.map((job) => job.id)).not.toContain(id);
  expect((await db.bulk.cancel(other, id))?.status).toBe("cancelled");
  expect(await db.bulk.claim({ roundMs: 60_000, limit: 10, leaseMs: 1_000 })).toBeUndefined();
});
