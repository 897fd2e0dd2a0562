import { describe, expect, test } from "vitest";
import { checkCalls } from "./check-calls.ts";
import type { Outage } from "./installation.ts";
import type { Outside, OutsideCall } from "./outside.ts";
import type { NodeRecord, Records } from "./records.ts";

const KEY = "run:n1:";
const kill = (at: number): Outage => ({ what: "worker", at, until: at + 2_000 });
const call = (arrivedAt: number, answeredAt?: number, more: Partial<OutsideCall> = {}): OutsideCall => ({
  key: KEY,
  nodeId: "n1",
  arrivedAt,
  ...(answeredAt !== undefined && { answeredAt }),
  cut: answeredAt === undefined,
  status: 200,
  ...more,
});

function check(
  calls: OutsideCall[],
  outages: Outage[],
  more: { status?: string; shows?: string; receipt?: number; acknowledged?: number; effects?: string[] } = {},
) {
  const { status = "completed", shows = "1", receipt, acknowledged, effects = [KEY] } = more;
  const outside = { url: "", calls, effects: new Map(effects.map((key, at) => [key, at + 1])), faults: [], close: () => Promise.resolve() } satisfies Outside;
  const row: NodeRecord = { run_id: "run", node_id: "n1", iteration: "", type: "HttpRequest", status, output: { headers: { "x-effect": shows } } };
  const records: Records = { runs: [], nodes: new Map([["run", [row]]]), receipts: new Map(receipt === undefined ? [] : [[KEY, receipt]]) };
  return checkCalls(outside, records, outages, new Map(acknowledged === undefined ? [] : [[KEY, acknowledged]]));
}

describe("When calls are counted after chaos", () => {
  test.each([
    ["one call", [call(0, 100)], []],
    ["a call that a kill cut, made again", [call(9_000), call(15_000, 15_100)], [kill(9_050)]],
    ["a call answered just before the kill, made again", [call(9_000, 9_100), call(15_000, 15_100)], [kill(9_500)]],
    ["a call told to come later, made again", [call(0, 1, { status: 429 }), call(1_000, 1_100)], []],
    ["a call cut while a server is away, made again", [call(9_000, 9_300), call(12_000, 12_100)], [{ what: "postgres", at: 8_000, until: 11_000 } as const]],
  ])("then %s is no fault", (_what, calls, outages: Outage[]) => {
    expect(check(calls, outages).faults).toEqual([]);
  });

  test("then a call that two workers made while the run's task changed hands is no fault, and one that came before or after is", () => {
    const outside = { url: "", calls: [call(20_000, 20_100), call(20_250, 20_300)], effects: new Map([[KEY, 1]]), faults: [], close: () => Promise.resolve() };
    const row: NodeRecord = { run_id: "run", node_id: "n1", iteration: "", type: "HttpRequest", status: "completed", output: { headers: { "x-effect": "1" } } };
    const records: Records = { runs: [], nodes: new Map([["run", [row]]]), receipts: new Map() };
    const faultsWith = (at: number) => checkCalls(outside, records, [], new Map(), new Map([["run", [at]]])).faults.join();
    expect(faultsWith(19_000)).toBe("");
    expect(faultsWith(5_000)).toMatch(/nothing had cut/);
    expect(faultsWith(21_000)).toMatch(/nothing had cut/);
  });

  test.each([
    ["a call made again that nothing had cut", [call(0, 100), call(5_000, 5_100)], [], {}, /nothing had cut/],
    ["a call made again that was answered long before the kill", [call(0, 100), call(9_000, 9_100)], [kill(5_000)], {}, /nothing had cut/],
    ["a call made again before the kill", [call(0, 100), call(500, 600)], [kill(700)], {}, /nothing had cut/],
    ["the death of an api as a reason", [call(0), call(5_000, 5_100)], [{ what: "api", at: 10, until: 20 } as const], {}, /nothing had cut/],
    ["a call made again after its receipt", [call(9_000, 9_100), call(15_000, 15_100)], [kill(9_200)], { receipt: 9_110 }, /after its receipt/],
    ["a call made again after its acknowledgement", [call(9_000, 9_100), call(15_000, 15_100)], [kill(9_200)], { acknowledged: 9_110 }, /its acknowledgement/],
    ["more calls made again than were in flight", [call(9_000), call(15_000), call(15_500, 15_600)], [kill(9_050)], {}, /nothing had cut/],
    ["a node that completed without an effect", [], [], { effects: [] }, /without an effect/],
    ["an answer of another effect", [call(0, 100)], [], { shows: "2" }, /shows effect 2/],
    ["a refusal with an effect", [call(0, 100)], [], { status: "failed" }, /had an effect/],
    ["an effect without a node", [call(0, 100)], [], { effects: [KEY, "run:n9:"] }, /there is no such node/],
  ])("then %s is a fault", (_what, calls, outages: Outage[], more, fault) => {
    expect(check(calls, outages, more).faults.join("\n")).toMatch(fault);
  });
});
