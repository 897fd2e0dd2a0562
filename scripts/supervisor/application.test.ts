import { expect, test } from "vitest";
import { lastWord } from "./application.ts";

test("When a process ended, then its last word is the message of its last fatal line, without its stack", () => {
  const line = (level: number, msg: string) => `    ${JSON.stringify({ level, err: { stack: "at file:1" }, msg })}`;
  expect(lastWord([line(60, "first"), line(60, "OUTBOUND_ALLOW takes hosts."), line(30, "bye"), "    {cut off"].join("\n"))).toBe(
    "    OUTBOUND_ALLOW takes hosts.",
  );
  expect(lastWord(["    Settings in the environment are wrong:", line(50, "no")].join("\n"))).toBeUndefined();
});
