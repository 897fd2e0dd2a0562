import { describe, expect, test } from "vitest";
import { storableJson, toJsonText, toParameter } from "./values.ts";

describe("toJsonText", () => {
  test("When text holds what jsonb cannot, then it is replaced; when it only looks like it, then it stays", () => {
    for (const [given, kept] of [
      ["a\0b", "a\ufffdb"],
      ["\ud800", "\ufffd"],
      ["x\udfffy", "x\ufffdy"],
      ["\\u0000", "\\u0000"],
      ["\\\0", "\\\ufffd"],
      ["🙂", "🙂"],
      ["\u001f", "\u001f"],
    ]) {
      expect(JSON.parse(toJsonText({ [given as string]: [given] }))).toEqual({ [kept as string]: [kept] });
    }
  });

  test("When the text is JSON already, then escapes written by others are found in any case", () => {
    expect(JSON.parse(storableJson('"\\uD83D\\uDE42 \\u0000 \\\\u0000"'))).toBe("\ufffd\ufffd \ufffd \\u0000");
  });

  test("When there is nothing to write, then it is null", () => {
    expect(toJsonText(undefined)).toBe("null");
  });
});

describe("toParameter", () => {
  test("When a value is a scalar or a date, then it is one the driver can write", () => {
    expect([undefined, null, "a\0", 1.5, true, 5n, new Date(0)].map(toParameter)).toEqual([null, null, "a\ufffd", 1.5, true, "5", "1970-01-01T00:00:00.000Z"]);
  });

  test("When a value is anything else, then it is refused before the driver sees it", () => {
    for (const value of [{}, [], () => 1, Symbol("s")]) expect(() => toParameter(value)).toThrow(TypeError);
  });
});
