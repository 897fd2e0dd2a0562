import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type JsonObject, type TenantId, uuidv7 } from "#core";
import type { Database, Schedule } from "#db";
import type { TestClient } from "../support/client.ts";
import { type Perdure, startPerdure } from "../support/perdure.ts";
import { checkRun } from "../support/run-checker.ts";
import { recordWorkflow, workflowIdOf } from "../support/record-history.ts";
import { openTemporal } from "../support/sealed.ts";
import { until } from "../support/until.ts";

let perdure: Perdure;

beforeAll(async () => {
  perdure = await startPerdure({ LOG_LEVEL: "warn", SCHEDULE_CHECK_INTERVAL_MS: "1500" });
});
afterAll(() => perdure?.stop());

const timerGraph = (inputs: JsonObject, end: JsonObject = {}): JsonObject => ({
  nodes: [
    { id: "timer", type: "TimerStartNode", data: { name: "Every so often", inputs } },
    { id: "end", type: "End", data: { inputs: end } },
  ],
  edges: [{ source: "timer", target: "end" }],
});
const plainGraph: JsonObject = {
  nodes: [
    { id: "start", type: "Start" },
    { id: "end", type: "End", data: { inputs: { value: "{{inputs}}" } } },
  ],
  edges: [{ source: "start", target: "end" }],
};
const waitingGraph: JsonObject = {
  nodes: [
    { id: "start", type: "Start" },
    { id: "wait", type: "HumanApproval", data: { inputs: { prompt: "Go on?" } } },
    { id: "end", type: "End" },
  ],
  edges: [
    { source: "start", target: "wait" },
    { source: "wait", target: "end", sourceHandle: "approved" },
  ],
};

async function schedule(user: TestClient, body: JsonObject): Promise<JsonObject> {
  const made = await user.post("/api/v1/schedules", body);
  if (made.status !== 201) throw new Error(`schedule answered ${made.status}: ${JSON.stringify(made.body)}`);
  return made.body;
}
const read = async (user: TestClient, id: unknown) => (await user.get(`/api/v1/schedules/${id as string}`)).body;
const executions = async (user: TestClient, id: unknown) => (await user.get<JsonObject[]>(`/api/v1/schedules/${id as string}/executions?limit=500`)).body;
const seconds = (execution: JsonObject) => Date.parse(execution["scheduled_at"] as string) / 1000;
/** Temporal's id of the workflow that waits for the run of a moment. */
async function starterOf(user: TestClient, execution: JsonObject | undefined): Promise<string> {
  if (!execution) throw new Error("no execution");
  const [tenant] = workflowIdOf(await user.run(execution["execution_id"] as string)).split("/");
  return `${tenant}/schedule-${execution["schedule_id"] as string}-${(execution["scheduled_at"] as string).replace(/\.\d+Z$/, "Z")}`;
}
/** Whose it is. */
async function tenantsWith(db: Database, id: string): Promise<TenantId[]> {
  const due = await db.schedules.due(0, 0, 500);
  return due.filter((each) => each.id === id).map(({ tenantId }) => tenantId);
}
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

test("C3: When a schedule of every second is made by REST, then each second is one ordinary run with its inputs, row, log and nodes", async () => {
  const { user } = perdure;
  const workflow = await user.saveWorkflow(plainGraph);
  const made = await schedule(user, {
    workflow_id: workflow,
    name: "Ticks",
    cron_expression: "* * * * * *",
    inputs: { at: "{{schedule.time}}", n: "{{schedule.number}}", text: "{{schedule.name}} in {{schedule.timezone}}" },
  });
  expect(made).toMatchObject({ schedule_type: "cron", status: "active", in_sync: true, source: "api", current_executions: 0 });
  expect((made["next_runs"] as string[]).length).toBeGreaterThan(3);
  await until("four firings", async () => (await executions(user, made["id"])).filter(({ status }) => status === "completed").length >= 4, 30_000);
  expect((await user.request("DELETE", `/api/v1/schedules/${made["id"] as string}`)).status).toBe(204);
  expect((await user.get(`/api/v1/schedules/${made["id"] as string}`)).status).toBe(404);
  const { body: runs } = await user.get<JsonObject[]>(`/api/v1/workflows/${workflow}/executions?limit=500`);
  expect(runs.length).toBeGreaterThanOrEqual(4);
  const moments = runs.map(({ inputs }) => (inputs as JsonObject)["at"]);
  expect(new Set(moments).size).toBe(runs.length);
  for (const run of runs) {
    expect(run).toMatchObject({ trigger: "schedule", created_by: null, workflow_id: workflow });
    expect((run["inputs"] as JsonObject)["text"]).toBe("Ticks in UTC");
    expect(typeof (run["inputs"] as JsonObject)["n"]).toBe("number");
    await user.ended(run["id"] as string);
    await checkRun(perdure, user, run["id"] as string);
  }
});

test("C3: When three workers and two apis serve a schedule of every second, all of them are killed and come back after six seconds, then each moment has fired exactly once", async () => {
  const { user } = perdure;
  await Promise.all([perdure.startWorker(), perdure.startWorker(), perdure.startApi({ PORT: "0" })]);
  const workflow = await user.saveWorkflow(plainGraph);
  const made = await schedule(user, { workflow_id: workflow, cron_expression: "*/1 * * * * *", catchup_window_seconds: 60 });
  await until("two firings", async () => (await executions(user, made["id"])).length >= 2);
  await perdure.killAll();
  await pause(6_000);
  await Promise.all([perdure.startWorker(), perdure.startWorker(), perdure.startWorker()]);
  await perdure.startApi();
  const target = Math.ceil(Date.now() / 1000) + 3;
  await until("the moments after", async () => (await executions(user, made["id"])).some((each) => seconds(each) >= target), 60_000);
  expect((await user.post(`/api/v1/schedules/${made["id"] as string}/pause`, { note: "Seen enough" })).body).toMatchObject({
    status: "paused",
    note: "Seen enough",
  });
  await until("the last run has ended", async () => (await executions(user, made["id"])).every(({ completed_at: at }) => at !== null), 60_000);
  const fired = await executions(user, made["id"]);
  const moments = fired.map(seconds).toSorted((a, b) => a - b);
  expect(moments).toEqual(Array.from({ length: moments.length }, (_, index) => (moments[0] as number) + index));
  expect(moments.length).toBeGreaterThanOrEqual(10);
  expect(fired.map(({ status }) => status)).toEqual(fired.map(() => "completed"));
  const { body: runs } = await user.get<JsonObject[]>(`/api/v1/workflows/${workflow}/executions?limit=500`);
  expect(runs.map(({ id }) => id as string).toSorted()).toEqual(fired.map((each) => each["execution_id"] as string).toSorted());
  expect(fired.map((each) => each["number"] as number).toSorted((a, b) => a - b)).toEqual(fired.map((_, index) => index + 1));
  for (const { id } of runs) await checkRun(perdure, user, id as string);
});

test("C3: When a workflow with a timer is published, then the timer has its schedule and hands on which firing it is; a change comes with the next version, and goes with the workflow", async () => {
  const { user } = perdure;
  const workflow = await user.saveWorkflow(
    timerGraph({ schedule_type: "interval", interval_seconds: 1, max_executions: 3, run_inputs: { of: "timer" } }, { value: "{{timer}}" }),
  );
  const schedules = async () => (await user.get<JsonObject[]>(`/api/v1/jobs/scheduled?workflow_id=${workflow}&enabled=true`)).body;
  expect(await schedules()).toEqual([]);
  expect((await user.post(`/api/v1/workflows/${workflow}/publish`)).status).toBe(200);
  // What Temporal says of a schedule is a moment behind what it was told, and for a moment it may say nothing.
  const inSync = async () => {
    let found: JsonObject[] = [];
    await until("Temporal has it", async () => {
      found = await schedules();
      return found[0]?.["in_sync"] === true;
    });
    return found;
  };
  const [job, ...others] = await inSync();
  expect(others).toEqual([]);
  expect(job).toMatchObject({
    node_id: "timer",
    job_name: "Every so often",
    source: "node",
    timer_type: "interval",
    interval_seconds: 1,
    max_executions: 3,
    in_sync: true,
  });
  await until("all three", async () => (await read(user, job?.["id"]))["status"] === "over");
  await pause(2_500);
  await until("they end", async () => (await executions(user, job?.["id"])).every(({ completed_at: at }) => at !== null));
  const fired = (await executions(user, job?.["id"])).toReversed();
  expect(fired.map((each) => each["number"])).toEqual([1, 2, 3]);
  for (const [index, each] of fired.entries()) {
    expect(each).toMatchObject({
      status: "completed",
      result: { of: "timer", execution_number: index + 1, scheduled_at: each["scheduled_at"], fired_at: each["fired_at"] },
    });
  }
  expect(await read(user, job?.["id"])).toMatchObject({ current_executions: 3, status: "over", next_run_at: null });

  await user.request("PUT", `/api/v1/workflows/${workflow}`, {
    name: "Changed",
    flow_data: timerGraph({ schedule_type: "cron", cron_expression: "0 9 * * MON-FRI", timezone: "America/New_York" }),
  });
  expect((await schedules())[0], "a draft changes nothing").toMatchObject({ timer_type: "interval" });
  await user.post(`/api/v1/workflows/${workflow}/publish`);
  const [changed] = await inSync();
  expect(changed).toMatchObject({
    id: job?.["id"],
    timer_type: "cron",
    cron_expression: "0 9 * * MON-FRI",
    timezone: "America/New_York",
    in_sync: true,
    status: "active",
  });
  for (const at of (changed as JsonObject)["next_runs"] as string[]) {
    const local = new Date(at).toLocaleString("en-US", { timeZone: "America/New_York", weekday: "short", hour: "numeric", minute: "2-digit" });
    expect(local).toMatch(/^(Mon|Tue|Wed|Thu|Fri),? 9:00 AM$/);
  }

  const broken = await user.request("PUT", `/api/v1/workflows/${workflow}`, {
    name: "Changed",
    flow_data: timerGraph({ schedule_type: "cron", cron_expression: "0 9 31 2 *" }),
  });
  expect(JSON.stringify(broken.body["problems"])).toContain("never comes");
  expect((await user.request("DELETE", `/api/v1/workflows/${workflow}`)).status).toBe(204);
  expect(await schedules()).toEqual([]);
});

test("C3: When the run of a schedule is still under way, then skip leaves moments out, cancel_other and terminate_other end it, buffer_one waits", async () => {
  const { user } = perdure;
  const workflow = await user.saveWorkflow(waitingGraph);
  const make = (overlap_policy: string) => schedule(user, { workflow_id: workflow, cron_expression: "*/2 * * * * *", overlap_policy });
  const [skip, cancel, terminate, buffer] = await Promise.all(["skip", "cancel_other", "terminate_other", "buffer_one"].map(make));
  const of = async (each: JsonObject | undefined) => (await executions(user, each?.["id"])).toReversed();
  await until("three of each that ends another", async () => (await of(cancel)).length > 2 && (await of(terminate)).length > 2, 60_000);
  await until("moments are left out while the one waits", async () => {
    const [statuses, { skipped }] = [(await of(skip)).map(({ status }) => status), await read(user, skip?.["id"])];
    return statuses.join() === "waiting" && Number(skipped) > 1;
  });
  for (const each of [cancel, terminate]) {
    await user.post(`/api/v1/schedules/${each?.["id"] as string}/pause`);
    const fired = await of(each);
    expect(fired.slice(0, -1).map(({ status }) => status)).toEqual(fired.slice(1).map(() => "cancelled"));
  }
  if (process.env["RECORD_HISTORIES"]) await recordWorkflow(perdure, await starterOf(user, (await of(cancel))[0]), "schedule-called-off.json");
  expect((await of(terminate))[0]?.["error"]).toMatchObject({ message: "The run was terminated." });
  const [first, ...rest] = await of(buffer);
  expect(rest).toEqual([]);
  await user.post(`/api/v1/executions/${first?.["execution_id"] as string}/cancel`);
  await until("the one that waited", async () => (await of(buffer)).length === 2);
  await Promise.all([skip, cancel, terminate, buffer].map((each) => user.request("DELETE", `/api/v1/schedules/${each?.["id"] as string}`)));
  // What is open is left to itself.
  for (const each of (await user.get<JsonObject[]>(`/api/v1/workflows/${workflow}/executions?status=waiting`)).body) {
    await user.post(`/api/v1/executions/${each["id"] as string}/cancel`);
  }
});

test("C3: When a schedule is taken away, changed or added in Temporal by hand, then it is put right, and moments that passed meanwhile are fired", async () => {
  const { user } = perdure;
  const workflow = await user.saveWorkflow(plainGraph);
  const made = await schedule(user, { workflow_id: workflow, cron_expression: "* * * * * *" });
  const temporal = await openTemporal(perdure);
  try {
    const [tenant] = await tenantsWith(temporal.db, made["id"] as string);
    const id = `${tenant}/${made["id"] as string}`;
    const handle = temporal.client.schedule.getHandle(id);
    await until("the first", async () => (await executions(user, made["id"])).length > 0);
    await handle.delete();
    await until("it is there again", () =>
      handle.describe().then(
        () => true,
        () => false,
      ),
    );
    const again = Math.ceil(Date.now() / 1000);
    await until("it fires again", async () => (await executions(user, made["id"])).some((each) => seconds(each) > again));
    // What is fired afterwards may come behind the next moment.
    await until("no moment between is missing", async () => {
      const moments = (await executions(user, made["id"])).map(seconds).toSorted((a, b) => a - b);
      return moments.every((moment, index) => moment === (moments[0] as number) + index);
    });

    await handle.update((before) => ({ ...before, spec: { intervals: [{ every: "1 day" }] }, state: { ...before.state, paused: true, note: "by hand" } }));
    await until("it is as it was", async () => {
      const { paused, note } = (await handle.describe()).state;
      return !paused && note === "" && (await read(user, made["id"]))["in_sync"] === true;
    });

    const { action, policies } = await handle.describe();
    const extra = temporal.client.schedule.getHandle(`${tenant}/${randomUUID()}`);
    const foreign = temporal.client.schedule.getHandle(`${randomUUID()}/${randomUUID()}`);
    for (const { scheduleId } of [extra, foreign]) {
      await temporal.client.schedule.create({
        scheduleId,
        spec: { intervals: [{ every: "1 day" }] },
        action: { ...action, workflowId: `${tenant}/by-hand` },
        policies,
      });
    }
    await until("the one that nobody asked for is gone", () =>
      extra.describe().then(
        () => false,
        () => true,
      ),
    );
    expect((await foreign.describe()).scheduleId, "what another installation has stays").toBe(foreign.scheduleId);
    await foreign.delete();
  } finally {
    await temporal.close();
    await user.request("DELETE", `/api/v1/schedules/${made["id"] as string}`);
  }
});

test("C3: When a process dies between the table and Temporal, then the change comes to Temporal all the same: a new schedule, a changed one, one that was deleted", async () => {
  const { user } = perdure;
  const workflow = await user.saveWorkflow(plainGraph);
  const temporal = await openTemporal(perdure);
  try {
    const known = await schedule(user, { workflow_id: workflow, schedule_type: "manual" });
    const [tenant] = await tenantsWith(temporal.db, known["id"] as string);
    const { definition } = (await temporal.db.schedules.get(tenant as TenantId, known["id"] as string)) as Schedule;
    const daily = { ...definition, type: "interval" as const, interval_seconds: 86_400, offset_seconds: 0 };
    const id = uuidv7();
    // What a process leaves that dies after its transaction.
    await temporal.db.schedules.create(
      tenant as TenantId,
      { id, workflowId: workflow, nodeId: null, source: "api", name: "Left", definition: daily, inputs: {}, enabled: true, note: "", createdBy: null },
      100,
    );
    const handle = temporal.client.schedule.getHandle(`${tenant}/${id}`);
    await until("it is made", () =>
      handle.describe().then(
        () => true,
        () => false,
      ),
    );
    await temporal.db.schedules.update(tenant as TenantId, id, { enabled: false, note: "left too" });
    await until("it is paused", async () => (await handle.describe()).state.paused);
    expect((await handle.describe()).state.note, "what people write is not for Temporal").not.toContain("left too");
    await temporal.db.schedules.remove(tenant as TenantId, id);
    await until("it is gone", () =>
      handle.describe().then(
        () => false,
        () => true,
      ),
    );
  } finally {
    await temporal.close();
  }
});

test("C3: When runs of a schedule fail, then each is started again as often as was asked for, and no more", async () => {
  const { user } = perdure;
  const workflow = await user.saveWorkflow({
    nodes: [
      { id: "start", type: "Start" },
      { id: "code", type: "Code", data: { inputs: { code: "throw new Error('no')" }, settings: { retry: { maximum_attempts: 1 } } } },
      { id: "end", type: "End" },
    ],
    edges: [
      { source: "start", target: "code" },
      { source: "code", target: "end" },
    ],
  });
  const made = await schedule(user, { workflow_id: workflow, delay_seconds: 0, retry_on_failure: true, retry_count: 2, retry_delay_seconds: 0 });
  expect(made).toMatchObject({ schedule_type: "once", retry_count: 2 });
  await until("three tries", async () => (await executions(user, made["id"])).filter(({ status }) => status === "failed").length === 3);
  await pause(1_500);
  const tries = (await executions(user, made["id"])).toReversed();
  expect(tries.map(({ attempt, number, status }) => [attempt, number, status])).toEqual([1, 2, 3].map((attempt) => [attempt, 1, "failed"]));
  expect(new Set(tries.map((each) => each["scheduled_at"])).size).toBe(1);
  if (process.env["RECORD_HISTORIES"]) await recordWorkflow(perdure, await starterOf(user, tries[0]), "schedule-retries.json");
  expect(await read(user, made["id"])).toMatchObject({ status: "over", current_executions: 1 });
});

test("C3: When a schedule is paused, then it is silent; started by hand it runs all the same; a backfill fires the moments that passed, once", async () => {
  const { user } = perdure;
  const workflow = await user.saveWorkflow(plainGraph);
  const made = await schedule(user, { workflow_id: workflow, interval_seconds: 1, enabled: false, note: "Not yet", inputs: { at: "{{schedule.time}}" } });
  expect(made).toMatchObject({ status: "paused", enabled: false, note: "Not yet", next_runs: [], in_sync: true });
  const from = new Date();
  await pause(4_000);
  expect(await executions(user, made["id"])).toEqual([]);

  const key = { "idempotency-key": "by hand, once" };
  const [one, two] = [
    await user.post(`/api/v1/jobs/scheduled/${made["id"] as string}/trigger`, {}, key),
    await user.post(`/api/v1/schedules/${made["id"] as string}/trigger`, {}, key),
  ];
  expect([one.status, two.status]).toEqual([201, 201]);
  expect(one.body["id"]).toBe(two.body["id"]);
  expect(await user.ended(one.body["id"] as string)).toMatchObject({ status: "completed", trigger: "schedule" });
  expect(await executions(user, made["id"])).toMatchObject([{ is_manual: true, number: 1, status: "completed" }]);

  const span = { start_at: from.toISOString(), end_at: new Date().toISOString() };
  const filled = await user.post(`/api/v1/schedules/${made["id"] as string}/backfill`, span);
  expect(filled.status).toBe(202);
  const moments = filled.body["moments"] as number;
  expect(moments).toBeGreaterThanOrEqual(4);
  const ticks = async () => (await executions(user, made["id"])).filter((each) => each["is_manual"] === false && each["status"] === "completed");
  await until("the moments that passed", async () => (await ticks()).length === moments);
  await user.post(`/api/v1/schedules/${made["id"] as string}/backfill`, span);
  await pause(2_500);
  expect((await ticks()).length).toBe(moments);
  expect(await read(user, made["id"])).toMatchObject({ current_executions: moments, status: "paused" });

  const wide = await user.post(`/api/v1/schedules/${made["id"] as string}/backfill`, { start_at: "2020-01-01T00:00:00Z", end_at: "2020-01-02T00:00:00Z" });
  expect([wide.status, JSON.stringify(wide.body)]).toEqual([422, expect.stringContaining("more than 500 moments")]);
});
