import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { createBreakers } from "#integrations/breaker";
import { createLogger } from "#platform";
import { createCircuitReports } from "./circuits.ts";

const OPEN_MS = 30_000;
const INTERVAL_MS = 10_000;
const TARGET = { tenantId: "t", kind: "http", name: "api.example" } as const;

function bench() {
  const report = vi.fn((_worker: string, _circuits: readonly object[], _validMs: number): Promise<void> => Promise.resolve());
  const breakers = createBreakers({ failures: 2, openMs: OPEN_MS, onChange: () => reports.changed() });
  const reports = createCircuitReports({ breakers, circuits: { report }, intervalMs: INTERVAL_MS, logger: createLogger("worker", "silent") });
  const call = (work: () => Promise<"well" | "ill">) =>
    breakers.run(TARGET, work, { signal: undefined, ofResult: (outcome) => outcome, ofError: () => "ill" }).catch(() => {});
  return { report, reports, call, fail: () => call(() => Promise.resolve("ill")), states: () => report.mock.calls.map(([, circuits]) => circuits) };
}

describe("what a worker tells of its circuits", () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  test("A17: When every circuit is closed, then nothing is written", async () => {
    const { call, report, reports } = bench();
    await call(() => Promise.resolve("well"));
    await vi.advanceTimersByTimeAsync(5 * INTERVAL_MS);
    await reports.close();
    expect(report).not.toHaveBeenCalled();
  });

  test("A17: When one opens, tries and closes, then each is told at once, and when it may try next", async () => {
    const { fail, call, states, report } = bench();
    const openedAt = new Date().toISOString();
    await fail();
    await fail();
    await vi.advanceTimersByTimeAsync(100);
    const open = { ...TARGET, state: "open", failures: 2, opened_at: openedAt, retry_at: new Date(Date.parse(openedAt) + OPEN_MS).toISOString() };
    expect(states()).toEqual([[open]]);
    expect(report.mock.calls[0]?.[2]).toBe(3 * INTERVAL_MS);

    await vi.advanceTimersByTimeAsync(OPEN_MS);
    let end = (): void => {};
    const trial = call(() => new Promise((resolve) => (end = () => resolve("well"))));
    await vi.advanceTimersByTimeAsync(100);
    expect(states().at(-1)).toEqual([expect.objectContaining({ state: "half_open" })]);
    end();
    await trial;
    await vi.advanceTimersByTimeAsync(100);
    expect(states().at(-1)).toEqual([]);
    const written = states().length;
    await vi.advanceTimersByTimeAsync(5 * INTERVAL_MS);
    expect(states()).toHaveLength(written);
  });

  test("A17: When the try fails, then it is told as open again, with a new pause", async () => {
    const { fail, states } = bench();
    await fail();
    await fail();
    await vi.advanceTimersByTimeAsync(OPEN_MS + 100);
    await fail();
    await vi.advanceTimersByTimeAsync(100);
    const told = states().at(-1)?.[0] as { state: string; retry_at: string };
    expect([told.state, Date.parse(told.retry_at) > Date.now()]).toEqual(["open", true]);
  });

  test("A17: When nothing changes, then it is told again and again, so that it stays known; a failure to write stops neither that nor a call", async () => {
    const { fail, report } = bench();
    report.mockRejectedValueOnce(new Error("away"));
    await fail();
    await fail();
    await vi.advanceTimersByTimeAsync(100);
    expect(report).toHaveBeenCalledTimes(1);
    await vi.advanceTimersByTimeAsync(2 * INTERVAL_MS);
    expect(report).toHaveBeenCalledTimes(3);
  });

  test("A17: When the worker ends, then it takes back what it told", async () => {
    const { fail, reports, states } = bench();
    await fail();
    await fail();
    await vi.advanceTimersByTimeAsync(100);
    await reports.close();
    expect(states().at(-1)).toEqual([]);
    const written = states().length;
    reports.changed();
    await vi.advanceTimersByTimeAsync(5 * INTERVAL_MS);
    expect(states()).toHaveLength(written);
  });
});
