import { type EventSourceMessage, createParser } from "eventsource-parser";
import { delayAfter, sleep } from "./backoff.ts";
import { type ApiError, ConnectionError } from "./errors.ts";
import { operations } from "./operations.gen.ts";
import { type Transport, isTransient } from "./transport.ts";
import type { RunEvent } from "./types.ts";

export interface StreamOptions {
  readonly signal?: AbortSignal;
  /** Number (`seq`) of the last event that is known already. @default 0 */
  readonly after?: number;
  /** A connection on which nothing came for so long is given up for another; the server says something every 15 s. @default 45 000 */
  readonly silenceMs?: number;
  /** How long an API that stays away is tried for once the stream has broken off. @default 300 000 */
  readonly patienceMs?: number;
}

/** A stream says something every 15 s. */
export const SILENCE_MS = 45_000;
const PATIENCE_MS = 300_000;
/** Where the server does not say (`retry:`). */
const RECONNECT_MS = 1_000;
const CLOSING: ReadonlySet<string> = new Set(["workflow_complete", "error"]);

/**
 * The events of a run, each once and in order, until its last. Goes on over connections that break, with `Last-Event-ID`.
 * @param first An answer that streams already.
 * @throws ApiError where the run cannot be read; ConnectionError where the API does not answer at first, or stays away for `patienceMs` later.
 */
export async function* followRun(transport: Transport, runId: string, options: StreamOptions, first?: Response): AsyncGenerator<RunEvent, void, undefined> {
  const { signal, silenceMs = SILENCE_MS, patienceMs = PATIENCE_MS } = options;
  const { retry } = transport;
  let last = options.after ?? 0;
  let reconnectMs = RECONNECT_MS;
  let response = first;
  let brokeAt: number | undefined;
  for (let fruitless = 0; ;) {
    let heard = false;
    let failure: ApiError | ConnectionError = new ConnectionError(`The stream of run ${runId} breaks off again and again.`);
    try {
      response ??= await connect(transport, runId, last, signal);
      if (response.status === 204 || !response.body) return;
      brokeAt ??= Date.now();
      for await (const heardNow of eventsOf(response.body, silenceMs, signal)) {
        heard = true;
        if ("retryMs" in heardNow) reconnectMs = heardNow.retryMs;
        if (!("data" in heardNow)) continue;
        const event = JSON.parse(heardNow.data) as RunEvent;
        if (event.seq <= last) continue;
        last = event.seq;
        yield event;
        if (CLOSING.has(event.kind)) return;
      }
    } catch (error) {
      // What never was is not waited for as what has broken is.
      if (!isTransient(error) || brokeAt === undefined) throw error;
      failure = error;
    }
    response = undefined;
    fruitless = heard ? 0 : fruitless + 1;
    if (heard) brokeAt = Date.now();
    else if (Date.now() - brokeAt >= patienceMs) throw failure;
    await sleep(heard ? reconnectMs : delayAfter(fruitless, retry, reconnectMs), signal);
  }
}

function connect(transport: Transport, runId: string, after: number, signal: AbortSignal | undefined): Promise<Response> {
  const headers = after > 0 ? { "last-event-id": after } : {};
  return transport.open(operations.streamExecution, { params: { id: runId }, headers }, signal ? { signal } : {});
}

type Heard = EventSourceMessage | { retryMs: number } | { comment: true };

/** @throws ConnectionError when the connection breaks or is silent for too long; the signal's reason when it is aborted. */
export async function* eventsOf(body: ReadableStream<Uint8Array>, silenceMs: number, signal: AbortSignal | undefined): AsyncGenerator<Heard, void, undefined> {
  const heard: Heard[] = [];
  const parser = createParser({
    onEvent: (event) => heard.push(event),
    onRetry: (retryMs) => heard.push({ retryMs }),
    onComment: () => heard.push({ comment: true }),
  });
  const reader = body.getReader();
  const decoder = new TextDecoder();
  try {
    for (;;) {
      const { done, value } = await within(reader.read(), silenceMs);
      if (done) return;
      parser.feed(decoder.decode(value, { stream: true }));
      yield* heard.splice(0);
    }
  } catch (error) {
    if (signal?.aborted) throw signal.reason;
    throw error instanceof ConnectionError ? error : new ConnectionError("The stream broke off.", { cause: error });
  } finally {
    // What is left of it is of no use to anybody, nor is how it ends.
    void reader.cancel().catch(() => undefined);
  }
}

async function within<T>(next: Promise<T>, ms: number): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const silence = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new ConnectionError(`Nothing came for ${ms} ms.`)), ms);
  });
  next.catch(() => undefined);
  try {
    return await Promise.race([next, silence]);
  } finally {
    clearTimeout(timer);
  }
}
