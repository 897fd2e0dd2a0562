/** JSONata 2 in worker threads, with limits on time and memory. */
import { PerdureError, type Json } from "#core";
import type { JsonataService } from "#nodes";
import { createThreads } from "../threads/index.ts";
import type { Question, Reply } from "./thread.ts";

export interface JsonataOptions {
  /** Of one evaluation, waiting for a thread not counted. */
  timeoutMs: number;
  /** Heap of one thread, in MiB. */
  memoryMb: number;
  /** Evaluations at once; each has a thread, made when needed and kept warm. @default 2 */
  threads?: number;
  /** Of the result's JSON, in characters. @default 10 MiB */
  maxResultLength?: number;
}

/** Longest message of a failed expression that is handed on, in characters. */
const MESSAGE_LENGTH = 500;

export function createJsonata({ timeoutMs, memoryMb, ...options }: JsonataOptions): JsonataService & { close(): Promise<void> } {
  const maxLength = options.maxResultLength ?? 10 * 1024 * 1024;
  const threads = createThreads({ script: new URL("./thread.ts", import.meta.url), size: options.threads ?? 2, memoryMb });
  return {
    async evaluate(expression, scope, signal) {
      const message: Question = { expression, scope: JSON.stringify(scope), maxLength };
      const reply = await threads.ask(
        {
          message,
          timeoutMs,
          receive: (received) => ({ value: received as Reply }),
          timedOut: () => new PerdureError("expression.failed", `The expression took longer than ${timeoutMs} ms (JSONATA_TIMEOUT_MS).`),
          outOfMemory: () => new PerdureError("expression.failed", `The expression took more than ${memoryMb} MiB (JSONATA_MEMORY_MB).`),
        },
        signal,
      );
      return read(reply, maxLength);
    },
    close: threads.close,
  };
}

function read(reply: Reply, maxLength: number): Json {
  if (reply.ok) return JSON.parse(reply.json) as Json;
  if (reply.reason === "too_large") throw new PerdureError("output.too_large", `The expression's result is longer than ${maxLength} characters of JSON.`);
  throw new PerdureError("expression.failed", `JSONata: ${reply.message.slice(0, MESSAGE_LENGTH)}`);
}
