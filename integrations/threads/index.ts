/** Worker threads that are asked one question at a time: what loops, explodes or blocks in one costs that thread and nothing else. */
import { Worker } from "node:worker_threads";
import { PerdureError } from "#core";

/** What a thread says first, once it has loaded all it needs. */
export type Readiness = { ready: true } | { ready: false; reason: string };

export interface ThreadsOptions {
  /** The module that a thread runs. It says its `Readiness`, then answers messages with messages. */
  script: URL;
  /** Questions under way at once; each has a thread, made when needed and kept warm. */
  size: number;
  /** Heap of one thread, in MiB. */
  memoryMb: number;
  /** Stack of one thread, in MiB. @default 4 */
  stackMb?: number;
  /** A thread that has answered so many questions is ended, and what it has gathered with it. @default no limit */
  maxQuestions?: number;
  /** Handed to the script as `workerData`. */
  data?: unknown;
  /** What to throw when the script cannot be loaded, or is not ready for the reason it gives. @default `handler.failed` */
  notReady?(reason: string): Error;
}

export interface Question<T> {
  /** Sent to the thread first; undefined where the thread speaks first. */
  message: unknown;
  /** From the moment that a thread is ready for it, in milliseconds. */
  timeoutMs: number;
  /** Takes a message of the thread. @returns undefined while more is to come. */
  receive(message: unknown, answer: (message: unknown) => void): { value: T } | undefined;
  /** What to throw when time is up. */
  timedOut(): Error;
  /** What to throw when the thread's heap is full. */
  outOfMemory(): Error;
  /** What to throw when the thread fails in another way. @default `handler.failed` */
  broken?(cause: Error): Error;
}

export interface Threads {
  /**
   * Asks a thread, once one is free. When it does not answer as it should, it is ended; its memory and whatever it still does go with it. Its
   * place is taken by another once it has ended.
   * @throws what `timedOut` and `outOfMemory` say, what `receive` throws, the signal's reason; PerdureError `handler.failed` when the thread breaks.
   */
  ask<T>(question: Question<T>, signal: AbortSignal): Promise<T>;
  close(): Promise<void>;
}

/** How long a thread may take to be ready, in milliseconds; a machine under load is slow to load modules. */
const START_MS = 30_000;
const ENDING_MS = 1_000;

export function createThreads(options: ThreadsOptions): Threads {
  const idle: Worker[] = [];
  const alive = new Set<Worker>();
  const asked = new WeakMap<Worker, number>();
  const waiting: (() => void)[] = [];
  let busy = 0;
  let closed = false;

  function makeThread(): Worker {
    const thread = new Worker(options.script, {
      env: {},
      execArgv: [],
      argv: [],
      stdin: false,
      workerData: options.data,
      resourceLimits: {
        maxOldGenerationSizeMb: options.memoryMb,
        maxYoungGenerationSizeMb: Math.max(8, Math.ceil(options.memoryMb / 4)),
        stackSizeMb: options.stackMb ?? 4,
      },
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

  /** Resolves when fewer than `size` questions are under way. */
  async function turn(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    if (busy < options.size) {
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
    async ask(question, signal) {
      await turn(signal);
      let ended: Promise<unknown> | undefined;
      try {
        signal.throwIfAborted();
        if (closed) throw new PerdureError("handler.failed", "The worker is shutting down.");
        const warm = idle.pop();
        const thread = warm ?? makeThread();
        try {
          if (!warm) await converse(thread, starting(options), signal);
          const value = await converse(thread, question, signal);
          const answered = (asked.get(thread) ?? 0) + 1;
          asked.set(thread, answered);
          if (answered < (options.maxQuestions ?? Number.POSITIVE_INFINITY)) idle.push(thread);
          else ended = end(thread);
          return value;
        } catch (error) {
          ended = end(thread);
          throw error;
        }
      } finally {
        if (ended) void ended.then(release);
        else release();
      }
    },
    async close() {
      closed = true;
      await Promise.all([...alive].map(end));
    },
  };
}

/** Resolves when the thread has ended. One that is busy with a full heap may take long: nobody waits for more than `ENDING_MS`. */
async function end(thread: Worker): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const limit = new Promise<void>((resolve) => (timer = setTimeout(resolve, ENDING_MS)));
  await Promise.race([thread.terminate(), limit]);
  clearTimeout(timer);
}

function starting({ notReady }: ThreadsOptions): Question<null> {
  const fail = (reason: string, cause?: Error) =>
    notReady?.(reason) ?? new PerdureError("handler.failed", "The evaluation's thread could not start.", { cause });
  return {
    message: undefined,
    timeoutMs: START_MS,
    receive: (message) => {
      const said = message as Readiness;
      if (!said.ready) throw fail(said.reason);
      return { value: null };
    },
    timedOut: () => fail(`it was not ready within ${START_MS} ms`),
    outOfMemory: () => fail("its memory is too small"),
    broken: (cause) => fail(cause.message, cause),
  };
}

function converse<T>(thread: Worker, question: Question<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const settle = (done: () => void) => {
      clearTimeout(timer);
      signal.removeEventListener("abort", onAbort);
      thread.off("message", onMessage).off("error", onError).off("exit", onExit);
      thread.unref();
      done();
    };
    const fail = (error: unknown) => settle(() => reject(error as Error));
    const onMessage = (message: unknown) => {
      try {
        const last = question.receive(message, (answer) => thread.postMessage(answer));
        if (last) settle(() => resolve(last.value));
      } catch (error) {
        fail(error);
      }
    };
    const onAbort = () => fail(signal.reason);
    const onExit = () => fail(new PerdureError("handler.failed", "The evaluation's thread ended."));
    const onError = (error: Error & { code?: string }) =>
      fail(
        error.code === "ERR_WORKER_OUT_OF_MEMORY"
          ? question.outOfMemory()
          : (question.broken?.(error) ?? new PerdureError("handler.failed", "The evaluation's thread failed.", { cause: error })),
      );
    const timer = setTimeout(() => fail(question.timedOut()), question.timeoutMs);
    thread.ref();
    thread.on("message", onMessage).on("error", onError).on("exit", onExit);
    signal.addEventListener("abort", onAbort, { once: true });
    if (question.message !== undefined) thread.postMessage(question.message);
  });
}
