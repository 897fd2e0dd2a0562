import { type EventSourceMessage, createParser } from "eventsource-parser";
import { delayAfter, sleep } from "./backoff.ts";
import { ConnectionError } from "./errors.ts";
import { operations } from "./operations.gen.ts";
import type { Transport } from "./transport.ts";
import type { RunEvent } from "./types.ts";

export interface StreamOptions {
  readonly signal?: AbortSignal;
  /** Number (`seq`) of the last event that is known already. @default 0 */
  readonly after?: number;
  /** A connection on which nothing came for so long is given up for another; the server says something every 15 s. @default 45 000 */
  readonly silenceMs?: number;
}

const SILENCE_MS = 45_000;
/** Where the server does not say (`retry:`). */
const RECONNECT_MS = 1_000;
const CLOSING: ReadonlySet<string> = new Set(["workflow_complete", "error"]);

/**
 * The events of a run, each once and in order, until its last. Goes on over connections that break, with `Last-Event-ID`.
 * @param first An answer that streams already.
 * @throws ApiError where the run cannot be read; ConnectionError where the API stays away for all attempts of the client's `retry`.
 */
export async function* followRun(transport: Transport, runId: string, options: StreamOptions, first?: Response): AsyncGenerator<RunEvent, void, undefined> {
  const { signal, silenceMs = SILENCE_MS } = options;
  let last = options.after ?? 0;
  let reconnectMs = RECONNECT_MS;
  let response = first;
  for (let fruitless = 0; ;) {
    response ??= await connect(transport, runId, last, signal);
    if (response.status === 204 || !response.body) return;
    let heard = false;
    try {
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
      if (!(error instanceof ConnectionError)) throw error;
    }
    response = undefined;
    fruitless = heard ? 0 : fruitless + 1;
    if (fruitless >= transport.retry.attempts) throw new ConnectionError(`The stream of run ${runId} breaks off again and again.`);
    await sleep(fruitless === 0 ? reconnectMs : delayAfter(fruitless, transport.retry, reconnectMs), signal);
  }
}

function connect(transport: Transport, runId: string, after: number, signal: AbortSignal | undefined): Promise<Response> {
  const headers = after > 0 ? { "last-event-id": after } : {};
  return transport.open(operations.streamExecution, { params: { id: runId }, headers }, signal ? { signal } : {});
}

type Heard = EventSourceMessage | { retryMs: number } | { comment: true };

/** @throws ConnectionError when the connection breaks or is silent for too long; the signal's reason when it is aborted. */
async function* eventsOf(body: ReadableStream<Uint8Array>, silenceMs: number, signal: AbortSignal | undefined): AsyncGenerator<Heard, void, undefined> {
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
