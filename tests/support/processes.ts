import { type ChildProcess, spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { afterEach } from "vitest";
import { describeExit, type Exit, keeper, kill, PROCESS_SETTINGS, within } from "../../scripts/infra/index.ts";

/** An api or a worker of ours, running as a process of its own. */
export interface RunningProcess {
  readonly pid: number;
  /** Where the api listens; undefined for a worker. */
  readonly url: string | undefined;
  readonly exited: Promise<Exit>;
  /** Everything it has written so far. */
  logs(): string;
  /** Ends it without notice, as the kernel's memory killer would; `exited` says when it has gone. */
  kill9(): void;
  /** Asks it to stop; SIGKILL after 40 s. */
  stop(): Promise<void>;
}

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const READY_MS = 60_000;
const STOP_MS = 40_000;
/** Of each process, when a test fails. */
const SHOWN_LINES = 200;
const PASSED_ON = ["PATH", "HOME", "TMPDIR", "TZ", "LANG"];

/** Starts `api/server.ts` of the source tree `root`, with `nodeArgs` before it; returns when it listens. Nothing of this process's own settings reaches it but `env`. */
export function startApi(env: Record<string, string>, nodeArgs: readonly string[] = [], root = ROOT): Promise<RunningProcess> {
  return start("api", [...nodeArgs, "api/server.ts"], env, root, (line) => (typeof line["listening"] === "string" ? { url: line["listening"] } : undefined));
}

/** Starts `worker/main.ts`, with `nodeArgs` before it; returns when it polls. */
export function startWorker(env: Record<string, string>, nodeArgs: readonly string[] = [], root = ROOT): Promise<RunningProcess> {
  return start("worker", [...nodeArgs, "worker/main.ts"], env, root, (line) => (line["ready"] === true ? { url: undefined } : undefined));
}

/** What was started in this test file. */
const shown: { name: string; pid: number; logs(): string }[] = [];

type Ready = { url: string | undefined };

async function start(
  name: string,
  args: readonly string[],
  env: Record<string, string>,
  root: string,
  isReady: (line: Record<string, unknown>) => Ready | undefined,
): Promise<RunningProcess> {
  const passedOn = Object.fromEntries(PASSED_ON.flatMap((key) => (process.env[key] === undefined ? [] : [[key, process.env[key]]])));
  const child = spawn(process.execPath, args, {
    cwd: root,
    detached: true,
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...PROCESS_SETTINGS, ...passedOn, ...env },
  });
  const { pid } = child;
  child.once("error", () => {});
  if (pid === undefined) throw new Error(`${name} could not be run.`);
  keeper().watch(pid, "SIGTERM");
  let output = "";
  const exited = new Promise<Exit>((resolve) => child.once("exit", (code, signal) => resolve({ code, signal })));
  void exited.then(() => {
    kill(-pid, "SIGKILL");
    keeper().release(pid);
  });
  const append = (chunk: Buffer) => (output += chunk.toString());
  child.stderr.on("data", append);
  const logs = () => output;
  shown.push({ name, pid, logs });

  const ready = await within(Promise.race([readiness(child, append, isReady), exited]), READY_MS);
  if (ready === undefined || "code" in ready) {
    kill(-pid, "SIGKILL");
    throw new Error(
      `${name} ${ready === undefined ? `was not ready within ${READY_MS / 1000} s` : `ended before it was ready (${describeExit(ready)})`}. It wrote:\n${output}`,
    );
  }
  return {
    pid,
    url: ready.url,
    exited,
    logs,
    kill9: () => void kill(-pid, "SIGKILL"),
    async stop() {
      kill(pid, "SIGTERM");
      if ((await within(exited, STOP_MS)) !== undefined) return;
      kill(-pid, "SIGKILL");
      await exited;
    },
  };
}

function readiness(child: ChildProcess, append: (chunk: Buffer) => void, isReady: (line: Record<string, unknown>) => Ready | undefined): Promise<Ready> {
  return new Promise((resolve) => {
    let rest = "";
    child.stdout?.on("data", (chunk: Buffer) => {
      append(chunk);
      const lines = (rest + chunk.toString()).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) {
        const found = line.startsWith("{") ? isReady(JSON.parse(line) as Record<string, unknown>) : undefined;
        if (found !== undefined) resolve(found);
      }
    });
  });
}

afterEach(({ task }) => {
  if (task.result?.state !== "fail") return;
  for (const { name, pid, logs } of shown)
    process.stderr.write(`--- ${name} (process ${pid}) wrote ---\n${logs().split("\n").slice(-SHOWN_LINES).join("\n")}\n`);
});
