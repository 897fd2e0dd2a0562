/**
 * Runs inside a worker thread: one code at a time, each in an instance of the engine (QuickJS, compiled to WebAssembly) that no other code has
 * used. The instance's memory has a hard end; what it may call of this thread is in `Run` and takes and gives text.
 */
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { parentPort, workerData } from "node:worker_threads";
import baseVariant from "@jitl/quickjs-wasmfile-release-sync";
import {
  newQuickJSWASMModuleFromVariant,
  newVariant,
  type QuickJSContext,
  type QuickJSDeferredPromise,
  type QuickJSHandle,
  type QuickJSRuntime,
} from "quickjs-emscripten-core";
import type { Readiness } from "../threads/index.ts";
import type { FetchAnswer, FromThread, RunCode, RunEnd, ThreadData, ToThread } from "./messages.ts";
import { lineOf, PRELUDE } from "./prelude.ts";

const MIB = 1024 * 1024;
/** What the engine needs for itself: its stack (5 MiB), its data, and room for what it allocates before the limit of its heap counts. */
const ENGINE_MIB = 16;
const WASM_PAGES_PER_MIB = 16;
/** About 3,000 calls deep. The thread's own stack (16 MiB) is made to hold it. */
const STACK_BYTES = 512 * 1024;

/** The package's types are those of its CommonJS form; what Node imports is the variant itself. */
const variant = baseVariant as unknown as Extract<Parameters<typeof newVariant>[0], { type: "sync" }>;
/** Of WebAssembly's memory what is used here; Node has it, `@types/node` does not. */
interface Memory {
  readonly buffer: ArrayBuffer;
}
interface WebAssemblyApi {
  compile(bytes: Uint8Array): Promise<WebAssembly.Module>;
  Memory: new (pages: { initial: number; maximum: number }) => Memory;
}
const { compile, Memory } = (globalThis as unknown as { WebAssembly: WebAssemblyApi }).WebAssembly;

interface Engine {
  runtime: QuickJSRuntime;
  memory: Memory;
}

const limits = workerData as ThreadData;
const send = (message: FromThread | Readiness): void => parentPort?.postMessage(message);

class Run {
  readonly #runtime: QuickJSRuntime;
  readonly #memory: Memory;
  readonly #context: QuickJSContext;
  readonly #waiting = new Map<number, QuickJSDeferredPromise>();
  #code = "";
  #fetches = 0;
  #lines = 0;
  #promise: QuickJSHandle | undefined;
  #jobBroke = false;

  constructor({ runtime, memory }: Engine) {
    this.#runtime = runtime;
    this.#memory = memory;
    this.#context = runtime.newContext();
  }

  /** @returns undefined while it waits for a fetch. */
  begin({ code, names, values }: RunCode): RunEnd | undefined {
    this.#code = code;
    const context = this.#context;
    const text = (value: string): QuickJSHandle => context.newString(value);
    const prelude = context.unwrapResult(context.evalCode(PRELUDE, "prelude.js", { strict: true }));
    const host = [context.newFunction("fetch", (request) => this.#fetch(request)), context.newFunction("log", (line) => this.#log(line))];
    const run = context.unwrapResult(context.callFunction(prelude, context.undefined, ...host, context.newNumber(limits.maxOutputLength)));
    this.#promise = context.unwrapResult(context.callFunction(run, context.undefined, text(code), text(JSON.stringify(names)), text(values)));
    return this.#goOn();
  }

  answer({ fetched, outcome }: FetchAnswer): RunEnd | undefined {
    const deferred = this.#waiting.get(fetched);
    this.#waiting.delete(fetched);
    deferred?.resolve(this.#context.newString(outcome));
    return this.#goOn();
  }

  #goOn(): RunEnd | undefined {
    while (this.#runtime.hasPendingJob()) {
      if (this.#runtime.executePendingJobs().error) this.#jobBroke = true;
    }
    if (!this.#promise) return { kind: "broke" };
    const state = this.#context.getPromiseState(this.#promise);
    if (state.type === "fulfilled") return this.#read(state.value);
    if (state.type === "rejected" || this.#jobBroke) return { kind: "out_of_memory" };
    return this.#waiting.size === 0 ? { kind: "never" } : undefined;
  }

  #read(value: QuickJSHandle): RunEnd {
    if (this.#context.typeof(value) !== "string") return { kind: "broke" };
    const said = this.#context.getString(value);
    const rest = said.slice(1);
    switch (said[0]) {
      case "v":
        return { kind: "value", json: rest };
      case "e": {
        const { name, message, stack } = JSON.parse(rest) as Record<"name" | "message" | "stack", string>;
        return { kind: "threw", error: { name, message, line: lineOf(stack, this.#code) } };
      }
      case "n":
        return this.#isFull() ? { kind: "out_of_memory" } : { kind: "threw", error: { name: "", message: "null", line: 0 } };
      case "f":
        return { kind: "fetch_failed", failed: Number(rest) };
      case "l":
        return { kind: "too_large" };
      case "m":
        return { kind: "out_of_memory" };
      default:
        return { kind: "broke" };
    }
  }

  /** Whether the heap has been as large as it may be, its static data and stack (5 MiB) not counted. */
  #isFull(): boolean {
    return this.#memory.buffer.byteLength >= (limits.memoryMb + 4) * MIB;
  }

  #fetch(request: QuickJSHandle): QuickJSHandle {
    const deferred = this.#context.newPromise();
    const number = ++this.#fetches;
    this.#waiting.set(number, deferred);
    send({ fetch: number, request: this.#context.getString(request) });
    return deferred.handle;
  }

  #log(line: QuickJSHandle): undefined {
    if (++this.#lines > limits.maxLogLines) return undefined;
    send({ log: this.#context.getString(line).slice(0, limits.maxLogLineLength) });
    return undefined;
  }
}

async function loadEngine(): Promise<WebAssembly.Module> {
  return compile(await readFile(limits.engine ?? fileURLToPath(import.meta.resolve("@jitl/quickjs-wasmfile-release-sync/wasm"))));
}

const engineModule = await loadEngine().catch((error: unknown) => {
  send({ ready: false, reason: error instanceof Error ? error.message : "its module is not valid" });
  process.exit();
});

async function newEngine(): Promise<Engine> {
  const silent: Record<string, unknown> = { print: () => {}, printErr: () => {} };
  const memory = new Memory({ initial: ENGINE_MIB * WASM_PAGES_PER_MIB, maximum: (ENGINE_MIB + limits.memoryMb) * WASM_PAGES_PER_MIB });
  const quickjs = await newQuickJSWASMModuleFromVariant(newVariant(variant, { wasmModule: engineModule, wasmMemory: memory, emscriptenModule: silent }));
  return { runtime: quickjs.newRuntime({ memoryLimitBytes: limits.memoryMb * MIB, maxStackSizeBytes: STACK_BYTES }), memory };
}

let current: Run | undefined;

/** Whatever leaves the engine as an exception leaves it unusable: its instance is dropped, and the process ends the thread. */
function step(work: () => RunEnd | undefined): void {
  let end: RunEnd | undefined;
  try {
    end = work();
  } catch {
    end = { kind: "broke" };
  }
  if (!end) return;
  current = undefined;
  send({ end });
}

parentPort?.on("message", (message: ToThread) => {
  if ("fetched" in message) return step(() => current?.answer(message));
  void newEngine().then(
    (engine) =>
      step(() => {
        current = new Run(engine);
        return current.begin(message);
      }),
    () => send({ end: { kind: "broke" } }),
  );
});
send({ ready: true });
