import { randomBytes } from "node:crypto";
import { existsSync, linkSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

/**
 * Locks between processes as files; plain JavaScript because the launcher uses it before anything is installed.
 * A lock names its process and when that began, so one left behind by a dead process is taken over.
 * @typedef {{ pid: number, began: string, note: Record<string, unknown> }} Holder
 */

const POLL_MS = 250;

/**
 * Takes the lock if it is free.
 * @param {string} file
 * @param {Record<string, unknown>} [note] What others may read about the holder.
 * @returns {{ release: () => void } | { holder: Holder }}
 */
export function tryLock(file, note = {}) {
  mkdirSync(dirname(file), { recursive: true });
  const mine = `${file}.${process.pid}.${randomBytes(4).toString("hex")}`;
  writeFileSync(mine, JSON.stringify({ pid: process.pid, began: beginningOf(process.pid), note }), { mode: 0o600 });
  try {
    for (;;) {
      try {
        linkSync(mine, file);
        return { release: () => release(file) };
      } catch (error) {
        if (error.code !== "EEXIST") throw error;
      }
      const holder = read(file);
      if (holder !== undefined && isAlive(holder)) return { holder };
      takeAway(file, holder);
    }
  } finally {
    rmSync(mine, { force: true });
  }
}

/**
 * Waits for the lock as long as it takes.
 * @param {string} file
 * @param {(holder: Holder) => void} [onWait] Called once, when somebody else has it.
 * @returns {Promise<() => void>} gives it back
 */
export async function lock(file, onWait) {
  for (let waited = false; ; waited = true) {
    const taken = tryLock(file);
    if ("release" in taken) return taken.release;
    if (!waited) onWait?.(taken.holder);
    await sleep(POLL_MS);
  }
}

/**
 * @param {string} file
 * @returns {Holder | undefined}
 */
export function read(file) {
  try {
    return JSON.parse(readFileSync(file, "utf8"));
  } catch {
    return undefined;
  }
}

/**
 * Whether the process that made the lock still runs; a process number that was given to another program does not count.
 * @param {Holder} holder
 */
export function isAlive({ pid, began }) {
  try {
    process.kill(pid, 0);
  } catch (error) {
    if (error.code !== "EPERM") return false;
  }
  return began === "" || beginningOf(pid) === began;
}

/** @param {string} file */
function release(file) {
  if (read(file)?.pid === process.pid) rmSync(file, { force: true });
}

/**
 * Moves a lock without owner out of the way; one that was taken by somebody meanwhile is put back.
 * @param {string} file
 * @param {Holder | undefined} expected
 */
function takeAway(file, expected) {
  const aside = `${file}.${process.pid}.${randomBytes(4).toString("hex")}`;
  try {
    renameSync(file, aside);
  } catch {
    return;
  }
  const moved = read(aside);
  if (moved !== undefined && JSON.stringify(moved) !== JSON.stringify(expected) && isAlive(moved) && !existsSync(file)) {
    try {
      linkSync(aside, file);
    } catch {
      /* somebody took the free place: their lock stands */
    }
  }
  rmSync(aside, { force: true });
}

/**
 * When a process began, in the kernel's own count; empty where /proc does not exist.
 * @param {number} pid
 */
export function beginningOf(pid) {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, "utf8");
    return text.slice(text.lastIndexOf(")") + 2).split(" ")[19] ?? "";
  } catch {
    return "";
  }
}
