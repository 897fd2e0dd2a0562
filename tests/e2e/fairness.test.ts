import { afterAll, beforeAll, expect, test } from "vitest";
import type { JsonObject } from "#core";
import { percentile } from "../../bench/measure.ts";
import { TestClient } from "../support/client.ts";
import { type CountingServer, startCountingServer } from "../support/counting-server.ts";
import { type Perdure, startPerdure } from "../support/perdure.ts";
import { until } from "../support/until.ts";

/** Runs that one organization starts at once, and those of the other. */
const FLOOD = 150;
const FEW = 24;

let perdure: Perdure;
let outside: CountingServer;

beforeAll(async () => {
  outside = await startCountingServer({ delayMs: 200 });
  perdure = await startPerdure({ LOG_LEVEL: "warn" });
});
afterAll(async () => {
  await perdure?.stop();
  await outside?.close();
});

const graph = (name: string): JsonObject => ({
  nodes: [
    { id: "start", type: "Start" },
    { id: "call", type: "HttpRequest", data: { inputs: { url: `${outside.url}/${name}` } } },
  ],
  edges: [{ source: "start", target: "call" }],
});

test("A11: When one organization's runs pile up while no worker is there, then another's that come after them do not wait for all of them", async () => {
  const [a, b] = [perdure.user, await TestClient.register(perdure.base)];
  const [workflowA, workflowB] = [await a.saveWorkflow(graph("a")), await b.saveWorkflow(graph("b"))];
  await perdure.worker.stop();
  let left = FLOOD;
  await Promise.all(
    Array.from({ length: 8 }, async () => {
      while (left-- > 0) await a.start(workflowA);
    }),
  );
  const runs = await Promise.all(Array.from({ length: FEW }, () => b.start(workflowB)));
  await perdure.startWorker();
  await until("the calls of the few", () => outside.calls.filter(({ path }) => path === "/b").length >= FEW, 60_000);
  const places = outside.calls.flatMap(({ path }, place) => (path === "/b" ? [place] : []));
  // In the order of starts they would be the last of all. A task queue has partitions, each fair by itself and filled by chance, so some may come late.
  expect(percentile(places, 0.25), `the first quarter of those at ${places.join(", ")}`).toBeLessThan(FLOOD * 0.6);
  for (const run of runs) expect(await b.ended(run)).toMatchObject({ status: "completed" });
});
