import { STREAM_COMMENT_INTERVAL_MS, STREAM_RETRY_MS } from "#contract";
import { CLOSING_KINDS, PerdureError, type TenantId } from "#core";
import type { EventReader } from "#runs";
import { eventJson } from "../runs/event-json.ts";

export interface SseOptions {
  readonly events: EventReader;
  readonly tenantId: TenantId;
  readonly runId: string;
  /** Number of the last event the client has. */
  readonly after: number;
  /** Ends the stream politely: the client connects again with `Last-Event-ID`. */
  readonly shutdown: AbortSignal;
  /** Called again and again while the stream is open; a rejection with `auth.*` ends it. @default never */
  reauthorize?(): Promise<void>;
  /** @default 15 s */
  readonly reauthorizeIntervalMs?: number;
  /** Called whenever nothing was said for one comment interval: the run may have ended without a word. */
  onSilence?(): void;
  onError?(error: unknown): void;
  /** @default 15 s */
  readonly commentIntervalMs?: number;
}

/** A client that connects here goes on from the event it saw last. */
const SSE_HEADERS = {
  "content-type": "text/event-stream; charset=utf-8",
  "cache-control": "no-cache, no-transform",
  "x-accel-buffering": "no",
} as const;

/** The run's log as server-sent events, live, until its closing event. Reads on only as fast as the client takes. */
export function sseResponse(options: SseOptions, headers: Readonly<Record<string, string>> = {}): Response {
  return new Response(sseStream(options), { headers: { ...SSE_HEADERS, "x-execution-id": options.runId, ...headers } });
}

const SILENCE = Symbol("silence");
const REAUTHORIZE_INTERVAL_MS = 15_000;

export function sseStream(options: SseOptions): ReadableStream<Uint8Array> {
  const { events, tenantId, runId, shutdown, commentIntervalMs = STREAM_COMMENT_INTERVAL_MS } = options;
  const encoder = new TextEncoder();
  const gone = new AbortController();
  const iterator = events.read(tenantId, runId, options.after, gone.signal)[Symbol.asyncIterator]();
  let last = options.after;
  let pending: Promise<IteratorResult<Awaited<ReturnType<typeof iterator.next>>["value"]>> | undefined;
  let spokenAt = Date.now();
  let ended = false;
  let recheck: NodeJS.Timeout | undefined;

  const release = (): void => {
    ended = true;
    clearInterval(recheck);
    shutdown.removeEventListener("abort", onShutdown);
    gone.abort();
    pending?.catch(() => undefined);
    void iterator.return?.().catch(() => undefined);
  };
  let onShutdown = (): void => undefined;

  return new ReadableStream<Uint8Array>({
    start(controller) {
      controller.enqueue(encoder.encode(`retry: ${STREAM_RETRY_MS}\n\n`));
      const leave = (why: string): void => {
        if (ended) return;
        controller.enqueue(encoder.encode(`: ${why}\n\n`));
        controller.close();
        release();
      };
      onShutdown = () => leave("shutting down");
      if (shutdown.aborted) return onShutdown();
      shutdown.addEventListener("abort", onShutdown, { once: true });
      const { reauthorize } = options;
      if (!reauthorize) return;
      recheck = setInterval(() => {
        reauthorize().catch((error: unknown) => {
          if (isRefusal(error)) leave("not authorized any more");
          else options.onError?.(error);
        });
      }, options.reauthorizeIntervalMs ?? REAUTHORIZE_INTERVAL_MS);
    },
    async pull(controller) {
      const say = (text: string): void => {
        controller.enqueue(encoder.encode(text));
        spokenAt = Date.now();
      };
      const end = (): void => {
        controller.close();
        release();
      };
      try {
        while (!ended) {
          pending ??= iterator.next();
          const next = await orSilence(pending, spokenAt + commentIntervalMs - Date.now());
          if (ended) return;
          if (next === SILENCE) {
            options.onSilence?.();
            return say(":\n\n");
          }
          pending = undefined;
          if (next.done) return end();
          if ("idle" in next.value || next.value.seq <= last) continue;
          last = next.value.seq;
          say(`id: ${last}\nevent: ${next.value.kind}\ndata: ${JSON.stringify(eventJson(next.value))}\n\n`);
          if (CLOSING_KINDS.has(next.value.kind)) end();
          return;
        }
      } catch (error) {
        if (ended) return;
        options.onError?.(error);
        end();
      }
    },
    cancel: release,
  });
}

/** Whether the caller of a stream may not read it any more, other than nobody being able to say. */
export function isRefusal(error: unknown): boolean {
  return error instanceof PerdureError && (error.status === 401 || error.status === 403);
}

async function orSilence<T>(next: Promise<T>, ms: number): Promise<T | typeof SILENCE> {
  let timer: NodeJS.Timeout | undefined;
  const silence = new Promise<typeof SILENCE>((resolve) => {
    timer = setTimeout(() => resolve(SILENCE), Math.max(0, ms));
  });
  try {
    return await Promise.race([next, silence]);
  } finally {
    clearTimeout(timer);
  }
}
