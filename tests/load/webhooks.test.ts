import { afterAll, beforeAll, expect, test } from "vitest";
import type { JsonObject } from "#core";
import { percentile } from "../../bench/measure.ts";
import { type Perdure, startPerdure } from "../support/perdure.ts";

/** As the source system's figure says: calls at once, and what part of them must be answered with 200. */
const CONCURRENT = 100;
const ROUNDS = Number(process.env["WEBHOOK_ROUNDS"] ?? 10);

let perdure: Perdure;

beforeAll(async () => {
  perdure = await startPerdure({ LOG_LEVEL: "warn" });
});
afterAll(() => perdure?.stop());

test("M8: When 100 webhook calls come at once, again and again, then all are answered with 200, and each has its own run", async () => {
  const { user } = perdure;
  const nodes = [
    { id: "hook", type: "WebhookTrigger", data: { inputs: { rate_limit_per_minute: 0 } } },
    { id: "end", type: "End" },
  ];
  const workflowId = await user.saveWorkflow({ nodes, edges: [{ source: "hook", target: "end" }] });
  const [hook = {}] = (await user.get<JsonObject[]>(`/api/v1/webhooks?workflow_id=${workflowId}`)).body;
  const headers = { authorization: `Bearer ${String(hook["security_token"])}`, "content-type": "application/json" };
  const times: number[] = [];
  const statuses: number[] = [];
  const runs = new Set<unknown>();
  const startedAt = performance.now();
  for (let round = 0; round < ROUNDS; round++) {
    await Promise.all(
      Array.from({ length: CONCURRENT }, async (_, index) => {
        const asked = performance.now();
        const response = await fetch(hook["webhook_url"] as string, { method: "POST", headers, body: JSON.stringify({ round, index }) });
        runs.add(((await response.json()) as JsonObject)["execution_id"]);
        times.push(performance.now() - asked);
        statuses.push(response.status);
      }),
    );
  }
  const seconds = (performance.now() - startedAt) / 1000;
  const shown = {
    calls: times.length,
    per_second: Math.round(times.length / seconds),
    p50_ms: Math.round(percentile(times, 0.5)),
    p95_ms: Math.round(percentile(times, 0.95)),
  };
  process.stdout.write(`${JSON.stringify(shown)}\n`);
  expect(statuses.filter((status) => status !== 200)).toEqual([]);
  expect(runs.size).toBe(CONCURRENT * ROUNDS);
});
