import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";

const read = (path: string): string => readFileSync(new URL(`../${path}`, import.meta.url), "utf8");

/** Regions of a file, each without the indentation of its first line. */
function regions(source: string): string[] {
  return [...source.matchAll(/^( *)\/\/ #region \S+\n([\s\S]*?)^ *\/\/ #endregion$/gm)].map(([, indent = "", text = ""]) =>
    text.replaceAll(new RegExp(`^${indent}`, "gm"), "").trimEnd(),
  );
}

describe("docs/client.md", () => {
  test("D9: When it shows TypeScript, then that is what a test compiles and runs, and all of it", () => {
    const shown = [...read("docs/client.md").matchAll(/^```ts\n([\s\S]*?)^```$/gm)].map(([, text = ""]) => text.trimEnd());
    expect(shown.length).toBeGreaterThan(8);
    expect(shown.toSorted()).toEqual(regions(read("tests/e2e/client.examples.ts")).toSorted());
  });
});
