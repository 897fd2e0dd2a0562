import { Client, Connection } from "@temporalio/client";
import { afterAll, beforeAll, expect } from "vitest";
import type { JsonObject } from "#core";
import { type Perdure, startPerdure } from "../support/perdure.ts";
import { verifies } from "../support/verifies.ts";
import { linksOf } from "./chain.ts";
import { form, isLong, say } from "./form.ts";
import { inMegabytes, MEASURED, type Memory, memoryOf } from "./memory.ts";
import { rowsOf } from "./rows.ts";

/** No history may come to this, at any time. */
const EVENTS_MAX = 5_000;

let perdure: Perdure;
let connection: Connection;
let client: Client;

beforeAll(async () => {
  perdure = await startPerdure({}, { workerArgs: MEASURED });
  connection = await Connection.connect({ address: perdure.temporalAddress });
  client = new Client({ connection, namespace: perdure.namespace });
});
afterAll(async () => {
  await connection?.close();
  await perdure?.stop();
});

/** Of the first sample: what the worker may hold more later on. */
const FLAT = 1.1;

interface Measured {
  run: JsonObject;
  samples: Memory[];
}

/** Runs a graph to its end and asks the worker for its memory meanwhile. */
async function measured(graph: unknown, inputs: JsonObject = {}): Promise<Measured> {
  const { user, worker } = perdure;
  const begun = Date.now();
  const id = await user.start(await user.saveWorkflow(graph), inputs);
  const samples: Memory[] = [];
  let run = await user.run(id);
  while (!["completed", "failed", "cancelled", "timed_out"].includes(run["status"] as string)) {
    await new Promise((resolve) => setTimeout(resolve, form({ short: 2_000, long: 10_000 })));
    samples.push(await memoryOf(worker));
    run = await user.run(id);
  }
  samples.push(await memoryOf(worker));
  const links = await linksOf(client, run);
  say(
    `${((Date.now() - begun) / 1000).toFixed(1)} s; links: ${links.map(({ events, bytes }) => `${events} events ${(bytes / 1024).toFixed(0)} KiB`).join(", ")}`,
  );
  for (const sample of samples) say(`  ${inMegabytes(sample)}`);
  return { run, samples };
}

function expectFlat([first, ...later]: readonly Memory[]): void {
  if (!first) throw new Error("Nothing was measured.");
  for (const { heap, rss } of later)
    expect([heap < first.heap * FLAT, rss < first.rss * FLAT], `heap and memory of ${inMegabytes(first)}, then ${later.map(inMegabytes).join("; ")}`).toEqual([
      true,
      true,
    ]);
}

/** The heap of a map goes up and down with the step of a link at which it is asked, so its first third is compared with its last. What the process takes is held to the first sample. */
function expectFlatOverLinks(samples: readonly Memory[]): void {
  const third = Math.ceil(samples.length / 3);
  const heapOf = (some: readonly Memory[]): number => some.reduce((sum, { heap }) => sum + heap, 0) / some.length;
  expect(heapOf(samples.slice(-third)), "the heap of the last third").toBeLessThan(heapOf(samples.slice(0, third)) * FLAT);
  for (const sample of samples) expect(sample.rss, inMegabytes(sample)).toBeLessThan((samples[0]?.rss ?? 0) * FLAT);
}

const loop = (times: number, step: JsonObject): unknown => ({
  nodes: [
    { id: "start", type: "Start" },
    { id: "loop", type: "Loop", data: { inputs: { times, max_iterations: times } } },
    { id: "step", ...step },
    { id: "end", type: "End", data: { inputs: { value: { last: "{{loop.last}}", iterations: "{{loop.iterations}}" } } } },
  ],
  edges: [
    { source: "start", target: "loop" },
    { source: "loop", target: "step", sourceHandle: "body" },
    { source: "step", target: "loop", targetHandle: "return" },
    { source: "loop", target: "end", sourceHandle: "done" },
  ],
});

const map = (step: JsonObject): unknown => ({
  nodes: [
    { id: "start", type: "Start" },
    { id: "each", type: "MapReduce", data: { inputs: { items: "{{inputs.items}}", concurrency: 50 } } },
    { id: "step", ...step },
    { id: "end", type: "End", data: { inputs: { value: { count: "{{each.length}}", first: "{{each[0]}}" } } } },
  ],
  edges: [
    { source: "start", target: "each" },
    { source: "each", target: "step", sourceHandle: "body" },
    { source: "step", target: "each", targetHandle: "return" },
    { source: "each", target: "end", sourceHandle: "done" },
  ],
});

verifies(["A5", "A10"], "When a loop makes 10,000 iterations of one local activity, then no history comes to 5,000 events", async () => {
  const times = form({ short: 1_000, long: 10_000 });
  const { run, samples } = await measured(loop(times, { type: "Transform", data: { inputs: { expression: '{"n": $number(item.n ? item.n : 0) + 1}' } } }));
  expect(run).toMatchObject({ status: "completed", outputs: { last: { n: times }, iterations: times } });
  for (const { events } of await linksOf(client, run)) expect(events).toBeLessThan(EVENTS_MAX);
  expect(await rowsOf(perdure, run)).toMatchObject({ step: { completed: times } });
  if (isLong) expectFlat(samples);
});

verifies(["A5", "A10"], "When a map takes 100,000 items inline, 50 at once, then it completes", async () => {
  const items = Array.from({ length: form({ short: 2_000, long: 100_000 }) }, (_nothing, at) => at);
  const { run, samples } = await measured(map({ type: "Template", data: { inputs: { template: "{{item}}" } } }), { items });
  expect(run).toMatchObject({ status: "completed", outputs: { count: items.length } });
  for (const { events } of await linksOf(client, run)) expect(events).toBeLessThan(EVENTS_MAX);
  expect(await rowsOf(perdure, run)).toMatchObject({ step: { completed: items.length } });
  if (isLong) expectFlatOverLinks(samples);
});

verifies(
  ["A5", "A10"],
  "When a map takes more items of one local activity than a history may have events, then it goes on with what is left of the items",
  async () => {
    const items = Array.from({ length: form({ short: 5_000, long: 100_000 }) }, (_nothing, at) => at);
    const { run, samples } = await measured(map({ type: "Transform", data: { inputs: { expression: "item" } } }), { items });
    expect(run).toMatchObject({ status: "completed", outputs: { count: items.length, first: 0 } });
    const links = await linksOf(client, run);
    expect(links.length).toBeGreaterThan(1);
    for (const { events } of links) expect(events).toBeLessThan(EVENTS_MAX);
    expect(await rowsOf(perdure, run)).toMatchObject({ step: { completed: items.length } });
    if (isLong) expectFlatOverLinks(samples);
  },
);
