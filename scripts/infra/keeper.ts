import { type ChildProcess, spawn } from "node:child_process";
import { fileURLToPath } from "node:url";

/**
 * Makes sure that nothing outlives this process, even one that dies by `kill -9`: a small process of its own holds the list of what was
 * started and, when the pipe to this process closes, stops what is left and removes temporary folders.
 */
export interface Keeper {
  /** Watches the process group of `pid`; `signal` asks it to stop, SIGKILL follows after five seconds. */
  watch(pid: number, signal: NodeJS.Signals): void;
  release(pid: number): void;
  /** Removes a folder after everything has stopped. */
  remove(folder: string): void;
  keep(folder: string): void;
}

export type KeeperMessage = { watch: number; signal: NodeJS.Signals } | { release: number } | { remove: string } | { keep: string };

let instance: Keeper | undefined;

export function keeper(): Keeper {
  instance ??= start();
  return instance;
}

function start(): Keeper {
  const child: ChildProcess = spawn(process.execPath, [fileURLToPath(new URL("./keeper-main.ts", import.meta.url))], {
    stdio: ["pipe", "ignore", "ignore"],
    detached: true,
    cwd: "/",
  });
  const { stdin } = child;
  child.unref();
  stdin?.on("error", () => {});
  (stdin as unknown as { unref?: () => void } | null)?.unref?.();
  const send = (message: KeeperMessage) => stdin?.write(`${JSON.stringify(message)}\n`);
  return {
    watch: (pid, signal) => void send({ watch: pid, signal }),
    release: (pid) => void send({ release: pid }),
    remove: (folder) => void send({ remove: folder }),
    keep: (folder) => void send({ keep: folder }),
  };
}
