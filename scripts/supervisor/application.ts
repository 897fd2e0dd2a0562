import { spawn } from "node:child_process";
import { createWriteStream, openSync, closeSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describeExit, type Exit, keeper, kill, prepareLog, PROCESS_SETTINGS, type Server, StartError, tail, within } from "../infra/index.ts";

export interface ApplicationCommand {
  name: "api" | "worker";
  env: NodeJS.ProcessEnv;
  logFile: string;
}

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const ENTRY = { api: "api/server.ts", worker: "worker/main.ts" };
const READY_MS = 120_000;
/** A worker lets attempts in flight end for 20 s and forces an end after 30. */
const STOP_MS = 35_000;
/** In the logs of api and worker. */
const FATAL = 60;

/** Starts the api or a worker as a process of its own; returns when its line on standard output says that it is ready. @throws StartError. */
export async function startApplication({ name, env, logFile }: ApplicationCommand): Promise<Server> {
  const offset = prepareLog(logFile);
  const log = openSync(logFile, "a", 0o600);
  const child = spawn(process.execPath, ["--disable-warning=ExperimentalWarning", ENTRY[name]], {
    cwd: ROOT,
    env: { ...PROCESS_SETTINGS, ...env },
    detached: true,
    stdio: ["ignore", "pipe", log],
  });
  closeSync(log);
  let ended: Exit | undefined;
  const exited = new Promise<Exit>((resolve) => {
    child.once("error", () => resolve((ended = { code: 127, signal: null })));
    child.once("exit", (code, signal) => resolve((ended = { code, signal })));
  });
  const { pid, stdout } = child;
  if (pid === undefined || stdout === null) throw new StartError(`${name} could not be run.`, "");
  keeper().watch(pid, "SIGTERM");
  void exited.then(() => {
    kill(-pid, "SIGKILL");
    keeper().release(pid);
  });

  const copy = createWriteStream(logFile, { flags: "a", mode: 0o600 });
  const ready = new Promise<string>((resolve) => {
    let rest = "";
    stdout.on("data", (chunk: Buffer) => {
      copy.write(chunk);
      const lines = (rest + chunk.toString()).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) {
        const url = readyUrl(line);
        if (url !== undefined) resolve(url);
      }
    });
    stdout.once("end", () => copy.end());
  });
  const stop = async () => {
    if (ended === undefined) kill(pid, "SIGTERM");
    if ((await within(exited, STOP_MS)) !== undefined) return;
    kill(-pid, "SIGKILL");
    await exited;
  };
  const outcome = await within(Promise.race([ready, exited]), READY_MS);
  if (outcome === undefined) {
    kill(-pid, "SIGKILL");
    throw new StartError(`${name} was not ready within ${READY_MS / 1000} s.`, tail(logFile, offset));
  }
  if (typeof outcome !== "string") {
    const output = tail(logFile, offset);
    throw new StartError(`${name} ended before it was ready (${describeExit(outcome)}).`, lastWord(output) ?? output);
  }
  return { name, url: outcome, port: Number(outcome === "" ? 0 : new URL(outcome).port), pid, exited, stop };
}

/** Why a process says that it gives up, in the last line of its log that does; undefined where none does. */
export function lastWord(log: string): string | undefined {
  for (const line of log.split("\n").reverse()) {
    if (!line.trimStart().startsWith("{")) continue;
    try {
      const { level, msg } = JSON.parse(line) as { level?: unknown; msg?: unknown };
      if (level === FATAL && typeof msg === "string") return `    ${msg}`;
    } catch {
      // A line that was cut off.
    }
  }
  return undefined;
}

function readyUrl(line: string): string | undefined {
  if (!line.startsWith("{")) return undefined;
  try {
    const said = JSON.parse(line) as { listening?: string; ready?: boolean };
    return said.listening ?? (said.ready === true ? "" : undefined);
  } catch {
    return undefined;
  }
}
