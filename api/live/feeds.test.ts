import { type TenantId, uuidv7 } from "#core";
import type { EventReader, StoredEvent } from "#runs";
import { describe, expect, test, vi } from "vitest";
import { type Sink, createFeeds } from "./feeds.ts";

const tenant = "018f0000-0000-7000-8000-000000000000" as TenantId;

/** The log of one run, and how often it was read. */
function oneRun() {
  const runId = uuidv7();
  const events: StoredEvent[] = [];
  const waiting = new Set<() => void>();
  const counts = { readers: 0, pages: 0, silences: 0, failing: false };
  const wake = (): void => waiting.forEach((each) => each());
  let idle = false;
  const reader: EventReader = {
    async *read(_tenant, _id, after, signal) {
      counts.readers++;
      for (let last = after; !signal.aborted;) {
        if (counts.failing) throw new Error("away");
        const next = events.find(({ seq }) => seq > last);
        if (next) {
          last = next.seq;
          yield next;
          continue;
        }
        if (idle) {
          idle = false;
          yield { idle: true };
        }
        await new Promise<void>((resolve) => {
          waiting.add(resolve);
          signal.addEventListener("abort", () => resolve());
        });
      }
      counts.readers--;
    },
    close: async () => undefined,
  };
  const feeds = createFeeds({
    reader,
    runs: {
      async eventPage(_tenant, _id, after, limit) {
        counts.pages++;
        const rows = events.filter(({ seq }) => seq > after);
        // The answer is on its way while others write.
        await new Promise((resolve) => setImmediate(resolve));
        return { events: rows.slice(0, limit), hasMore: rows.length > limit };
      },
    },
    heads: async () => new Map([[runId, events.length]]),
    onSilence: () => counts.silences++,
  });
  return {
    runId,
    feeds,
    counts,
    tell(number = 1, kind: StoredEvent["kind"] = "token_delta") {
      for (let n = 0; n < number; n++) {
        const seq = events.length + 1;
        events.push({ seq, run_id: runId, key: `${seq}`, kind, at: "2026-01-01T00:00:00.000Z" });
      }
      wake();
    },
    fail() {
      counts.failing = true;
      wake();
    },
    silence() {
      idle = true;
      wake();
    },
  };
}

function listener(isFull = () => false) {
  const heard: number[] = [];
  const ends: unknown[] = [];
  let free: (() => void) | undefined;
  const sink: Sink = {
    get isFull() {
      return isFull();
    },
    room: () => new Promise<void>((resolve) => (free = resolve)),
    deliver: ({ stored }) => heard.push(stored.seq),
    ended: (error) => ends.push(error),
  };
  return { sink, heard, ends, free: () => free?.() };
}

const upTo = (last: number, from = 1) => Array.from({ length: last - from + 1 }, (_, at) => at + from);

describe("feeds of runs", () => {
  test("G3: When many watch a run from different events on, then it is read once, and each hears the rest once and in order, to the end", async () => {
    const { runId, feeds, tell, counts } = oneRun();
    tell(700);
    const listeners = [0, 0, 350, 699, 700].map((after) => ({ after, ...listener() }));
    for (const { after, sink } of listeners) feeds.watch(tenant, runId, after, sink);
    for (let n = 0; n < 50; n++) {
      tell(3);
      if (n % 7 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    expect(counts.readers).toBe(1);
    tell(1, "workflow_complete");
    await vi.waitFor(() => expect(listeners.every(({ ends }) => ends.length === 1)).toBe(true));
    for (const { after, heard, ends } of listeners) expect([heard, ends]).toEqual([upTo(851, after + 1), [undefined]]);
    // Who comes when it has ended hears it all, or that there is nothing.
    const [late, full] = [listener(), listener()];
    feeds.watch(tenant, runId, 849, late.sink);
    feeds.watch(tenant, runId, 851, full.sink);
    await vi.waitFor(() => expect([late.ends.length, full.ends.length]).toEqual([1, 1]));
    expect([late.heard, full.heard]).toEqual([[850, 851], []]);
  });

  test("G3: When one listener is full, then the others hear on; it reads the rest from the log when there is room, and nothing is kept for it", async () => {
    const { runId, feeds, tell, counts } = oneRun();
    let full = false;
    const slow = listener(() => full);
    const healthy = listener();
    feeds.watch(tenant, runId, 0, slow.sink);
    feeds.watch(tenant, runId, 0, healthy.sink);
    tell(10);
    await vi.waitFor(() => expect(slow.heard).toHaveLength(10));
    full = true;
    tell(500);
    await vi.waitFor(() => expect(healthy.heard).toHaveLength(510));
    const pages = counts.pages;
    expect(slow.heard).toHaveLength(10);
    full = false;
    slow.free();
    tell(5);
    await vi.waitFor(() => expect(slow.heard).toHaveLength(515));
    expect([slow.heard, healthy.heard]).toEqual([upTo(515), upTo(515)]);
    expect(counts.pages).toBeGreaterThan(pages);
  });

  test("G3: When nobody watches any more, then nothing is read; when the log fails, then all are told", async () => {
    const { runId, feeds, tell, counts, fail } = oneRun();
    const [one, two] = [listener(), listener()];
    const leave = feeds.watch(tenant, runId, 0, one.sink);
    tell(1);
    await vi.waitFor(() => expect(one.heard).toEqual([1]));
    leave();
    await vi.waitFor(() => expect(counts.readers).toBe(0));
    feeds.watch(tenant, runId, 0, two.sink);
    await vi.waitFor(() => expect(two.heard).toEqual([1]));
    fail();
    await vi.waitFor(() => expect(two.ends).toEqual([expect.objectContaining({ message: "away" })]));
    expect(one.ends).toEqual([]);
  });

  test("G3: When a run that is followed falls silent, then who followed leaves it, and who watches stays", async () => {
    const { runId, feeds, tell, counts, silence } = oneRun();
    const [watching, following] = [listener(), listener()];
    feeds.follow(tenant, runId, 0, following.sink);
    feeds.watch(tenant, runId, 0, watching.sink);
    tell(3);
    await vi.waitFor(() => expect(watching.heard).toEqual([1, 2, 3]));
    silence();
    await vi.waitFor(() => expect(following.ends).toEqual([undefined]));
    expect(counts.silences).toBe(1);
    tell(1);
    await vi.waitFor(() => expect(watching.heard).toEqual([1, 2, 3, 4]));
    expect(following.heard).toEqual([1, 2, 3]);
  });
});
