import { randomBytes } from "node:crypto";
import { fileURLToPath } from "node:url";
import { bundleWorkflowCode, DefaultLogger, NativeConnection, Runtime, Worker, type WorkflowBundleWithSourceMap } from "@temporalio/worker";
import { Client, Connection } from "@temporalio/client";
import { pino } from "pino";
import postgres from "postgres";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, inject, test } from "vitest";
import { eventKey, type JsonObject, PerdureError, type RunEvent, type TenantId, uuidv7 } from "#core";
import { type Database, openDatabase } from "#db";
import { createPayloads, failureConverterPath, type Payloads } from "#payloads";
import { readEnv } from "#platform";
import { connectTemporal, createRelay, createRuns, createSweeper, ensureNamespace, type RunsService, type StartRun } from "#runs";
import { temporalWorkflowId } from "#workflows/messages";
import { createTestDatabase, type TestDatabase } from "#tests/database.ts";
import { EVERY_MINUTE } from "#tests/every-minute.ts";
import { testPayloadKeys } from "#tests/payloads.ts";
import { until } from "#tests/until.ts";

const logger = pino({ level: "silent" });
let database: TestDatabase;
let db: Database;
let tenant: TenantId;
const PAYLOAD_KEYS = testPayloadKeys();
let payloads: Payloads;
let temporal: Awaited<ReturnType<typeof connectTemporal>>;
let native: NativeConnection;
let bundle: WorkflowBundleWithSourceMap;
let taskQueue: string;
let runs: RunsService;
let stopWorker: (() => Promise<void>) | undefined;

const settings = () => ({
  TEMPORAL_TASK_QUEUE: taskQueue,
  NODE_HEARTBEAT_TIMEOUT_MS: 30_000,
  SUB_WORKFLOW_MAX_DEPTH: 10,
  COMMAND_WAIT_MS: 2_000,
  SWEEP_SILENT_MS: 50,
  SWEEP_INTERVAL_MS: 50,
  PRIORITY_SCOPE: "installation" as const,
  RUNS_CONCURRENCY_LIMIT: undefined,
  ORGANIZATION_CONCURRENCY_LIMIT: undefined,
  ORGANIZATION_QUEUE_LIMIT: 1_000,
  CONCURRENCY_WAITING_MS: 60_000,
});

beforeAll(async () => {
  Runtime.install({ logger: new DefaultLogger("ERROR") });
  database = await createTestDatabase();
  db = await openDatabase({ url: database.url, poolSize: 10 });
  tenant = (await db.accounts.register({ email: "a@example.com", passwordHash: "h", name: "A", organizationName: "A" })).membership.tenantId;
  payloads = createPayloads({ store: db.payloads, env: readEnv({ PAYLOAD_KEYS }) });
  const { dataConverter } = payloads;
  temporal = await connectTemporal({ address: inject("temporalAddress"), namespace: "perdure", tls: false, dataConverter });
  native = await NativeConnection.connect({ address: inject("temporalAddress") });
  bundle = await bundleWorkflowCode({
    workflowsPath: fileURLToPath(new URL("./runs-tiny-workflow.ts", import.meta.url)),
    logger: new DefaultLogger("ERROR"),
    failureConverterPath,
  });
});

afterAll(async () => {
  await native?.close();
  await temporal?.connection.close();
  await db?.close();
  await database?.drop();
});

async function startWorker(): Promise<void> {
  const { dataConverter } = payloads;
  const worker = await Worker.create({ connection: native, namespace: "perdure", taskQueue, workflowBundle: bundle, dataConverter });
  const running = worker.run();
  stopWorker = async () => {
    worker.shutdown();
    await running;
    stopWorker = undefined;
  };
}

beforeEach(async () => {
  taskQueue = `runs-${uuidv7()}`;
  runs = createRuns({ db, client: temporal.client, env: settings(), logger });
});

afterEach(async () => {
  await stopWorker?.();
});

const request = (inputs: JsonObject, more: Partial<StartRun> = {}): StartRun => ({
  workflowId: null,
  workflowName: "Tiny 🙂",
  version: null,
  plan: { settings: { execution: "standard", max_parallel: 1, priority: 2 } } as StartRun["plan"],
  inputs,
  variables: {},
  entries: [],
  trigger: "api",
  createdBy: null,
  ...more,
});
const start = async (inputs: JsonObject, more?: Partial<StartRun>) => (await runs.start(tenant, request(inputs, more))).run.id;
const ended = (runId: string, n: number): { tenantId: string; event: RunEvent } => ({
  tenantId: tenant,
  event: {
    run_id: runId,
    key: eventKey("node_end", `n${n}`, "", 1),
    kind: "node_end",
    at: new Date().toISOString(),
    node_id: `n${n}`,
    iteration: "",
    attempt: 1,
    data: { type: "Set", name: `N${n}`, output: n },
  },
});
const events = (runId: string) => db.runs.events(tenant, runId, 0, 1000);
const answer = (data: string = "fine") => ({
  kind: "answer" as const,
  node_id: "ask",
  iteration: "",
  answer: { decision: "approved" as const, by: "me", at: new Date().toISOString(), data },
});

describe("start and end", () => {
  test("A8: When a run is waited for, then it comes back completed, with its outputs and its closing event", async () => {
    await startWorker();
    const id = await start({});
    const run = await runs.waitForEnd(tenant, id, 20_000);
    expect(run).toMatchObject({ id, status: "completed", outputs: { commands: [] }, error: null });
    expect(run.completedAt).toBeInstanceOf(Date);
    expect((await events(id)).map(({ kind }) => kind)).toEqual(["run_queued", "workflow_complete"]);
    expect(await runs.waitForEnd(tenant, id, 1_000)).toMatchObject({ status: "completed" });
  });

  test("K3: When a run is in Temporal, then its id, summary, search attributes and priority are to be read there", async () => {
    const workflowId = uuidv7();
    const id = await start({}, { workflowId, version: 3, trigger: "webhook" });
    const described = await temporal.client.workflow.getHandle(temporalWorkflowId(tenant, id)).describe();
    expect(await described.staticSummary()).toBe("Tiny 🙂 v3");
    expect(Object.fromEntries(described.typedSearchAttributes.getAll().map(({ key, value }) => [key.name, value]))).toMatchObject({
      PerdureTenant: tenant,
      PerdureWorkflow: workflowId,
      PerdureVersion: 3,
      PerdureTrigger: "webhook",
    });
    expect(described.priority).toMatchObject({ priorityKey: 2, fairnessKey: tenant });
  });

  test("A11: When a run calls something, then its call has the fairness key and priority of the run, and where priority is each organization's own, Temporal is not told", async () => {
    await startWorker();
    const id = await start({ mode: "call" });
    const asked = { namespace: "perdure", taskQueue: { name: taskQueue }, identity: "test" };
    const poll = () => temporal.connection.withDeadline(Date.now() + 20_000, () => temporal.connection.workflowService.pollActivityTaskQueue(asked));
    expect((await poll()).priority).toMatchObject({ priorityKey: 2, fairnessKey: tenant });
    const own = createRuns({ db, client: temporal.client, env: { ...settings(), PRIORITY_SCOPE: "organization" }, logger });
    const other = (await own.start(tenant, request({ mode: "call" }))).run.id;
    const { priority } = await poll();
    expect(priority).toMatchObject({ fairnessKey: tenant });
    expect(priority?.priorityKey ?? 0).toBe(0);
    for (const run of [id, other]) await runs.command(tenant, run, { kind: "terminate" }, "me");
  });

  test("When a workflow's name is long, then its summary is cut to what Temporal takes", async () => {
    const id = await start({}, { workflowName: "🙂".repeat(300), version: 12 });
    const summary = await (await temporal.client.workflow.getHandle(temporalWorkflowId(tenant, id)).describe()).staticSummary();
    expect(summary).toMatch(/^🙂{79} v12$/u);
  });

  test("A8: When a run does not end in time, then it comes back as it stands, and later as it ended", async () => {
    await startWorker();
    const id = await start({ mode: "slow" });
    expect((await runs.waitForEnd(tenant, id, 50)).status).toBe("queued");
    expect((await runs.waitForEnd(tenant, id, 20_000)).status).toBe("completed");
  });

  test("A16: When a run fails, then its status and error are those the workflow told", async () => {
    await startWorker();
    expect(await runs.waitForEnd(tenant, await start({ mode: "fail" }), 20_000)).toMatchObject({
      status: "failed",
      error: { code: "upstream.failed", message: "It broke.", node_id: "n0" },
      outputs: null,
    });
    const id = await start({ mode: "time_out" });
    expect(await runs.waitForEnd(tenant, id, 20_000)).toMatchObject({ status: "timed_out", error: { code: "run.timed_out" } });
    expect((await events(id)).at(-1)).toMatchObject({ kind: "error", data: { status: "timed_out", error: { code: "run.timed_out" } } });
  });

  test("When facts arrive a little after the result, then they are waited for and nothing is repaired", async () => {
    await startWorker();
    const id = await start({ nodes: 3 });
    const waiting = runs.waitForEnd(tenant, id, 20_000);
    await temporal.client.workflow.getHandle(temporalWorkflowId(tenant, id)).result();
    await new Promise((resolve) => setTimeout(resolve, 25));
    await db.log.append([0, 1, 2].map((n) => ended(id, n)));
    expect((await waiting).status).toBe("completed");
    const log = await events(id);
    expect(log.filter(({ key }) => key.includes("repair"))).toEqual([]);
    expect(log.at(-1)?.kind).toBe("workflow_complete");
    expect(log.filter(({ kind }) => kind === "node_end")).toHaveLength(3);
  });

  test("When facts were lost, then the rows are repaired from the snapshot, the log learns them, and then the run is closed", async () => {
    await startWorker();
    const id = await start({ nodes: 3 });
    await db.log.append([ended(id, 1)]);
    expect((await runs.waitForEnd(tenant, id, 20_000)).status).toBe("completed");
    expect((await db.runs.nodes(tenant, id, { limit: 1_000 })).rows.map(({ node_id, status, output }) => [node_id, status, output]).toSorted()).toEqual([
      ["n0", "completed", 0],
      ["n1", "completed", 1],
      ["n2", "completed", 2],
    ]);
    const log = await events(id);
    expect(log.map(({ seq }) => seq)).toEqual(log.map((_, index) => index + 1));
    expect(log.filter(({ kind }) => kind === "node_end")).toHaveLength(3);
    expect(log.at(-1)?.kind).toBe("workflow_complete");
  });

  test("A8: When ten starts race with one idempotency key, then one workflow runs and all get its run", async () => {
    await startWorker();
    const idempotency = { key: uuidv7(), requestHash: "h" };
    const started = await Promise.all(Array.from({ length: 10 }, () => runs.start(tenant, request({}, { idempotency }))));
    expect(new Set(started.map(({ run }) => run.id)).size).toBe(1);
    expect(started.filter(({ created }) => created)).toHaveLength(1);
    const id = started[0]?.run.id ?? "";
    await runs.waitForEnd(tenant, id, 20_000);
    expect(await runs.start(tenant, request({}, { idempotency }))).toMatchObject({ created: false, run: { id, status: "completed" } });
  });

  test("When Temporal is away, then a start is refused as unavailable, and the same key starts the same run later", async () => {
    const nowhere = Connection.lazy({ address: "127.0.0.1:1" });
    const cut = createRuns({ db, client: new Client({ connection: nowhere, namespace: "perdure" }), env: settings(), logger });
    const idempotency = { key: uuidv7(), requestHash: "h" };
    await expect(cut.start(tenant, request({}, { idempotency }))).rejects.toMatchObject({ code: "temporal.unavailable" });
    await nowhere.close();
    await startWorker();
    const { run, created } = await runs.start(tenant, request({}, { idempotency }));
    expect(created).toBe(false);
    expect(await runs.waitForEnd(tenant, run.id, 20_000)).toMatchObject({ id: run.id, status: "completed" });
  });

  test("A8 A11: When Temporal is away, then a run that a limit concerns is accepted all the same, is not given up, and begins once it is back", async () => {
    const own = (await db.accounts.register({ email: "c@example.com", passwordHash: "h", name: "C", organizationName: "C" })).membership.tenantId;
    const nowhere = Connection.lazy({ address: "127.0.0.1:1" });
    const env = { ...settings(), ORGANIZATION_CONCURRENCY_LIMIT: 1 };
    const cut = createRuns({ db, client: new Client({ connection: nowhere, namespace: "perdure" }), env, logger });
    const { run } = await cut.start(own, request({}));
    expect(run).toMatchObject({ status: "queued", slot: { state: "admitted" } });
    await nowhere.close();
    const sql = postgres(database.url, { max: 1 });
    await sql`update run_slots set admitted_at = now() - interval '1 minute' where run_id = ${run.id}`;
    await sql`update runs set created_at = now() - interval '1 minute' where id = ${run.id}`;
    await sql.end();
    expect(await runs.reconcile(own, run.id)).toMatchObject({ status: "queued" });
    await startWorker();
    const limited = createRuns({ db, client: temporal.client, env, logger });
    const waiting = limited.waitForEnd(own, run.id, 20_000);
    await limited.serveQueue(false);
    expect(await waiting).toMatchObject({ id: run.id, status: "completed" });
    // The next is let in by the end of the one before.
    const [first, second] = [await limited.start(own, request({ mode: "slow" })), await limited.start(own, request({}))];
    expect(second.run.slot).toMatchObject({ state: "queued", position: 1 });
    const both = await Promise.all([first, second].map(({ run: each }) => limited.waitForEnd(own, each.id, 20_000)));
    expect(both.map(({ status }) => status)).toEqual(["completed", "completed"]);
  });

  test("A10: When a run's inputs are larger than a message of Temporal may be, then it runs all the same", async () => {
    await startWorker();
    const big = randomBytes(4 * 1024 * 1024).toString("base64");
    expect(await runs.waitForEnd(tenant, await start({ big }), 20_000)).toMatchObject({ status: "completed" });
  });

  test("A10: When the database is away that large inputs go to, then the start is refused as such, and the same key starts the same run later", async () => {
    await startWorker();
    const unavailable = () => Promise.reject(new PerdureError("database.unavailable", "Away."));
    const { dataConverter } = createPayloads({ store: { ...db.payloads, putBlob: unavailable }, env: readEnv({ PAYLOAD_KEYS }) });
    const cut = createRuns({ db, client: new Client({ connection: temporal.connection, namespace: "perdure", dataConverter }), env: settings(), logger });
    const idempotency = { key: uuidv7(), requestHash: "h" };
    const inputs = { big: randomBytes(60_000).toString("base64") };
    await expect(cut.start(tenant, request(inputs, { idempotency }))).rejects.toMatchObject({ code: "database.unavailable" });
    const { run, created } = await runs.start(tenant, request(inputs, { idempotency }));
    expect(created).toBe(false);
    expect(await runs.waitForEnd(tenant, run.id, 20_000)).toMatchObject({ status: "completed" });
  });

  test("A8: When facts were lost and no worker is there to tell them again, then the run is not closed without them", async () => {
    await startWorker();
    const id = await start({ nodes: 2 });
    await temporal.client.workflow.getHandle(temporalWorkflowId(tenant, id)).result();
    await stopWorker?.();
    expect((await runs.waitForEnd(tenant, id, 4_000)).completedAt).toBeNull();
    await startWorker();
    expect((await runs.waitForEnd(tenant, id, 20_000)).status).toBe("completed");
    expect((await db.runs.nodes(tenant, id, { limit: 1_000 })).rows.map(({ status }) => status)).toEqual(["completed", "completed"]);
  });

  test("A8: When a start comes through after the run was given up, then nothing of it goes on, and its key begins it anew", async () => {
    await startWorker();
    const idempotency = { key: uuidv7(), requestHash: "h" };
    const stored = (await db.runs.insert(tenant, uuidv7(), request({ mode: "long" }, { idempotency }))).run.id;
    const slow: Database = {
      ...db,
      runs: {
        ...db.runs,
        insert: async (...given) => {
          const found = await db.runs.insert(...given);
          await db.runs.close(tenant, stored, { status: "failed", error: { code: "run.not_started", message: "m", retryable: true }, at: new Date() });
          return { ...found, run: { ...found.run, createdAt: new Date(Date.now() - 60_000) } };
        },
      },
    };
    const late = createRuns({ db: slow, client: temporal.client, env: settings(), logger });
    await expect(late.start(tenant, request({ mode: "long" }, { idempotency }))).rejects.toMatchObject({ code: "temporal.unavailable" });
    expect((await temporal.client.workflow.getHandle(temporalWorkflowId(tenant, stored)).describe()).status.name).toBe("TERMINATED");
    const { run } = await runs.start(tenant, request({ mode: "long" }, { idempotency }));
    expect(run.id).not.toBe(stored);
    await runs.command(tenant, run.id, { kind: "terminate" }, "me");
  });

  test("F1: When another tenant waits for a run, then there is none", async () => {
    const other = (await db.accounts.register({ email: "b@example.com", passwordHash: "h", name: "B", organizationName: "B" })).membership.tenantId;
    const id = await start({});
    await expect(runs.waitForEnd(other, id, 2_000)).rejects.toMatchObject({ code: "resource.not_found" });
    await expect(runs.command(other, id, { kind: "cancel" }, "me")).rejects.toMatchObject({ code: "resource.not_found" });
  });
});

describe("commands", () => {
  test("A9: When a command is taken, then it is applied, and the log says who gave it", async () => {
    await startWorker();
    const id = await start({ mode: "wait" });
    expect((await runs.command(tenant, id, { kind: "pause" }, "me@example.com")).outcome).toBe("applied");
    expect((await events(id)).at(-1)).toMatchObject({ kind: "command", data: { command: "pause", by: "me@example.com" } });
  });

  test("A9: When the workflow refuses a command, then the caller gets its code and findings", async () => {
    await startWorker();
    const id = await start({ mode: "wait" });
    await expect(runs.command(tenant, id, { kind: "resume" }, "me")).rejects.toMatchObject({ code: "run.state", status: 409 });
    await expect(runs.command(tenant, id, answer("bad"), "me")).rejects.toMatchObject({
      code: "validation.failed",
      findings: [{ code: "validation.type", path: "data" }],
    });
    expect((await events(id)).filter(({ kind }) => kind === "command")).toEqual([]);
    expect((await runs.command(tenant, id, answer(), "me")).outcome).toBe("applied");
  });

  test("A9: When twenty answers race, then one is taken and the others are told so", async () => {
    await startWorker();
    const id = await start({ mode: "wait" });
    const results = await Promise.allSettled(Array.from({ length: 20 }, (_, n) => runs.command(tenant, id, answer(`a${n}`), "me")));
    expect(results.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
    for (const result of results) if (result.status === "rejected") expect(["approval.answered", "run.closed"]).toContain(result.reason.code);
    expect(await runs.waitForEnd(tenant, id, 20_000)).toMatchObject({ status: "completed", outputs: { commands: ["answer"] } });
  });

  test("A9: When no worker is there, then one of many answers is kept, the relay sends it once a worker is back, and it counts once", async () => {
    const id = await start({ mode: "wait" });
    const results = await Promise.allSettled(Array.from({ length: 5 }, () => runs.command(tenant, id, answer(), "me", 300)));
    expect(results.flatMap((result) => (result.status === "fulfilled" ? [result.value.outcome] : []))).toEqual(["kept"]);
    await startWorker();
    const relays = [1, 2].map(() => createRelay({ db, runs, env: settings(), logger, intervalMs: 30, afterMs: 100 }));
    expect(await runs.waitForEnd(tenant, id, 20_000)).toMatchObject({ status: "completed", outputs: { commands: ["answer"] } });
    await until("the command is settled", async () => (await db.commands.open(0, 100)).length === 0);
    await Promise.all(relays.map((relay) => relay.close()));
  });

  test("A9: When a run is cancelled, then it ends as cancelled; a second cancel and any command afterwards are refused", async () => {
    await startWorker();
    const id = await start({ mode: "long" });
    await runs.waitForEnd(tenant, id, 100);
    const { outcome, run } = await runs.command(tenant, id, { kind: "cancel" }, "me", 10_000);
    expect({ outcome, status: run.status, code: run.error?.code }).toEqual({ outcome: "applied", status: "cancelled", code: "run.cancelled" });
    await expect(runs.command(tenant, id, { kind: "cancel" }, "me")).rejects.toMatchObject({ code: "run.closed" });
    expect((await events(id)).map(({ kind }) => kind)).toEqual(["run_queued", "command", "error"]);
  });

  test("A9: When no worker is there, then a cancel is held by Temporal, a second one is refused, and it takes effect later", async () => {
    const id = await start({ mode: "long" });
    const first = await runs.command(tenant, id, { kind: "cancel" }, "me", 200);
    expect(first).toMatchObject({ outcome: "applied", run: { status: "queued" } });
    await expect(runs.command(tenant, id, { kind: "cancel" }, "me", 200)).rejects.toMatchObject({ code: "run.state" });
    await startWorker();
    expect((await runs.waitForEnd(tenant, id, 20_000)).status).toBe("cancelled");
  });

  test("A9: When a run is terminated, then it ends at once, without any worker", async () => {
    const id = await start({ mode: "long" });
    const { run } = await runs.command(tenant, id, { kind: "terminate", reason: "enough" }, "me", 5_000);
    expect(run).toMatchObject({ status: "cancelled", error: { code: "run.cancelled" } });
  });
});

describe("the sweeper", () => {
  test("When a run ended and nobody was there to write it, then the sweeper writes its end", async () => {
    await startWorker();
    const id = await start({ nodes: 2 });
    await temporal.client.workflow.getHandle(temporalWorkflowId(tenant, id)).result();
    expect((await db.runs.get(tenant, id))?.status).toBe("queued");
    const sweepers = [1, 2].map(() => createSweeper({ db, runs, env: settings(), logger }));
    await until("the run is closed", async () => (await db.runs.get(tenant, id))?.status === "completed");
    await Promise.all(sweepers.map((sweeper) => sweeper.close()));
    expect((await db.runs.nodes(tenant, id, { limit: 1_000 })).rows.map(({ status }) => status)).toEqual(["completed", "completed"]);
  });

  test("When the fact that a run waits was lost, then reconciling shows its approval and its status", async () => {
    await startWorker();
    const id = await start({ mode: "wait", nodes: 1 });
    await until("the wait is known", async () => ((await runs.reconcile(tenant, id)).waitingFor[0]?.approval_id ?? "") !== "");
    expect(await runs.reconcile(tenant, id)).toMatchObject({ status: "waiting", waitingFor: [{ kind: "approval", node_id: "ask" }] });
    expect(await db.approvals.forNode(tenant, id, "ask", "")).toMatchObject({ status: "pending", prompt: "Go?" });
    const before = await events(id);
    await runs.reconcile(tenant, id);
    expect(await events(id)).toEqual(before);
  });

  test("When a run was stored but never reached Temporal, then it is left alone at first, and closed as not started later", async () => {
    const { run } = await db.runs.insert(tenant, uuidv7(), request({}));
    expect((await runs.reconcile(tenant, run.id)).status).toBe("queued");
    await db.runs.markStarted(tenant, run.id);
    expect(await runs.reconcile(tenant, run.id)).toMatchObject({ status: "failed", error: { code: "run.not_started" } });
  });

  test("C3: When the run of a schedule's moment was stored by a worker that died, then it is left to the moment, and closed once nobody fires that any more", async () => {
    const fields = { name: "Work", description: "", tags: [], settings: {}, isPublic: false, createdBy: null };
    const version = { graph: { nodes: [] }, plan: null, problems: [], hash: uuidv7(), createdBy: null };
    const workflowId = (await db.workflows.create(tenant, fields, version)).workflow.id;
    const named = { id: uuidv7(), workflowId, nodeId: null, source: "api" as const, name: "S", inputs: {}, note: "", createdBy: null };
    const schedule = await db.schedules.create(tenant, { ...named, enabled: true, definition: EVERY_MINUTE }, 10);
    const starter = `schedule-${schedule.id}`;
    const fired = await db.schedules.fire(tenant, { scheduleId: schedule.id, scheduledAt: new Date(), attempt: 1, isManual: false, starter });
    const idempotency = { key: fired?.firing.key ?? "", requestHash: schedule.id };
    const { run } = await db.runs.insert(tenant, uuidv7(), request({}, { trigger: "schedule", workflowId, idempotency }));
    const admin = postgres(database.url, { max: 1 });
    await admin`update runs set created_at = now() - interval '1 hour' where id = ${run.id}`;
    await admin.end();
    const moment = await temporal.client.workflow.start("startScheduledRun", { workflowId: temporalWorkflowId(tenant, starter), taskQueue, args: [{}] });
    expect((await runs.reconcile(tenant, run.id)).status).toBe("queued");
    await moment.terminate();
    expect(await runs.reconcile(tenant, run.id)).toMatchObject({ status: "failed", error: { code: "run.not_started" } });
  });

  test("When Temporal took a run without our knowing, then reconciling notes it", async () => {
    const { run } = await db.runs.insert(tenant, uuidv7(), request({}));
    await temporal.client.workflow.start("runGraph", { workflowId: temporalWorkflowId(tenant, run.id), taskQueue, args: [{ inputs: { mode: "long" } }] });
    await runs.reconcile(tenant, run.id);
    expect(await db.runs.standing(tenant, run.id)).toMatchObject({ started: true });
  });
});

describe("connecting", () => {
  test("When the namespace is missing, then it is registered with the search attributes, also by several at once", async () => {
    const namespace = `test-${uuidv7()}`;
    await Promise.all([1, 2, 3].map(() => ensureNamespace(temporal.connection, namespace)));
    const { customAttributes } = await temporal.connection.operatorService.listSearchAttributes({ namespace });
    expect(Object.keys(customAttributes)).toEqual(expect.arrayContaining(["PerdureTenant", "PerdureTrigger", "PerdureVersion", "PerdureWorkflow"]));
  });

  test("When nothing answers, then connecting gives up after its patience", async () => {
    await expect(connectTemporal({ address: "127.0.0.1:1", namespace: "x", tls: false, patienceMs: 300 })).rejects.toMatchObject({
      code: "temporal.unavailable",
    });
  });
});
