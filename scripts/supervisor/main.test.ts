import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { DataFolder } from "./data-folder.ts";

test("When a second start is refused because the first one runs, then it says who runs and not that anything was stopped", () => {
  const path = mkdtempSync(join(tmpdir(), "perdure-second-start-"));
  const release = new DataFolder(path).claim("postgres");
  try {
    const { status, stdout } = spawnSync(process.execPath, ["--disable-warning=ExperimentalWarning", join(import.meta.dirname, "main.ts")], {
      env: { ...process.env, PERDURE_DATA: path },
      encoding: "utf8",
    });
    expect(stdout).toContain(`postgres of ${path} is already running, under process ${process.pid}.`);
    expect(stdout).not.toContain("Stopped");
    expect(status).toBe(1);
  } finally {
    release();
    rmSync(path, { recursive: true });
  }
});
