import { readFileSync } from "node:fs";

interface Report {
  numPassedTests: number;
  numFailedTests: number;
  testResults: { status: string; assertionResults: { status: string }[] }[];
}

/**
 * Passed and failed tests of vitest's JSON report. A file that could not be loaded counts as one failure, as does a run that failed for
 * another reason (an error nobody caught, no report at all).
 */
export function readCounts(report: string, exitCode: number): { passed: number; failed: number } {
  let read: Report | undefined;
  try {
    read = JSON.parse(readFileSync(report, "utf8")) as Report;
  } catch {
    return { passed: 0, failed: 1 };
  }
  const brokenFiles = read.testResults.filter(
    ({ status, assertionResults }) => status === "failed" && !assertionResults.some((each) => each.status === "failed"),
  ).length;
  const failed = read.numFailedTests + brokenFiles;
  return { passed: read.numPassedTests, failed: failed === 0 && exitCode !== 0 ? 1 : failed };
}
