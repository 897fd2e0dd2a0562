import { describe, expect, test } from "vitest";
import { checkJavaScript } from "./javascript.ts";

describe("code of a node", () => {
  test.each([
    "return input.n + variables.step",
    "await 1; for await (const x of input) {} return new.target",
    "return /(?<year>\\d{4})/v.exec(inputs.date)?.groups ?? null // the end",
    "const { a, ...rest } = input; with (rest) { return a }",
    "",
  ])("B1: When %j is checked, then it may be saved", (code) => {
    expect(checkJavaScript(code)).toEqual({ ok: true });
  });

  test.each([
    ["return {", "it ends too early (line 1)"],
    ["const a = {\n  b: 1,\n\n", "it ends too early (line 2)"],
    ["const a = 1;\nconst b = ;", "unexpected token (line 2)"],
    ["return `a", "unterminated template (line 1)"],
    ["let input = 1", "identifier 'input' has already been declared (line 1)"],
    ["const n: number = 1", "unexpected token (line 1)"],
    ["import fs from 'fs'", "'import' and 'export' may only appear at the top level (line 1)"],
    ["}); (() => {", "it closes a brace that it did not open"],
  ])("B1: When %j is checked, then it does not parse: %s", (code, reason) => {
    expect(checkJavaScript(code)).toEqual({ ok: false, message: `The code does not parse: ${reason}.` });
  });

  test("B1: When a template stands in code, then the hint says what can be read", () => {
    expect(checkJavaScript("return {{input.n}}")).toMatchObject({ ok: false, hint: expect.stringContaining("`input`") as string });
  });

  test("B1: When code is nested deeper than the parser goes, then it is left to the engine", () => {
    expect(checkJavaScript(`return 1${"+1".repeat(100_000)}`)).toEqual({ ok: true });
  });

  test("B1: When code is checked, then it is not run", () => {
    expect(checkJavaScript("globalThis.ran = true; throw new Error()")).toEqual({ ok: true });
    expect("ran" in globalThis).toBe(false);
  });
});
