import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { JsonObject } from "#core";
import { silentProgress, startTemporal, temporalBinary } from "../../scripts/infra/index.ts";
import { type Perdure, startPerdure } from "../support/perdure.ts";
import { createTemporaryFolder, type TemporaryFolder } from "../support/temporary-folder.ts";
import { until } from "../support/until.ts";

const AWAY_MS = 6_000;

let folder: TemporaryFolder;
let server: Awaited<ReturnType<typeof startTemporal>>;
let perdure: Perdure;

async function startOrchestrator(port?: number) {
  const binary = await temporalBinary(silentProgress.step(""));
  return startTemporal({ binary, folder: join(folder.path, "temporal"), logFile: join(folder.path, "temporal.log"), ...(port !== undefined && { port }) });
}

beforeAll(async () => {
  folder = await createTemporaryFolder();
  server = await startOrchestrator();
  perdure = await startPerdure({ LOG_LEVEL: "error", SCHEDULE_CHECK_INTERVAL_MS: "1500" }, { temporalAddress: server.url });
});
afterAll(async () => {
  await perdure?.stop();
  await server?.stop();
  await folder?.remove();
});

test("C3: When Temporal itself is killed and comes back, then the moments of the outage are fired once within the catch-up window; a schedule made meanwhile is stored and comes there by itself", async () => {
  const { user } = perdure;
  const workflow = await user.saveWorkflow({
    nodes: [
      { id: "start", type: "Start" },
      { id: "end", type: "End" },
    ],
    edges: [{ source: "start", target: "end" }],
  });
  const made = (await user.post("/api/v1/schedules", { workflow_id: workflow, cron_expression: "* * * * * *", catchup_window_seconds: 60 })).body;
  const path = `/api/v1/schedules/${made["id"] as string}`;
  const fired = async () => (await user.get<JsonObject[]>(`${path}/executions?limit=500`)).body;
  const seconds = (each: JsonObject) => Date.parse(each["scheduled_at"] as string) / 1000;
  await until("two firings", async () => (await fired()).length >= 2);

  const port = Number(server.url.split(":")[1]);
  process.kill(-server.pid, "SIGKILL");
  await server.exited;
  const away = Math.ceil(Date.now() / 1000);
  const stored = await user.post("/api/v1/schedules", { workflow_id: workflow, interval_seconds: 86_400, name: "Made meanwhile" });
  expect([stored.status, stored.body]).toMatchObject([201, { in_sync: false, next_runs: null, next_run_at: null }]);
  await new Promise((resolve) => setTimeout(resolve, AWAY_MS));
  server = await startOrchestrator(port);

  const back = Math.ceil(Date.now() / 1000);
  await until("the moments after", async () => (await fired().catch(() => [])).some((each) => seconds(each) > back), 60_000);
  await until("it is in Temporal", async () => (await user.get(`/api/v1/schedules/${stored.body["id"] as string}`)).body["in_sync"] === true, 60_000);
  expect((await user.post(`${path}/pause`)).status).toBe(200);
  await until("all have ended", async () => (await fired()).every(({ completed_at: at }) => at !== null), 60_000);
  const moments = (await fired()).map(seconds).toSorted((a, b) => a - b);
  expect(moments).toEqual(Array.from({ length: moments.length }, (_, index) => (moments[0] as number) + index));
  expect(moments.filter((at) => at > away && at < back).length).toBeGreaterThanOrEqual(4);
});
