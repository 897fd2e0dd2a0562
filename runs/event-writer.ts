import { PerdureError, type RunEvent } from "#core";
import type { EventLog } from "#db";
import type { Logger } from "#platform";
import type { EventWriter } from "./types.ts";

/** How long a fact may wait for others to travel with, where no group is on its way. */
const GROUP_DELAY_MS = 3;
const GROUP_MAX_FACTS = 500;
const GROUP_MAX_BYTES = 4 * 1024 * 1024;
/** Facts kept while Postgres is away; beyond it the oldest `token_delta`s go, the only kind that nothing is rebuilt from. */
const QUEUE_MAX_FACTS = 50_000;
const RETRY_FIRST_MS = 50;
const RETRY_LONGEST_MS = 5_000;
/** `close` does not wait longer for a database that is away. */
const CLOSE_WITHIN_MS = 10_000;

interface Fact {
  /** Place in the order in which facts were given, from 1. */
  place: number;
  tenantId: string;
  event: RunEvent;
  receiptKey?: string;
  bytes: number;
}

interface EventQueue {
  /** Facts that are not in Postgres yet and not on their way. */
  waiting(): number;
}

export interface EventWriterOptions {
  log: Pick<EventLog, "append">;
  logger: Logger;
  /** @default QUEUE_MAX_FACTS */
  queueMaxFacts?: number;
}

export function createEventWriter({ log, logger, queueMaxFacts = QUEUE_MAX_FACTS }: EventWriterOptions): EventWriter & EventQueue {
  let queue: Fact[] = [];
  let given = 0;
  let hasDropped = false;
  let gaveUp = false;
  let working: Promise<void> | undefined;
  /** In the order of their places. */
  const flushes: { place: number; resolve: () => void }[] = [];
  const pauses = new Set<() => void>();

  /** Called with nothing on its way: all that is not in the queue is settled. */
  function settle(): void {
    const next = queue[0]?.place ?? Infinity;
    while (flushes[0] && flushes[0].place < next) flushes.shift()?.resolve();
  }

  /** A pause that `close` can cut short. */
  function pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const end = () => {
        clearTimeout(timer);
        pauses.delete(end);
        resolve();
      };
      const timer = setTimeout(end, ms);
      pauses.add(end);
    });
  }

  function takeGroup(): Fact[] {
    let bytes = 0;
    let count = 0;
    for (const fact of queue) {
      bytes += fact.bytes;
      if (count > 0 && (count >= GROUP_MAX_FACTS || bytes > GROUP_MAX_BYTES)) break;
      count++;
    }
    return queue.splice(0, count);
  }

  async function work(): Promise<void> {
    if (queue.length < GROUP_MAX_FACTS) await pause(GROUP_DELAY_MS);
    while (queue.length > 0 && !gaveUp) {
      const group = takeGroup();
      await append(group);
      settle();
    }
    settle();
  }

  /** Tries until the group is in. A group that Postgres refuses for what is in it is halved, so that one bad fact does not stop the rest. */
  async function append(group: Fact[], isStripped = false): Promise<void> {
    for (let retryMs = RETRY_FIRST_MS; !gaveUp; retryMs = Math.min(retryMs * 2, RETRY_LONGEST_MS)) {
      try {
        await log.append(group);
        return;
      } catch (error) {
        if (error instanceof PerdureError && error.retryable) {
          logger.warn({ err: error, facts: group.length + queue.length, retry_in_ms: retryMs }, "events wait for the database");
          await pause(retryMs);
          continue;
        }
        const [first] = group;
        if (group.length > 1) {
          const half = group.length >> 1;
          await append(group.slice(0, half), isStripped);
          await append(group.slice(half), isStripped);
        } else if (first && !isStripped) {
          logger.error({ err: error, run_id: first.event.run_id, key: first.event.key }, "an event was refused; it is written without its content");
          await append([{ place: first.place, tenantId: first.tenantId, event: stripped(first.event), bytes: 0 }], true);
        } else if (first) {
          logger.error({ err: error, run_id: first.event.run_id, key: first.event.key }, "an event could not be written");
        }
        return;
      }
    }
  }

  function makeRoom(): void {
    let excess = queue.length - queueMaxFacts;
    if (excess <= 0) return;
    const before = queue.length;
    queue = queue.filter(({ event }) => event.kind !== "token_delta" || excess-- <= 0);
    if (queue.length === before || hasDropped) return;
    hasDropped = true;
    logger.warn({ kept: queue.length }, "too many events wait for the database; tokens are left out of the log");
  }

  function begin(): void {
    working ??= work().finally(() => {
      working = undefined;
      if (queue.length > 0 && !gaveUp) begin();
    });
  }

  return {
    write(tenantId, events, receiptKey) {
      if (gaveUp || events.length === 0) return;
      for (const event of events) queue.push({ place: ++given, tenantId, event, bytes: event.data === undefined ? 0 : JSON.stringify(event.data).length });
      const last = queue.at(-1);
      if (last && receiptKey !== undefined) last.receiptKey = receiptKey;
      makeRoom();
      begin();
    },

    waiting: () => queue.length,

    flush() {
      if (!working) return Promise.resolve();
      for (const end of pauses) end();
      return new Promise((resolve) => flushes.push({ place: given, resolve }));
    },

    async close() {
      const timer = setTimeout(() => {
        gaveUp = true;
        logger.error({ facts: queue.length }, "events could not be written before the process had to end");
        queue = [];
        for (const end of pauses) end();
      }, CLOSE_WITHIN_MS);
      await this.flush();
      clearTimeout(timer);
    },
  };
}

/** What the projections need at least. */
function stripped(event: RunEvent): RunEvent {
  const { type, name, status, route } = event.data ?? {};
  return { ...event, data: { type, name, status, route } };
}
