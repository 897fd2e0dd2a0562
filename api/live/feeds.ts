import { CLOSING_KINDS, type TenantId } from "#core";
import type { Database } from "#db";
import type { EventReader, StoredEvent } from "#runs";
import type { Frame } from "./connection.ts";

/** Events of one query of a reader who is behind … */
const BATCH = 200;
/** … and what they hold at most. */
const BATCH_BYTES = 256 * 1024;

/** An event on its way to many: what is made of it for one is kept for the others. */
export interface LiveEvent {
  readonly stored: StoredEvent;
  frame(form: string, make: (event: StoredEvent) => Frame): Frame;
}

/** Somebody who hears the events of one run, each once and in order. */
export interface Sink {
  deliver(event: LiveEvent): void;
  readonly isFull: boolean;
  /** Resolves when it is not full any more, or has left. */
  room(): Promise<void>;
  /** After the last event of the run; with an error where the log could not be read: there may be more. */
  ended(error?: unknown): void;
}

/**
 * The log of runs, read once in this process for all who watch (one reader for each run that is watched). Who is behind, because they began
 * earlier or read slowly, reads on by themselves from the log until they have caught up; so nothing is kept in memory for them.
 */
export interface Feeds {
  /** The events after `after`, until the last. @returns what ends it. */
  watch(tenant: TenantId, runId: string, after: number, sink: Sink): () => void;
  /** As `watch`, until the run has been silent for a while. */
  follow(tenant: TenantId, runId: string, after: number, sink: Sink): () => void;
}

export interface FeedSource {
  readonly reader: EventReader;
  readonly runs: Pick<Database["runs"], "eventPage">;
  readonly heads: Database["log"]["heads"];
  /** The run says nothing: it may have ended without a word. */
  readonly onSilence: (tenant: TenantId, runId: string) => void;
}

export function createFeeds(source: FeedSource): Feeds {
  const feeds = new Map<string, Feed>();
  const open = (tenant: TenantId, runId: string, start: number | undefined): Feed => {
    const key = `${tenant}/${runId}`;
    const known = feeds.get(key);
    if (known) return known;
    const feed = new Feed(source, tenant, runId, start, () => {
      if (feeds.get(key) === feed) feeds.delete(key);
    });
    feeds.set(key, feed);
    return feed;
  };
  return {
    watch: (tenant, runId, after, sink) => open(tenant, runId, undefined).add(after, sink, false),
    follow: (tenant, runId, after, sink) => open(tenant, runId, after).add(after, sink, true),
  };
}

function liveEvent(stored: StoredEvent): LiveEvent {
  let frames: Map<string, Frame> | undefined;
  return {
    stored,
    frame(form, make) {
      const known = frames?.get(form);
      if (known) return known;
      const made = make(stored);
      (frames ??= new Map()).set(form, made);
      return made;
    },
  };
}

interface Watch {
  readonly sink: Sink;
  readonly untilSilent: boolean;
  last: number;
  /** Reads on by itself at this moment. */
  isBehind: boolean;
  isOver: boolean;
}

class Feed {
  readonly #source: FeedSource;
  readonly #tenant: TenantId;
  readonly #runId: string;
  readonly #watches = new Set<Watch>();
  readonly #stop = new AbortController();
  readonly #onEnd: () => void;
  readonly #begun: Promise<void>;
  /** Number of the last event that was handed to those who are not behind. */
  #head: number | undefined;
  #ended: { error?: unknown } | undefined;
  #onLive: (() => void) | undefined;

  /** @param start - Number of an event after which to begin; the newest, where nothing is said. */
  constructor(source: FeedSource, tenant: TenantId, runId: string, start: number | undefined, onEnd: () => void) {
    this.#source = source;
    this.#tenant = tenant;
    this.#runId = runId;
    this.#onEnd = onEnd;
    this.#head = start;
    const begun = Promise.withResolvers<void>();
    this.#begun = begun.promise;
    void this.#run(begun.resolve);
  }

  add(after: number, sink: Sink, untilSilent: boolean): () => void {
    const watch: Watch = { sink, untilSilent, last: after, isBehind: this.#head !== after, isOver: false };
    this.#watches.add(watch);
    if (watch.isBehind) void this.#catchUp(watch);
    return () => this.#leave(watch);
  }

  #leave(watch: Watch): void {
    if (watch.isOver) return;
    watch.isOver = true;
    this.#watches.delete(watch);
    if (this.#watches.size === 0) {
      this.#stop.abort();
      this.#onEnd();
    }
    this.#onLive?.();
  }

  #dismiss(watch: Watch, error?: unknown): void {
    if (watch.isOver) return;
    this.#leave(watch);
    watch.sink.ended(error);
  }

  async #run(begun: () => void): Promise<void> {
    let error: unknown;
    try {
      let from = this.#head;
      if (from === undefined) {
        this.#head = (await this.#source.heads([this.#runId])).get(this.#runId) ?? 0;
        // The last event again, so that a run that has ended is seen to have.
        from = Math.max(0, this.#head - 1);
      }
      begun();
      for await (const event of this.#source.reader.read(this.#tenant, this.#runId, from, this.#stop.signal)) {
        if ("idle" in event) this.#silence();
        else {
          this.#dispatch(event);
          if (CLOSING_KINDS.has(event.kind)) break;
          await this.#somebodyLive();
        }
      }
    } catch (thrown) {
      error = thrown;
    }
    this.#ended = error === undefined ? {} : { error };
    begun();
    for (const watch of this.#watches) if (!watch.isBehind) this.#dismiss(watch, error);
    this.#onEnd();
  }

  #dispatch(stored: StoredEvent): void {
    const event = liveEvent(stored);
    this.#head = Math.max(this.#head ?? 0, stored.seq);
    for (const watch of this.#watches) {
      if (watch.isBehind || watch.last >= stored.seq) continue;
      if (!watch.sink.isFull) this.#deliver(watch, event);
      else {
        watch.isBehind = true;
        void this.#catchUp(watch);
      }
    }
  }

  #deliver(watch: Watch, event: LiveEvent): void {
    watch.last = event.stored.seq;
    watch.sink.deliver(event);
    if (CLOSING_KINDS.has(event.stored.kind)) this.#dismiss(watch);
  }

  /** Reads for one who is behind until they hear what the others hear. */
  async #catchUp(watch: Watch): Promise<void> {
    try {
      await this.#begun;
      for (let missing = 0; !watch.isOver;) {
        const { events, hasMore } = await this.#source.runs.eventPage(this.#tenant, this.#runId, watch.last, BATCH, BATCH_BYTES);
        for (const stored of events) {
          if (watch.sink.isFull) await watch.sink.room();
          if (watch.isOver) return;
          this.#deliver(watch, liveEvent(stored));
        }
        missing = events.length === 0 ? missing + 1 : 0;
        // Events that were counted and are not there any more: the log has been cleared.
        if (hasMore || (watch.last < (this.#head ?? 0) && missing < 2)) continue;
        watch.isBehind = false;
        if (this.#ended) this.#dismiss(watch, this.#ended.error);
        this.#onLive?.();
        return;
      }
    } catch (error) {
      this.#dismiss(watch, error);
    }
  }

  /** The log is read as fast as the fastest takes it. */
  async #somebodyLive(): Promise<void> {
    while (!this.#stop.signal.aborted && ![...this.#watches].some(({ isBehind }) => !isBehind)) {
      await new Promise<void>((resolve) => (this.#onLive = resolve));
      this.#onLive = undefined;
    }
  }

  #silence(): void {
    this.#source.onSilence(this.#tenant, this.#runId);
    for (const watch of this.#watches) if (watch.untilSilent && !watch.isBehind) this.#dismiss(watch);
  }
}
