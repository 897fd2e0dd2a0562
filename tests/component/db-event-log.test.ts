import { randomUUID } from "node:crypto";
import postgres from "postgres";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { eventKey, type EventData, type EventKind, type RunEvent, tenantId, type TenantId, uuidv7 } from "#core";
import { type Database, openDatabase } from "#db";
import type { StartRun } from "../../runs/types.ts";
import { createTestDatabase, type TestDatabase } from "#tests/database.ts";

let database: TestDatabase;
let db: Database;
let tenant: TenantId;

beforeAll(async () => {
  database = await createTestDatabase();
  db = await openDatabase({ url: database.url, poolSize: 10 });
  tenant = (await db.accounts.register({ email: "a@example.com", passwordHash: "h", name: "A", organizationName: "A" })).membership.tenantId;
});

afterAll(async () => {
  await db?.close();
  await database?.drop();
});

const request = (more: Partial<StartRun> = {}): StartRun => ({
  workflowId: null,
  workflowName: "w",
  version: null,
  plan: {} as StartRun["plan"],
  inputs: {},
  variables: {},
  entries: [],
  trigger: "api",
  createdBy: null,
  ...more,
});

async function newRun(): Promise<string> {
  return (await db.runs.insert(tenant, uuidv7(), request())).run.id;
}

function fact(
  runId: string,
  kind: EventKind,
  nodeId?: string,
  more: { attempt?: number; data?: EventData; iteration?: string; detail?: string; at?: string } = {},
): { tenantId: string; event: RunEvent } {
  const { attempt, data, iteration = "", detail, at = new Date().toISOString() } = more;
  return {
    tenantId: tenant,
    event: {
      run_id: runId,
      key: eventKey(kind, nodeId, iteration, attempt ?? 0, detail),
      kind,
      at,
      ...(nodeId !== undefined && { node_id: nodeId, iteration }),
      ...(attempt !== undefined && { attempt }),
      ...(data && { data }),
    },
  };
}

const node = async (runId: string, id: string) => (await db.runs.nodes(tenant, runId, { limit: 1_000 })).rows.find(({ node_id }) => node_id === id);

describe("numbers", () => {
  test("When eight appenders write to the same runs at once, then each run's numbers have no gap and nothing is lost", async () => {
    const runIds = await Promise.all([newRun(), newRun(), newRun()]);
    const appended = await Promise.all(
      Array.from({ length: 8 }, async (_, appender) => {
        let count = 0;
        for (let group = 0; group < 10; group++) {
          const order = appender % 2 === 0 ? runIds : runIds.toReversed();
          count += await db.log.append(
            order.flatMap((id) => [0, 1, 2].map((n) => fact(id, "token_delta", "n", { attempt: 1, detail: `${appender}.${group}.${n}`, data: { text: "x" } }))),
          );
        }
        return count;
      }),
    );
    expect(appended.reduce((a, b) => a + b)).toBe(8 * 10 * 9);
    for (const id of runIds) {
      const seqs = (await db.runs.events(tenant, id, 0, 1000)).map(({ seq }) => seq);
      expect(seqs).toEqual(Array.from({ length: 1 + 8 * 10 * 3 }, (_, index) => index + 1));
    }
  });

  test("When the same facts are told again, also twice in one group and by several at once, then they are in the log once", async () => {
    const id = await newRun();
    const facts = [
      fact(id, "run_start"),
      fact(id, "node_start", "a", { attempt: 1 }),
      fact(id, "node_start", "a", { attempt: 1 }),
      fact(id, "node_end", "a", { attempt: 1 }),
    ];
    const counts = await Promise.all(Array.from({ length: 6 }, () => db.log.append(facts)));
    expect(counts.toSorted((a, b) => b - a)).toEqual([3, 0, 0, 0, 0, 0]);
    expect((await db.runs.events(tenant, id, 0, 100)).map(({ seq, kind }) => [seq, kind])).toEqual([
      [1, "run_queued"],
      [2, "run_start"],
      [3, "node_start"],
      [4, "node_end"],
    ]);
  });

  test("When facts name an unknown run, a foreign tenant or a closing kind, then they are passed over and the rest is kept", async () => {
    const id = await newRun();
    const strange = fact(id, "run_start");
    expect(
      await db.log.append([
        fact(randomUUID(), "run_start"),
        { ...strange, tenantId: randomUUID() },
        fact(id, "workflow_complete"),
        fact(id, "error"),
        fact(id, "node_start", "a"),
      ]),
    ).toBe(1);
    expect((await db.runs.get(tenant, id))?.status).toBe("running");
  });

  test("When a value holds NUL or half a surrogate pair, then it is stored with the replacement character instead", async () => {
    const id = await newRun();
    const text = "a\u0000b\ud800c \\u0000 \\\\u0000";
    await db.log.append([
      fact(id, "node_start", "a", { attempt: 1, data: { input: { [text]: text } } }),
      fact(id, "node_end", "a", { attempt: 1, data: { output: text } }),
    ]);
    const kept = "a\ufffdb\ufffdc \\u0000 \\\\u0000";
    expect(await node(id, "a")).toMatchObject({ status: "completed", input: { [kept]: kept }, output: kept });
    const { run } = await db.runs.insert(tenant, uuidv7(), request({ workflowName: "n\u0000", inputs: { text } }));
    expect(run).toMatchObject({ workflowName: "n\ufffd", inputs: { text: kept } });
    const { result } = (await db.receipts.store(tenant, id, "k\u0000", text), await db.receipts.find(tenant, "k\u0000")) ?? {};
    expect(result).toBe(kept);
  });

  test("When a JSON value is a string that looks like JSON, then it comes back as that string", async () => {
    const id = await newRun();
    await db.log.append([
      fact(id, "node_end", "a", { attempt: 1, data: { output: "123" } }),
      fact(id, "node_end", "b", { attempt: 1, data: { output: '{"a":1}' } }),
    ]);
    expect([(await node(id, "a"))?.output, (await node(id, "b"))?.output]).toEqual(["123", '{"a":1}']);
    expect((await db.runs.close(tenant, id, { status: "completed", outputs: "true", at: new Date() })).outputs).toBe("true");
  });

  test("M4: When groups of 500 facts are appended, then thousands of facts a second are stored", async () => {
    const ids = await Promise.all(Array.from({ length: 20 }, newRun));
    const groups = Array.from({ length: 10 }, (_, group) =>
      ids
        .flatMap((id) =>
          Array.from({ length: 13 }, (_n, n) => [
            fact(id, "node_start", `n${group}.${n}`, { attempt: 1, data: { type: "Set", name: "N", input: { a: 1 } } }),
            fact(id, "node_end", `n${group}.${n}`, { attempt: 1, data: { output: { b: 2 } } }),
          ]).flat(),
        )
        .slice(0, 500),
    );
    const began = performance.now();
    for (const group of groups) await db.log.append(group);
    const perSecond = (10 * 500) / ((performance.now() - began) / 1000);
    expect(perSecond).toBeGreaterThan(2_000);
  });
});

test("M4: When plans were made while tables were empty, then facts are stored without reading whole tables once there are many runs and nodes", async () => {
  const young = await createTestDatabase();
  const one = await openDatabase({ url: young.url, poolSize: 1 });
  const admin = postgres(young.url, { max: 1 });
  try {
    const { membership } = await one.accounts.register({ email: "a@example.com", passwordHash: "h", name: "A", organizationName: "A" });
    const begin = async () => (await one.runs.insert(membership.tenantId, uuidv7(), request())).run.id;
    const append = (runId: string, nodeIds: readonly string[]) =>
      one.log.append(
        nodeIds.flatMap((id) =>
          [fact(runId, "node_start", id, { attempt: 1 }), fact(runId, "node_end", id, { attempt: 1, data: { status: "completed" } })].map(({ event }) => ({
            tenantId: membership.tenantId,
            event,
          })),
        ),
      );
    const first = await begin();
    for (let n = 0; n < 10; n++) await append(first, [`early_${n}`]);
    for (let n = 0; n < 400; n++) await begin();
    await append(
      first,
      Array.from({ length: 200 }, (_, n) => `many_${n}`),
    );
    for (let n = 0; n < 100; n++) await append(first, [`late_${n}`]);
    await one.close();
    const readOf = async () => {
      const [tables] = await admin<{ stored: number; read: number }[]>`
        select sum(n_tup_ins) filter (where relname = 'run_events')::integer as stored, sum(seq_tup_read) filter (where relname in ('runs', 'node_executions'))::integer as read
        from pg_stat_user_tables`;
      const [indexes] = await admin<
        { read: number }[]
      >`select sum(idx_tup_read)::integer as read from pg_stat_user_indexes where relname = 'runs' and indexrelname <> 'runs_pkey'`;
      return { stored: tables?.stored ?? 0, read: (tables?.read ?? 0) + (indexes?.read ?? 0) };
    };
    await expect.poll(async () => (await readOf()).stored, { timeout: 20_000 }).toBeGreaterThanOrEqual(620);
    // A whole table or index for each group would be 40,000 rows at least, for each fact 160,000.
    expect((await readOf()).read).toBeLessThan(10_000);
  } finally {
    await one.close();
    await admin.end();
    await young.drop();
  }
});

describe("projections", () => {
  test("When a node starts, is retried and ends, then its row follows", async () => {
    const id = await newRun();
    const error = { code: "network.timed_out", message: "late", retryable: true };
    await db.log.append([
      fact(id, "node_start", "a", { attempt: 1, at: "2026-01-01T00:00:00.000Z", data: { type: "HttpRequest", name: "Call", input: { x: 1 } } }),
    ]);
    expect(await node(id, "a")).toMatchObject({
      status: "running",
      attempt: 1,
      type: "HttpRequest",
      name: "Call",
      input: { x: 1 },
      started_at: "2026-01-01T00:00:00.000Z",
      completed_at: null,
    });
    await db.log.append([fact(id, "node_retry", "a", { attempt: 1, data: { error } })]);
    expect(await node(id, "a")).toMatchObject({ status: "retrying", attempt: 1, error });
    await db.log.append([fact(id, "node_start", "a", { attempt: 2, at: "2026-01-01T00:00:01.000Z" })]);
    expect(await node(id, "a")).toMatchObject({ status: "running", attempt: 2 });
    await db.log.append([fact(id, "node_end", "a", { attempt: 2, at: "2026-01-01T00:00:02.500Z", data: { output: { y: 2 }, route: "true" } })]);
    expect(await node(id, "a")).toMatchObject({
      status: "completed",
      attempt: 2,
      output: { y: 2 },
      route: "true",
      error: null,
      duration_ms: 2500,
      completed_at: "2026-01-01T00:00:02.500Z",
    });
    expect((await db.runs.get(tenant, id))?.status).toBe("running");
  });

  test("When a whole life comes in one group, in any order of attempts, then the row is the same", async () => {
    const id = await newRun();
    await db.log.append([
      fact(id, "node_start", "a", { attempt: 1, data: { type: "T", name: "N" } }),
      fact(id, "node_start", "a", { attempt: 2 }),
      fact(id, "node_retry", "a", { attempt: 1, data: { error: { code: "internal", message: "m", retryable: true } } }),
      fact(id, "node_end", "b", { data: { status: "skipped", type: "T", name: "B" } }),
      fact(id, "node_start", "c", { attempt: 1 }),
      fact(id, "node_error", "c", { attempt: 1, data: { error: { code: "internal", message: "m", retryable: false } } }),
    ]);
    expect(await node(id, "a")).toMatchObject({ status: "running", attempt: 2 });
    expect(await node(id, "b")).toMatchObject({ status: "skipped", attempt: 0, started_at: null, name: "B" });
    expect(await node(id, "c")).toMatchObject({ status: "failed", error: { code: "internal" } });
  });

  test("When a fact comes late, then a settled row stays settled and only learns what it did not know", async () => {
    const id = await newRun();
    await db.log.append([fact(id, "node_end", "a", { attempt: 1, data: { output: 1 } })]);
    await db.log.append([
      fact(id, "node_start", "a", { attempt: 1, at: "2026-01-01T00:00:00.000Z", data: { type: "Set", name: "A", input: 7 } }),
      fact(id, "waiting", "a", { attempt: 1, data: { wait: "timer" } }),
      fact(id, "node_error", "a", { attempt: 2 }),
    ]);
    expect(await node(id, "a")).toMatchObject({
      status: "completed",
      output: 1,
      error: null,
      type: "Set",
      name: "A",
      input: 7,
      started_at: "2026-01-01T00:00:00.000Z",
    });
    await db.log.append([fact(id, "node_start", "b", { attempt: 2 }), fact(id, "node_start", "b2", { attempt: 2 })]);
    await db.log.append([
      fact(id, "node_retry", "b", { attempt: 1, data: { error: { code: "internal", message: "m", retryable: true } } }),
      fact(id, "node_error", "b2", { attempt: 1 }),
    ]);
    expect([(await node(id, "b"))?.status, (await node(id, "b2"))?.status]).toEqual(["running", "running"]);
  });

  test("A4: When an earlier attempt made the result that stands, then the row is completed though a later attempt had begun", async () => {
    const id = await newRun();
    await db.log.append([fact(id, "node_start", "a", { attempt: 1 }), fact(id, "node_start", "a", { attempt: 2 })]);
    await db.log.append([fact(id, "node_end", "a", { attempt: 1, data: { status: "completed", output: 1 } })]);
    expect(await node(id, "a")).toMatchObject({ status: "completed", output: 1, attempt: 2 });
  });

  test("A9: When the workflow ends a node between two attempts, then its row ends, whatever attempt the fact names", async () => {
    const id = await newRun();
    const end = (kind: EventKind, name: string, data: EventData) => ({
      tenantId: tenant,
      event: { ...fact(id, kind, name, { attempt: 1, data }).event, key: eventKey(kind, name, "", 0) },
    });
    await db.log.append(["a", "b"].map((name) => fact(id, "node_retry", name, { attempt: 3 })));
    await db.log.append([
      end("node_error", "a", { error: { code: "internal", message: "m", retryable: false } }),
      end("node_end", "b", { status: "cancelled" }),
    ]);
    expect([(await node(id, "a"))?.status, (await node(id, "b"))?.status]).toEqual(["failed", "cancelled"]);
  });

  test("A9: When the fact that a node waits comes before its start, in one group or in two, then it waits all the same", async () => {
    const id = await newRun();
    const waiting = (name: string) => fact(id, "waiting", name, { attempt: 1, data: { wait: "approval", prompt: "?" } });
    const start = (name: string) => fact(id, "node_start", name, { attempt: 1, data: { input: 1 } });
    await db.log.append([waiting("a"), start("a"), waiting("b")]);
    await db.log.append([start("b")]);
    expect((await db.runs.get(tenant, id))?.waitingFor.map(({ node_id, kind }) => [node_id, kind])).toEqual([
      ["a", "approval"],
      ["b", "approval"],
    ]);
    expect([await node(id, "a"), await node(id, "b")]).toMatchObject([
      { status: "waiting", input: 1 },
      { status: "waiting", input: 1 },
    ]);
    await db.log.append([fact(id, "resumed", "a", { attempt: 1 }), fact(id, "node_start", "b", { attempt: 2 })]);
    expect([(await node(id, "a"))?.status, (await node(id, "b"))?.status]).toEqual(["running", "running"]);
  });

  test("A9: When the fact that a node waits comes after its end, then no approval is open for it", async () => {
    const id = await newRun();
    const waiting = (name: string) => fact(id, "waiting", name, { attempt: 1, data: { wait: "approval", prompt: "?" } });
    await db.log.append([fact(id, "node_end", "late", { attempt: 1, data: { status: "completed", route: "timeout" } })]);
    await db.log.append([waiting("late")]);
    expect(await db.approvals.forNode(tenant, id, "late", "")).toMatchObject({ status: "expired" });
    const answer = { decision: "approved", by: "me", at: "2026-01-01T00:00:00.000Z" };
    await db.log.append([waiting("whole"), fact(id, "resumed", "whole", { attempt: 1, data: { answer } }), fact(id, "node_end", "whole", { attempt: 1 })]);
    expect(await db.approvals.forNode(tenant, id, "whole", "")).toMatchObject({ status: "answered", answeredBy: "me" });
  });

  test("A9: When a node waits for a person, then an approval is open, the run says what it waits for, and an answer closes it", async () => {
    const id = await newRun();
    await db.log.append([
      fact(id, "run_start"),
      fact(id, "node_start", "ask", { attempt: 1, data: { type: "HumanApproval", name: "Ask" } }),
      fact(id, "waiting", "ask", {
        attempt: 1,
        data: {
          wait: "approval",
          prompt: "Go?",
          data: { n: 1 },
          schema: { type: "object" },
          assignees: ["me@example.com"],
          expires_at: "2030-01-01T00:00:00.000Z",
        },
      }),
      fact(id, "waiting"),
    ]);
    const approval = await db.approvals.forNode(tenant, id, "ask", "");
    expect(approval).toMatchObject({
      kind: "approval",
      status: "pending",
      prompt: "Go?",
      data: { n: 1 },
      schema: { type: "object" },
      assignees: ["me@example.com"],
      expiresAt: new Date("2030-01-01T00:00:00.000Z"),
    });
    expect(await db.runs.get(tenant, id)).toMatchObject({
      status: "waiting",
      waitingFor: [{ kind: "approval", node_id: "ask", iteration: "", approval_id: approval?.id, expires_at: "2030-01-01T00:00:00.000Z" }],
    });
    const answer = { decision: "approved", by: "me", at: "2026-01-01T00:00:00.000Z", comment: "ok", data: { a: 1 } };
    await db.log.append([
      fact(id, "resumed", "ask", { attempt: 1, data: { route: "approved", answer } }),
      fact(id, "node_end", "ask", { attempt: 1, data: { route: "approved" } }),
      fact(id, "resumed"),
    ]);
    expect(await db.approvals.get(tenant, approval?.id ?? "")).toMatchObject({
      status: "answered",
      decision: "approved",
      answer: { a: 1 },
      comment: "ok",
      answeredBy: "me",
    });
    expect(await db.runs.get(tenant, id)).toMatchObject({ status: "running", waitingFor: [] });
    expect(await node(id, "ask")).toMatchObject({ status: "completed", route: "approved" });
  });

  test("When a wait opens and times out in one group, then its approval is expired", async () => {
    const id = await newRun();
    await db.log.append([
      fact(id, "waiting", "ask", { attempt: 1, data: { wait: "input", prompt: "?" } }),
      fact(id, "resumed", "ask", { attempt: 1, data: { route: "timeout" } }),
    ]);
    expect(await db.approvals.forNode(tenant, id, "ask", "")).toMatchObject({ status: "expired", kind: "input" });
    expect((await node(id, "ask"))?.status).toBe("running");
  });
});

describe("the end", () => {
  test("When a run is closed, then it is closed once, with its closing event last and nothing left open", async () => {
    const id = await newRun();
    await db.log.append([fact(id, "node_start", "a", { attempt: 1 }), fact(id, "waiting", "ask", { attempt: 1, data: { wait: "approval", prompt: "?" } })]);
    const error = { code: "run.cancelled", message: "no", retryable: false };
    const closes = await Promise.all(
      ["cancelled", "failed", "cancelled"].map((status) => db.runs.close(tenant, id, { status: status as "failed", error, at: new Date() })),
    );
    expect(new Set(closes.map(({ status }) => status)).size).toBe(1);
    const events = await db.runs.events(tenant, id, 0, 100);
    expect(events.map(({ seq }) => seq)).toEqual(events.map((_, index) => index + 1));
    expect(events.at(-1)).toMatchObject({ kind: "error", data: { error } });
    expect(events.filter(({ kind }) => kind === "error")).toHaveLength(1);
    expect((await db.runs.nodes(tenant, id, { limit: 1_000 })).rows.map(({ status }) => status)).toEqual(["cancelled", "cancelled"]);
    expect((await db.approvals.forNode(tenant, id, "ask", ""))?.status).toBe("cancelled");
    expect(await db.log.append([fact(id, "node_start", "late", { attempt: 1 })])).toBe(0);
    expect((await db.runs.events(tenant, id, 0, 100)).length).toBe(events.length);
  });

  test("When the node rows are not as many as there must be, then the run stays open until they are", async () => {
    const id = await newRun();
    const end = { status: "completed" as const, outputs: { a: 1 }, at: new Date() };
    expect(await db.runs.closeIfComplete(tenant, id, end, { completed: 1 })).toMatchObject({ closed: false, run: { status: "queued" } });
    await db.log.append([fact(id, "node_end", "a", { attempt: 1 })]);
    expect(await db.runs.closeIfComplete(tenant, id, end, { completed: 1, failed: 0 })).toMatchObject({
      closed: true,
      run: { status: "completed", outputs: { a: 1 } },
    });
    expect(await db.runs.closeIfComplete(tenant, id, end, { completed: 9 })).toMatchObject({ closed: true });
  });

  test("When rows are missing or differ from the snapshot, then repair corrects them and the log gets the facts; twice changes nothing", async () => {
    const id = await newRun();
    await db.log.append([
      fact(id, "node_end", "wrong", { attempt: 1, data: { output: 1 } }),
      fact(id, "node_start", "open", { attempt: 2 }),
      fact(id, "node_end", "same", { attempt: 1, data: { output: 5 } }),
    ]);
    const at = "2026-01-01T00:00:00.000Z";
    const shared = { iteration: "", type: "T", started_at: at, completed_at: at };
    const snapshot = [
      { ...shared, node_id: "wrong", name: "Wrong", status: "completed" as const, output: 2 },
      { ...shared, node_id: "open", name: "Open", status: "failed" as const, error: { code: "internal", message: "m", retryable: false } },
      { ...shared, node_id: "missing", name: "Missing", status: "skipped" as const },
      { ...shared, node_id: "same", name: "Same", status: "completed" as const },
      { ...shared, node_id: "future", name: "F", status: "pending" as const },
    ];
    await db.runs.repair(tenant, id, snapshot);
    expect(
      Object.fromEntries((await db.runs.nodes(tenant, id, { limit: 1_000 })).rows.map(({ node_id, status, output }) => [node_id, [status, output]])),
    ).toEqual({
      wrong: ["completed", 2],
      open: ["failed", null],
      missing: ["skipped", null],
      same: ["completed", 5],
    });
    const events = await db.runs.events(tenant, id, 4, 100);
    expect(events.map(({ kind, node_id }) => [kind, node_id])).toEqual([
      ["node_start", "wrong"],
      ["node_end", "wrong"],
      ["node_error", "open"],
      ["node_end", "missing"],
    ]);
    await db.runs.repair(tenant, id, snapshot);
    expect(await db.runs.events(tenant, id, 4, 100)).toEqual(events);
    await db.log.append([fact(id, "node_start", "more", { attempt: 1 })]);
    expect((await db.runs.events(tenant, id, 8, 100)).map(({ seq }) => seq)).toEqual([9]);
  });

  test("A10: When the log has told of an end that Temporal never had, then what corrects it says so, in rows and log alike", async () => {
    const id = await newRun();
    const cancelled = { type: "T", name: "N", iteration: "", node_id: "lost", status: "cancelled" as const };
    await db.log.append([fact(id, "node_end", "lost", { attempt: 1, data: { status: "completed", output: { paid: true } } })]);
    await db.runs.repair(tenant, id, [cancelled]);
    expect(await node(id, "lost")).toMatchObject({ status: "cancelled", output: null });
    expect((await db.runs.events(tenant, id, 2, 100)).map(({ kind, data }) => [kind, data])).toEqual([
      ["node_end", { type: "T", name: "N", status: "cancelled", corrects: true }],
    ]);
    await db.runs.repair(tenant, id, [{ ...cancelled, status: "completed", output: { paid: true } }]);
    expect(await node(id, "lost")).toMatchObject({ status: "completed", output: { paid: true } });
    expect((await db.runs.events(tenant, id, 3, 100)).map(({ kind, data }) => [kind, data])).toEqual([
      ["node_start", { type: "T", name: "N" }],
      ["node_end", { type: "T", name: "N", status: "completed", corrects: true, output: { paid: true } }],
    ]);
  });

  test("A10: When a worker that died has told only of an end that never was, then the start comes before the end that was, and its own late start is no other fact", async () => {
    const id = await newRun();
    const at = "2026-01-01T00:00:00.000Z";
    const told = { iteration: "0", data: { type: "T", name: "N" } };
    await db.log.append([fact(id, "node_end", "lost", { ...told, attempt: 0, data: { ...told.data, status: "skipped" } })]);
    await db.runs.repair(tenant, id, [
      { type: "T", name: "N", iteration: "0", node_id: "lost", status: "completed", output: 1, started_at: at, completed_at: "2026-01-01T00:00:01.000Z" },
    ]);
    await db.log.append([fact(id, "node_start", "lost", { ...told, attempt: 1 })]);
    expect((await db.runs.events(tenant, id, 2, 100)).map(({ kind, at: when, data }) => [kind, when, data?.corrects])).toEqual([
      ["node_start", at, undefined],
      ["node_end", "2026-01-01T00:00:01.000Z", true],
    ]);
    expect(await node(id, "lost")).toMatchObject({ status: "completed", output: 1, started_at: at, duration_ms: 1000 });
  });

  test("G4: When repair tells of a node that the log has missed, then its start comes before its end, and its own late start is no other fact", async () => {
    const id = await newRun();
    const at = "2026-01-01T00:00:00.000Z";
    const shared = { iteration: "2", type: "T", name: "N", started_at: at };
    await db.runs.repair(tenant, id, [
      { ...shared, node_id: "done", status: "completed", output: 1, completed_at: "2026-01-01T00:00:01.000Z" },
      { ...shared, node_id: "busy", status: "running" },
    ]);
    await db.log.append([fact(id, "node_start", "done", { attempt: 1, iteration: "2" }), fact(id, "node_start", "busy", { attempt: 1, iteration: "2" })]);
    expect((await db.runs.events(tenant, id, 1, 100)).map(({ kind, node_id, at: when }) => [kind, node_id, when])).toEqual([
      ["node_start", "done", at],
      ["node_end", "done", "2026-01-01T00:00:01.000Z"],
      ["node_start", "busy", at],
    ]);
    expect(await node(id, "done")).toMatchObject({ status: "completed", output: 1, duration_ms: 1000 });
  });
});

describe("starting", () => {
  test("A8: When twenty requests race with one idempotency key, then one run exists and all get it; another body is refused", async () => {
    const idempotency = { key: randomUUID(), requestHash: "h" };
    const results = await Promise.all(Array.from({ length: 20 }, () => db.runs.insert(tenant, uuidv7(), request({ idempotency }))));
    expect(new Set(results.map(({ run }) => run.id)).size).toBe(1);
    expect(results.filter(({ created }) => created)).toHaveLength(1);
    await expect(db.runs.insert(tenant, uuidv7(), request({ idempotency: { ...idempotency, requestHash: "other" } }))).rejects.toMatchObject({
      code: "idempotency.mismatch",
    });
  });

  test("A8: When Temporal never took the run that a key names, then the key begins a new one, once; a run that was refused keeps its key", async () => {
    const idempotency = { key: randomUUID(), requestHash: "h" };
    const notStarted = (retryable: boolean) => ({ status: "failed" as const, error: { code: "run.not_started", message: "m", retryable }, at: new Date() });
    const first = (await db.runs.insert(tenant, uuidv7(), request({ idempotency }))).run.id;
    await db.runs.close(tenant, first, notStarted(true));
    const again = await Promise.all(Array.from({ length: 10 }, () => db.runs.insert(tenant, uuidv7(), request({ idempotency }))));
    expect(again.filter(({ created }) => created)).toHaveLength(1);
    const [second, ...others] = [...new Set(again.map(({ run }) => run.id))];
    expect(others).toEqual([]);
    expect(second).not.toBe(first);
    await db.runs.close(tenant, second as string, notStarted(false));
    expect(await db.runs.insert(tenant, uuidv7(), request({ idempotency }))).toMatchObject({ created: false, run: { id: second } });
    await expect(db.runs.insert(tenant, uuidv7(), request({ idempotency: { ...idempotency, requestHash: "other" } }))).rejects.toMatchObject({
      code: "idempotency.mismatch",
    });
  });

  test("When runs are listed, then pages follow each other without a row twice or left out, newest first", async () => {
    const workflowId = uuidv7();
    const ids: string[] = [];
    for (let n = 0; n < 7; n++) ids.push((await db.runs.insert(tenant, uuidv7(), request({ workflowId }))).run.id);
    const seen: string[] = [];
    let cursor: string | undefined;
    do {
      const page = await db.runs.list(tenant, { workflowId }, { limit: 3, ...(cursor !== undefined && { cursor }) });
      expect(page.total).toBe(7);
      seen.push(...page.rows.map(({ id }) => id));
      cursor = page.nextCursor;
    } while (cursor);
    expect(seen).toEqual(ids.toReversed());
    await expect(db.runs.list(tenant, {}, { limit: 3, cursor: "rubbish" })).rejects.toMatchObject({ code: "request.malformed" });
  });

  test("When a run is silent, then one sweeper gets it, and again only later", async () => {
    const id = await newRun();
    await new Promise((resolve) => setTimeout(resolve, 30));
    const taken = await Promise.all([1, 2, 3].map(() => db.runs.silent(20, 1000)));
    expect(taken.flat().filter((run) => run.id === id)).toEqual([expect.objectContaining({ tenantId: tenant, status: "queued", started: false })]);
    expect(await db.runs.silent(60_000, 1000)).toEqual([]);
  });
});

describe("commands and receipts", () => {
  test("A9: When twenty answers to one wait race, then one is stored; after a refusal another may come", async () => {
    const runId = await newRun();
    const insert = (id = uuidv7()) =>
      db.commands.insert(tenant, { id, runId, command: { kind: "answer" }, by: "me", at: new Date(), exclusiveKey: `${runId}:a:` }).then(() => id);
    const results = await Promise.allSettled(Array.from({ length: 20 }, () => insert()));
    const stored = results.flatMap((result) => (result.status === "fulfilled" ? [result.value] : []));
    expect(stored).toHaveLength(1);
    for (const result of results) if (result.status === "rejected") expect(result.reason).toMatchObject({ code: "approval.answered" });
    await db.commands.settle(tenant, stored[0] ?? "", "refused", null);
    await insert();
  });

  test("When relays look at once, then each open command goes to one of them", async () => {
    const runId = await newRun();
    const id = uuidv7();
    await db.commands.insert(tenant, { id, runId, command: { kind: "pause" }, by: "me", at: new Date(Date.now() - 60_000) });
    const taken = (await Promise.all([1, 2, 3, 4].map(() => db.commands.open(30_000, 100)))).flat();
    expect(taken.filter((row) => row.id === id)).toEqual([
      expect.objectContaining({ tenantId: tenant, runId, command: { kind: "pause" }, by: "me", status: "open" }),
    ]);
  });

  test("A4: When two attempts store a receipt, then the first stands; failures count once for each attempt", async () => {
    const runId = await newRun();
    const results = await Promise.all([1, 2, 3].map((n) => db.receipts.store(tenant, runId, "k", { n })));
    expect(new Set(results.map((result) => JSON.stringify(result))).size).toBe(1);
    expect(await db.receipts.find(tenant, "k")).toMatchObject({ failedAttempts: [] });
    expect(await db.receipts.countFailure(tenant, runId, "f", 1, 0)).toBe(1);
    expect(await db.receipts.countFailure(tenant, runId, "f", 1, 0)).toBe(1);
    expect(await db.receipts.countFailure(tenant, runId, "f", 3, 0)).toBe(2);
    expect(await db.receipts.countFailure(tenant, runId, "f", 1_001, 1_000)).toBe(1);
    expect(await db.receipts.find(tenant, "f")).toEqual({ result: undefined, failure: undefined, failedAttempts: [1, 3, 1_001] });
    expect(await db.receipts.store(tenant, runId, "f", null)).toBeNull();
    expect(await db.receipts.find(tenant, "f")).toEqual({ result: null, failure: undefined, failedAttempts: [1, 3, 1_001] });
    expect(await db.receipts.find(tenant, "none")).toBeUndefined();
  });

  test("A4: When a node's end names a receipt, then what it gave is the receipt, of a closed run too; the first stands, and another tenant's run has none", async () => {
    const [runId, closed] = await Promise.all([newRun(), newRun()]);
    await db.runs.close(tenant, closed, { status: "cancelled", at: new Date() });
    const ended = (id: string, data: EventData, nodeId = "n", attempt = 2) => fact(id, "node_end", nodeId, { attempt, data: { duration_ms: 7, ...data } });
    const foreign = (await db.accounts.register({ email: "f@example.com", passwordHash: "h", name: "F", organizationName: "F" })).membership.tenantId;
    await db.log.append([
      { ...ended(runId, { output: { a: [1] }, route: "yes" }), receiptKey: `${runId}:n:` },
      { ...ended(runId, { output: null }, "o"), receiptKey: `${runId}:o:` },
      { ...ended(closed, { output: "late" }), receiptKey: `${closed}:n:` },
      { ...ended(runId, { output: "theirs" }, "p"), tenantId: foreign, receiptKey: "theirs" },
      ended(runId, { output: "without" }, "q"),
    ]);
    await db.log.append([{ ...ended(runId, { output: "again" }, "n", 3), receiptKey: `${runId}:n:` }]);
    const result = async (key: string, of = tenant) => (await db.receipts.find(of, key))?.result;
    expect(await result(`${runId}:n:`)).toEqual({ value: { a: [1] }, route: "yes", attempt: 2, duration_ms: 7 });
    expect(await result(`${runId}:o:`)).toEqual({ value: null, attempt: 2, duration_ms: 7 });
    expect(await result(`${closed}:n:`)).toEqual({ value: "late", attempt: 2, duration_ms: 7 });
    expect([await result("theirs"), await result("theirs", foreign), await result(`${runId}:q:`)]).toEqual([undefined, undefined, undefined]);
    await db.receipts.countFailure(tenant, runId, `${runId}:r:`, 1, 0);
    await db.log.append([{ ...ended(runId, { output: 1 }, "r"), receiptKey: `${runId}:r:` }]);
    expect(await db.receipts.find(tenant, `${runId}:r:`)).toMatchObject({ result: { value: 1 }, failedAttempts: [1] });
  });

  test("A5: When a result is cached, then its tenant finds it until it expires, and expired ones are taken away", async () => {
    await db.nodeCache.store(tenant, "kept", { value: 1 }, 60_000);
    await db.nodeCache.store(tenant, "kept", { value: 2 }, 60_000);
    await db.nodeCache.store(tenant, "gone", { value: 3 }, -1);
    expect(await db.nodeCache.find(tenant, "kept")).toEqual({ value: 2 });
    expect(await db.nodeCache.find(tenant, "gone")).toBeUndefined();
    expect(await db.nodeCache.find(tenantId(uuidv7()), "kept")).toBeUndefined();
    expect(await db.nodeCache.prune(100)).toBeGreaterThanOrEqual(1);
    expect(await db.nodeCache.prune(100)).toBe(0);
  });
});

describe("what one answer holds", () => {
  const large = { output: "x".repeat(1_000) };
  let narrow: Database;
  beforeAll(async () => (narrow = await openDatabase({ url: database.url, poolSize: 2, pageMaxBytes: 2_500 })));
  afterAll(() => narrow.close());

  test("F4: When events hold more than may be held at once, then the page ends early and says that there are more", async () => {
    const id = await newRun();
    await db.log.append([1, 2, 3, 4].map((n) => fact(id, "node_end", `n${n}`, { attempt: 1, data: n === 4 ? { output: "y".repeat(9_000) } : large })));
    const seen: number[][] = [];
    for (let after = 0, hasMore = true; hasMore; after = seen.at(-1)?.at(-1) ?? 0) {
      const page = await narrow.runs.eventPage(tenant, id, after, 100);
      seen.push(page.events.map(({ seq }) => seq));
      hasMore = page.hasMore;
    }
    expect(seen).toEqual([[1, 2, 3], [4], [5]]);
    expect(await narrow.runs.eventPage(tenant, id, 5, 100)).toEqual({ events: [], hasMore: false });
    expect(await narrow.runs.eventPage(tenant, id, 0, 2)).toMatchObject({ events: [{ seq: 1 }, { seq: 2 }], hasMore: true });
    expect((await narrow.runs.eventPage(tenant, id, 0, 100)).events).toEqual(await db.runs.events(tenant, id, 0, 3));
  });

  test("F4: When rows of nodes hold more than may be held at once, then every row comes once, in order, over several pages", async () => {
    const id = await newRun();
    await db.log.append(
      [5, 4, 3, 2, 1].map((n) => fact(id, "node_end", `n${n}`, { attempt: 1, iteration: String(n), data: n === 2 ? { output: "y".repeat(9_000) } : large })),
    );
    const pages: string[][] = [];
    let cursor: string | undefined;
    do {
      const page = await narrow.runs.nodes(tenant, id, { limit: 100, ...(cursor !== undefined && { cursor }) });
      pages.push(page.rows.map(({ node_id }) => node_id));
      expect(page.total).toBe(5);
      cursor = page.nextCursor;
    } while (cursor !== undefined);
    expect(pages).toEqual([["n5", "n4"], ["n3"], ["n2"], ["n1"]]);
    await expect(narrow.runs.nodes(tenant, id, { limit: 1, cursor: "W10" })).rejects.toMatchObject({ code: "request.malformed" });
  });

  test("F4: When runs hold more than may be held at once, then they come over several pages", async () => {
    const workflowId = uuidv7();
    for (let n = 0; n < 3; n++) await db.runs.insert(tenant, uuidv7(), request({ workflowId, inputs: { text: "x".repeat(2_000) } }));
    const first = await narrow.runs.list(tenant, { workflowId }, { limit: 10 });
    const second = await narrow.runs.list(tenant, { workflowId }, { limit: 10, cursor: first.nextCursor ?? "" });
    expect([first.rows.length, second.rows.length, first.total, first.rows[0]?.id === second.rows[0]?.id]).toEqual([1, 1, 3, false]);
  });

  test("A9: When one asks for what is theirs to answer, then assignees count in any case and with blanks, and so does what is for everybody", async () => {
    const id = await newRun();
    const me = uuidv7();
    const written: Record<string, string[]> = { a: ["boss@example.com", " Me@Example.COM\t"], b: [me.toUpperCase()], c: ["not-me@example.com"], d: [] };
    await db.log.append(Object.entries(written).map(([name, assignees]) => fact(id, "waiting", name, { data: { wait: "approval", prompt: "?", assignees } })));
    const { rows } = await db.approvals.list(tenant, { assignee: [me, "me@example.com"] }, { limit: 500 });
    expect(
      rows
        .filter(({ runId }) => runId === id)
        .map(({ nodeId }) => nodeId)
        .toSorted(),
    ).toEqual(["a", "b", "d"]);
    const ofRun = async (runId: string) => (await db.approvals.list(tenant, { runId }, { limit: 500 })).rows.map(({ nodeId }) => nodeId).toSorted();
    expect([await ofRun(id), await ofRun(await newRun())]).toEqual([["a", "b", "c", "d"], []]);
  });
});
