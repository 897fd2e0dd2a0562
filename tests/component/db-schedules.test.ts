import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { PerdureError, type TenantId, tenantId, uuidv7 } from "#core";
import { type Database, openDatabase, type ScheduleDefinition, type TimerSchedule } from "#db";
import type { Run, Runs } from "#runs";
import { createTestDatabase, type TestDatabase } from "#tests/database.ts";
import { EVERY_MINUTE } from "#tests/every-minute.ts";
import { createFirings } from "../../runs/schedules/firing.ts";

const AT = new Date("2026-11-21T18:00:00Z");

let database: TestDatabase;
let db: Database;

beforeAll(async () => {
  database = await createTestDatabase();
  db = await openDatabase({ url: database.url, poolSize: 8 });
});
afterAll(async () => {
  await db?.close();
  await database?.drop();
});

async function organization(): Promise<{ tenant: TenantId; workflow: string }> {
  const { membership } = await db.accounts.register({ email: `${randomUUID()}@example.com`, passwordHash: "h", name: "A", organizationName: "O" });
  const tenant = membership.tenantId;
  const plan = {
    format_version: 1 as const,
    settings: { execution: "standard" as const, max_parallel: 16 },
    entries: { manual: ["start"], triggers: ["start"] },
    steps: [],
    edges: [],
  };
  const fields = { name: "Work", description: "", tags: [], settings: {}, isPublic: false, createdBy: null };
  const { workflow } = await db.workflows.create(tenant, fields, { graph: { nodes: [] }, plan, problems: [], hash: randomUUID(), createdBy: null });
  return { tenant, workflow: workflow.id };
}

async function scheduled(definition: Partial<ScheduleDefinition> = {}, enabled = true) {
  const { tenant, workflow } = await organization();
  const row = { workflowId: workflow, nodeId: null, source: "api" as const, name: "S", inputs: {}, note: "", createdBy: null };
  const schedule = await db.schedules.create(tenant, { ...row, id: uuidv7(), enabled, definition: { ...EVERY_MINUTE, ...definition } }, 10);
  return { tenant, workflow, id: schedule.id };
}

const moment = (scheduleId: string, minute = 0, attempt = 1) => ({
  scheduleId,
  scheduledAt: new Date(AT.getTime() + minute * 60_000),
  attempt,
  isManual: false,
  starter: `s-${minute}`,
});

describe("firings", () => {
  test("C3: When ten workers fire one moment at once, then it is one firing with one number", async () => {
    const { tenant, id } = await scheduled();
    const fired = await Promise.all(Array.from({ length: 10 }, () => db.schedules.fire(tenant, moment(id))));
    expect(new Set(fired.map((each) => each?.firing.firedAt.getTime())).size).toBe(1);
    expect(fired.every((each) => each?.firing.number === 1)).toBe(true);
    expect(await db.schedules.get(tenant, id)).toMatchObject({ firings: 1, executions: 1 });
  });

  test("C3: When many moments race for the last that may fire, then exactly so many do, numbered without gaps; starts by hand do not count", async () => {
    const { tenant, id } = await scheduled({ max_executions: 4 });
    await db.schedules.fire(tenant, { scheduleId: id, scheduledAt: new Date(), attempt: 1, isManual: true });
    const fired = await Promise.all(Array.from({ length: 10 }, (_, minute) => db.schedules.fire(tenant, moment(id, minute))));
    const numbers = fired.flatMap((each) => each?.firing.number ?? []).toSorted((a, b) => a - b);
    expect(numbers).toEqual([2, 3, 4, 5]);
    expect(await db.schedules.get(tenant, id)).toMatchObject({ firings: 5, executions: 4 });
  });

  test("C3: When a schedule is paused, then moments before still fire, later ones only where a backfill asked for them; a deleted one fires no more", async () => {
    const { tenant, id } = await scheduled({}, false);
    const pausedAt = (await db.schedules.get(tenant, id))?.pausedAt as Date;
    const at = (ms: number) => ({ ...moment(id), scheduledAt: new Date(pausedAt.getTime() + ms), starter: `p${ms}` });
    expect(await db.schedules.fire(tenant, at(-1_000))).toBeDefined();
    expect(await db.schedules.fire(tenant, at(1_000))).toBeUndefined();
    await db.schedules.allowBackfill(tenant, id, new Date(pausedAt.getTime() + 2_000));
    expect(await db.schedules.fire(tenant, at(1_000))).toBeDefined();
    expect(await db.schedules.fire(tenant, at(3_000))).toBeUndefined();
    await db.schedules.remove(tenant, id);
    expect(await db.schedules.fire(tenant, at(-2_000))).toBeUndefined();
    expect(await db.schedules.fire(tenant, at(-1_000)), "what had begun is known").toBeDefined();
  });

  test("F1: When another organization names a schedule, then it has none", async () => {
    const { tenant, id } = await scheduled();
    const { tenant: other } = await organization();
    await db.schedules.fire(tenant, moment(id));
    expect(await db.schedules.get(other, id)).toBeUndefined();
    expect(await db.schedules.update(other, id, { name: "Theirs" })).toBeUndefined();
    expect(await db.schedules.remove(other, id)).toBeUndefined();
    expect(await db.schedules.fire(other, moment(id, 1))).toBeUndefined();
    expect(await db.schedules.executions(other, id, {}, { limit: 10 })).toBeUndefined();
    expect((await db.schedules.executions(tenant, id, {}, { limit: 10 }))?.rows).toHaveLength(1);
  });
});

describe("what a worker does with a moment", () => {
  const call = (tenant: string, id: string, takenAt = new Date(), attempt = 1) => ({
    tenant_id: tenant,
    schedule_id: id,
    scheduled_at: AT.toISOString(),
    taken_at: takenAt.toISOString(),
    attempt,
    starter: "s",
  });
  function firingsWith(start: Runs["start"]) {
    const runs = { start, command: () => Promise.reject(new Error("not asked")), reconcile: () => Promise.reject(new Error("not asked")) };
    return createFirings({ db, runs, compile: () => Promise.resolve({ ok: false, problems: [], warnings: [] }) });
  }
  const asked: Parameters<Runs["start"]>[1][] = [];
  let started: ReturnType<typeof firingsWith>;
  beforeAll(() => {
    started = firingsWith(async (_tenant, request) => {
      asked.push(request);
      return { run: { id: uuidv7() } as Run, created: true };
    });
  });

  test("C3: When a worker dies after it made the run, then the next one asks for the run by the same key, and the moment names one", async () => {
    const { tenant, id, workflow } = await scheduled({ retry_on_failure: true, retry_count: 2, retry_delay_seconds: 5 });
    asked.length = 0;
    const dying = firingsWith(async (_tenant, request) => {
      asked.push(request);
      throw new PerdureError("database.unavailable", "gone");
    });
    await expect(dying.fire(call(tenant, id))).rejects.toThrow("gone");
    const fired = await started.fire(call(tenant, id));
    expect(fired).toMatchObject({ outcome: "started", retries: 2, retry_delay_ms: 5_000 });
    expect(await started.fire(call(tenant, id))).toEqual(fired);
    expect(asked).toHaveLength(2);
    expect(asked[1]?.idempotency).toEqual(asked[0]?.idempotency);
    expect(asked[1]).toMatchObject({ trigger: "schedule", workflowId: workflow, createdBy: null, scheduleId: id, startedBy: "s" });
    await started.fire(call(tenant, id, new Date(), 2));
    expect(asked[2]?.idempotency?.key).not.toBe(asked[0]?.idempotency?.key);
    expect((await db.schedules.executions(tenant, id, {}, { limit: 10 }))?.rows.map(({ attempt, number }) => [attempt, number])).toEqual([
      [2, 1],
      [1, 1],
    ]);
  });

  test("C3: When a worker dies after it made the run and no other comes within the catch-up window, then the moment names the run all the same", async () => {
    const { tenant, id } = await scheduled();
    const stored: string[] = [];
    const dying = firingsWith(async (_tenant, request) => {
      const { run } = await db.runs.insert(tenant, uuidv7(), request);
      stored.push(run.id);
      throw new PerdureError("database.unavailable", "gone");
    });
    await expect(dying.fire(call(tenant, id))).rejects.toThrow("gone");
    const next = firingsWith(async (_tenant, request) => db.runs.insert(tenant, uuidv7(), request));
    expect(await next.fire(call(tenant, id, new Date(Date.now() - 61_000)))).toMatchObject({ outcome: "started", run_id: stored[0] });
    expect((await db.schedules.executions(tenant, id, {}, { limit: 10 }))?.rows).toMatchObject([{ outcome: "started", runId: stored[0] }]);
  });

  test("C3: When no worker came within the catch-up window, then the moment is missed, which its execution says, and nothing is started", async () => {
    const { tenant, id } = await scheduled();
    asked.length = 0;
    expect(await started.fire(call(tenant, id, new Date(Date.now() - 61_000)))).toMatchObject({ outcome: "refused" });
    expect(asked).toEqual([]);
    expect((await db.schedules.executions(tenant, id, {}, { limit: 10 }))?.rows).toMatchObject([
      { outcome: "missed", runId: null, error: { code: "run.not_started" } },
    ]);
    expect(await started.fire(call(tenant, id)), "it stays so").toMatchObject({ outcome: "refused" });
  });

  test("C3: When the run is refused for good, then its execution says why; when it may come right, then it is for another attempt", async () => {
    const { tenant, id } = await scheduled();
    const refusing = firingsWith(() => Promise.reject(new PerdureError("request.too_large", "Too much.")));
    expect(await refusing.fire(call(tenant, id))).toEqual({ outcome: "refused", reason: "Too much." });
    expect((await db.schedules.executions(tenant, id, {}, { limit: 10 }))?.rows).toMatchObject([{ outcome: "refused", error: { code: "request.too_large" } }]);
    const { tenant: other, id: full } = await scheduled();
    const busy = firingsWith(() => Promise.reject(new PerdureError("rate.limited", "The queue is full.")));
    await expect(busy.fire(call(other, full))).rejects.toThrow("The queue is full.");
    expect((await db.schedules.executions(other, full, {}, { limit: 10 }))?.rows).toMatchObject([{ outcome: "pending" }]);
  });
});

describe("timers of a workflow", () => {
  const timer = (nodeId: string, definition: Partial<ScheduleDefinition> = {}, enabled = true): TimerSchedule => ({
    nodeId,
    name: nodeId,
    definition: { ...EVERY_MINUTE, ...definition, timer_enabled: enabled },
    inputs: {},
    enabled,
  });

  test("C3: When versions are published, then timers come, change, keep their moments and go; what was changed or paused by hand stays", async () => {
    const { tenant, workflow } = await organization();
    const publish = (...timers: TimerSchedule[]) => db.workflows.publish(tenant, workflow, 1, { timers });
    const now = async () =>
      (await db.schedules.list(tenant, { workflowId: workflow }, { limit: 10 })).rows.toSorted((a, b) => (a.nodeId ?? "").localeCompare(b.nodeId ?? ""));
    await publish(timer("a"), timer("b"), timer("c"));
    const [a, b, c] = await now();
    await publish(timer("a", { offset_seconds: 17 }), timer("b"), timer("c"));
    expect(
      (await now()).map(({ revision, definition }) => [revision, definition.offset_seconds]),
      "the same again changes nothing",
    ).toEqual([
      [1, 0],
      [1, 0],
      [1, 0],
    ]);
    await db.schedules.update(tenant, a?.id ?? "", { enabled: false, note: "at night" });
    await db.schedules.update(tenant, b?.id ?? "", { name: "Mine", source: "api" });
    await publish(timer("a", { interval_seconds: 90 }), timer("b", { interval_seconds: 90 }));
    expect((await now()).map(({ nodeId, name, enabled, definition }) => [nodeId, name, enabled, definition.interval_seconds])).toEqual([
      ["a", "a", false, 90],
      ["b", "Mine", true, 60],
    ]);
    await publish(timer("a", { interval_seconds: 90 }, false));
    await publish(timer("a", { interval_seconds: 90 }, true));
    expect(
      (await now()).map(({ nodeId, enabled }) => [nodeId, enabled]),
      "the node's own switch",
    ).toEqual([
      ["a", true],
      ["b", true],
    ]);
    await publish(timer("a"), timer("c"));
    expect((await now()).find(({ nodeId }) => nodeId === "c")?.id, "one that went comes anew").not.toBe(c?.id);
    await db.workflows.remove(tenant, workflow);
    expect(await now()).toEqual([]);
    expect(
      (await db.schedules.ofWorkflow(tenant, workflow)).every(({ deletedAt, revision, syncedRevision }) => deletedAt !== null && revision !== syncedRevision),
    ).toBe(true);
  });

  test("C3: When two workers look for schedules to compare, then each takes others", async () => {
    const made = await Promise.all([scheduled(), scheduled(), scheduled()]);
    const [one, two] = await Promise.all([db.schedules.due(60_000, 60_000, 500), db.schedules.due(60_000, 60_000, 500)]);
    const taken = [...one, ...two].map(({ id }) => id);
    expect(new Set(taken).size).toBe(taken.length);
    for (const { id, tenant } of made) expect([...one, ...two]).toContainEqual({ id, tenantId: tenantId(tenant) });
    expect(await db.schedules.due(60_000, 60_000, 500)).toEqual([]);
  });
});
