import fc from "fast-check";
import postgres from "postgres";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { type TenantId, uuidv7 } from "#core";
import { type AdmissionTerms, type ConcurrencyLimits, type Database, openDatabase } from "#db";
import type { StartRun } from "#runs";
import { createTestDatabase, type TestDatabase } from "#tests/database.ts";

const UNLIMITED: ConcurrencyLimits = { installation: undefined, organization: undefined, waitingMs: 60_000 };

let database: TestDatabase;
let db: Database;
let sql: postgres.Sql;

beforeAll(async () => {
  database = await createTestDatabase();
  db = await openDatabase({ url: database.url, poolSize: 16 });
  sql = postgres(database.url, { max: 4, onnotice: () => {} });
});
afterAll(async () => {
  await sql?.end();
  await db?.close();
  await database?.drop();
});
beforeEach(async () => {
  await sql`truncate run_slots, run_groups, runs, run_events, idempotency_keys`;
});

const organization = async (): Promise<TenantId> =>
  (await db.accounts.register({ email: `${uuidv7()}@example.com`, passwordHash: "h", name: "A", organizationName: "A" })).membership.tenantId;

const request = (more: Partial<StartRun> = {}): StartRun => ({
  workflowId: null,
  workflowName: "W",
  version: null,
  plan: { settings: { execution: "standard", max_parallel: 1 } } as StartRun["plan"],
  inputs: {},
  variables: {},
  entries: [],
  trigger: "api",
  createdBy: null,
  ...more,
});

const terms = (workflowId: string | null, more: Partial<AdmissionTerms> = {}): AdmissionTerms => ({
  groupKey: workflowId ?? "",
  workflowId,
  priority: 3,
  maxRuns: null,
  maxQueued: null,
  holdsWhileWaiting: false,
  isLimited: true,
  organizationMaxQueued: 10_000,
  waitingMs: 60_000,
  request: request({ workflowId }),
  ...more,
});

const enter = async (tenant: TenantId, given: AdmissionTerms) =>
  (await db.runs.insert(tenant, uuidv7(), request({ workflowId: given.workflowId }), given)).run.id;
const admit = async (limits: Partial<ConcurrencyLimits> = {}, atMost = 50, isThorough = false, retryMs = 60_000) =>
  (await db.admission.admit({ ...UNLIMITED, ...limits }, retryMs, atMost, isThorough)).map(({ runId }) => runId);
const end = (tenant: TenantId, id: string) => db.runs.close(tenant, id, { status: "completed", outputs: null, at: new Date() });
const slotOf = async (tenant: TenantId, id: string) => (await db.runs.get(tenant, id))?.slot;

describe("slots", () => {
  test("A11: When no limit concerns a run, then it gets no slot and nothing of it is kept for later", async () => {
    const tenant = await organization();
    const { request: _request, ...unknown } = terms(uuidv7(), { isLimited: false });
    expect(await db.runs.insert(tenant, uuidv7(), request(), unknown)).toMatchObject({ limited: false, created: true, run: { slot: null } });
    expect(await sql`select 1 from run_slots`).toHaveLength(0);
  });

  test("A11: When a workflow has a limit, then so many are admitted, the oldest first, and each end admits the next", async () => {
    const tenant = await organization();
    const own = terms(uuidv7(), { maxRuns: 2, isLimited: false });
    const ids: string[] = [];
    for (let n = 0; n < 5; n++) ids.push(await enter(tenant, own));
    expect(await slotOf(tenant, ids[4] as string)).toEqual({ state: "queued", paused: false, position: 5 });
    expect(await admit()).toEqual(ids.slice(0, 2));
    expect(await admit()).toEqual([]);
    expect(await slotOf(tenant, ids[0] as string)).toEqual({ state: "admitted" });
    expect(await slotOf(tenant, ids[4] as string)).toMatchObject({ position: 3 });
    await db.admission.started(tenant, ids[0] as string);
    expect(await slotOf(tenant, ids[0] as string)).toEqual({ state: "started" });
    await end(tenant, ids[1] as string);
    expect(await admit()).toEqual([ids[2]]);
  });

  test("A11: When twenty admit at the same time while runs come and end, then the limits are never exceeded, and every run is admitted once", async () => {
    const tenants = await Promise.all([organization(), organization()]);
    const workflows = tenants.map(() => [uuidv7(), uuidv7()]);
    const total = 120;
    const admitted: string[] = [];
    const most = { workflow: 0, organization: 0, installation: 0 };
    let entered = 0;
    const limits = { organization: 5, installation: 8 };
    const look = async () => {
      const [found] = await sql<{ w: number; t: number; i: number }[]>`
        with used as (select s.tenant_id, s.group_key, count(*)::int as n from run_slots s join runs r on r.id = s.run_id where s.admitted_at is not null and r.completed_at is null group by 1, 2)
        select coalesce(max(n), 0) as w, coalesce((select max(t.n)::int from (select sum(n) as n from used group by tenant_id) t), 0) as t, coalesce(sum(n), 0)::int as i from used`;
      most.workflow = Math.max(most.workflow, found?.w ?? 0);
      most.organization = Math.max(most.organization, found?.t ?? 0);
      most.installation = Math.max(most.installation, found?.i ?? 0);
    };
    const entering = Promise.all(
      Array.from({ length: 4 }, async () => {
        while (entered < total) {
          const n = entered++;
          const tenant = tenants[n % 2] as TenantId;
          await enter(tenant, terms(workflows[n % 2]?.[n % 3 === 0 ? 0 : 1] as string, { maxRuns: 3 }));
        }
      }),
    );
    await Promise.all([
      entering,
      ...Array.from({ length: 20 }, async () => {
        while (admitted.length < total) {
          const mine = await db.admission.admit({ ...UNLIMITED, ...limits }, 60_000, 3, false);
          admitted.push(...mine.map(({ runId }) => runId));
          await look();
          for (const { tenantId, runId } of mine) await end(tenantId, runId);
        }
      }),
    ]);
    expect(new Set(admitted).size).toBe(total);
    expect(admitted).toHaveLength(total);
    expect(most.workflow).toBe(3);
    expect(most.organization).toBeLessThanOrEqual(5);
    expect(most.installation).toBeLessThanOrEqual(8);
  });

  test("A11: When runs were open before there was a limit, then they count", async () => {
    const tenant = await organization();
    const workflowId = uuidv7();
    const { request: _request, ...free } = terms(workflowId, { isLimited: false });
    const open = (await db.runs.insert(tenant, uuidv7(), request({ workflowId }), free)).run.id;
    const next = await enter(tenant, terms(workflowId, { maxRuns: 1, isLimited: false }));
    expect(await admit()).toEqual([]);
    await end(tenant, open);
    expect(await admit()).toEqual([next]);
  });

  test("A11: When an organization limits itself, then its open runs count, and what it starts is queued; the operator's limit is the most", async () => {
    const tenant = await organization();
    const { request: offered, ...free } = terms(uuidv7(), { isLimited: false });
    const open = (await db.runs.insert(tenant, uuidv7(), request(), free)).run.id;
    await db.admission.setLimit(tenant, 2);
    const ids: string[] = [];
    for (let n = 0; n < 3; n++) {
      const { run, limited } = await db.runs.insert(tenant, uuidv7(), request(), free);
      expect(limited).toBe(true);
      ids.push(run.id);
    }
    expect(await admit(), "nothing has been offered yet").toEqual([]);
    for (const id of ids) await db.admission.offer(tenant, id, offered as StartRun);
    expect(await admit()).toEqual([ids[0]]);
    await end(tenant, open);
    expect(await admit({ organization: 1 }), "the operator's limit is lower").toEqual([]);
    expect(await admit()).toEqual([ids[1]]);
    await db.admission.setLimit(tenant, null);
    expect(await admit()).toEqual([ids[2]]);
    expect(await db.admission.overview(tenant, 60_000)).toMatchObject({ limit: null, running: 3, queued: 0 });
  });

  test("A11: When a run waits, then it keeps its slot for a while, then leaves it to the next, unless its workflow holds it", async () => {
    const tenant = await organization();
    for (const holdsWhileWaiting of [false, true]) {
      const own = terms(uuidv7(), { maxRuns: 1, holdsWhileWaiting });
      const [waiting, next] = [await enter(tenant, own), await enter(tenant, own)];
      expect(await admit()).toEqual([waiting]);
      await sql`update runs set status = 'waiting' where id = ${waiting}`;
      expect(await admit()).toEqual([]);
      await sql`update runs set last_event_at = now() - interval '2 minutes' where id = ${waiting}`;
      expect(await admit()).toEqual(holdsWhileWaiting ? [] : [next]);
    }
  });

  test("A11: When the queue of a workflow or of an organization is full, then a start is refused, nothing is kept, and its key can be used again", async () => {
    const tenant = await organization();
    const own = terms(uuidv7(), { maxRuns: 1, maxQueued: 1 });
    const first = await enter(tenant, own);
    await admit();
    await enter(tenant, own);
    const idempotency = { key: uuidv7(), requestHash: "h" };
    const again = () => db.runs.insert(tenant, uuidv7(), request({ workflowId: own.workflowId, idempotency }), own);
    await expect(again()).rejects.toMatchObject({ code: "rate.limited", retryAfterMs: 5_000 });
    expect(await sql`select 1 from runs`).toHaveLength(2);
    await end(tenant, first);
    await admit();
    expect(await again()).toMatchObject({ created: true, limited: true });
    expect(await again()).toMatchObject({ created: false, limited: true });
    await expect(enter(tenant, terms(uuidv7(), { organizationMaxQueued: 1 }))).rejects.toMatchObject({ code: "rate.limited" });
  });

  test("A11: When twenty start a workflow whose limit is two and whose queue has no room, then two of them run", async () => {
    const tenant = await organization();
    const own = terms(uuidv7(), { maxRuns: 2, maxQueued: 0 });
    const results = await Promise.allSettled(Array.from({ length: 20 }, () => enter(tenant, own)));
    expect(results.filter(({ status }) => status === "fulfilled")).toHaveLength(2);
    expect(await admit()).toHaveLength(2);
  });

  test("A11: When runs share a limit by key, then other keys do not wait for them", async () => {
    const tenant = await organization();
    const workflowId = uuidv7();
    const keyed = (key: string) => terms(workflowId, { groupKey: `${workflowId}:${key}`, maxRuns: 1 });
    const [a1, , b1] = [await enter(tenant, keyed("a")), await enter(tenant, keyed("a")), await enter(tenant, keyed("b"))];
    expect(await admit()).toEqual([a1, b1]);
    const { groups } = await db.admission.overview(tenant, 60_000);
    expect(groups.map(({ key, running, queued, limit }) => ({ key, running, queued, limit }))).toEqual([
      { key: "a", running: 1, queued: 1, limit: 1 },
      { key: "b", running: 1, queued: 0, limit: 1 },
    ]);
  });

  test("A9 A11: When a queued run is cancelled or paused, then it is not started, and a resumed one is", async () => {
    const tenant = await organization();
    const own = terms(uuidv7(), { maxRuns: 1 });
    const [first, cancelled, paused] = [await enter(tenant, own), await enter(tenant, own), await enter(tenant, own)];
    await admit();
    const error = { code: "run.cancelled", message: "m", retryable: false };
    expect(await db.admission.withdraw(tenant, cancelled, { status: "cancelled", error, at: new Date() })).toMatchObject({ status: "cancelled", slot: null });
    expect(await db.admission.setPaused(tenant, paused, true)).toBe(true);
    expect(await db.runs.get(tenant, paused)).toMatchObject({ status: "paused", startedAt: null, slot: { paused: true } });
    expect(await db.admission.withdraw(tenant, first, { status: "cancelled", error, at: new Date() })).toBeUndefined();
    expect(await db.admission.setPaused(tenant, first, true)).toBe(false);
    await end(tenant, first);
    expect(await admit({}, 50, true)).toEqual([]);
    expect(await db.admission.setPaused(tenant, paused, false)).toBe(true);
    expect((await db.runs.get(tenant, paused))?.status).toBe("queued");
    expect(await admit()).toEqual([paused]);
  });

  test("A11: When cancels race with admissions, then each run is either withdrawn or admitted", async () => {
    const tenant = await organization();
    const own = terms(uuidv7());
    const ids: string[] = [];
    for (let n = 0; n < 40; n++) ids.push(await enter(tenant, own));
    const error = { code: "run.cancelled", message: "m", retryable: false };
    const [admitted, withdrawn] = await Promise.all([
      (async () => {
        const all: string[] = [];
        for (let given = [""]; given.length > 0; all.push(...given)) given = await admit({}, 2);
        return all;
      })(),
      Promise.all(
        ids.toReversed().map(async (id) => ((await db.admission.withdraw(tenant, id, { status: "cancelled", error, at: new Date() })) ? id : undefined)),
      ),
    ]);
    const gone = withdrawn.filter((id) => id !== undefined);
    expect([...admitted, ...gone].toSorted()).toEqual(ids.toSorted());
  });

  test("A8 A11: When whoever was to start a run has died, then it is given to another, until somebody notes that it has started", async () => {
    const tenant = await organization();
    const id = await enter(tenant, terms(uuidv7(), { maxRuns: 1 }));
    expect(await admit()).toEqual([id]);
    expect(await admit({}, 50, true)).toEqual([]);
    expect(await admit({}, 50, true, -1)).toEqual([id]);
    await db.admission.started(tenant, id);
    expect(await admit({}, 50, true, -1)).toEqual([]);
    expect((await db.runs.silent(-1, 10)).map((run) => run.id)).toEqual([id]);
  });

  test("A8 A11: When a run is queued, then the sweeper leaves it alone; one that was stored without what starts it is the sweeper's", async () => {
    const tenant = await organization();
    await enter(tenant, terms(uuidv7()));
    const { request: _request, ...bare } = terms(uuidv7());
    const stored = await enter(tenant, bare);
    expect((await db.runs.silent(-1, 10)).map((run) => run.id)).toEqual([stored]);
    expect(await slotOf(tenant, stored)).toBeNull();
    await db.runs.close(tenant, stored, { status: "failed", error: { code: "run.not_started", message: "m", retryable: true }, at: new Date() });
    await db.admission.offer(tenant, stored, request());
    expect(await admit({}, 1)).toHaveLength(1);
    expect(await admit({}, 1)).toEqual([]);
    expect(await sql`select 1 from run_slots where run_id = ${stored}`).toHaveLength(0);
  });

  test("A11: When an admission was lost in a crash of the database though its run has begun, then it counts as admitted and is not started again", async () => {
    const tenant = await organization();
    const own = terms(uuidv7(), { maxRuns: 1 });
    const [begun] = [await enter(tenant, own), await enter(tenant, own)];
    await sql`update runs set status = 'running' where id = ${begun}`;
    expect(await admit({}, 50, true)).toEqual([]);
    expect(await slotOf(tenant, begun)).toEqual({ state: "started" });
  });

  test("F1 A11: When another organization's runs are meant, then nothing is done to them", async () => {
    const [mine, other] = [await organization(), await organization()];
    const id = await enter(mine, terms(uuidv7()));
    const error = { code: "run.cancelled", message: "m", retryable: false };
    expect(await db.admission.withdraw(other, id, { status: "cancelled", error, at: new Date() })).toBeUndefined();
    expect(await db.admission.setPaused(other, id, true)).toBe(false);
    expect(await db.admission.overview(other, 60_000)).toEqual({ limit: null, running: 0, queued: 0, groups: [] });
    expect(await admit()).toEqual([id]);
  });
});

interface Waiting {
  id: string;
  tenant: number;
  workflow: number;
  priority: number;
}

/** Whom the queue serves next, said as simply as can be. */
class Model {
  readonly queue: Waiting[] = [];
  readonly running: Waiting[] = [];
  readonly served: Waiting[] = [];

  next(limits: { workflow: number; organization: number; installation: number }): Waiting | undefined {
    const ofTenant = (tenant: number) => this.running.filter((each) => each.tenant === tenant).length;
    const ofWorkflow = (one: Waiting) => this.running.filter((each) => each.tenant === one.tenant && each.workflow === one.workflow).length;
    const lastOfTenant = (one: Waiting) => this.served.findLastIndex((each) => each.tenant === one.tenant);
    const lastOfWorkflow = (one: Waiting) => this.served.findLastIndex((each) => each.tenant === one.tenant && each.workflow === one.workflow);
    if (this.running.length >= limits.installation) return undefined;
    const able = this.queue.filter((one) => ofTenant(one.tenant) < limits.organization && ofWorkflow(one) < limits.workflow);
    const rank = (one: Waiting) => [ofTenant(one.tenant), lastOfTenant(one), one.priority, ofWorkflow(one), lastOfWorkflow(one), this.queue.indexOf(one)];
    return able.toSorted((a, b) => compare(rank(a), rank(b)))[0];
  }
}

function compare(a: readonly number[], b: readonly number[]): number {
  const at = a.findIndex((value, index) => value !== b[index]);
  return at === -1 ? 0 : (a[at] ?? 0) - (b[at] ?? 0);
}

describe("order", () => {
  test("A11: When any runs come and end in any order, then they are admitted as a simple model says: fair, then by priority, then by age", async () => {
    const step = fc.oneof(
      {
        weight: 3,
        arbitrary: fc.record({ kind: fc.constant("enter" as const), tenant: fc.nat(1), workflow: fc.nat(1), priority: fc.integer({ min: 1, max: 3 }) }),
      },
      { weight: 2, arbitrary: fc.record({ kind: fc.constant("end" as const), which: fc.nat(20) }) },
    );
    const limits = fc.record({
      workflow: fc.integer({ min: 1, max: 3 }),
      organization: fc.integer({ min: 1, max: 4 }),
      installation: fc.integer({ min: 1, max: 5 }),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 25 }), limits, async (steps, limit) => {
        const tenants = [await organization(), await organization()].toSorted();
        const workflows = [0, 1].map(() => [uuidv7(), uuidv7()]);
        const model = new Model();
        for (const each of steps) {
          if (each.kind === "enter") {
            const { tenant, workflow, priority } = each;
            const id = await enter(tenants[tenant] as TenantId, terms(workflows[tenant]?.[workflow] as string, { maxRuns: limit.workflow, priority }));
            model.queue.push({ id, tenant, workflow, priority });
          } else {
            const [ended] = model.running.splice(each.which % Math.max(1, model.running.length), 1);
            if (ended) await end(tenants[ended.tenant] as TenantId, ended.id);
          }
          const expected: string[] = [];
          for (let next = model.next(limit); next !== undefined; next = model.next(limit)) {
            model.queue.splice(model.queue.indexOf(next), 1);
            model.running.push(next);
            model.served.push(next);
            expected.push(next.id);
          }
          expect(await admit(limit)).toEqual(expected);
        }
        await sql`truncate run_slots, run_groups, runs, run_events`;
      }),
      { numRuns: 25 },
    );
  });

  test("A11: When one organization has a thousand queued runs, then another's first run is next but one", async () => {
    const [a, b] = [await organization(), await organization()];
    const flood = terms(uuidv7());
    await Promise.all(
      Array.from({ length: 8 }, async () => {
        for (let n = 0; n < 25; n++) await enter(a, flood);
      }),
    );
    await admit({ installation: 4 });
    const mine = await enter(b, terms(uuidv7()));
    const [oldest] = await sql<{ id: string }[]>`select run_id as id from run_slots where admitted_at is not null and tenant_id = ${a} limit 1`;
    await end(a, oldest?.id as string);
    expect(await admit({ installation: 4 })).toEqual([mine]);
  });
});
