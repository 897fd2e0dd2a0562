import { globSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { REQUIREMENTS } from "./requirements.ts";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const ID = "[A-M][1-9]\\d?";
const TITLE = new RegExp(`\\b(?:test|it|describe)(?:\\.\\w+(?:\\([^)]*\\))?)*\\(\\s*["'\`](${ID}(?:(?:, | and |/| )${ID})*): `, "g");
const CALL = /\bverifies\(\s*\[([^\]]*)\]/g;

/** What the issues so far have promised in full. A row is done when a test proves it. */
const PROMISED = [
  "A1",
  "A2",
  "A3",
  "A4",
  "A5",
  "A6",
  "A8",
  "A9",
  "A10",
  "A11",
  "A12",
  "A13",
  "A14",
  "A15",
  "A16",
  "A17",
  "A18",
  "C1",
  "C2",
  "C3",
  "D1",
  "D2",
  "D3",
  "D4",
  "D5",
  "D7",
  "D8",
  "D9",
  "F1",
  "F2",
  "F3",
  "F4",
  "F5",
  "F6",
  "G1",
  "G2",
  "G3",
  "G4",
  "K1",
  "K2",
  "K3",
  "K5",
  "K6",
  "M5",
];

/** Requirement id → the test files that cite it. */
function citations(): Map<string, Set<string>> {
  const found = new Map<string, Set<string>>();
  const files = globSync("**/*.test.ts", { cwd: ROOT, exclude: (name) => name === "node_modules" || name === ".perdure" });
  for (const file of files) {
    const text = readFileSync(`${ROOT}/${file}`, "utf8");
    const cited = [...text.matchAll(TITLE), ...text.matchAll(CALL)].flatMap((match) => (match[1] ?? "").match(new RegExp(ID, "g")) ?? []);
    for (const id of cited) found.set(id, (found.get(id) ?? new Set()).add(file));
  }
  return found;
}

describe("When the tests are read for what they prove", () => {
  const cited = citations();

  test("When a test cites a requirement, then that requirement exists", () => {
    const unknown = [...cited].filter(([id]) => !Object.hasOwn(REQUIREMENTS, id)).map(([id, files]) => `${id} in ${[...files].join(", ")}`);
    expect(unknown).toEqual([]);
  });

  test("When a requirement is promised, then a test cites it", () => {
    expect(PROMISED.filter((id) => !cited.has(id))).toEqual([]);
  });
});
