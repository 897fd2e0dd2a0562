import { expect, test } from "vitest";
import { rate } from "./rate.ts";

test.each([
  ["600/m", { tokens: 600, perMs: 60_000, burst: 600 }],
  ["10/s burst 50", { tokens: 10, perMs: 1_000, burst: 50 }],
  [" 5/h,burst=2 ", { tokens: 5, perMs: 3_600_000, burst: 2 }],
  ["off", undefined],
])("F4: When a rate is written %s, then it is read so", (text, expected) => {
  expect(rate.parse(text)).toEqual(expected);
});

test.each(["", "600", "0/m", "1/d", "-1/s", "10/s burst 0", "none", "1e3/s"])("F4: When a rate is written %j, then it is refused", (text) => {
  expect(rate.safeParse(text).success).toBe(false);
});
