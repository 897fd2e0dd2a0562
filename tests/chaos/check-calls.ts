import { isObject } from "#core";
import type { Outage } from "./installation.ts";
import type { Outside, OutsideCall } from "./outside.ts";
import { keyOf, type Records } from "./records.ts";

/**
 * Within this time an answer becomes a receipt in Postgres or an acknowledgement in Temporal. A worker that is killed earlier after an answer may have written
 * neither: its call counts as in flight. In milliseconds; the machine is busy.
 */
const SETTLE_MS = 1_000;

/**
 * Temporal's own time-out of a workflow task. One that was lost with Temporal goes to another worker so long after it began; the first may go on with the local
 * activities of an express run meanwhile, so that both make the same calls until one of them is heard. In milliseconds.
 */
const WORKFLOW_TASK_MS = 10_000;

export interface CallReport {
  faults: string[];
  calls: number;
  effects: number;
  /** Calls beyond the first with the same key, those after "come later" left out. */
  repeats: number;
  /** Of these, made by two workers of which one had lost the run. */
  overlapping: number;
  /** How many calls were in flight in all outages together, each time anew: the bound of `repeats`. */
  inFlight: number;
}

/**
 * "Every finished node's call counted once":
 * - of each HttpRequest that completed the outside system has had exactly one effect, and the node's output is that effect's answer; of one that was refused,
 *   none; there is no effect without a node.
 * - a call is made again only after one that was in flight (sent, and its answer not yet on record) when a worker or a server it writes to was killed, always
 *   under the same key and with the same body, and never once its receipt is written. Also after one that was made while its activity, in an express run the run's
 *   workflow task, went from a worker that was silent to another, as its history tells: both may make the same call before one of them is heard.
 */
export function checkCalls(
  outside: Outside,
  records: Records,
  outages: readonly Outage[],
  acknowledged: ReadonlyMap<string, number>,
  lostTasks: ReadonlyMap<string, readonly number[]> = new Map(),
  silenced: ReadonlyMap<string, number> = new Map(),
): CallReport {
  const faults = [...outside.faults];
  const finished = new Set<string>();
  for (const row of [...records.nodes.values()].flat()) {
    if (row.type !== "HttpRequest" || row.status === "skipped") continue;
    const key = keyOf(row);
    finished.add(key);
    const effect = outside.effects.get(key);
    if (row.status === "completed") {
      const headers = isObject(row.output) && isObject(row.output["headers"]) ? row.output["headers"] : {};
      if (effect === undefined) faults.push(`${key} completed without an effect`);
      else if (headers["x-effect"] !== String(effect)) faults.push(`${key} shows effect ${String(headers["x-effect"])}, but had effect ${effect}`);
    } else if (row.status === "failed" && effect !== undefined) faults.push(`${key} failed, but had an effect: ${JSON.stringify(row.error)}`);
  }
  for (const key of outside.effects.keys()) if (!finished.has(key)) faults.push(`${key} had an effect, but there is no such node`);

  const harmful = outages.filter(({ what }) => what !== "api");
  let repeats = 0;
  let overlapping = 0;
  for (const [key, calls] of Map.groupBy(outside.calls, ({ key: each }) => each)) {
    const inOrder = calls.toSorted((a, b) => a.arrivedAt - b.arrivedAt);
    for (const [at, call] of inOrder.entries()) {
      const before = inOrder[at - 1];
      if (!before || (before.status === 429 && before.answeredAt !== undefined)) continue;
      repeats++;
      const tasks = lostTasks.get(key.split(":")[0] as string) ?? [];
      const isCut = harmful.some((outage) => cutBy(before, outage) && outage.at <= call.arrivedAt);
      const isTakenOver =
        tasks.some((at) => at <= call.arrivedAt && at >= before.arrivedAt - WORKFLOW_TASK_MS) ||
        // That of the attempt that made the call: nothing else made one before.
        (silenced.get(key) ?? Infinity) <= call.arrivedAt;
      if (!isCut && isTakenOver) overlapping++;
      else if (!isCut)
        faults.push(
          `${key} was called again ${call.arrivedAt - before.arrivedAt} ms after a call that nothing had cut (answered after ${answerMs(before)}; ${sinceKills(call.arrivedAt, harmful)})`,
        );
      for (const [what, written] of [
        ["receipt", records.receipts.get(key)],
        ["acknowledgement", acknowledged.get(key)],
      ] as const) {
        if (written !== undefined && call.arrivedAt > written + SETTLE_MS)
          faults.push(`${key} was called again ${call.arrivedAt - written} ms after its ${what}`);
      }
    }
  }
  const inFlight = harmful.reduce((sum, outage) => sum + outside.calls.filter((call) => cutBy(call, outage)).length, 0);
  if (repeats - overlapping > inFlight)
    faults.push(`${repeats - overlapping} calls were made again, but only ${inFlight} were in flight when something was killed`);
  return { faults, calls: outside.calls.length, effects: outside.effects.size, repeats, overlapping, inFlight };
}

/** Whether a call was in flight during the outage: that of a worker is a moment, that of a server lasts. */
function cutBy({ arrivedAt, answeredAt }: OutsideCall, outage: Outage): boolean {
  return arrivedAt <= endOf(outage) && (answeredAt ?? Infinity) >= outage.at - SETTLE_MS;
}

function endOf({ what, at, until }: Outage): number {
  if (what === "worker") return at;
  return until + SETTLE_MS + (what === "temporal" ? WORKFLOW_TASK_MS : 0);
}

/** What had been killed before, for who reads of a fault. */
function sinceKills(at: number, outages: readonly Outage[]): string {
  const before = outages.filter((outage) => outage.at <= at).slice(-3);
  return before.map((outage) => `${outage.what} killed ${at - outage.at} ms before, back ${at - outage.until} ms before`).join("; ");
}

function answerMs({ arrivedAt, answeredAt, cut }: OutsideCall): string {
  return answeredAt === undefined ? (cut ? "never: its caller had gone" : "never") : `${answeredAt - arrivedAt} ms`;
}
