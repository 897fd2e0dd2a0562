import { CLOSING_KINDS, isClosed, PerdureError, type TenantId } from "#core";
import type { Database, EventLog } from "#db";
import type { EventReader, StoredEvent } from "./types.ts";

/** Events of one query. */
const BATCH = 500;
/** … and what they hold at most: a client that does not read keeps so much in memory, or one event. */
const BATCH_BYTES = 1024 * 1024;
/** Said so often when a run says nothing, so that proxies keep the connection. */
const IDLE_MS = 15_000;
/** Calls can be lost with the connection that listens: so often all readers of a process are looked after, in one statement. */
const POLL_MS = 2_000;
const RETRY_MS = 500;

export interface EventReaderOptions {
  log: Pick<EventLog, "listen" | "heads">;
  runs: Pick<Database["runs"], "events" | "eventPage" | "get">;
  /** @default IDLE_MS */
  idleMs?: number;
  /** @default POLL_MS */
  pollMs?: number;
}

type EventPage = Awaited<ReturnType<Database["runs"]["eventPage"]>>;

/** One live reading of one run. */
interface Reading {
  seq: number;
  /** Something may be new since the last query. */
  isStale: boolean;
  wake: () => void;
}

export function createEventReader({ log, runs, idleMs = IDLE_MS, pollMs = POLL_MS }: EventReaderOptions): EventReader {
  const readings = new Map<string, Set<Reading>>();
  const closing = new AbortController();
  let listening: Promise<{ close(): Promise<void> }> | undefined;
  let timer: NodeJS.Timeout | undefined;

  /** Queries under way, by run and then by whose it is and where it begins: those who are woken by one call ask for the same. */
  const asking = new Map<string, Map<string, Promise<EventPage>>>();

  function pageAfter(tenant: TenantId, runId: string, after: number): Promise<EventPage> {
    const key = `${tenant} ${after}`;
    const pages = asking.get(runId) ?? new Map<string, Promise<EventPage>>();
    asking.set(runId, pages);
    const known = pages.get(key);
    if (known) return known;
    const asked = runs.eventPage(tenant, runId, after, BATCH, BATCH_BYTES).finally(() => {
      if (pages.get(key) === asked) pages.delete(key);
      if (pages.size === 0 && asking.get(runId) === pages) asking.delete(runId);
    });
    pages.set(key, asked);
    return asked;
  }

  function call(runId: string, head = Infinity): void {
    // What is asked for already may have been read before that of which the call tells.
    asking.delete(runId);
    for (const reading of readings.get(runId) ?? []) {
      if (reading.seq >= head) continue;
      reading.isStale = true;
      reading.wake();
    }
  }

  function poll(): void {
    timer = setTimeout(async () => {
      try {
        if (readings.size > 0) for (const [runId, head] of await log.heads([...readings.keys()])) call(runId, head);
      } catch {
        // The database is away: the next look comes by itself.
      }
      if (readings.size > 0 && !closing.signal.aborted) poll();
      else timer = undefined;
    }, pollMs);
  }

  function open(runId: string, reading: Reading): () => void {
    const others = readings.get(runId) ?? new Set();
    readings.set(runId, others.add(reading));
    if (timer === undefined) poll();
    return () => {
      others.delete(reading);
      if (others.size === 0 && readings.get(runId) === others) readings.delete(runId);
    };
  }

  /** Resolves when called, when the time is over, or when the signal says enough. */
  function sleep(reading: Reading, ms: number, signal: AbortSignal): Promise<void> {
    if (reading.isStale || signal.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const end = () => {
        clearTimeout(timeout);
        signal.removeEventListener("abort", end);
        reading.wake = () => {};
        resolve();
      };
      const timeout = setTimeout(end, ms);
      signal.addEventListener("abort", end, { once: true });
      reading.wake = end;
    });
  }

  return {
    async *read(tenant, runId, after, ended) {
      const signal = AbortSignal.any([ended, closing.signal]);
      const reading: Reading = { seq: after, isStale: true, wake: () => {} };
      const leave = open(runId, reading);
      try {
        await (listening ??= log.listen((id) => call(id)));
        let idleAt = Date.now() + idleMs;
        let isFirst = true;
        while (!signal.aborted) {
          let events: StoredEvent[] = [];
          let hasMore = false;
          if (reading.isStale) {
            reading.isStale = false;
            try {
              ({ events, hasMore } = await pageAfter(tenant, runId, reading.seq));
            } catch (error) {
              if (!(error instanceof PerdureError && error.retryable)) throw error;
              await sleep(reading, RETRY_MS, signal);
              reading.isStale = true;
              continue;
            }
          }
          for (const event of events) {
            reading.seq = event.seq;
            yield event;
            if (CLOSING_KINDS.has(event.kind) || signal.aborted) return;
          }
          if (events.length > 0) {
            idleAt = Date.now() + idleMs;
            isFirst = false;
            if (hasMore) reading.isStale = true;
            continue;
          }
          const isIdle = Date.now() >= idleAt;
          if ((isFirst || isIdle) && (await isOver(tenant, runId, reading.seq))) return;
          isFirst = false;
          if (isIdle) {
            yield { idle: true };
            idleAt = Date.now() + idleMs;
          }
          await sleep(reading, Math.max(1, idleAt - Date.now()), signal);
        }
      } finally {
        leave();
      }
    },

    async close() {
      closing.abort();
      clearTimeout(timer);
      await (await listening)?.close();
    },
  };

  /** True where the reader has the closing event already, or the run is not there. */
  async function isOver(tenant: Parameters<EventReader["read"]>[0], runId: string, seq: number): Promise<boolean> {
    try {
      const run = await runs.get(tenant, runId);
      return !run || (isClosed(run.status) && (await runs.events(tenant, runId, seq, 1)).length === 0);
    } catch (error) {
      if (error instanceof PerdureError && error.retryable) return false;
      throw error;
    }
  }
}
