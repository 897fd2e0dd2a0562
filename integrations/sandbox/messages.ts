/** What passes between the process and a sandbox's thread. All that comes from the thread may have been made up by the code. */
import type { SandboxResponse } from "#nodes";

export interface ThreadData {
  /** File of the engine's WASM module. @default that of the installed package */
  engine: string | undefined;
  /** Of the code's own heap, in MiB. */
  memoryMb: number;
  /** Longest result, in characters of JSON. */
  maxOutputLength: number;
  maxLogLines: number;
  /** In characters. */
  maxLogLineLength: number;
}

export type ToThread = RunCode | FetchAnswer;

export interface RunCode {
  code: string;
  names: string[];
  /** JSON array of the parameters' values. */
  values: string;
}

/** The answer to one fetch, as JSON text for the code: a `FetchOutcome`. */
export interface FetchAnswer {
  fetched: number;
  outcome: string;
}

export type FetchOutcome = SandboxResponse | { failed: number; code: string; message: string };

export type FromThread = { log: string } | { fetch: number; /** JSON of a `SandboxRequest`, as the code wrote it. */ request: string } | { end: RunEnd };

export type RunEnd =
  | { kind: "value"; json: string }
  | { kind: "threw"; error: ThrownError }
  /** It did not catch the failure of its fetch of that number. */
  | { kind: "fetch_failed"; failed: number }
  | { kind: "too_large" }
  | { kind: "out_of_memory" }
  /** It waits for what can never come. */
  | { kind: "never" }
  /** The engine itself could not go on. */
  | { kind: "broke" };

export interface ThrownError {
  name: string;
  message: string;
  /** In the code, from 1; 0 where it is not known. */
  line: number;
}
