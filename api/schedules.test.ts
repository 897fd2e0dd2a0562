import { expect, test } from "vitest";
import type { JsonObject } from "#core";
import { createTestApp } from "./testing/test-app.ts";

async function setUp() {
  const app = createTestApp();
  const { token, userId } = await app.signUp();
  const workflow = await app.saveWorkflow(token);
  const make = (body: JsonObject = {}) => app.call("POST", "/api/v1/schedules", { token, body: { workflow_id: workflow, interval_seconds: 60, ...body } });
  return { ...app, token, userId, workflow, make };
}

test("C3 D6: When a job is made as the documented clients write it, then it answers with their names too", async () => {
  const { call, token, workflow } = await setUp();
  const timer = {
    schedule_type: "cron",
    cron_expression: "0 9 * * 1-5",
    timezone: "America/New_York",
    max_executions: 100,
    retry_on_failure: true,
    retry_count: 3,
  };
  const made = await call("POST", "/api/v1/jobs/scheduled", {
    token,
    body: { workflow_id: workflow, node_id: "timer_1", job_name: "Weekdays", timer_config: timer },
  });
  expect(made.status).toBe(201);
  expect(made.body).toMatchObject({
    ...timer,
    job_name: "Weekdays",
    name: "Weekdays",
    timer_type: "cron",
    node_id: "timer_1",
    is_enabled: true,
    current_executions: 0,
    last_run_at: null,
  });
  const listed = await call<JsonObject[]>("GET", `/api/scheduled-jobs?workflow_id=${workflow}&enabled=true`, { token });
  expect(listed.body.map(({ id }) => id)).toEqual([made.body["id"]]);
  expect(listed.headers.get("x-total-count")).toBe("1");
  expect((await call<JsonObject[]>("GET", "/api/v1/schedules?enabled=false", { token })).body).toEqual([]);
  const again = await call("POST", "/api/v1/jobs/scheduled", { token, body: { workflow_id: workflow, node_id: "timer_1", timer_config: timer } });
  expect(again.status).toBe(409);
});

test("C3: When much is wrong with a schedule, then all of it is told at once and nothing is stored", async () => {
  const { call, make, token } = await setUp();
  const refused = await make({ cron_expression: "61 * * * *", interval_seconds: null, timezone: "Mars", retry_count: -1, inputs: { a: "{{nothing}}" } });
  expect(refused.status).toBe(422);
  expect((refused.body["errors"] as JsonObject[]).map(({ path }) => path).toSorted()).toEqual(["cron_expression", "inputs.a", "retry_count", "timezone"]);
  expect((await make({ interval_seconds: null })).body["errors"]).toMatchObject([{ path: "schedule_type" }]);
  expect((await make({ inputs: { text: "x".repeat(20_000) } })).status).toBe(413);
  expect((await call<JsonObject[]>("GET", "/api/v1/schedules", { token })).body).toEqual([]);
});

test("C3: When an organization has as many schedules as it may, then the next is refused; a foreign workflow is none", async () => {
  const { call, make, signUp, workflow } = await setUp();
  for (let n = 0; n < 3; n++) expect((await make()).status).toBe(201);
  expect((await make()).status).toBe(422);
  const stranger = await signUp();
  expect((await call("POST", "/api/v1/schedules", { token: stranger.token, body: { workflow_id: workflow, interval_seconds: 60 } })).status).toBe(404);
});

test("C3: When some of a schedule is changed, then the rest stays; when it is replaced, the rest has its defaults", async () => {
  const { call, make, token } = await setUp();
  const { body } = await make({ name: "Mine", overlap_policy: "skip", max_executions: 5, inputs: { a: 1 } });
  const path = `/api/v1/schedules/${body["id"] as string}`;
  const patched = await call("PATCH", path, { token, body: { jitter_seconds: 3 } });
  expect(patched.body).toMatchObject({
    jitter_seconds: 3,
    overlap_policy: "skip",
    max_executions: 5,
    interval_seconds: 60,
    offset_seconds: body["offset_seconds"],
    inputs: { a: 1 },
  });
  const other = await call("PATCH", path, { token, body: { cron_expression: "@daily" } });
  expect(other.body).toMatchObject({ schedule_type: "cron", interval_seconds: null, overlap_policy: "skip", name: "Mine" });
  const replaced = await call("PUT", path, { token, body: { interval_seconds: 30 } });
  expect(replaced.body).toMatchObject({ schedule_type: "interval", overlap_policy: "allow_all", max_executions: 0, name: "Mine" });
  const named = await call("PUT", path, { token, body: { job_name: "Another", is_enabled: false, note: "Not now" } });
  expect(named.body).toMatchObject({ name: "Another", enabled: false, interval_seconds: 30, note: "Not now", status: "paused", next_runs: [] });
  expect((await call("POST", `${path}/enable`, { token })).body).toMatchObject({ enabled: true, note: "", paused_at: null });
  expect((await call("PATCH", path, { token, body: { cron_expression: "never" } })).status).toBe(422);
});

test("C3: When a schedule is started by hand, then it answers with the run, which is the organization's and among its executions", async () => {
  const { call, make, token } = await setUp();
  const { body } = await make({ schedule_type: "manual", interval_seconds: null, inputs: { n: "{{schedule.number}}" } });
  expect(body).toMatchObject({ schedule_type: "manual", next_run_at: null, in_sync: true });
  const run = await call("POST", `/api/v1/scheduled-jobs/${body["id"] as string}/trigger`, { token });
  expect([run.status, run.body["trigger"], run.body["created_by"], run.body["inputs"]]).toEqual([201, "schedule", null, { n: 1 }]);
  const { body: executions } = await call<JsonObject[]>("GET", `/api/v1/schedules/${body["id"] as string}/executions`, { token });
  expect(executions).toMatchObject([{ execution_id: run.body["id"], job_id: body["id"], is_manual: true, number: 1 }]);
});

test("C3: When a backfill is asked for that cannot be, then it says why", async () => {
  const { call, make, token } = await setUp();
  const { body } = await make();
  const fill = async (start_at: string, end_at: string) => {
    const answer = await call("POST", `/api/v1/schedules/${body["id"] as string}/backfill`, { token, body: { start_at, end_at } });
    return [answer.status, (answer.body["errors"] as JsonObject[] | undefined)?.[0]?.["path"] ?? answer.body["moments"]];
  };
  expect(await fill("2026-01-01T00:00:00Z", "2026-01-01T00:10:00Z")).toEqual([202, 10]);
  expect(await fill("2026-01-01T00:00:00Z", "2025-01-01T00:00:00Z")).toEqual([422, "end_at"]);
  expect(await fill("2026-01-01T00:00:00Z", "2999-01-01T00:00:00Z")).toEqual([422, "end_at"]);
  expect(await fill("2020-01-01T00:00:00Z", "2026-01-01T00:00:00Z")).toEqual([422, "start_at"]);
  expect(await fill("2026-01-01T00:00:00Z", "2026-01-03T00:00:00Z")).toEqual([422, "start_at"]);
  expect(await fill("yesterday", "2026-01-03T00:00:00Z")).toEqual([422, "start_at"]);
});
