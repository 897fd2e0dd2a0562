import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { DataFolder, type PartState } from "./data-folder.ts";

const path = mkdtempSync(join(tmpdir(), "perdure-data-folder-"));
afterAll(() => rmSync(path, { recursive: true, force: true }));

test.runIf(process.platform === "linux")("When a remembered server has ended, or its number is another program's, then it is known to have ended", () => {
  const folder = new DataFolder(path);
  folder.remember("postgres", { url: "postgres://x", port: 1, pid: process.pid });
  const state = folder.read("postgres") as PartState;
  expect(folder.hasEnded(state)).toBe(false);
  expect(folder.hasEnded({ ...state, began: "1" })).toBe(true);
  expect(folder.hasEnded({ ...state, pid: spawnSync(process.execPath, ["-e", ""]).pid })).toBe(true);
});
