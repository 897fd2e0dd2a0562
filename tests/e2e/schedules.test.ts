import { afterAll, beforeAll, expect, test } from "vitest";
import type { JsonObject } from "#core";
import type { TestClient } from "../support/client.ts";
import { type Perdure, startPerdure } from "../support/perdure.ts";
import { checkRun } from "../support/run-checker.ts";
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
