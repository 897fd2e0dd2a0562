/** YAML of callers, read and written in a thread of its own: no text of theirs holds up the process that serves everybody. */
import { type Json, PerdureError } from "#core";
import { createThreads } from "#integrations/threads";
import { JSON_MAX_DEPTH } from "../body.ts";
import type { YamlLimits } from "./text.ts";
import type { Question, Reply } from "./thread.ts";

export interface YamlThreads {
  /**
   * The JSON value of a YAML document.
   * @throws PerdureError `request.too_large`, `request.malformed`, `rate.limited` where too many documents wait; the signal's reason.
   */
  read(text: string, signal: AbortSignal): Promise<Json>;
  /** The same the other way. @throws PerdureError `request.too_large` where it takes longer than the limit; `rate.limited`; the signal's reason. */
  write(value: Json, signal: AbortSignal): Promise<string>;
  close(): Promise<void>;
}

export interface YamlThreadsOptions extends Pick<YamlLimits, "maxBytes" | "maxAliases"> {
  /** Of one document, waiting not counted. */
  timeoutMs: number;
  /** Heap of a thread, in MiB. @default 256 */
  memoryMb?: number;
  /** Documents at once. @default 1 */
  threads?: number;
}

/** A document that has waited so long for a thread is given up, in milliseconds. */
const WAIT_MS = 10_000;
/** Of what a document holds with its aliases written out, as a multiple of its bytes. */
const EXPANSION = 6;

export function createYamlThreads({ maxBytes, maxAliases, timeoutMs, memoryMb = 256, threads: size = 1 }: YamlThreadsOptions): YamlThreads {
  const limits: YamlLimits = { maxBytes, maxAliases, maxExpanded: EXPANSION * maxBytes, maxDepth: JSON_MAX_DEPTH };
  const threads = createThreads({ script: new URL("./thread.ts", import.meta.url), size, memoryMb });
  const tooMuch = (limit: string): PerdureError => new PerdureError("request.too_large", `The YAML document takes more than ${limit}; use JSON.`);

  async function ask<K extends keyof Reply>(question: Question, key: K, caller: AbortSignal): Promise<NonNullable<Reply[K]>> {
    const patience = new AbortController();
    const busy = new PerdureError("rate.limited", "Too many YAML documents wait to be read.", { retryAfterMs: 1_000 });
    const timer = setTimeout(() => patience.abort(busy), WAIT_MS + timeoutMs);
    try {
      const reply = await threads.ask<Reply>(
        {
          message: question,
          timeoutMs,
          receive: (received) => ({ value: received as Reply }),
          timedOut: () => tooMuch(`${timeoutMs} ms (YAML_TIMEOUT_MS)`),
          outOfMemory: () => tooMuch(`${memoryMb} MiB`),
        },
        AbortSignal.any([caller, patience.signal]),
      );
      if (reply.failure) throw new PerdureError(reply.failure.code, reply.failure.message, { findings: reply.failure.findings });
      return reply[key] as NonNullable<Reply[K]>;
    } finally {
      clearTimeout(timer);
    }
  }

  return {
    async read(text, signal) {
      // Not even handed over.
      if (Buffer.byteLength(text) > maxBytes) throw tooLarge(maxBytes);
      return (await ask({ read: text, limits }, "value", signal)).json;
    },
    write: (value, signal) => ask({ write: value }, "text", signal),
    close: threads.close,
  };
}

function tooLarge(maxBytes: number): PerdureError {
  return new PerdureError("request.too_large", `A YAML document has at most ${maxBytes} bytes (YAML_MAX_BYTES); send larger ones as JSON.`);
}
