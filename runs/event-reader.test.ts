import { type TenantId, uuidv7 } from "#core";
import { expect, test, vi } from "vitest";
import { createEventReader } from "./event-reader.ts";
import type { StoredEvent } from "./types.ts";

const tenant = "018f0000-0000-7000-8000-000000000000" as TenantId;

/** A log in memory that counts what it is asked. */
function logInMemory() {
  const runId = uuidv7();
  const events: StoredEvent[] = [];
  const queries: number[] = [];
  let call: (runId: string) => void = () => undefined;
  const reader = createEventReader({
    log: { listen: async (onRun) => ((call = onRun), { close: async () => undefined }), heads: async () => new Map([[runId, events.length]]) },
    runs: {
      async eventPage(_tenant, _id, after, limit) {
        queries.push(after);
        const page = events.filter(({ seq }) => seq > after).slice(0, limit);
        // The answer is on its way while others write.
        await new Promise((resolve) => setTimeout(resolve, 5));
        return { events: page, hasMore: false };
      },
      events: async (_tenant, _id, after, limit) => events.filter(({ seq }) => seq > after).slice(0, limit),
      get: async () => ({ status: "running" }) as never,
    },
    pollMs: 60_000,
  });
  const tell = (kind: StoredEvent["kind"] = "token_delta"): void => {
    const seq = events.length + 1;
    events.push({ seq, run_id: runId, key: `${seq}`, kind, at: "2026-01-01T00:00:00.000Z" });
    call(runId);
  };
  return { reader, runId, tell, queries, call: () => call(runId) };
}

test("G1: When many watch a run, then what is new is asked for once for all of them, and each hears every event once", async () => {
  const { reader, runId, tell, queries } = logInMemory();
  const watchers = 200;
  const heard = Array.from({ length: watchers }, () => [] as number[]);
  const all = Promise.all(
    heard.map(async (seqs) => {
      for await (const event of reader.read(tenant, runId, 0, new AbortController().signal)) if ("seq" in event) seqs.push(event.seq);
    }),
  );
  for (let n = 1; n <= 20; n++) {
    tell();
    // Some of them while the query before is on its way, some after it.
    if (n % 3 === 0) await new Promise((resolve) => setTimeout(resolve, 12));
  }
  await vi.waitFor(() => expect(heard.every((seqs) => seqs.length === 20)).toBe(true));
  tell("workflow_complete");
  await all;
  expect(heard.every((seqs) => seqs.every((seq, at) => seq === at + 1) && seqs.length === 21)).toBe(true);
  expect(queries.length).toBeLessThan(60);
  await reader.close();
});

test("G1: When somebody begins while a query is on its way that is older than what was just written, then they do not wait for it", async () => {
  const { reader, runId, tell, queries, call } = logInMemory();
  const gone = new AbortController();
  const read = async (after: number, heard: number[]) => {
    for await (const event of reader.read(tenant, runId, after, gone.signal)) if ("seq" in event) heard.push(event.seq);
  };
  const [first, second]: [number[], number[]] = [[], []];
  tell();
  const reading = [read(0, first)];
  await vi.waitFor(() => expect(first).toEqual([1]));
  await new Promise((resolve) => setTimeout(resolve, 20));
  const before = queries.length;
  call();
  await vi.waitFor(() => expect(queries.length).toBe(before + 1), { interval: 0 });
  tell();
  reading.push(read(1, second));
  await vi.waitFor(() => expect([first, second]).toEqual([[1, 2], [2]]));
  gone.abort();
  await Promise.all(reading);
});
