/** JSONata 2 in worker threads: an expression that loops, explodes or blocks costs its thread and nothing else. */
import { Worker } from "node:worker_threads";
import { PerdureError, type Json } from "#core";
import type { JsonataService } from "#nodes";
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

export function createJsonata(options: JsonataOptions): JsonataService & { close(): Promise<void> } {
  const threads = options.threads ?? 2;
  const maxLength = options.maxResultLength ?? 10 * 1024 * 1024;
  const idle: Worker[] = [];
  const alive = new Set<Worker>();
  const waiting: (() => void)[] = [];
  let busy = 0;
  let closed = false;

  function makeThread(): Worker {
    const thread = new Worker(new URL("./thread.ts", import.meta.url), {
      env: {},
      execArgv: [],
      argv: [],
      stdin: false,
      resourceLimits: { maxOldGenerationSizeMb: options.memoryMb, maxYoungGenerationSizeMb: Math.max(8, Math.ceil(options.memoryMb / 4)), stackSizeMb: 4 },
    });
    alive.add(thread);
    thread.once("exit", () => {
      alive.delete(thread);
      const at = idle.indexOf(thread);
      if (at >= 0) idle.splice(at, 1);
    });
    thread.on("error", () => {});
    return thread;
  }

  /** Resolves when fewer than `threads` evaluations are under way. */
  async function turn(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    if (busy < threads) {
      busy++;
      return;
    }
    await new Promise<void>((resolve, reject) => {
      const begin = () => {
        signal.removeEventListener("abort", giveUp);
        resolve();
      };
      const giveUp = () => {
        waiting.splice(waiting.indexOf(begin), 1);
        reject(signal.reason as Error);
      };
      signal.addEventListener("abort", giveUp, { once: true });
      waiting.push(begin);
    });
  }

  function release(): void {
    const next = waiting.shift();
    if (next) next();
    else busy--;
  }

  return {
    async evaluate(expression, scope, signal) {
      await turn(signal);
      try {
        if (closed) throw new PerdureError("handler.failed", "The worker is shutting down.");
        const thread = idle.pop() ?? makeThread();
        const reply = await ask(thread, { expression, scope: JSON.stringify(scope), maxLength }, options, signal);
        idle.push(thread);
        return read(reply, maxLength);
      } finally {
        release();
      }
    },
    async close() {
      closed = true;
      await Promise.all([...alive].map((thread) => thread.terminate()));
    },
  };
}

/** Asks a thread. When it does not answer as it should, it is ended; its memory and whatever it still does go with it. */
function ask(thread: Worker, question: Question, { timeoutMs, memoryMb }: JsonataOptions, signal: AbortSignal): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const settle = (done: () => void, keep: boolean) => {
      clearTimeout(timer);
      signal.removeEventListener("abort", onAbort);
      thread.off("message", onMessage).off("error", onError).off("exit", onExit);
      if (keep) thread.unref();
      else void thread.terminate();
      done();
    };
    const fail = (error: unknown) => settle(() => reject(error as Error), false);
    const onMessage = (reply: Reply) => settle(() => resolve(reply), true);
    const onAbort = () => fail(signal.reason);
    const onExit = () => fail(new PerdureError("handler.failed", "The evaluation's thread ended."));
    const onError = (error: Error & { code?: string }) =>
      fail(
        error.code === "ERR_WORKER_OUT_OF_MEMORY"
          ? new PerdureError("expression.failed", `The expression took more than ${memoryMb} MiB (JSONATA_MEMORY_MB).`)
          : new PerdureError("handler.failed", "The evaluation's thread failed.", { cause: error }),
      );
    const timer = setTimeout(() => fail(new PerdureError("expression.failed", `The expression took longer than ${timeoutMs} ms (JSONATA_TIMEOUT_MS).`)), timeoutMs);
    thread.ref();
    thread.on("message", onMessage).on("error", onError).on("exit", onExit);
    signal.addEventListener("abort", onAbort, { once: true });
    thread.postMessage(question);
  });
}

function read(reply: Reply, maxLength: number): Json {
  if (reply.ok) return JSON.parse(reply.json) as Json;
  if (reply.reason === "too_large") throw new PerdureError("output.too_large", `The expression's result is longer than ${maxLength} characters of JSON.`);
  throw new PerdureError("expression.failed", `JSONata: ${reply.message.slice(0, MESSAGE_LENGTH)}`);
}
