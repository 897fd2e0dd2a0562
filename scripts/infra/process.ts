import { spawn } from "node:child_process";
import { closeSync, mkdirSync, openSync, readFileSync, renameSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { keeper } from "./keeper.ts";

export interface Exit {
  code: number | null;
  signal: NodeJS.Signals | null;
}

/** A server of the infrastructure, running and answering. */
export interface Server {
  readonly name: string;
  readonly url: string;
  readonly port: number;
  readonly pid: number;
  readonly exited: Promise<Exit>;
  /** Asks it to stop and kills it when it does not within its bound. Harmless when it has gone already. */
  stop(): Promise<void>;
}

export interface ServerCommand {
  name: string;
  command: string;
  args: readonly string[];
  env?: NodeJS.ProcessEnv;
  cwd: string;
  /** User and group to run as; only root may set them. */
  identity?: { uid: number; gid: number };
  /** Its output is appended here. */
  logFile: string;
  url: string;
  port: number;
  /** True once it answers. Errors mean "not yet". */
  answers(): Promise<boolean>;
  /** @default 60000 */
  startMs?: number;
  /** @default "SIGTERM" */
  stopSignal?: NodeJS.Signals;
  /** @default 10000 */
  stopMs?: number;
}

/** The server could not be started; the message ends with the last lines it wrote. */
export class StartError extends Error {
  readonly output: string;
  constructor(message: string, output: string) {
    super(output === "" ? message : `${message} It wrote:\n${output}`);
    this.output = output;
  }
}

const LOG_MAX_BYTES = 20 * 1024 * 1024;
const TAIL_LINES = 12;
const PROBE_MS = 100;

/** Starts a server in a process group of its own and waits until it answers. @throws StartError. */
export async function startServer(command: ServerCommand): Promise<Server> {
  const { startMs = 60_000, stopSignal = "SIGTERM", stopMs = 10_000 } = command;
  const offset = prepareLog(command.logFile);
  const log = openSync(command.logFile, "a", 0o600);
  const child = spawn(command.command, command.args, {
    cwd: command.cwd,
    env: command.env ?? process.env,
    detached: true,
    stdio: ["ignore", log, log],
    ...command.identity,
  });
  closeSync(log);
  let ended: Exit | undefined;
  const exited = new Promise<Exit>((resolve, reject) => {
    child.once("error", (error) => reject(new StartError(`${command.name} could not be run: ${error.message}.`, "")));
    child.once("exit", (code, signal) => resolve((ended = { code, signal })));
  });
  const { pid } = child;
  if (pid === undefined) {
    await exited;
    throw new StartError(`${command.name} could not be run.`, "");
  }
  keeper().watch(pid, stopSignal);
  void exited.then(() => {
    kill(-pid, "SIGKILL");
    keeper().release(pid);
  });

  const stop = async () => {
    if (ended === undefined) kill(pid, stopSignal);
    if ((await within(exited, stopMs)) === undefined) {
      kill(-pid, "SIGKILL");
      await exited;
    }
  };
  for (const deadline = Date.now() + startMs; ;) {
    if (ended !== undefined) throw new StartError(`${command.name} ended right after its start (${describeExit(ended)}).`, tail(command.logFile, offset));
    if (await command.answers().catch(() => false)) break;
    if (Date.now() > deadline) {
      await stop();
      throw new StartError(`${command.name} did not answer within ${startMs / 1000} s.`, tail(command.logFile, offset));
    }
    await within(exited, PROBE_MS);
  }
  return { name: command.name, url: command.url, port: command.port, pid, exited, stop };
}

export function describeExit({ code, signal }: Exit): string {
  return signal === null ? `exit code ${code}` : `signal ${signal}`;
}

/** Like `process.kill`, but a process that has gone is no error. Returns whether it was there. */
export function kill(pid: number, signal: NodeJS.Signals | 0): boolean {
  try {
    return process.kill(pid, signal);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

/** The promise's value, or undefined when it takes longer. */
export async function within<T>(promise: Promise<T>, ms: number): Promise<T | undefined> {
  const waiting = new AbortController();
  try {
    return await Promise.race([promise, sleep(ms, undefined, { signal: waiting.signal }).catch(() => undefined)]);
  } finally {
    waiting.abort();
  }
}

/** The last lines of a log, from `offset` bytes on. */
export function tail(file: string, offset = 0, lines: number = TAIL_LINES): string {
  try {
    return readFileSync(file)
      .subarray(offset)
      .toString("utf8")
      .trimEnd()
      .split("\n")
      .slice(-lines)
      .map((line) => `    ${line}`)
      .join("\n")
      .trimEnd();
  } catch {
    return "";
  }
}

/** Makes the folder, keeps one older log when this one is large, and returns where new output begins. */
export function prepareLog(file: string): number {
  mkdirSync(dirname(file), { recursive: true, mode: 0o711 });
  const size = statSync(file, { throwIfNoEntry: false })?.size ?? 0;
  if (size < LOG_MAX_BYTES) return size;
  renameSync(file, `${file}.1`);
  return 0;
}
