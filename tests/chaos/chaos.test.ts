import { setTimeout as pause } from "node:timers/promises";
import { isDeepStrictEqual } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Client } from "@temporalio/client";
import { isObject } from "#core";
import { checkRun } from "../support/run-checker.ts";
import { type OpenTemporal, openTemporal } from "../support/sealed.ts";
import { checkCalls } from "./check-calls.ts";
import { checkHistory } from "./check-histories.ts";
import { againstModel, againstUndo } from "./check-model.ts";
import { dice, type Dice } from "./dice.ts";
import { type Expectation, expectationOf } from "./expectation.ts";
import { type ChaosGraph, type ChildWorkflow, drawGraph } from "./graphs.ts";
import { type Installation, startInstallation } from "./installation.ts";
import { type Outside, startOutside } from "./outside.ts";
import { insist, startPeople } from "./people.ts";
import { type NodeRecord, readRecords, type RunRecord } from "./records.ts";

/** 20 and 6 in every test run, 200 and 50 by `npm run test:chaos`. */
const RUNS = Number(process.env["CHAOS_RUNS"] ?? 20);
const KILLS = Number(process.env["CHAOS_KILLS"] ?? 6);
/** Repeats graphs, answers and kills; not what happens at which instant. */
const SEED = Number(process.env["CHAOS_SEED"] ?? Date.now() % 1_000_000);
const IS_LONG = RUNS > 50;
const NODES = 20;
const CHILDREN = 6;
/** Runs at once. */
const LIVE = IS_LONG ? 20 : 14;
/** While kills are behind, no more begin than keep so many alive. */
const LIVE_AT_LEAST = 3;
/** Milliseconds between kills. */
const BETWEEN_KILLS = { least: 800, most: IS_LONG ? 4_000 : 2_000 };
const APIS = 2;
const WORKERS = 2;
const CHECKED_AT_ONCE = 4;
/** Of one run, from its start, whatever is killed. */
const ENDS_WITHIN_MS = IS_LONG ? 240_000 : 150_000;

interface Drawn {
  graph: ChaosGraph;
  expected: Expectation;
}

let installation: Installation;
let outside: Outside;
let temporal: OpenTemporal;

const began = Date.now();
const say = (text: string): void => void process.stdout.write(`[chaos ${((Date.now() - began) / 1000).toFixed(0)} s] ${text}\n`);

beforeAll(async () => {
  [installation, outside] = await Promise.all([startInstallation({ apis: APIS, workers: WORKERS }), startOutside()]);
});
afterAll(async () => {
  await temporal?.close();
  await Promise.all([installation?.stop(), outside?.close()]);
});

test(
  `A3 A4 A5 A9 A10: When ${KILLS} apis and workers are killed under ${RUNS} runs of both forms, Temporal and PostgreSQL too, then each ends where the model says, each finished node's call counts once, and what is shown is what the histories say`,
  async () => {
    say(`CHAOS_SEED=${SEED} CHAOS_RUNS=${RUNS} CHAOS_KILLS=${KILLS}`);
    const seeded = dice(SEED);
    const drawn = new Map<string, Drawn>();
    const children = await saveChildren(seeded.split(), drawn);
    const graphs = draws(seeded.split(), children);
    const people = startPeople(installation.user, installation.bases, seeded.split());

    const progress = { started: 0, ended: 0, kills: 0 };
    const faults: string[] = [];
    const runs = new Set<string>();
    const killed = killAtRandom(seeded.split(), progress).catch((error: Error) => {
      faults.push(`after ${progress.kills} kills: ${error.message}`);
      progress.kills = Infinity;
    });
    let next = 0;
    await Promise.all(
      Array.from({ length: LIVE }, async () => {
        // Where kills take longer than runs there are more of these, so that there is something to be hit until the last kill.
        for (let at = next++; at < RUNS || progress.kills < KILLS; at = next++) {
          while (progress.started - progress.ended >= LIVE_AT_LEAST && progress.kills < (KILLS * (Math.min(at, RUNS - 1) - LIVE + 1)) / (RUNS - LIVE)) {
            await pause(50);
          }
          progress.started++;
          await one(graphs.next().value, at, drawn, runs).catch((error: Error) => void faults.push(`run ${at}: ${error.message}`));
          progress.ended++;
          if (IS_LONG && progress.ended % 10 === 0) say(`${progress.ended} of ${RUNS} runs have ended, ${progress.kills} kills, ${outside.calls.length} calls`);
        }
      }),
    );
    await killed;
    await people.leave();
    await installation.whole();
    say(`all have ended: ${progress.kills} kills, ${people.answered} answers; checking`);

    faults.push(...people.faults, ...(await check(drawn, runs)));
    expect(faults).toEqual([]);
    expect(progress.kills).toBe(KILLS);
  },
  IS_LONG ? 25 * 60_000 : 360_000,
);

/** Workflows that others run: some complete, one or another fails, the later ones run earlier ones. */
async function saveChildren(thrown: Dice, drawn: Map<string, Drawn>): Promise<ChildWorkflow[]> {
  const children: ChildWorkflow[] = [];
  for (let n = 0; n < CHILDREN; n++) {
    const form = n % 2 === 0 ? "standard" : "express";
    const graph = drawGraph({ dice: thrown, size: 5, form, outside: outside.url, children: n < CHILDREN / 2 ? [] : children.slice(0, 2) });
    const expected = expectationOf(graph, thrown.split());
    const workflowId = await installation.user.saveWorkflow(graph.graph, `child ${n}`);
    drawn.set(workflowId, { graph, expected });
    children.push({ workflowId, status: expected.status, outputs: expected.outputs });
  }
  return children;
}

function* draws(thrown: Dice, children: readonly ChildWorkflow[]): Generator<Drawn, never> {
  for (let n = 0; ; n++) {
    const graph = drawGraph({ dice: thrown, size: NODES - 2, form: n % 2 === 0 ? "standard" : "express", outside: outside.url, children });
    yield { graph, expected: expectationOf(graph, thrown.split()) };
  }
}

/** Saves a workflow, starts it and waits for its end, all of it through apis that come and go. */
async function one(each: Drawn, at: number, drawn: Map<string, Drawn>, runs: Set<string>): Promise<void> {
  const { user, bases } = installation;
  const saved = await insist(user, bases, (api) => api.post("/api/v1/workflows", { name: `run ${at}`, flow_data: each.graph.graph }));
  const workflowId = saved.body["id"] as string;
  drawn.set(workflowId, each);
  const started = await insist(user, bases, (api) =>
    api.post(`/api/v1/workflows/${workflowId}/execute`, { inputs: { start: true } }, { "idempotency-key": `run-${at}` }),
  );
  if (started.status !== 201) throw new Error(`execute answered ${started.status}: ${JSON.stringify(started.body)}`);
  const id = started.body["execution_id"] as string;
  runs.add(id);
  for (const deadline = Date.now() + ENDS_WITHIN_MS; Date.now() < deadline; await pause(500)) {
    const { body } = await insist(user, bases, (api) => api.get(`/api/v1/executions/${id}`));
    if (["completed", "failed", "cancelled", "timed_out"].includes(body["status"] as string)) return;
  }
  throw new Error(`${id} did not end: ${JSON.stringify((await insist(user, bases, (api) => api.get(`/api/v1/executions/${id}`))).body).slice(0, 600)}`);
}

/** Kills apis and workers, and in between Temporal once and PostgreSQL once; always while runs are live. */
async function killAtRandom(thrown: Dice, progress: { started: number; ended: number; kills: number }): Promise<void> {
  const servers = new Map([
    [Math.floor(KILLS / 3), "temporal"],
    [Math.floor((KILLS * 2) / 3), "postgres"],
  ] as const);
  while (progress.kills < KILLS) {
    await pause(thrown.between(BETWEEN_KILLS.least, BETWEEN_KILLS.most));
    const server = servers.get(progress.kills);
    servers.delete(progress.kills);
    if (server) {
      say(`killing ${server}`);
      await installation.kill(server, 0);
    }
    const what = thrown.chance(0.65) ? "worker" : "api";
    const which = thrown.below(what === "worker" ? WORKERS : APIS);
    if (installation.outages.some((outage) => outage.what === what && outage.until === Infinity)) await installation.whole();
    while (progress.started === progress.ended) await pause(20);
    await installation.kill(what, which);
    progress.kills++;
  }
}

async function check(drawn: ReadonlyMap<string, Drawn>, runs: ReadonlySet<string>): Promise<string[]> {
  const { user, bases, databaseUrl, outages } = installation;
  temporal = await openTemporal(installation);
  const faults: string[] = [];
  const records = await readRecords(databaseUrl);
  const byId = new Map(records.runs.map((run) => [run.id, run]));
  const top = records.runs.filter(({ parent_id }) => parent_id === null);
  if (top.length !== runs.size || top.some(({ id }) => !runs.has(id))) faults.push(`${runs.size} runs were started, ${top.length} are there`);
  /** A child whose parent, or the iteration of it that has it, failed meanwhile has been called off, however far it was. */
  const isCalledOff = ({ status, parent_id }: RunRecord) =>
    status === "cancelled" &&
    parent_id !== null &&
    (byId.get(parent_id)?.status !== "completed" ||
      (records.nodes.get(parent_id) ?? []).some((row) => row.type === "SubWorkflow" && row.status === "cancelled"));
  faults.push(...(await openInTemporal(temporal.client)).map((id) => `${id} is open in Temporal`));

  const acknowledged = new Map<string, number>();
  const lostTasks = new Map<string, number[]>();
  const silenced = new Map<string, number>();
  let [rowsInAll, freeRows] = [0, 0];
  await eachOf(records.runs, async (run) => {
    const rows: NodeRecord[] = records.nodes.get(run.id) ?? [];
    const { graph, expected } = drawn.get(run.workflow_id) as Drawn;
    rowsInAll += rows.length;
    freeRows += rows.filter(({ node_id, iteration }) => expected.isFree(node_id, iteration)).length;
    const isExpress = graph.graph.settings["execution"] === "express";
    const mayBeLeft = (row: NodeRecord) => isExpress && row.status === "completed" && expected.isFree(row.node_id, row.iteration);
    const history = await checkHistory(temporal.client, user.at(bases[0] as string), run, rows, mayBeLeft);
    if (isExpress) lostTasks.set(run.id, history.lostTasks);
    for (const [key, at] of history.acknowledged) acknowledged.set(key, at);
    for (const [key, at] of history.silenced) silenced.set(key, at);
    const mine = records.runs.filter(({ parent_id }) => parent_id === run.id);
    const parents = rows.filter(({ node_id, status }) => graph.children.has(node_id) && status !== "skipped");
    const calledOff = parents.filter(({ status }) => status === "cancelled").length;
    const found = [...(isCalledOff(run) ? [] : againstModel(run, rows, expected)), ...againstUndo(run, rows, graph, records, outside), ...history.faults];
    if (
      mine
        .map(({ id, tenant_id }) => `${tenant_id}/${id}`)
        .toSorted()
        .join() !== history.children.toSorted().join()
    )
      found.push(`has the children ${mine.map(({ id }) => id).join()}, its history ${history.children.join()}`);
    if (mine.length > parents.length || mine.length < parents.length - calledOff) found.push(`has ${mine.length} children for ${parents.length} nodes`);
    if (run.parent_id !== null && !byId.has(run.parent_id)) found.push("has a parent that is not there");
    await checkRun({ databaseUrl }, user.at(bases[0] as string), run.id).catch((error: Error) => found.push(describe(error)));
    faults.push(...found.map((fault) => `run ${run.id} (${graph.graph.settings["execution"] as string}): ${fault}`));
  });

  const calls = checkCalls(outside, records, outages, acknowledged, lostTasks, silenced);
  faults.push(...calls.faults);
  const count = (what: string) => outages.filter((outage) => outage.what === what).length;
  const ended = (status: string) => records.runs.filter((run) => run.status === status).length;
  say(
    `${top.length} runs and ${records.runs.length - top.length} child runs: ${ended("completed")} completed, ${ended("failed")} failed as told, ${ended("cancelled")} called off with their parents; ${rowsInAll} nodes, ${freeRows} of them where a failure called off the rest; ` +
      `killed: ${count("worker")} × worker, ${count("api")} × api, ${count("temporal")} × Temporal, ${count("postgres")} × PostgreSQL; ` +
      `${calls.calls} calls, ${calls.effects} effects, ${calls.repeats} calls made again (${calls.overlapping} by two workers at once) of ${calls.inFlight} in flight; ${faults.length} faults`,
  );
  return faults;
}

async function eachOf<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const left = [...items];
  await Promise.all(
    Array.from({ length: CHECKED_AT_ONCE }, async () => {
      for (let item = left.shift(); item !== undefined; item = left.shift()) await work(item);
    }),
  );
}

/** What differs, where two tables were compared. */
function describe(error: Error & { actual?: unknown; expected?: unknown }): string {
  const { message, actual, expected } = error;
  if (!isObject(actual) || !isObject(expected)) return message;
  const keys = new Set([...Object.keys(actual), ...Object.keys(expected)]);
  const brief = (value: unknown) => JSON.stringify(value)?.slice(0, 400) ?? "nothing";
  const different = [...keys].filter((key) => !isDeepStrictEqual(actual[key], expected[key]));
  return `${message.split(":")[0]}: ${different.map((key) => `${key} is ${brief(actual[key])} and ${brief(expected[key])}`).join("; ")}`;
}

/** Temporal's list is a little behind. */
async function openInTemporal(client: Client): Promise<string[]> {
  for (let left = 20; ; left--) {
    const open: string[] = [];
    for await (const { workflowId } of client.workflow.list({ query: "ExecutionStatus = 'Running'" })) open.push(workflowId);
    if (open.length === 0 || left === 0) return open;
    await pause(500);
  }
}
