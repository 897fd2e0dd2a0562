/**
 * JavaScript of the user's in QuickJS, an engine compiled to WebAssembly, in a worker thread: the code meets the language and what it is granted,
 * and nothing of Node or of this process. There is no second way to run it; where the engine cannot be loaded, nothing runs.
 */
import { PerdureError, toFailureValue, type Json, safeParse } from "#core";
import type { SandboxProgram, SandboxRequest, SandboxService } from "#nodes";
import { z } from "zod";
import { createThreads } from "../threads/index.ts";
import type { FetchOutcome, FromThread, RunCode, RunEnd, ThreadData } from "./messages.ts";

export interface SandboxOptions {
  /** Of one run, its fetches included, waiting for a thread not counted. */
  timeoutMs: number;
  /** Heap of one code, in MiB; 16 at least. */
  memoryMb: number;
  /** Of the code, in bytes. @default 256 KiB */
  maxSourceBytes?: number;
  /** Of the result's JSON, in bytes. @default 1 MiB */
  maxOutputBytes?: number;
  /** Calls of `fetch` in one run. @default 20 */
  maxFetches?: number;
  /** Runs at once; each has a thread, made when needed and kept warm. @default 2 */
  threads?: number;
  /** File of the engine's WASM module. @default that of the installed package */
  engine?: string;
}

/** Of one run's `console`. */
const MAX_LOG_LINES = 100;
/** In characters. */
const MAX_LOG_LINE_LENGTH = 1024;
/** Longest message of an exception that is handed on, in characters. */
const MESSAGE_LENGTH = 500;
/** After so many runs a thread is ended, and the memory of their instances with it. */
const RUNS_PER_THREAD = 100;
/** Heap of a thread beside the engine's own memory: parameters and results as text, answers of fetches. In MiB. */
const THREAD_HEAP_MB = 64;
/** Holds the engine's own stack limit with a margin. In MiB. */
const THREAD_STACK_MB = 16;

export function createSandbox(options: SandboxOptions): SandboxService & { close(): Promise<void> } {
  const { timeoutMs: longestMs, memoryMb, maxSourceBytes = 256 * 1024, maxOutputBytes = 1024 * 1024, maxFetches = 20 } = options;
  const threads = createThreads({
    script: new URL("./thread.ts", import.meta.url),
    size: options.threads ?? 2,
    memoryMb: THREAD_HEAP_MB + memoryMb,
    stackMb: THREAD_STACK_MB,
    maxQuestions: RUNS_PER_THREAD,
    notReady: (reason) => new PerdureError("configuration.invalid", "The sandbox for code cannot be loaded, so no code runs.", { cause: new Error(reason) }),
    data: {
      engine: options.engine,
      memoryMb,
      maxOutputLength: maxOutputBytes,
      maxLogLines: MAX_LOG_LINES,
      maxLogLineLength: MAX_LOG_LINE_LENGTH,
    } satisfies ThreadData,
  });

  async function run(program: SandboxProgram, signal: AbortSignal): Promise<Json> {
    const bytes = Buffer.byteLength(program.code);
    if (bytes > maxSourceBytes)
      throw new PerdureError("validation.failed", `The code has ${bytes} bytes; ${maxSourceBytes} are allowed (CODE_SOURCE_MAX_BYTES).`);
    const timeoutMs = Math.min(program.timeoutMs ?? longestMs, longestMs);
    const message: RunCode = { code: program.code, names: Object.keys(program.parameters), values: JSON.stringify(Object.values(program.parameters)) };
    const fetches = createFetches(program, maxFetches);
    const tooMuch = () => new PerdureError("code.failed", `The code took more than ${memoryMb} MiB (CODE_MEMORY_MB).`);
    try {
      const end = await threads.ask<RunEnd>(
        {
          message,
          timeoutMs,
          receive: (received, answer) => {
            const said = received as FromThread;
            if ("log" in said) program.log(said.log);
            else if ("fetch" in said) fetches.start(said.request, (outcome) => answer({ fetched: said.fetch, outcome: JSON.stringify(outcome) }));
            else if (said.end.kind === "broke") throw broke();
            else return { value: said.end };
            return undefined;
          },
          timedOut: () => new PerdureError("code.failed", `The code took longer than ${timeoutMs} ms${timeoutMs === longestMs ? " (CODE_TIMEOUT_MS)" : ""}.`),
          outOfMemory: tooMuch,
        },
        signal,
      );
      return read(end, fetches, maxOutputBytes, tooMuch);
    } finally {
      fetches.stop();
    }
  }

  return { run, close: threads.close };
}

function read(end: RunEnd, fetches: Fetches, maxOutputBytes: number, tooMuchMemory: () => PerdureError): Json {
  switch (end.kind) {
    case "value":
      if (Buffer.byteLength(end.json) > maxOutputBytes) throw tooLarge(maxOutputBytes);
      return JSON.parse(end.json) as Json;
    case "too_large":
      throw tooLarge(maxOutputBytes);
    case "threw":
      throw new PerdureError("handler.rejected", `Code: ${describe(end.error)}`);
    case "fetch_failed":
      throw fetches.failure(end.failed);
    case "out_of_memory":
      throw tooMuchMemory();
    case "never":
      throw new PerdureError("code.failed", "The code waits for something that never comes.");
    case "broke":
      throw broke();
  }
}

function broke(): PerdureError {
  return new PerdureError("code.failed", "The code made its engine fail and was stopped.");
}

function tooLarge(maxBytes: number): PerdureError {
  return new PerdureError("output.too_large", `The code returns more than ${maxBytes} bytes of JSON (CODE_OUTPUT_MAX_BYTES).`);
}

function describe({ name, message, line }: { name: string; message: string; line: number }): string {
  const said =
    [name, message]
      .filter((part) => part !== "")
      .join(": ")
      .slice(0, MESSAGE_LENGTH) || "an exception without a message";
  return line > 0 ? `${said} (line ${line})` : said;
}

const requestSchema = z.object({
  url: z.string(),
  method: z
    .string()
    .toUpperCase()
    .regex(/^(GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS)$/),
  headers: z.record(z.string(), z.string()),
  body: z.string().optional(),
}) satisfies z.ZodType<SandboxRequest>;

interface Fetches {
  start(request: string, answer: (outcome: FetchOutcome) => void): void;
  /** What the fetch failed with that was told to the code under this number. */
  failure(number: number): unknown;
  /** Aborts what is under way. */
  stop(): void;
}

/** The fetches of one run: counted, answered with text, ended with the run. */
function createFetches({ fetch: send }: SandboxProgram, most: number): Fetches {
  const ended = new AbortController();
  const failures: unknown[] = [];
  let count = 0;

  async function perform(text: string): Promise<FetchOutcome> {
    if (!send) throw new PerdureError("handler.rejected", "Code: fetch is not granted; set the input allow_network of this node.");
    if (++count > most) throw new PerdureError("handler.rejected", `Code: fetch was called more than ${most} times (CODE_MAX_FETCHES).`);
    const request = safeParse(requestSchema, JSON.parse(text));
    if (!request.success)
      throw new PerdureError("handler.rejected", "Code: fetch takes a URL and {method, headers, body}, the method one of HTTP's, headers and body as text.");
    const { status, url, headers, body } = await send(request.data, ended.signal);
    return { status, url, headers, body };
  }

  return {
    start(request, answer) {
      const tell = (outcome: FetchOutcome) => {
        if (!ended.signal.aborted) answer(outcome);
      };
      perform(request).then(tell, (error: unknown) => {
        const { code, message } = toFailureValue(error);
        tell({ failed: failures.push(error) - 1, code, message });
      });
    },
    failure: (number) => failures[number] ?? broke(),
    stop: () => ended.abort(new PerdureError("handler.rejected", "Code: it ended before its fetch did.")),
  };
}
