import { readFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import type { KeeperMessage } from "./keeper.ts";

/** The process behind `keeper()`: reads what to watch from standard input, acts when that closes. */
const STOP_MS = 5_000;

const watched = new Map<number, NodeJS.Signals>();
const folders = new Set<string>();

for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => {});

for await (const line of createInterface({ input: process.stdin })) {
  const message = JSON.parse(line) as KeeperMessage;
  if ("watch" in message) watched.set(message.watch, message.signal);
  else if ("release" in message) watched.delete(message.release);
  else if ("remove" in message) folders.add(message.remove);
  else folders.delete(message.keep);
}

for (const [pid, signal] of [...watched].toReversed()) {
  send(pid, signal);
  for (const deadline = Date.now() + STOP_MS; Date.now() < deadline && isRunning(pid);) await sleep(50);
  send(-pid, "SIGKILL");
}
for (const folder of folders) await rm(folder, { recursive: true, force: true, maxRetries: 3 });

/** A dead process that nobody has collected yet still has its number, but does not run. */
function isRunning(pid: number): boolean {
  if (!send(pid, 0)) return false;
  try {
    const text = readFileSync(`/proc/${pid}/stat`, "utf8");
    return text.slice(text.lastIndexOf(")") + 2)[0] !== "Z";
  } catch {
    return process.platform !== "linux";
  }
}

function send(pid: number, signal: NodeJS.Signals | 0): boolean {
  try {
    return process.kill(pid, signal);
  } catch {
    return false;
  }
}
