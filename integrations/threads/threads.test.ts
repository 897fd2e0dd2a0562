import { afterEach, describe, expect, test } from "vitest";
import { createThreads, type Question, type Threads, type ThreadsOptions } from "./index.ts";

const opened: Threads[] = [];
afterEach(() => Promise.all(opened.splice(0).map((threads) => threads.close())));

const BEGIN = 'import { parentPort, threadId, workerData } from "node:worker_threads";';
/** Answers with its own number; `hang` never, `break` by an exception, `fill` by filling its heap. */
const SCRIPT = `${BEGIN}
parentPort.on("message", (said) => {
  if (said === "hang") for (;;);
  if (said === "break") throw new Error("broken");
  if (said === "fill") { const all = []; for (;;) all.push({ a: all.length }); }
  parentPort.postMessage({ threadId, environment: Object.keys(process.env), workerData });
});
parentPort.postMessage({ ready: true });`;

function make(script: string, options: Partial<ThreadsOptions> = {}): Threads {
  const threads = createThreads({ script: new URL(`data:text/javascript,${encodeURIComponent(script)}`), size: 1, memoryMb: 32, ...options });
  opened.push(threads);
  return threads;
}

const never = new AbortController().signal;
interface Answer {
  threadId: number;
  environment: string[];
  workerData: unknown;
}
const ask = (threads: Threads, message: string, signal = never): Promise<Answer> =>
  threads.ask(
    {
      message,
      timeoutMs: message === "fill" ? 10_000 : 500,
      receive: (received) => ({ value: received as Answer }),
      timedOut: () => new Error("time is up"),
      outOfMemory: () => new Error("memory is full"),
    } satisfies Question<Answer>,
    signal,
  );

describe("threads", () => {
  test("When questions follow each other, then one thread answers them all, without an environment", async () => {
    const threads = make(SCRIPT, { data: { a: 1 } });
    const first = await ask(threads, "hello");
    expect(first).toMatchObject({ environment: [], workerData: { a: 1 } });
    expect((await ask(threads, "hello")).threadId).toBe(first.threadId);
  });

  test.each([
    ["hang", "time is up"],
    ["break", "The evaluation's thread failed."],
    ["fill", "memory is full"],
  ])("F4: When a thread is told to %s, then it ends and another answers the next question", async (message, failure) => {
    const threads = make(SCRIPT);
    const { threadId } = await ask(threads, "hello");
    await expect(ask(threads, message)).rejects.toThrow(failure);
    expect((await ask(threads, "hello")).threadId).not.toBe(threadId);
  });

  test("When a thread has answered as often as it may, then another takes its place", async () => {
    const threads = make(SCRIPT, { maxQuestions: 2 });
    const ids: number[] = [];
    for (let count = 0; count < 4; count++) ids.push((await ask(threads, "hello")).threadId);
    expect(new Set(ids).size).toBe(2);
    expect(ids[0]).toBe(ids[1]);
  });

  test("When there are more questions than threads, then they wait, and one that is given up waits no longer", async () => {
    const threads = make(SCRIPT);
    const caller = new AbortController();
    const busy = ask(threads, "hang");
    const waiting = ask(threads, "hello", caller.signal);
    const next = ask(threads, "hello");
    caller.abort(new Error("given up"));
    await expect(waiting).rejects.toThrow("given up");
    await expect(busy).rejects.toThrow("time is up");
    expect((await next).environment).toEqual([]);
  });

  test.each([
    [`${BEGIN} parentPort.postMessage({ ready: false, reason: "no engine" });`, "no engine"],
    ['import "data:text/javascript,throw new Error(`does not load`)";', "does not load"],
  ])("When the script is %s, then the question fails for that reason", async (script, reason) => {
    const threads = make(script, { notReady: (said) => new Error(`not ready: ${said}`) });
    await expect(ask(threads, "hello")).rejects.toThrow(`not ready: ${reason}`);
  });

  test("When they are closed, then nothing is asked any more", async () => {
    const threads = make(SCRIPT);
    await ask(threads, "hello");
    await threads.close();
    await expect(ask(threads, "hello")).rejects.toMatchObject({ code: "handler.failed" });
  });
});
