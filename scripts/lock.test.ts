import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { beginningOf, lock, read, tryLock } from "./lock.mjs";

describe("When a lock is a file", () => {
  let folder: string;
  let file: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "perdure-lock-"));
    file = join(folder, "part.lock");
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  test("When it is free, then it is taken, and another learns by whom", () => {
    const first = tryLock(file, { part: "api" });
    expect("release" in first).toBe(true);
    expect(tryLock(file)).toMatchObject({ holder: { pid: process.pid, note: { part: "api" } } });
  });

  test("When its process is dead, then it is taken over", () => {
    writeFileSync(file, JSON.stringify({ pid: 2 ** 22 - 1, began: "1", note: {} }));
    expect("release" in tryLock(file)).toBe(true);
    expect(read(file)?.pid).toBe(process.pid);
  });

  test.runIf(process.platform === "linux")("When its process number now belongs to another program, then it is taken over", () => {
    writeFileSync(file, JSON.stringify({ pid: process.ppid, began: `${Number(beginningOf(process.ppid)) + 1}`, note: {} }));
    expect("release" in tryLock(file)).toBe(true);
  });

  test("When it is damaged, then it is taken over", () => {
    writeFileSync(file, "{");
    expect("release" in tryLock(file)).toBe(true);
  });

  test("When it is given back, then who waits gets it", async () => {
    const first = tryLock(file);
    const waiting = lock(file);
    if ("release" in first) first.release();
    const release = await waiting;
    expect(read(file)?.pid).toBe(process.pid);
    release();
    expect(read(file)).toBeUndefined();
  });
});
