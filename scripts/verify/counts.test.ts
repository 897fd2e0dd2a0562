import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { readCounts } from "./counts.ts";

describe("When a test report is counted", () => {
  let folder: string;
  const write = (testResults: { status: string; assertionResults: { status: string }[] }[]) => {
    const all = testResults.flatMap(({ assertionResults }) => assertionResults.map(({ status }) => status));
    const file = join(folder, "report.json");
    writeFileSync(
      file,
      JSON.stringify({
        numPassedTests: all.filter((each) => each === "passed").length,
        numFailedTests: all.filter((each) => each === "failed").length,
        testResults,
      }),
    );
    return file;
  };
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "perdure-counts-"));
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  test("When tests passed and failed, then both are counted", () => {
    const report = write([{ status: "failed", assertionResults: [{ status: "passed" }, { status: "failed" }] }]);
    expect(readCounts(report, 1)).toEqual({ passed: 1, failed: 1 });
  });

  test("When a file could not be loaded, then it is one failure", () => {
    const report = write([
      { status: "failed", assertionResults: [] },
      { status: "passed", assertionResults: [{ status: "passed" }] },
    ]);
    expect(readCounts(report, 1)).toEqual({ passed: 1, failed: 1 });
  });

  test("When all passed but the run failed, then it is one failure", () => {
    expect(readCounts(write([{ status: "passed", assertionResults: [{ status: "passed" }] }]), 1)).toEqual({ passed: 1, failed: 1 });
  });

  test("When there is no report, then it is one failure", () => {
    expect(readCounts(join(folder, "none.json"), 0)).toEqual({ passed: 0, failed: 1 });
  });
});
